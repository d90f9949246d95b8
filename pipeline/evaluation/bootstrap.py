"""Bootstrap over mixtures of many means at once (Efron & Tibshirani 1993, chapter 13)."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

BLOCK = 8_000_000
"""Number of counts of draws in one matrix product: 64 MB."""


class Bootstrap(NamedTuple):
    """Number of resamplings, share of them in an interval, and the seed."""

    samples: int = 2000
    confidence: float = 0.95
    seed: int = 0

    def intervals(self, values: pd.DataFrame) -> tuple[Array, Array]:
        """Return the lower and upper ends of the intervals of the columns' means: `[columns]` each.

        All columns are resampled with the same rows. The interval of a column with fewer than two
        values is NaN, since their spread is unknown.
        """
        low, high = np.full((2, values.shape[1]), np.nan)
        known = (values.count() > 1).to_numpy()
        if known.any():
            draws = self.means(values.to_numpy(float)[:, known])
            low[known], high[known] = percentile_interval(draws, self.confidence)
        return low, high

    def ratio_interval(self, values: Array) -> tuple[float, float]:
        """Return the interval of the ratio of two columns' means, `[items, 2]`; NaN below two."""
        if len(values) < 2:
            return np.nan, np.nan
        draws = self.means(values)
        low, high = percentile_interval(draws[:, :1] / draws[:, 1:], self.confidence)
        return float(low[0]), float(high[0])

    def means(self, values: Array) -> Array:
        """Return the means of `[items, columns]` in every resampling: `[samples, columns]`."""
        return bootstrap_means(values, self.samples, self.seed)


def bootstrap_means(values: Array, samples: int, seed: int) -> Array:
    """Return the means of resampled rows; all columns of a draw use the same rows, so are paired.

    The mean of draw b is Σ_i n_bi x_i / Σ_i n_bi, where item i is drawn n_bi times.

    Args:
        values: `[items, columns]`; NaN is left out of the means of its column.
        samples: number of resamplings of the items.
        seed: of the random numbers.

    Returns:
        `[samples, columns]`; NaN where all drawn values of a column are NaN.

    >>> bootstrap_means(np.ones((4, 2)), samples=3, seed=0).shape
    (3, 2)
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
    """Number of times that each item is drawn, `[samples, items]`; cached for all metrics."""
    rng = np.random.default_rng(seed)
    # A byte suffices: 256 draws of one item are too unlikely with many items, impossible with few.
    counts = np.empty((samples, items), np.uint8)
    for draw in counts:  # several times as fast as `rng.multinomial`
        draw[:] = np.bincount(rng.integers(items, size=items), minlength=items)
    return counts


def percentile_interval(draws: Array, confidence: float) -> tuple[Array, Array]:
    """Return the lower and upper ends of the interval of `[samples, columns]`, each `[columns]`.

    They are the quantiles α and 1 − α with α = (1 − confidence) / 2: the percentile interval of
    Efron & Tibshirani (1993), section 13.3.

    >>> percentile_interval(np.arange(101.0)[:, None], 0.9)
    (array([5.]), array([95.]))
    """
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(draws, [tail, 1 - tail], axis=0)
    return low, high
