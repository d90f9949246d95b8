"""Bootstrap over mixtures of many means at once (Efron & Tibshirani 1993, ch. 13)."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

BLOCK = 8_000_000
"""Counts of draws that are multiplied at a time: 64 MB."""


class Bootstrap(NamedTuple):
    """Number of resamplings, share of them in an interval, and the seed."""

    samples: int = 2000
    confidence: float = 0.95
    seed: int = 0

    def intervals(self, values: pd.DataFrame) -> tuple[Array, Array]:
        """Lower and upper ends of the intervals of the columns' means, rows drawn together.

        Fewer than two values say nothing of their spread: their interval is NaN.
        """
        low, high = np.full((2, values.shape[1]), np.nan)
        known = (values.count() > 1).to_numpy()
        if known.any():
            draws = self.means(values.to_numpy(float)[:, known])
            low[known], high[known] = percentile_interval(draws, self.confidence)
        return low, high

    def ratio_interval(self, values: Array) -> tuple[float, float]:
        """Interval of the ratio of two columns' means, `[items, 2]`; NaN below two rows."""
        if len(values) < 2:
            return np.nan, np.nan
        draws = self.means(values)
        low, high = percentile_interval(draws[:, :1] / draws[:, 1:], self.confidence)
        return float(low[0]), float(high[0])

    def means(self, values: Array) -> Array:
        """Means of `[items, columns]` in every resampling: `[samples, columns]`."""
        return bootstrap_means(values, self.samples, self.seed)


def bootstrap_means(values: Array, samples: int, seed: int) -> Array:
    """Means of resampled rows, all columns of a draw over the same rows: paired.

    Args:
        values: `[items, columns]`; NaN is left out of its column's means.
        samples: resamplings of the items.
        seed: of the resampling.

    Returns:
        `[samples, columns]`; NaN where a draw has met no value of a column.
    """
    counts = _counts(len(values), samples, seed)
    known = np.isfinite(values)
    filled, present = np.where(known, values, 0.0), known.astype(np.float64)
    blocks = np.array_split(counts, -(-counts.size // BLOCK))
    with np.errstate(invalid="ignore"):
        means = [(block @ filled) / (block @ present) for block in map(np.float64, blocks)]
    return np.vstack(means)


@lru_cache(maxsize=2)
def _counts(items: int, samples: int, seed: int) -> NDArray[np.uint8]:
    """How often each item is drawn, `[samples, items]`: made once for all metrics of a set."""
    rng = np.random.default_rng(seed)
    # A byte each: of 256 items or more none is drawn 256 times, and fewer cannot be.
    counts = np.empty((samples, items), np.uint8)
    for draw in counts:  # several times as fast as `rng.multinomial`
        draw[:] = np.bincount(rng.integers(items, size=items), minlength=items)
    return counts


def percentile_interval(draws: Array, confidence: float) -> tuple[Array, Array]:
    """Lower and upper end of `[samples, columns]`, each `[columns]`."""
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(draws, [tail, 1 - tail], axis=0)
    return low, high
