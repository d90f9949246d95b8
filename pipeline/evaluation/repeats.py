"""Tables over several trainings of the same networks, from the scores of each."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pipeline.evaluation.metrics import LOWER_IS_BETTER
from pipeline.evaluation.systems import ARM, pairs_of
from pipeline.evaluation.trainings import Estimate, items_of, repeated_mean

ALL = "all"
"""In the column `run`: of all trainings together."""


def over_trainings(scores: pd.DataFrame, clusters: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """A row for every system of several trainings and metric: mean, interval, counts; run `all`.

    Args:
        scores: a long table of scores.
        clusters: what `read_clusters` returns.
        confidence: of the intervals `low`…`high`.
    """
    rows = []
    for names, part in scores.groupby([*ARM, "metric"], sort=False):
        values = _values(part)
        if len(values) < 2:
            continue
        found, known = estimate(values, clusters, confidence)
        means = known.mean().groupby("mixture_id").mean()
        missing = int(values.isna().to_numpy().sum())
        numbers = (found.mean, means.median(), found.low, found.high, len(means), missing)
        rows.append((*names, ALL, *numbers))
    columns = [*ARM, "metric", "run", "mean", "median", "low", "high", "mixtures", "missing"]
    return pd.DataFrame(rows, columns=columns)


def differences(
    scores: pd.DataFrame, clusters: pd.DataFrame, confidence: float, margin: float
) -> Iterator[dict[str, object]]:
    """Paired differences between systems of several trainings in one metric, a dictionary a pair.

    Run k of one system is held against run k of the other.

    Args:
        scores: the rows of one metric.
        clusters: what `read_clusters` returns.
        confidence: of the intervals `low`…`high`.
        margin: a difference that does not matter.
    """
    arms = {names: _values(part) for names, part in scores.groupby(ARM)}
    metric = scores["metric"].iloc[0]
    for a, b in pairs_of(arms):
        one, other = arms[a].align(arms[b], join="inner")
        found, known = estimate(one - other, clusters, confidence, margin)
        means = known.mean().groupby("mixture_id").mean()
        better = means < 0 if metric in LOWER_IS_BETTER else means > 0
        both = (side[known.columns].mean() for side in (one, other))
        mean_a, mean_b = (side.groupby("mixture_id").mean().mean() for side in both)
        sides = {
            f"{column}_{side}": value
            for side, names in (("a", a), ("b", b))
            for column, value in zip(ARM[1:], names[1:], strict=True)
        }
        yield {
            **{"task": a[0], "run_a": ALL, "run_b": ALL, "metric": metric} | sides,
            **{"mean_a": mean_a, "mean_b": mean_b, "difference": found.mean},
            **{"low": found.low, "high": found.high, "p_value": found.p_value},
            **{"p_equivalence": found.p_equivalence, "trainings": len(known)},
            **{"win_rate": better.mean(), "mixtures": len(means), "confidence": confidence},
        }


def of_all_trainings(table: pd.DataFrame) -> pd.DataFrame:
    """One row a system of a summary: over all its trainings, or of the only one; `run` is 0."""
    runs = table["run"].astype(str)
    several = (runs == ALL).groupby([table[column] for column in ARM]).transform("any")
    return table[(runs == ALL) | ~several].assign(run=0)


def estimate(
    values: pd.DataFrame, clusters: pd.DataFrame, confidence: float, margin: float = 0.0
) -> tuple[Estimate, pd.DataFrame]:
    """Return the mean over items that are defined in every training, and their values.

    Args:
        values: a row a training, a column a mixture and source.
        clusters: what `read_clusters` returns.
        confidence: of the interval.
        margin: a difference that does not matter.
    """
    known = values.dropna(axis=1)
    if known.empty:
        return Estimate(*[np.nan] * len(Estimate._fields)), known
    items = items_of(pd.MultiIndex.from_frame(known.columns.to_frame()), clusters)
    return repeated_mean(known.to_numpy(float), items, confidence, margin), known


def _values(rows: pd.DataFrame) -> pd.DataFrame:
    """Values of one system in one metric: a row a training, a column a mixture and source."""
    return rows.pivot(index="run", columns=["mixture_id", "source"], values="value")
