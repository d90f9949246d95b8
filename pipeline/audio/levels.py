"""Levels of signals without their mean: a recorder may add a constant offset, which is no sound."""

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import Samples

# Of full scale: a recording whose mean is above has a constant offset. Voices have a mean of up to
# -47 dBFS of their own, since the pulses of the glottis are on one side.
OFFSET = 10 ** (-45 / 20)
# Share of the mean in the power below which it is left in: without it the level would be less
# than 0.1 dB lower. Slow sound, such as wind, gives most short pieces a small mean.
NEGLIGIBLE = 1 - 10 ** (-0.1 / 10)


def without_offset(samples: Samples, limit: float = math.inf) -> Samples:
    """`[time]` without its mean where that is above `limit`, or more than negligible.

    Other signals are returned as they are, the same array.
    """
    mean = samples.mean(dtype=np.float64)
    whole = np.square(samples, dtype=np.float64).mean()
    if abs(mean) <= limit and mean**2 <= NEGLIGIBLE * whole:
        return samples
    return samples - np.float32(mean)


def power(samples: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean square of `[..., time]`, of full scale: `[...]`; without the mean, unless negligible."""
    whole = np.square(samples, dtype=np.float64).mean(axis=-1)
    constant = np.square(samples.mean(axis=-1, dtype=np.float64))
    return np.where(constant > NEGLIGIBLE * whole, np.maximum(whole - constant, 0), whole)
