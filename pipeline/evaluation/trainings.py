"""Means over several trainings, with intervals over trainings, speakers, noises and mixtures.

The model of a value is mean + training + speaker + noise + residual; each is drawn anew if the
experiment is repeated. The variance of the mean has two parts, which are estimated separately. The
means of the trainings give the variance of training, with few degrees of freedom. The test items
give the other part, clustered by speaker and by noise, since mixtures share them (Cameron, Gelbach
& Miller 2011, "Robust inference with multiway clustering", eq. 2.9). The degrees of freedom are
combined as in Satterthwaite (1946). The residual is part of both variances, so that intervals are a
little too wide.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from pipeline.base.files import read_manifest

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


class Items(NamedTuple):
    """Weights that sum to one, speakers and noises of the values of a test: `[items]` each."""

    weights: Array
    speakers: Codes
    noises: Codes


class Estimate(NamedTuple):
    """A mean with its interval, and two p-values.

    `p_value` is the probability of a mean at least as far from zero if the true one is zero,
    `p_equivalence` that of a mean at least as near to zero if the true one is the margin.
    """

    mean: float
    low: float
    high: float
    p_value: float
    p_equivalence: float


def repeated_mean(values: Array, items: Items, confidence: float, margin: float = 0.0) -> Estimate:
    """Return the mean of `[trainings, items]` over two or more trainings, with its interval.

    With the means m_k of K trainings and the clustered variance C of the mean over items,

        variance = Σ (m_k − m)² / (K (K − 1)) + C,

    and half the width of the interval is √variance times Student's t, whose degrees of freedom
    are those of Satterthwaite. Equivalence is tested by two one-sided tests (Schuirmann 1987).

    Args:
        values: one row per training, one column per item.
        items: weights and clusters of the columns.
        confidence: of the interval, such as 0.95.
        margin: the largest difference that does not matter, in the unit of the values.
    """
    runs = len(values)
    means = values @ items.weights
    mean, of_trainings = means.mean(), means.var(ddof=1) / runs
    of_items, groups = _clustered(items.weights * (values.mean(axis=0) - mean), items)
    variance = of_trainings + of_items
    if variance == 0 or groups < 2:
        return Estimate(float(mean), np.nan, np.nan, np.nan, np.nan)
    parts = of_trainings**2 / (runs - 1) + of_items**2 / (groups - 1)
    # Two trainings that are close by chance would give too many degrees of freedom.
    freedom, error = variance**2 / parts if runs > 2 else 1.0, np.sqrt(variance)
    reach = stdtrit(freedom, 0.5 + confidence / 2) * error
    p_value = 2 * stdtr(freedom, -abs(mean) / error)
    p_equivalence = stdtr(freedom, (abs(mean) - margin) / error)
    found = (mean, mean - reach, mean + reach, p_value, p_equivalence)
    return Estimate(*map(float, found))


def _clustered(residuals: Array, items: Items) -> tuple[float, int]:
    """Variance of a weighted mean, clustered by speaker and noise, and the smaller group count."""
    both = items.speakers * (items.noises.max() + 1) + items.noises
    speakers, noises, pairs = (
        _one_way(residuals, codes) for codes in (items.speakers, items.noises, both)
    )
    groups = min(len(np.unique(codes)) for codes in (items.speakers, items.noises))
    return max(speakers + noises - pairs, speakers, noises), groups


def _one_way(residuals: Array, codes: Codes) -> float:
    """Σ over clusters of the squared sum of their residuals, times G / (G − 1)."""
    _, places = np.unique(codes, return_inverse=True)
    sums = np.bincount(places, weights=residuals)
    return float(np.square(sums).sum() * len(sums) / max(len(sums) - 1, 1))


def holm(p_values: list[float]) -> list[float]:
    """Return p-values adjusted for the number of questions asked at once (Holm 1979).

    The i-th smallest of m becomes min(1, max over j ≤ i of (m − j + 1) p_j).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    raised = np.maximum.accumulate(np.asarray(p_values, float)[order] * factors)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(raised, 1)
    return adjusted.round(12).tolist()


def read_clusters(mixtures: Path) -> pd.DataFrame:
    """Return the `speaker` and the `noise` of every test item, by `mixture_id` and `source`.

    All speakers of a mixture together, as a denoiser returns them, count as one speaker of their
    own. So does the speaker of a source that the manifest does not name.
    """
    table = read_manifest(mixtures).set_index("mixture_id")
    own = pd.Series(table.index.astype(str), table.index)
    noises = table["noise"].fillna(own) if "noise" in table else own
    names = [c.split("_")[1] for c in table if c.startswith("source_") and c.endswith("_path")]
    parts = {"mix_clean": own}
    for number in names:
        column = f"source_{number}_speaker"
        parts[f"s{number}"] = table[column].astype(str) if column in table else own
    found = [pd.DataFrame({"speaker": part, "noise": noises}) for part in parts.values()]
    return pd.concat(found, keys=parts, names=["source"]).swaplevel()


def items_of(index: pd.MultiIndex, clusters: pd.DataFrame) -> Items:
    """Return weights and clusters of items; every mixture has the same total weight."""
    mixtures = index.get_level_values("mixture_id")
    sizes = pd.Series(1.0, index).groupby(mixtures).transform("sum")
    weights = 1 / sizes.to_numpy() / mixtures.nunique()
    known = clusters.reindex(index)
    codes = (pd.factorize(known[name].fillna("unknown"))[0] for name in ("speaker", "noise"))
    return Items(weights, *codes)
