"""What is mended as a run starts: the lock of a killed one, and outputs damaged since."""

import atexit
import errno
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from pipeline.processes import is_snakemake
from pipeline.receipts import discard, find_damages, find_stale

# `-n`, also among other short options, and what argparse takes for `--dry-run`.
DRY_RUN = re.compile(r"-[eFfknpqt]*n[eFfknpqt]*|--dry.*")

FULL = 1 << 20  # bytes


def is_dry_run(arguments: Sequence[str]) -> bool:
    """Whether a command line only asks what would be done; Snakemake knows it too late."""
    return any(DRY_RUN.fullmatch(argument) for argument in arguments)


def recover(folder: Path, logs: Path, dry: bool) -> Iterator[str]:
    """Make a working folder fit for a run, unless another is in it; say what is done.

    Args:
        folder: Snakemake's own, `.snakemake`.
        logs: that of the logs and receipts of all jobs.
        dry: whether to only say it.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    locks, runs = folder / "locks", folder / "runs"
    if not dry:
        watch_disk(Path.cwd())
        if unlock(locks, runs):
            yield f"{Path.cwd()}: the run before was killed; its lock is removed"
    if any(locks.glob("*.lock")):
        return  # Snakemake itself refuses, and says how to unlock
    damages = find_damages(logs)
    stale = find_stale(logs, damages)
    for output in () if dry else [*(damage.output for damage in damages), *stale]:
        discard(output)
    fate = f"{'would be' if dry else 'is'} removed, and made again where it is needed"
    for damage in damages:
        yield f"{damage}; {fate}"
    if stale:
        yield f"{stale[0]} and {len(stale) - 1} more: made of what is to be made again; {fate}"


def unlock(locks: Path, runs: Path) -> bool:
    """Remove the lock of a killed run; return whether there was one.

    Every run notes itself in `runs` before it locks, and takes that back as it ends. A lock is
    left over where all others that are noted were killed, on this machine.
    """
    runs = runs.absolute()  # Snakemake leaves the folder before it ends
    runs.mkdir(parents=True, exist_ok=True)
    # The time tells it from a killed run of the same number.
    own = runs / f"{socket.gethostname()}.{os.getpid()}.{psutil.Process().create_time():.0f}"
    own.touch()
    atexit.register(own.unlink, missing_ok=True)
    others = [run for run in runs.iterdir() if run != own]
    if not others or not all(_was_killed(run) for run in others):
        return False
    locked = any(locks.glob("*.lock"))
    shutil.rmtree(locks, ignore_errors=True)
    for run in others:
        run.unlink(missing_ok=True)
    return locked


def watch_disk(folder: Path) -> None:
    """Refuse a full disk, and say as the run ends that it is full, if it is.

    Snakemake tells of the files of its own that it could not write.

    Raises:
        OSError: the disk is full.
    """
    if is_full(folder):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    atexit.register(_say_if_full, folder)


def is_full(folder: Path) -> bool:
    """Whether nothing more can be written on the disk of a folder."""
    return shutil.disk_usage(folder).free < FULL


def _say_if_full(folder: Path) -> None:
    if folder.exists() and is_full(folder):
        print(f"error: {folder}: the disk is full; free some space, run again", file=sys.stderr)


def _was_killed(run: Path) -> bool:
    host, number, _ = run.name.rsplit(".", 2)
    if host != socket.gethostname():
        return False  # nobody here knows
    try:
        return int(number) == os.getpid() or not is_snakemake(psutil.Process(int(number)))
    except psutil.NoSuchProcess:
        return True
