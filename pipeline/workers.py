"""The same function in several processes, which end with this one."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from threading import Thread
from typing import TypeVar

from pipeline.processes import end_workers

T = TypeVar("T")
R = TypeVar("R")

# How many threads libraries of linear algebra start, which they read as they are loaded.
NUMERIC_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def in_workers(workers: int, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """Yield `function(item)` of all items, in their order.

    One worker is this process. Several are processes of one numeric thread each; function, items
    and results are then pickled.

    Raises:
        BrokenProcessPool: a worker was killed.
        Exception: of the first item that fails, as if there were no other process.
    """
    if workers == 1 or not items:
        yield from map(function, items)
        return
    context = multiprocessing.get_context("spawn")  # a fork shares locks with threads it has not
    with ProcessPoolExecutor(min(workers, len(items)), context, _begin) as pool:
        try:
            with without_main():
                results = pool.map(function, items)
            yield from results
        except BaseException:
            end_workers()  # else the pool waits for what they are at
            raise


@contextmanager
def without_main() -> Iterator[None]:
    """A new process would run the main module first, which here is the script of a job."""
    main = vars(sys.modules["__main__"])
    kept = {name: main.get(name) for name in ("__file__", "__spec__")}
    main.update(dict.fromkeys(kept))
    try:
        yield
    finally:
        main.update(kept)


def end_with_parent() -> None:
    """End this process by SIGTERM as soon as the one that started it is gone."""
    Thread(target=_follow_parent, daemon=True).start()


def _begin() -> None:
    """Before a worker loads anything else."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    os.environ |= dict.fromkeys(NUMERIC_THREADS, "1")
    end_with_parent()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
