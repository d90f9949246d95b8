"""How SI-SDRi changes with the share of the mixture that is added back to a denoiser's output.

The best share is chosen on dev; the test split shows what it gains over none.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from pipeline.base.files import read_manifest, write_manifest
from pipeline.evaluation.bootstrap import Bootstrap
from pipeline.evaluation.repeats import estimate
from pipeline.evaluation.systems import ARM
from pipeline.evaluation.trainings import read_clusters

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
    Intervals cover new mixtures, and with several trainings these, speakers and noises too.

    Args:
        dev: tables of `pipeline.inference.sweep`, of the dev split; there may be none.
        test: those of the test split.
        mixtures: `mixtures.csv` of the test split.
        out: the table to write.
        bootstrap: of the intervals of one training.
    """
    rows = list(_rows(dev, test, mixtures, bootstrap)) if dev else []
    write_manifest(out, pd.DataFrame(rows, columns=SWEEP))


def _rows(
    dev: list[Path], test: list[Path], mixtures: Path, bootstrap: Bootstrap
) -> Iterator[tuple[object, ...]]:
    clusters = read_clusters(mixtures)
    means = _read(dev).groupby([*ARM, "dry"])["si_sdri"].mean()
    for arm, part in _read(test).groupby(ARM, sort=False):
        values = part.pivot(index="run", columns=["dry", "mixture_id", "source"], values="si_sdri")
        on_dev = means.loc[arm]
        for share, here in values.T.groupby("dry"):
            of_share = here.T.droplevel("dry", axis=1)
            found = _interval(of_share, clusters, bootstrap)
            gained = _interval(of_share - values[0.0], clusters, bootstrap)
            chosen = share == on_dev.idxmax()
            counts = of_share.columns.get_level_values("mixture_id").nunique(), len(of_share)
            yield (*arm, share, on_dev[share], *found, *gained, chosen, *counts)


def _read(files: list[Path]) -> pd.DataFrame:
    return pd.concat(map(read_manifest, files), ignore_index=True)


def _interval(values: pd.DataFrame, clusters: pd.DataFrame, bootstrap: Bootstrap) -> Interval:
    """The mean of values, `[runs, mixtures × sources]`."""
    if len(values) > 1:
        found, _ = estimate(values, clusters, bootstrap.confidence)
        return found.mean, found.low, found.high
    means = values.T.groupby("mixture_id").mean()
    [low], [high] = bootstrap.intervals(means)
    return float(means.mean().iloc[0]), low, high
