"""Join the scores, derive improvements, and put intervals on means and on paired differences.

Of one training, a mixture is the unit that is resampled: its sources share noise and speakers, so
that they are not independent. Intervals are percentile bootstraps (Efron & Tibshirani 1993, ch.
13). Those of several trainings are in `trainings.py`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.base.errors import PipelineError
from pipeline.base.files import read_manifest, write_manifest
from pipeline.evaluation.bootstrap import Bootstrap
from pipeline.evaluation.costs import COSTS, with_costs
from pipeline.evaluation.metrics import LOWER_IS_BETTER
from pipeline.evaluation.repeats import differences, over_trainings
from pipeline.evaluation.score import COLUMNS, KEYS
from pipeline.evaluation.systems import Arm, arm_of, pairs_of, paths_of, systems_of
from pipeline.evaluation.trainings import read_clusters
from pipeline.evaluation.undefined import NO_BASELINE
from pipeline.tasks import DENOISE
from pipeline.tasks.grammar import CLEAN, NO_NETWORKS, NOISY, SYSTEM, UNPROCESSED, System

Array = NDArray[np.float64]

IMPROVEMENTS = {"si_sdr": "si_sdri", "sdr": "sdri"}
"""Metric, and the name of its improvement over the unprocessed mixture."""

PRESERVATION = "preservation"
"""Metric of a denoiser: the SI-SDR of its output for clean mixtures, at most `PRESERVED`."""
PRESERVED = 60.0  # dB: more cannot be heard, and an output that equals its input has no SI-SDR

COMPARED = (
    *("si_sdri", "si_sdr", "sdr", "stoi", "estoi", "pesq"),
    *("dnsmos_ovrl", "wer", "cer", "cpwer"),
)

SUMMARY = [*SYSTEM, "metric", "mean", "median", "low", "high", "mixtures", "missing"]
COMPARISON = [
    "task",
    *(f"{column}_{side}" for side in "ab" for column in SYSTEM if column != "task"),
    *("metric", "mean_a", "mean_b", "difference", "low", "high"),
    *("win_rate", "mixtures", "confidence", "trainings", "p_value", "p_equivalence"),
    *(f"{cost}_{side}" for cost in COSTS for side in "ab"),
    *("equal_size", "equal_compute"),
]


DEFAULT = Bootstrap()


def combine(score_files: list[Path], out: Path, shares: pd.DataFrame | None = None) -> None:
    """Join score tables and add the improvements `si_sdri` and `sdri`, and `preservation`.

    An improvement is a system's value minus that of the unprocessed mixture for the same mixture,
    task and source; undefined where either is. The scores of denoisers on clean mixtures become a
    metric of these denoisers.

    Args:
        score_files: long tables, those of the unprocessed mixture among them.
        out: the joined long table.
        shares: rows for it that are improvements already (`dry.chosen_shares`).

    Raises:
        PipelineError: a value is there twice, or the unprocessed mixture is not scored.
    """
    # As objects: a file in which everything is defined has a column of nothing.
    tables = [read_manifest(file).astype({"undefined": object}) for file in score_files]
    scores = _preservation(pd.concat(tables, ignore_index=True))
    _refuse_duplicates(scores, out)
    parts = [scores, _improvements(scores, out)]
    if shares is not None and len(shares):  # empty columns would have no type
        parts.append(shares)
    write_manifest(out, pd.concat(parts, ignore_index=True))


def summarise(
    scores: Path, out: Path, bootstrap: Bootstrap = DEFAULT, mixtures: Path | None = None
) -> None:
    """Write mean, median and interval of every system and metric, over mixtures.

    A mixture's value is the mean over those of its sources that are defined. Where networks were
    trained several times there is a row for each run, its interval over mixtures alone, and one
    with the run `all`, its interval over trainings, speakers and noises too.

    Args:
        scores: what `combine` wrote.
        out: the columns `SUMMARY`. `mixtures` is how many the mean is over, `missing` how many
            values of sources are undefined.
        bootstrap: of the interval `low`…`high` of one training.
        mixtures: `mixtures.csv` of the test split, for several trainings.
    """
    table, of = read_manifest(scores), [*SYSTEM, "metric"]
    summary = _summary(table, of, bootstrap)
    if mixtures is not None and table["run"].nunique() > 1:
        clusters = read_clusters(mixtures)
        summary = pd.concat([summary, over_trainings(table, clusters, bootstrap.confidence)])
    write_manifest(out, summary[SUMMARY])


def _summary(table: pd.DataFrame, of: list[str], bootstrap: Bootstrap) -> pd.DataFrame:
    """Means and intervals over mixtures of the groups that have the columns `of` in common."""
    groups = table.groupby(["mixture_id", *of], sort=False)["value"]
    values = groups.mean().unstack(of, sort=False)
    low, high = bootstrap.intervals(values)
    summary = pd.DataFrame({"mean": values.mean(), "median": values.median(), "low": low})
    summary = summary.assign(high=high, mixtures=values.count())
    summary["missing"] = (groups.size() - groups.count()).groupby(of).sum()
    return summary.reset_index()


def compare(
    scores: Path,
    out: Path,
    bootstrap: Bootstrap = DEFAULT,
    mixtures: Path | None = None,
    margin: float = 0.0,
    costs: Path | None = None,
) -> None:
    """Write paired differences between systems of one task, over the mixtures both scored.

    Pairs are those that are `comparable`. Within a pair a stands first in alphabetical order,
    which puts denoised before noisy for one network.

    Args:
        scores: what `combine` wrote.
        out: the columns `COMPARISON`. `difference` is the mean of a − b over mixtures, with
            its interval `low`…`high`; `mean_a` and `mean_b` are over the same values;
            `win_rate` is the share of mixtures on which a is strictly better. Over several
            `trainings` the interval is of these too (`pipeline.evaluation.trainings`), `p_value`
            is that of no difference, `p_equivalence` that of one of `margin` or more. Then come
            what both sides cost, and whether they are of equal size and compute.
        bootstrap: of the interval of one training, a and b drawn together.
        mixtures: `mixtures.csv` of the test split, for several trainings.
        margin: a difference that does not matter, in dB.
        costs: what `costs.write_costs` wrote.
    """
    table = read_manifest(scores)
    table = table[~table["name"].isin(NO_NETWORKS)]
    parts = [part for metric in COMPARED if len(part := table[table["metric"] == metric])]
    if mixtures is not None and table["run"].nunique() > 1:
        clusters = read_clusters(mixtures)
        rows = [
            row
            for part in parts
            for row in differences(part, clusters, bootstrap.confidence, margin)
        ]
        compared = pd.DataFrame(rows)
    else:
        compared = pd.concat([pd.DataFrame(), *(_differences(part, bootstrap) for part in parts)])
    if costs is not None and len(compared):
        compared = with_costs(compared, read_manifest(costs))
    write_manifest(out, compared.reindex(columns=COMPARISON))


def _refuse_duplicates(scores: pd.DataFrame, out: Path) -> None:
    twice = scores[scores.duplicated(KEYS)]
    if len(twice):
        first, [system] = twice.iloc[0], paths_of(twice.iloc[:1])
        raise PipelineError(
            f"{out}: {first['metric']} of {system} on {first['mixture_id']} is scored"
            f" twice; delete the folder {out.parent} and run again"
        )


def _preservation(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores in which those of denoisers on clean mixtures are a metric of these denoisers."""
    clean = (scores["task"] == DENOISE.name) & (scores["tested"] == str(CLEAN))
    value = scores["value"].where(~clean, scores["value"].clip(upper=PRESERVED))
    tested = scores["tested"].where(~clean, str(NOISY))
    return scores.assign(
        value=value, tested=tested, metric=scores["metric"].where(~clean, PRESERVATION)
    )


def _improvements(scores: pd.DataFrame, out: Path) -> pd.DataFrame:
    measured = scores[scores["metric"].isin(IMPROVEMENTS.keys())]
    own = measured["name"] == UNPROCESSED
    if len(measured) and not own.any():
        raise PipelineError(
            f"{out}: no scores of the unprocessed mixture; delete the folder {out.parent} and run"
            " again"
        )
    keys = ["mixture_id", "task", "source", "metric"]
    baseline = measured[own].rename(columns={"value": "baseline"})[[*keys, "baseline"]]
    joined = measured[~own].merge(baseline, "left", on=keys)
    joined["metric"] = joined["metric"].map(IMPROVEMENTS)
    joined["value"] -= joined["baseline"]
    explained = joined["value"].notna() | joined["undefined"].notna()
    joined["undefined"] = joined["undefined"].where(explained, NO_BASELINE)
    return joined[COLUMNS]


def _differences(rows: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """The comparisons of one metric, over the sources for which both systems have a value."""
    rows = rows.assign(system=paths_of(rows))
    values = rows.pivot(index=["mixture_id", "source"], columns="system", values="value")
    pairs = pd.DataFrame(_pairs(values.columns), columns=["a", "b"])
    a, b = (values[pairs[side]].set_axis(pairs.index, axis=1) for side in pairs)
    both = a.notna() & b.notna()
    a, b = (side.where(both).groupby("mixture_id").mean() for side in (a, b))
    metric, difference = rows["metric"].iloc[0], a - b
    better = difference < 0 if metric in LOWER_IS_BETTER else difference > 0
    mixtures = difference.count()
    # Drawing differences draws a mixture with the values of both its systems: paired.
    low, high = bootstrap.intervals(difference)
    named = [systems_of(pairs[side], f"_{side}") for side in pairs]
    table = pd.concat(named, axis=1).rename(columns={"task_a": "task"})
    table = table.assign(metric=metric, mean_a=a.mean(), mean_b=b.mean())
    table = table.assign(difference=difference.mean(), low=low, high=high)
    table = table.assign(win_rate=better.sum() / mixtures, mixtures=mixtures)
    table = table.assign(confidence=bootstrap.confidence, trainings=1)
    return table


def _pairs(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The paths of systems that are compared; the table has one run of each."""
    found = dict[Arm, str]()
    for path in paths:
        system = System.parse(path)
        found[arm_of(system)] = path
    for a, b in pairs_of(found):
        yield found[a], found[b]
