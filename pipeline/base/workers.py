"""The same function in several processes, which end with this one."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

from pipeline.base.memory import keep_memory
from pipeline.base.processes import end_with_parent, end_workers

T = TypeVar("T")
R = TypeVar("R")


def in_workers(workers: int, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """Yield `function(item)` of all items, in their order.

    One worker is this process, several are others; function, items and results are then pickled.
    Linear algebra has one thread in each, so that the last digit is the same for any number.

    Raises:
        BrokenProcessPool: a worker was killed.
        Exception: of the first item that fails, as if there were no other process.
    """
    keep_memory()
    if workers == 1 or not items:
        with threadpool_limits(1):
            yield from map(function, items)
        return
    # A fork has everything imported; a new process would take seconds for that.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(min(workers, len(items)), context, _begin) as pool:
        try:
            yield from pool.map(function, items)
        except BaseException:
            end_workers()  # else the pool waits for what they are at
            raise


def _begin() -> None:
    """What a worker does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threadpool_limits(1)
    end_with_parent()
