"""Join the scores, derive improvements, and put intervals on means and on paired differences.

A mixture is the unit that is resampled: its sources share noise and speakers, so that they
are not independent. Intervals are percentile bootstraps (Efron & Tibshirani 1993, ch. 13).
"""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.evaluation.score import COLUMNS, MIXTURE
from pipeline.files import read_manifest, write_manifest

Array = NDArray[np.float64]

IMPROVEMENTS = {"si_sdr": "si_sdri", "sdr": "sdri"}
"""Metric, and the name of its improvement over the unprocessed mixture."""

COMPARED = ("si_sdri", "si_sdr", "sdr", "stoi", "estoi", "pesq")

MIXTURE_AS_DENOISED = "mixture-mix_clean"
"""In the summary: the unprocessed mixture against `mix_clean`, the baseline of denoisers."""

DRAWS_AT_ONCE = 1_000_000
"""Resampled indices held in memory at a time (8 MB)."""

SUMMARY = ["system", "metric", "mean", "median", "low", "high", "mixtures", "missing"]
COMPARISON = [
    *("system_a", "system_b", "metric", "mean_a", "mean_b", "difference", "low", "high"),
    *("win_rate", "mixtures", "confidence"),
]


def combine(score_files: list[Path], out: Path) -> None:
    """Join score tables and add the improvements `si_sdri` and `sdri`.

    An improvement is a system's value minus that of system `mixture` for the same mixture
    and source; NaN where either is undefined.

    Args:
        score_files: long tables, those of system `mixture` among them.
        out: the joined long table.

    Raises:
        PipelineError: a value is there twice, or the unprocessed mixture is not scored.
    """
    scores = pd.concat([read_manifest(file) for file in score_files], ignore_index=True)
    _refuse_duplicates(scores, out)
    write_manifest(out, pd.concat([scores, _improvements(scores, out)], ignore_index=True))


def summarise(
    scores: Path,
    out: Path,
    bootstrap_samples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> None:
    """Write mean, median and bootstrap interval of every system and metric, over mixtures.

    A mixture's value is the mean over those of its sources that are defined. The unprocessed
    mixture is summarised twice: against the speakers as `mixture`, against `mix_clean` as
    `MIXTURE_AS_DENOISED`.

    Args:
        scores: what `combine` wrote.
        out: `system, metric, mean, median, low, high, mixtures, missing`; `mixtures` is how
            many the mean is over, `missing` how many values of sources are undefined.
        bootstrap_samples: resamplings of the mixtures.
        confidence: of the interval `low`…`high`, such as 0.95.
        seed: of the resampling.
    """
    table = read_manifest(scores)
    as_denoised = (table["system"] == MIXTURE) & (table["source"] == "mix_clean")
    table.loc[as_denoised, "system"] = MIXTURE_AS_DENOISED
    rows = []
    for (system, metric), group in table.groupby(["system", "metric"], sort=False):
        values = _per_mixture(group.set_index(["mixture_id", "source"])["value"])
        interval = bootstrap_interval(values, bootstrap_samples, confidence, seed)
        missing = int(group["value"].isna().sum())
        rows.append((system, metric, *_centre(values), *interval, len(values), missing))
    write_manifest(out, pd.DataFrame(rows, columns=SUMMARY))


def compare(
    scores: Path,
    out: Path,
    bootstrap_samples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> None:
    """Write paired differences between separation systems, over the mixtures both scored.

    Pairs are systems of one separator, and systems of different separators whose training
    and test conditions are equal. Within a pair a stands first in alphabetical order, which
    puts denoised before noisy.

    Args:
        scores: what `combine` wrote.
        out: the columns `COMPARISON`. `difference` is the mean of a − b over mixtures, with
            its interval `low`…`high`; `mean_a` and `mean_b` are over the same values;
            `win_rate` is the share of mixtures on which a is strictly better.
        bootstrap_samples: resamplings of the mixtures, a and b together.
        confidence: of the interval, such as 0.95.
        seed: of the resampling.
    """
    table = read_manifest(scores)
    table = table[table["system"].str.count("/") == 2]
    rows = [
        (*pair, metric, *_difference(values, pair, bootstrap_samples, confidence, seed), confidence)
        for metric, values in _by_system(table)
        for pair in _pairs(values)
    ]
    write_manifest(out, pd.DataFrame(rows, columns=COMPARISON))


def bootstrap_interval(
    values: Array, bootstrap_samples: int, confidence: float, seed: int
) -> tuple[float, float]:
    """Percentile interval of the mean of `[items]`, resampled with replacement.

    Fewer than two items say nothing of their spread: the interval is NaN.

    >>> bootstrap_interval(np.array([3.0, 3.0, 3.0]), 100, 0.95, seed=0)
    (3.0, 3.0)
    """
    if len(values) < 2:
        return np.nan, np.nan
    rng = np.random.default_rng(seed)
    chunk = max(1, DRAWS_AT_ONCE // len(values))
    sizes = (min(chunk, bootstrap_samples - done) for done in range(0, bootstrap_samples, chunk))
    means = [
        values[rng.integers(len(values), size=(size, len(values)))].mean(axis=1) for size in sizes
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)


def _refuse_duplicates(scores: pd.DataFrame, out: Path) -> None:
    twice = scores[scores.duplicated(COLUMNS[:-1])]
    if len(twice):
        first = twice.iloc[0]
        raise PipelineError(
            f"{out}: {first['metric']} of {first['system']} on {first['mixture_id']} is scored"
            " twice; delete the folder of scores and run again"
        )


def _improvements(scores: pd.DataFrame, out: Path) -> pd.DataFrame:
    measured = scores[scores["metric"].isin(IMPROVEMENTS.keys())]
    own = measured["system"] == MIXTURE
    if len(measured) and not own.any():
        raise PipelineError(f"{out}: no scores of the unprocessed mixture; score it and run again")
    baseline = measured[own].drop(columns="system").rename(columns={"value": "baseline"})
    joined = measured[~own].merge(baseline, "left", on=["mixture_id", "source", "metric"])
    joined["metric"] = joined["metric"].map(IMPROVEMENTS)
    joined["value"] -= joined["baseline"]
    return joined[COLUMNS]


def _per_mixture(values: "pd.Series[float]") -> Array:
    """Mean of each mixture's defined values, from a series by (mixture_id, source)."""
    return values.groupby("mixture_id").mean().dropna().to_numpy()


def _centre(values: Array) -> tuple[float, float]:
    return (float(values.mean()), float(np.median(values))) if len(values) else (np.nan, np.nan)


def _by_system(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each compared metric with its values: a row a source, a column a system."""
    for metric in COMPARED:
        rows = table[table["metric"] == metric]
        if len(rows):
            yield metric, rows.pivot(index=["mixture_id", "source"], columns="system")["value"]


def _pairs(values: pd.DataFrame) -> Iterator[tuple[str, str]]:
    for a, b in combinations(sorted(values.columns), 2):
        (separator_a, *conditions_a), (separator_b, *conditions_b) = a.split("/"), b.split("/")
        if separator_a == separator_b or conditions_a == conditions_b:
            yield a, b


def _difference(
    values: pd.DataFrame,
    pair: tuple[str, str],
    bootstrap_samples: int,
    confidence: float,
    seed: int,
) -> tuple[Any, ...]:
    """From `mean_a` to `mixtures`, over the sources for which both systems have a value."""
    both = values[list(pair)].dropna()
    a, b = (_per_mixture(both[system]) for system in pair)
    # Drawing differences draws a mixture with the values of both its systems: paired.
    interval = bootstrap_interval(a - b, bootstrap_samples, confidence, seed)
    means = [_centre(each)[0] for each in (a, b, a - b)]
    win_rate = _centre((a > b).astype(np.float64))[0]
    return *means, *interval, win_rate, len(a)
