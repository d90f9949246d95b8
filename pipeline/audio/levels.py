"""Levels of signals without their mean, since recorders may add a constant offset (DC)."""

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import Samples

# Of full scale: a recording whose mean is above this has a constant offset. Voices have a mean of
# up to -47 dBFS of their own, because the pulses of the glottis have one sign.
OFFSET = 10 ** (-45 / 20)
# A mean is kept whose share of the power is below this: without it the level would be less than
# 0.1 dB lower. Slow sounds, such as wind, give most short pieces a small mean.
NEGLIGIBLE = 1 - 10 ** (-0.1 / 10)


def without_offset(samples: Samples, limit: float = math.inf) -> Samples:
    """Remove the mean m of `[time]` if |m| > `limit`, or if m² is not negligible.

    A mean is negligible if m² ≤ `NEGLIGIBLE` · mean(x²). Other signals are returned unchanged, as
    the same array.

    >>> without_offset(np.array([3, 1, 3, 1], np.float32)).tolist()
    [1.0, -1.0, 1.0, -1.0]
    """
    mean = samples.mean(dtype=np.float64)
    whole = np.square(samples, dtype=np.float64).mean()
    if abs(mean) <= limit and mean**2 <= NEGLIGIBLE * whole:
        return samples
    return samples - np.float32(mean)


def power(samples: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mean square of `[..., time]` as `[...]`: mean(x²), less a mean that matters.

    With the mean m, the power is mean(x²) − m² if m² > `NEGLIGIBLE` · mean(x²), else mean(x²).

    >>> power(np.array([[3.0, 1.0], [1.0, -1.0]])).tolist()
    [1.0, 1.0]
    """
    whole = np.square(samples, dtype=np.float64).mean(axis=-1)
    constant = np.square(samples.mean(axis=-1, dtype=np.float64))
    return np.where(constant > NEGLIGIBLE * whole, np.maximum(whole - constant, 0), whole)
