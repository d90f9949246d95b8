"""Bootstrap over mixtures of many means at once (Efron & Tibshirani 1993, ch. 13)."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


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
    present = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        means: Array = (counts @ np.where(present, values, 0.0)) / (counts @ present.astype(float))
    return means


@lru_cache(maxsize=2)
def _counts(items: int, samples: int, seed: int) -> Array:
    """How often each item is drawn, `[samples, items]`: made once for all metrics of a set."""
    rng = np.random.default_rng(seed)
    counts = np.empty((samples, items))
    for draw in counts:  # several times as fast as `rng.multinomial`
        draw[:] = np.bincount(rng.integers(items, size=items), minlength=items)
    return counts


def percentile_interval(draws: Array, confidence: float) -> tuple[Array, Array]:
    """Lower and upper end of `[samples, columns]`, each `[columns]`."""
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(draws, [tail, 1 - tail], axis=0)
    return low, high
