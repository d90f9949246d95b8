"""Group the test mixtures, and estimate the scores of each system in each group."""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.report.mixture_facts import MIXED_SEX, SAME_SEX, speaker_counts
from pipeline.report.names import counted, metric_of, number
from pipeline.report.run import Run

MOST_BUCKETS = 6
MOST_KINDS = 20
"""If the first words of noise names give more kinds, they are not used as kinds."""


class Estimate(NamedTuple):
    """A mean over mixtures with its interval; NaN if undefined."""

    mean: float
    low: float
    high: float


class Group(NamedTuple):
    """A subset of the mixtures: name, second line, size, an estimate for each system."""

    label: str
    below: str
    mixtures: int
    estimates: list[Estimate]


class Grouping(NamedTuple):
    """One way to group the mixtures: the fact, its unit ("" for none), the groups in order."""

    name: str
    unit: str
    groups: list[Group]

    @property
    def title(self) -> str:
        """Name with unit, as a heading."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


def groupings(
    run: Run, metric: str, systems: Sequence[str], facts: pd.DataFrame
) -> Iterator[Grouping]:
    """Yield the groupings that have two groups or more.

    Args:
        run: the run.
        metric: that of the estimates.
        systems: in the order of the estimates.
        facts: of the mixtures (`mixture_facts`).
    """
    overlap = facts["overlap"].clip(upper=np.nextafter(100, 0))  # 100 % is no bucket of its own
    kinds = facts["kind"].fillna("other") if facts["kind"].notna().any() else facts["kind"].dropna()
    counts = speaker_counts(run)
    numbers = {count: counted(int(count), "speaker") for count in sorted(counts.unique())}
    ways = [
        ("speakers in the mixture", "", counts.map(numbers), list(numbers.values())),
        ("input SNR", "dB", *buckets(facts["snr"])),
        ("sexes", "", facts["sexes"], [SAME_SEX, MIXED_SEX]),
        ("overlap", "%", *buckets(overlap)),
        ("noise", "", kinds, sorted(kinds.unique()) if kinds.nunique() <= MOST_KINDS else []),
    ]
    values = run.values(metric).reindex(columns=systems)
    for name, unit, labels, order in ways:
        of_mixtures = labels.reindex(values.index)
        groups = [_group(run, label, values[of_mixtures == label]) for label in order]
        yield from _several(Grouping(name, unit, [group for group in groups if group.mixtures]))
    yield from _several(Grouping("speaker", "", _speakers(run, metric, systems)))


def _several(grouping: Grouping) -> Iterator[Grouping]:
    if len(grouping.groups) > 1:
        yield grouping


def buckets(values: "pd.Series[float]") -> tuple["pd.Series[str]", list[str]]:
    """Return names of equal parts of the range with round bounds, the lower one included, in order.

    >>> buckets(pd.Series([-2.5, 0.0, 1.9]))[1]
    ['−3 to −2', '0 to 1', '1 to 2']
    """
    known = values[np.isfinite(values)]
    if known.empty:
        return pd.Series(dtype=str), []
    widths = (step * 10**power for power in count() for step in (1, 2, 5))
    width = next(w for w in widths if known.max() // w - known.min() // w < MOST_BUCKETS)
    places = (known // width).astype(int)
    names = {
        place: f"{number(place * width, 0)} to {number((place + 1) * width, 0)}"
        for place in sorted(places.unique())
    }
    return places.map(names), list(names.values())


def _group(run: Run, label: str, values: pd.DataFrame, below: str = "") -> Group:
    """A group of `[mixtures, systems]`, without mixtures that have no value."""
    scored = values.dropna(how="all")
    columns = zip(scored.mean(), *run.bootstrap.intervals(scored), strict=True)
    return Group(label, below, len(scored), [Estimate(*column) for column in columns])


def _speakers(run: Run, metric: str, systems: Sequence[str]) -> list[Group]:
    """The scores of each speaker, in ascending order for the first system."""
    rows = run.scores[(run.scores["metric"] == metric) & run.scores["system"].isin(systems)]
    values = rows.pivot(index=["mixture_id", "source"], columns="system", values="value")
    names = _by_source(run.mixtures, "speaker").reindex(values.index)
    sexes = _by_source(run.mixtures, "sex").reindex(values.index).groupby(names).first()
    groups = [
        _group(
            run,
            str(name),
            # A speaker may be in a mixture twice; mixtures are resampled.
            part.groupby("mixture_id").mean().reindex(columns=systems),
            str(sexes[name]) if isinstance(sexes.get(name), str) else "",
        )
        for name, part in values.groupby(names)
    ]
    turn = -1 if metric_of(metric).low_is_good else 1
    return sorted((group for group in groups if group.mixtures), key=lambda g: _rank(g, turn))


def _rank(group: Group, turn: int) -> tuple[bool, float]:
    mean = group.estimates[0].mean
    return bool(np.isnan(mean)), turn * mean


def _by_source(mixtures: pd.DataFrame, what: str) -> "pd.Series[str]":
    """`source_<k>_<what>` by `mixture_id` and `source`, with the names of the scores."""
    columns = mixtures.filter(regex=rf"^source_\d+_{what}$")
    long = columns.rename(columns=lambda name: f"s{name.split('_')[1]}").stack()
    index = pd.MultiIndex.from_arrays([[], []]) if long.empty else long.index
    return pd.Series(long.to_numpy(), index.set_names(["mixture_id", "source"]), dtype=object)
