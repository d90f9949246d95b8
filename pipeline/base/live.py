"""Find other runs in a working folder, and whether one of them was certainly killed."""

import atexit
import os
import socket
import sys
from pathlib import Path
from typing import Any

import psutil

from pipeline.base.files import read_json, write_json
from pipeline.base.processes import is_snakemake

SECONDS_APART = 5  # largest difference between two ways to read when a process started
MACHINE, BOOT = Path("/etc/machine-id"), Path("/proc/sys/kernel/random/boot_id")
NAMESPACE = Path("/proc/self/ns/pid")  # a process number is valid in its namespace only


def note_run(runs: Path, local: bool) -> list[Path]:
    """Record this run until it ends, before it takes the lock; return the records of other runs.

    A lock is left over if all other recorded runs were killed, on this machine, and their jobs with
    them; the jobs of a cluster are not killed with their run.
    """
    runs = runs.absolute()  # Snakemake changes the working folder before it ends
    began = round(psutil.Process().create_time())
    own = runs / f"{socket.gethostname()}.{os.getpid()}.{began}"
    write_json(own, whereabouts() | {"pid": os.getpid(), "began": began, "local": local})
    atexit.register(own.unlink, missing_ok=True)
    return [run for run in runs.iterdir() if run != own and not run.name.startswith(".")]


def whereabouts() -> dict[str, str | None]:
    """Return host, machine, boot and PID namespace; None for what cannot be read."""
    return {
        "host": socket.gethostname(),
        "machine": _text(MACHINE),
        "boot": _text(BOOT),
        "namespace": str(NAMESPACE.readlink()) if NAMESPACE.is_symlink() else None,
    }


def was_killed(run: Path) -> bool:
    """Return whether a recorded run has certainly ended; where this is unknown it may be alive."""
    try:
        noted: dict[str, Any] = read_json(run)
        return noted["local"] and _is_gone(noted)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return False  # incomplete, or of another version


def _is_gone(noted: dict[str, Any]) -> bool:
    here = whereabouts()
    if noted["host"] != here["host"]:
        return False
    if noted["boot"] != here["boot"]:  # rebooted since, or another machine has its name
        return here["machine"] is not None and noted["machine"] == here["machine"]
    hidden = here["namespace"] is None and sys.platform == "linux"
    if hidden or noted["namespace"] != here["namespace"]:
        return False
    return noted["pid"] == os.getpid() or not _is_alive(noted["pid"], noted["began"])


def _is_alive(pid: int, began: int) -> bool:
    """Whether a process with this number runs that may be the one that started at this time."""
    try:
        os.kill(pid, 0)  # psutil would look in /proc, which may hide it
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return abs(process.create_time() - began) <= SECONDS_APART or is_snakemake(process)
    except psutil.Error:
        return True  # it exists, but is hidden from this user


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
