"""Checks for disks that have no room left, for bytes or for files."""

import atexit
import errno
import os
import shutil
import sys
from pathlib import Path

FULL = 1 << 20  # bytes
FEWEST = 16  # files that must still fit; a run creates more when it starts


def watch_disk(folder: Path) -> None:
    """Refuse to start on a full disk, and report at the end of the run if the disk is full.

    Snakemake itself does not report files of its own that it could not write.

    Raises:
        OSError: the disk is full.
    """
    if is_full(folder):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    atexit.register(_say_if_full, folder)


def is_full(folder: Path) -> bool:
    """Return whether nothing more can be written on the disk of a folder: no bytes, or no files."""
    return shutil.disk_usage(folder).free < FULL or _holds_no_more_files(folder)


def say_full(path: Path | str) -> str:
    """Return the error line for a file or folder whose disk is full."""
    place = Path(path).absolute()
    folder = next(folder for folder in (place, *place.parents) if folder.exists())
    if _holds_no_more_files(folder):
        return f"{path}: the disk is full, it can hold no more files; remove some, run again"
    return f"{path}: the disk is full; free some space, run again"


def _holds_no_more_files(folder: Path) -> bool:
    disk = os.statvfs(folder)
    return disk.f_files > 0 and disk.f_favail < FEWEST  # 0: not counted by this file system


def _say_if_full(folder: Path) -> None:
    if folder.exists() and is_full(folder):
        print(f"error: {say_full(folder)}", file=sys.stderr)
