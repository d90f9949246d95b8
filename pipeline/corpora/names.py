"""Names of recordings: two spellings of one name, and noises in folders of folders."""

import unicodedata
from pathlib import PurePath

from pipeline.corpora.roots import NOISE_FOLDERS

SPLIT_OF: dict[str, str] = {folder: split for split, folder in NOISE_FOLDERS.items()}


def composed(name: str) -> str:
    """The form of a name to compare by: macOS writes é as e and an accent, others as one.

    >>> composed("e\\u0301") == "\\u00e9"
    True
    """
    return unicodedata.normalize("NFC", name)


def noise_name(below: PurePath) -> str:
    """Name of a recording of noise at a path below the folder of its split.

    >>> noise_name(PurePath("rain.wav")), noise_name(PurePath("street/night/rain.wav"))
    ('rain', 'street_night_rain')
    """
    return "_".join([*below.parent.parts, below.stem])


def below_split(path: PurePath) -> tuple[str, PurePath]:
    """Split of a recording of noise by the last folder named `tr`, `cv` or `tt`; the path below.

    The split is empty where no folder is named so.

    >>> split, below = below_split(PurePath("wham_noise/cv/street/rain.wav"))
    >>> split, str(below)
    ('dev', 'street/rain.wav')
    """
    places = [place for place, part in enumerate(path.parts[:-1]) if part in SPLIT_OF]
    if not places:
        return "", PurePath(path.name)
    return SPLIT_OF[path.parts[places[-1]]], PurePath(*path.parts[places[-1] + 1 :])
