"""A thread that works ahead of its caller: reads what comes next, or writes what is done."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

DEPTH = 2  # items that wait


def ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """As `map`, but a thread of its own calls the function, up to `DEPTH` items ahead.

    The items come from the caller's thread. An error comes up where its result would have;
    what waits behind it is dropped, and what goes on is waited for.
    """
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(1)
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > DEPTH:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
