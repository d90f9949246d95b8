"""Networks that take a frame of audio and return one, some time later."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def in_frames(
    samples: Samples, frame: int, delay: int, process: Callable[[Samples, Samples], object]
) -> Samples:
    """Pass a recording through `process` frame by frame, and take its delay away.

    Zeros behind the recording bring out its end.

    Args:
        samples: `[time]`.
        frame: samples of a frame.
        delay: samples by which the output is late.
        process: reads its first argument and fills the second one, `[frame]` each.

    >>> def delayed(given, out, kept=[0, 0]):
    ...     out[:], kept[:] = kept, given
    >>> in_frames(np.float32([1, 2, 3]), 2, 2, delayed).tolist()
    [1.0, 2.0, 3.0]
    """
    time = len(samples)
    given = np.zeros((-(-(time + delay) // frame), frame), np.float32)
    given.reshape(-1)[:time] = samples
    found = np.zeros_like(given)
    for one, out in zip(given, found, strict=True):
        process(one, out)
    return found.reshape(-1)[delay : delay + time]
