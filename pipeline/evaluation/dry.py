"""How SI-SDRi changes with the share of the mixture that is added back to a denoiser's output.

The best share is chosen on dev; the test split shows what it gains over none. A system behind a
denoiser is then scored with that share like any other system, in SI-SDRi.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.base.files import read_manifest, write_manifest
from pipeline.evaluation.bootstrap import Bootstrap
from pipeline.evaluation.repeats import estimate
from pipeline.evaluation.score import COLUMNS
from pipeline.evaluation.systems import ARM
from pipeline.evaluation.trainings import read_clusters
from pipeline.evaluation.undefined import SILENT_EITHER
from pipeline.tasks import DENOISE
from pipeline.tasks.grammar import Condition

SWEEP = [*ARM, "dry", "dev", "mean", "low", "high"]
SWEEP += ["gain", "gain_low", "gain_high", "chosen", "mixtures", "trainings"]

Interval = tuple[float, float, float]
"""A mean, and the ends of its interval."""


def summarise_dry(
    dev: list[Path], test: list[Path], mixtures: Path, out: Path, bootstrap: Bootstrap
) -> None:
    """Write a row for each system and share: the columns `SWEEP`.

    `dev` is the mean SI-SDRi of dev in dB; the share with the highest one is `chosen`, the lower
    one of equals. `mean` is that of test, `gain` the mean of its paired differences to the share 0.
    Intervals cover new mixtures, and with several trainings these, speakers and noises too. Means
    are over the sources that have a value with every share, of `mixtures` mixtures; a silent
    estimate has none. Without any on dev no share is chosen.

    Args:
        dev: tables of `pipeline.inference.sweep`, of the dev split; there may be none.
        test: those of the test split.
        mixtures: `mixtures.csv` of the test split.
        out: the table to write.
        bootstrap: of the intervals of one training.
    """
    rows = list(_rows(dev, test, mixtures, bootstrap)) if dev else []
    write_manifest(out, pd.DataFrame(rows, columns=SWEEP))


def chosen_shares(dry: Path, test: list[Path]) -> pd.DataFrame:
    """The scores of systems behind a denoiser with the share that is chosen on dev.

    They are systems of their own, tested on `denoised-<name>-dry<percent>`. With the share 0 a
    system is there already.

    Args:
        dry: what `summarise_dry` wrote.
        test: tables of `pipeline.inference.sweep`, of the test split.

    Returns:
        A long table of scores, with the columns `COLUMNS`, of SI-SDRi alone.
    """
    chosen = read_manifest(dry)
    chosen = chosen[chosen["chosen"].astype(bool) & (chosen["dry"] > 0)]
    chosen = chosen.loc[chosen["task"] != DENOISE.name, [*ARM, "dry"]]
    if chosen.empty:
        return pd.DataFrame(columns=COLUMNS)
    rows = pd.concat(map(read_manifest, test), ignore_index=True).merge(chosen, on=[*ARM, "dry"])
    tested = [
        str(replace(Condition.parse(condition), dry=round(100 * share)))
        for condition, share in zip(rows["tested"], rows["dry"], strict=True)
    ]
    rows = rows.assign(tested=tested, metric="si_sdri", value=rows["si_sdri"], undefined=None)
    rows.loc[rows["value"].isna(), "undefined"] = SILENT_EITHER
    return rows[COLUMNS]


def _rows(
    dev: list[Path], test: list[Path], mixtures: Path, bootstrap: Bootstrap
) -> Iterator[tuple[object, ...]]:
    clusters, on_dev = read_clusters(mixtures), dict(_by_share(dev))
    for arm, shares in _by_share(test):
        means = {share: _mean(values) for share, values in on_dev[arm].items()}
        best = max(means, key=lambda share: means[share])
        chosen = None if np.isnan(means[best]) else best
        for share, values in shares.items():
            found = _interval(values, clusters, bootstrap)
            gained = _interval(values - shares[0.0], clusters, bootstrap)
            counts = values.columns.get_level_values("mixture_id").nunique(), len(values)
            yield (*arm, share, means[share], *found, *gained, share == chosen, *counts)


def _by_share(files: list[Path]) -> Iterator[tuple[Any, dict[float, pd.DataFrame]]]:
    """The values of each system for each share, `[runs, mixtures × sources]`."""
    table = pd.concat(map(read_manifest, files), ignore_index=True)
    for arm, part in table.groupby(ARM, sort=False):
        items = part.pivot(index=["mixture_id", "source"], columns=["dry", "run"], values="si_sdri")
        defined = items.dropna()
        yield arm, {share: defined[share].T for share in part["dry"].unique()}


def _mean(values: pd.DataFrame) -> float:
    return float(values.to_numpy().mean()) if values.size else np.nan


def _interval(values: pd.DataFrame, clusters: pd.DataFrame, bootstrap: Bootstrap) -> Interval:
    """The mean of values, `[runs, mixtures × sources]`; NaN without any."""
    if values.empty:
        return np.nan, np.nan, np.nan
    if len(values) > 1:
        found, _ = estimate(values, clusters, bootstrap.confidence)
        return found.mean, found.low, found.high
    means = values.T.groupby("mixture_id").mean()
    [low], [high] = bootstrap.intervals(means)
    return float(means.mean().iloc[0]), low, high
