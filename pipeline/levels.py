"""Levels of signals without their mean: a recorder may add a constant offset, which is no sound."""

import numpy as np
from numpy.typing import NDArray

# Of full scale: a recording whose mean is above has a constant offset. Voices have a mean of up to
# -47 dBFS of their own, since the pulses of the glottis are on one side.
OFFSET = 10 ** (-45 / 20)
# Share of the mean in the power below which it is left in: without it the level would be less
# than 0.1 dB lower. Slow sound, such as wind, gives most short pieces a small mean.
NEGLIGIBLE = 1 - 10 ** (-0.1 / 10)


def constant_offset(samples: NDArray[np.floating]) -> float:
    """Mean of `[time]` where it is above `OFFSET`, else 0."""
    mean = float(samples.mean(dtype=np.float64))
    return mean if abs(mean) > OFFSET else 0.0


def power(samples: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean square of `[..., time]`, of full scale: `[...]`; without the mean, unless negligible."""
    whole = np.square(samples, dtype=np.float64).mean(axis=-1)
    constant = np.square(samples.mean(axis=-1, dtype=np.float64))
    return np.where(constant > NEGLIGIBLE * whole, np.maximum(whole - constant, 0), whole)
