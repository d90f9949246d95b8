"""List the files of a corpus by their names, without opening any."""

import os
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from pipeline.base.errors import PipelineError
from pipeline.config import SPLITS, Split
from pipeline.corpora.roots import AUDIO_SUFFIXES, Corpus, Subset, Subsets, roots_of

TRANSCRIPTS = ".trans.txt"
LACKING: dict[Corpus, str] = {
    "speech": "check corpora.local.speech and corpora.local.subsets",
    "noise": "corpora.local.noise must hold {tr,cv,tt}/*.wav",
}
UNUSED: dict[Corpus, str] = {
    "speech": "add its own folders to corpora.local.subsets",
    "noise": "sort its recordings into them",
}


class Listing(NamedTuple):
    """Paths below a folder, each list sorted."""

    audio: list[Path]
    transcripts: list[Path]
    hidden: list[Path]
    """Files and folders whose names begin with a dot; the content of such folders is not listed."""
    broken: list[Path]
    """Broken links, except those named like audio, which are in `audio`."""


class Found(NamedTuple):
    """A subset that is there, and its files."""

    split: Split
    subset: Subset
    files: Listing


def list_corpus(subsets: Subsets, corpus: Corpus) -> list[Found]:
    """List the files of a corpus; each root has the subsets that it has.

    Args:
        subsets: of each split, every name of a subset in each root.
        corpus: of speech or of noise.

    Raises:
        PipelineError: a subset is in no root, a root has no subset, or as `list_files`.
    """
    cure = LACKING[corpus]
    found = [
        Found(split, subset, list_files(subset.folder, cure))
        for split in SPLITS
        for _, places in groupby(subsets[split], key=lambda subset: subset.name)
        for subset in _present(list(places), cure)
    ]
    used = {subset.root for _, subset, _ in found}
    unused = [root for root in roots_of(subsets) if root not in used]
    if unused:
        names = dict.fromkeys(subset.name for split in SPLITS for subset in subsets[split])
        raise PipelineError(
            f"corpora.local.{corpus}: {unused[0]}: has none of the folders {', '.join(names)};"
            f" {UNUSED[corpus]}, or take it out of the list"
        )
    return found


def _present(places: list[Subset], cure: str) -> list[Subset]:
    """The subsets of one name that are there, in the order of their roots."""
    present = [place for place in places if _is_there(place)]
    if not present:
        folders = ", ".join(str(place.folder) for place in places)
        raise PipelineError(f"{folders}: no such folder; {cure}")
    return present


def _is_there(subset: Subset) -> bool:
    """Whether there is anything of that name; whether it can be read is seen as it is listed."""
    try:
        subset.folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def list_files(folder: Path, cure: str) -> Listing:
    """List all files below a folder, at any depth; folders may be links to other places.

    Args:
        folder: the folder to list.
        cure: the advice if there is no such folder.

    Raises:
        PipelineError: no such folder, one that may not be read, or a link to a folder above it.
    """
    found = Listing([], [], [], [])
    try:
        _list_into(found, folder, [])
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PipelineError(f"{error.filename}: no such folder; {cure}") from error
    for paths in found:
        paths.sort()
    return found


def _list_into(found: Listing, folder: Path, above: list[tuple[int, int]]) -> None:
    """Add the content of a folder; `above` are device and inode of the folders that lead to it."""
    try:
        with os.scandir(folder) as entries:
            listed = list(entries)
        for entry in listed[:1]:  # a folder may allow only the reading of its names
            entry.stat(follow_symlinks=False)
    except PermissionError as error:
        raise PipelineError(f"{folder}: may not be read; check its permissions") from error
    status = folder.stat()
    place = (status.st_dev, status.st_ino)
    if place in above:
        raise PipelineError(f"{folder}: is a link to a folder above it; remove the link")
    for entry in listed:
        path = folder / entry.name
        if entry.name.startswith("."):
            found.hidden.append(path)
        elif _is_folder(entry):
            _list_into(found, path, [*above, place])
        elif path.suffix.lower() in AUDIO_SUFFIXES:
            found.audio.append(path)
        elif entry.is_symlink() and not path.exists():
            found.broken.append(path)
        elif entry.name.endswith(TRANSCRIPTS):
            found.transcripts.append(path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except PermissionError as error:
        raise PipelineError(f"{entry.path}: may not be read; check its permissions") from error
    except OSError:  # a link to itself
        return False
