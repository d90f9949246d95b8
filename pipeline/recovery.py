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

# What only asks or tidies up, rather than runs: `-n` and `-t` also among other short options.
ASKS = re.compile(
    r"-[^-]*[nt].*|--dry.*|--list.*|--cleanup-(metadata|shadow)|--delete-(all|temp)-output"
    r"|--(report|(detailed-)?summary|dag|d3dag|rulegraph|filegraph|lint|archive|unlock|touch"
    r"|containerize|generate-unit-tests|export-cwl|print-compilation|help|version)(=.*)?"
)
CLUSTER = "cluster"
SECONDS_APART = 5  # at most, between two ways to tell when a process began

FULL = 1 << 20  # bytes
FEWEST = 16  # files that still fit; a run makes more as it starts


def only_asks(arguments: Sequence[str]) -> bool:
    """Whether a command line runs nothing, as far as it tells; Snakemake knows it too late."""
    return "dryrun" in arguments or any(ASKS.fullmatch(argument) for argument in arguments)


def recover(folder: Path, logs: Path, arguments: Sequence[str], local: bool) -> Iterator[str]:
    """Make a working folder fit for a run, unless another is in it; say what is done.

    Args:
        folder: Snakemake's own, `.snakemake`.
        logs: that of the logs and receipts of all jobs.
        arguments: of the command line; where it only asks, what would be done is said.
        local: whether jobs run on this machine, and end with their run.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    locks, runs, asks = folder / "locks", folder / "runs", only_asks(arguments)
    if "--unlock" in arguments:
        shutil.rmtree(runs, ignore_errors=True)
    if not asks:
        watch_disk(Path.cwd())
        others = note_run(runs, local)
        if not all(map(_was_killed, others)):
            return  # Snakemake itself refuses, and says how to unlock
        if others:
            yield from _clear(locks, others)
    if any(locks.glob("*.lock")):
        return
    damages = find_damages(logs)
    stale = find_stale(logs, damages)
    for output in () if asks else [*(damage.output for damage in damages), *stale]:
        discard(output)
    fate = f"{'would be' if asks else 'is'} removed, and made again where it is needed"
    for damage in damages:
        yield f"{damage}; {fate}"
    if stale:
        yield f"{stale[0]} and {len(stale) - 1} more: made of what is to be made again; {fate}"


def note_run(runs: Path, local: bool) -> list[Path]:
    """Note this run until it ends, before it locks; return the notes of others.

    A lock is left over where all others that are noted were killed, on this machine, and their
    jobs with them, which those of a cluster are not.
    """
    runs = runs.absolute()  # Snakemake leaves the folder before it ends
    runs.mkdir(parents=True, exist_ok=True)
    began = f"{psutil.Process().create_time():.0f}"
    parts = [socket.gethostname(), str(os.getpid()), began, *([] if local else [CLUSTER])]
    own = runs / ":".join(parts)
    own.touch()
    atexit.register(own.unlink, missing_ok=True)
    return [run for run in runs.iterdir() if run != own and ":" in run.name]


def _clear(locks: Path, killed: list[Path]) -> Iterator[str]:
    if any(locks.glob("*.lock")):
        shutil.rmtree(locks, ignore_errors=True)
        yield f"{Path.cwd()}: the run before was killed; its lock is removed"
    for run in killed:
        run.unlink(missing_ok=True)


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
    """Whether nothing more can be written on the disk of a folder: no bytes, or no files."""
    return shutil.disk_usage(folder).free < FULL or _holds_no_more_files(folder)


def say_full(path: Path | str) -> str:
    """The line for a file or folder whose disk is full."""
    place = Path(path).absolute()
    folder = next(folder for folder in (place, *place.parents) if folder.exists())
    if _holds_no_more_files(folder):
        return f"{path}: the disk is full, it can hold no more files; remove some, run again"
    return f"{path}: the disk is full; free some space, run again"


def _holds_no_more_files(folder: Path) -> bool:
    disk = os.statvfs(folder)
    return disk.f_files > 0 and disk.f_favail < FEWEST  # 0 files: it does not count them


def _say_if_full(folder: Path) -> None:
    if folder.exists() and is_full(folder):
        print(f"error: {say_full(folder)}", file=sys.stderr)


def _was_killed(run: Path) -> bool:
    host, number, began, *cluster = run.name.split(":")
    if host != socket.gethostname() or cluster:
        return False  # nobody here knows
    if int(number) == os.getpid():
        return True  # an earlier process of this number
    try:
        process = psutil.Process(int(number))
        same = abs(process.create_time() - int(began)) <= SECONDS_APART
        alive = same or is_snakemake(process)
        return not alive or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
