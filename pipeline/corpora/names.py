"""Names of recordings: two encodings of one name, and noises in nested folders."""

import unicodedata
from pathlib import PurePath

from pipeline.corpora.roots import NOISE_FOLDERS

SPLIT_OF: dict[str, str] = {folder: split for split, folder in NOISE_FOLDERS.items()}


def composed(name: str) -> str:
    """Return a name in the form for comparisons: macOS writes é as e and an accent, others as one.

    >>> composed("e\\u0301") == "\\u00e9"
    True
    """
    return unicodedata.normalize("NFC", name)


def noise_name(below: PurePath) -> str:
    """Return the name of a recording of noise from its path below the folder of its split.

    >>> noise_name(PurePath("rain.wav")), noise_name(PurePath("street/night/rain.wav"))
    ('rain', 'street_night_rain')
    """
    return "_".join([*below.parent.parts, below.stem])


def below_split(path: PurePath) -> tuple[str, PurePath]:
    """Return split and path below it, by the last folder of the path named `tr`, `cv` or `tt`.

    The split is empty if there is no such folder.

    >>> split, below = below_split(PurePath("wham_noise/cv/street/rain.wav"))
    >>> split, str(below)
    ('dev', 'street/rain.wav')
    """
    places = [place for place, part in enumerate(path.parts[:-1]) if part in SPLIT_OF]
    if not places:
        return "", PurePath(path.name)
    return SPLIT_OF[path.parts[places[-1]]], PurePath(*path.parts[places[-1] + 1 :])
