"""Processes of Snakemake: whether one is alive, how it stops, and jobs that end with theirs."""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

SECONDS_BETWEEN_LOOKS = 0.5


def is_snakemake(process: psutil.Process) -> bool:
    """Return whether a process exists and is Snakemake: `python -m snakemake …` or its script."""
    try:
        # A zombie process has an empty command line, or none.
        command = process.cmdline()
    except psutil.Error:
        return False
    return any(Path(word).name == "snakemake" for word in command[:5])


def end_with_snakemake() -> None:
    """End this process soon after one of the Snakemake processes above it has ended.

    Jobs outlive a main process that is killed, and would write beside the jobs of the next run.
    They receive SIGTERM, at which a training saves its state. The workers of data loaders and the
    ranks of a training watch their own parent.
    """
    above = [process for process in psutil.Process().parents() if is_snakemake(process)]
    threading.Thread(target=_watch, args=(above,), daemon=True).start()


def end_with_parent() -> None:
    """End this process by SIGTERM as soon as its parent has ended."""
    threading.Thread(target=_follow_parent, daemon=True).start()


def stop_without_deadlock() -> None:
    """Run the handler of SIGTERM in a thread of its own.

    Snakemake's handler waits for a lock that the interrupted thread may hold, so it would wait
    forever (`JobScheduler.exit_gracefully` of Snakemake 9).
    """
    stop = signal.getsignal(signal.SIGTERM)
    if callable(stop):
        handler: Callable[..., object] = stop
        signal.signal(
            signal.SIGTERM, lambda *given: threading.Thread(target=handler, args=given).start()
        )


def end_workers() -> None:
    """Kill child processes that may ignore SIGTERM, as loader workers do: Python would wait."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's raises an error for a killed worker
    for process in multiprocessing.active_children():
        process.kill()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _watch(above: list[psutil.Process]) -> None:
    while all(process.is_running() and is_snakemake(process) for process in above):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    logging.error("the Snakemake that started this job is gone; run the same command again")
    os.kill(os.getpid(), signal.SIGTERM)
