"""Loudness of recordings."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

from pipeline.audio import Samples

if TYPE_CHECKING:
    import pyloudnorm

BLOCK = 0.4  # seconds, the block of ITU-R BS.1770


def loudness(samples: Samples, sample_rate: int) -> float:
    """Return the integrated loudness of `[time]` in LUFS (ITU-R BS.1770-4, Annex 1).

    It is −0.691 + 10 lg of the mean power of the K-weighted signal, over the blocks of 400 ms that
    pass both gates. It is NaN below 0.4 s, and where the gates exclude all blocks.

    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 997 * np.arange(48000) / 48000)
    >>> round(loudness(tone.astype(np.float32), 48000))
    -3
    """
    if len(samples) < BLOCK * sample_rate:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # log of zero if all blocks are gated
        value = _meter(sample_rate).integrated_loudness(samples.astype("float64"))
    return float(value) if value > -float("inf") else float("nan")


@lru_cache
def _meter(sample_rate: int) -> pyloudnorm.Meter:
    import pyloudnorm  # takes a second, and most jobs measure no loudness

    return pyloudnorm.Meter(sample_rate)
