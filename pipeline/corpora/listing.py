"""List the files of a corpus by their names, without opening any."""

import os
from pathlib import Path
from typing import NamedTuple

from pipeline.base.errors import PipelineError
from pipeline.config import SPLITS, Split
from pipeline.corpora.roots import AUDIO_SUFFIXES, NOISE_FOLDERS

TRANSCRIPTS = ".trans.txt"


class Listing(NamedTuple):
    """Paths below a folder, each list sorted."""

    audio: list[Path]
    transcripts: list[Path]
    hidden: list[Path]
    """Files and folders whose names begin with a dot; the content of such folders is not listed."""
    broken: list[Path]
    """Broken links, except those named like audio, which are in `audio`."""


def list_speech(folder: Path) -> Listing:
    """List the files below the folder of a subset.

    Raises:
        PipelineError: as for `list_files`.
    """
    return list_files(folder, "check corpora.local.speech and corpora.local.subsets")


def list_noise(root: Path) -> dict[Split, Listing]:
    """List the files below the folder of each split, `{tr,cv,tt}`, of a corpus of noise.

    Raises:
        PipelineError: as for `list_files`.
    """
    cure = "corpora.local.noise must hold {tr,cv,tt}/*.wav"
    return {split: list_files(root / NOISE_FOLDERS[split], cure) for split in SPLITS}


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
