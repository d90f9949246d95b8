"""Run one function in several processes, which end with this process."""

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

    With one worker the items run in this process, with several in others; function, items and
    results are then pickled. Each worker uses one thread for linear algebra, so that the last digit
    is the same for any number of workers.

    Raises:
        BrokenProcessPool: a worker was killed.
        Exception: the error of the first item that fails, as in a single process.
    """
    keep_memory()
    if workers == 1 or not items:
        with threadpool_limits(1):
            yield from map(function, items)
        return
    # A forked process has imported everything already; a new one would take seconds.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(min(workers, len(items)), context, _begin) as pool:
        try:
            yield from pool.map(function, items)
        except BaseException:
            end_workers()  # else the pool waits for their current items
            raise


def _begin() -> None:
    """Set up a worker before its first item."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threadpool_limits(1)
    end_with_parent()
