"""Where the systems work and where they fail: groups of mixtures, the best and the worst."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd

from pipeline.report.figures.breakdown import draw_breakdown
from pipeline.report.groups import Grouping, groupings
from pipeline.report.mixture_facts import mixture_facts
from pipeline.report.names import DENOISED, metric_of, number, system, system_labels
from pipeline.report.picks import listed
from pipeline.report.run import Run
from pipeline.report.site import Site
from pipeline.report.tables import Cell, Row, Table, estimated, plain

TITLE = "Where it works and where it fails"
MOST_SYSTEMS = 6
LISTED = 10
"""Mixtures in each list of the best and of the worst."""


class View(NamedTuple):
    """One choice: its name and its tables."""

    name: str
    tables: list[Table]


def content(run: Run, site: Site) -> dict[str, Any] | None:
    """The headline metric by group, and the mixtures at both ends of every system."""
    metric, main = run.metric, run.main
    shown = tabled_systems(run)
    facts = mixture_facts(run).assign(listed=run.mixtures.index.isin(listed(run)))
    parted = list(groupings(run, metric, shown, facts)) if metric and main else []
    compared = counterpart(run)
    draw_breakdown(parted, str(metric), shown, [main, compared], site.figure("breakdown"))
    if metric is None or main is None:
        return None
    labels = system_labels(run.realistic)
    return {
        "groups": [_group_view(site, grouping, metric, shown) for grouping in parted],
        "left_out": len(run.realistic) - len(shown),
        "extremes": [
            View(labels[name], list(_extremes(run, site, name, facts))) for name in by_mean(run)
        ],
        "main": labels[main],
        "compared": labels[compared] if compared else "",
    }


def by_mean(run: Run) -> list[str]:
    """The realistic systems with a mean of the headline metric, the best first."""
    rows = run.summary[run.summary["metric"] == run.metric].set_index("system")
    means = rows["mean"].reindex(run.realistic).dropna()
    ascending = metric_of(str(run.metric)).low_is_good
    return [str(name) for name in means.sort_values(ascending=ascending, kind="stable").index]


def tabled_systems(run: Run) -> list[str]:
    """The best realistic systems, and always the main separator without any denoising."""
    names = by_mean(run)
    direct = direct_of(names[0], names) if names else None
    return names[:MOST_SYSTEMS] + [n for n in names[MOST_SYSTEMS:] if n == direct]


def direct_of(name: str, names: Sequence[str]) -> str | None:
    """Of a system's separator the one that meets no denoiser, if it is among `names`."""
    parsed = system(name)
    direct = f"{parsed.separator}/noisy/noisy" if parsed else ""
    return direct if direct in names else None


def counterpart(run: Run) -> str | None:
    """What to hold the main system against: with no denoiser if it has one, else with one."""
    names = by_mean(run)
    if not names:
        return None
    main = system(names[0])
    if main and main.direct:
        helped = (n for n in names if (s := system(n)) and s.tested.startswith(DENOISED))
        return next((n for n in helped if direct_of(n, names) == names[0]), None)
    return direct_of(names[0], names)


def _group_view(site: Site, grouping: Grouping, metric: str, systems: Sequence[str]) -> View:
    table = group_table(grouping, metric, systems)
    slug = grouping.name.replace(" ", "-").lower()
    return View(grouping.name, [site.table(f"breakdown-{slug}", table)])


def group_table(grouping: Grouping, metric: str, systems: Sequence[str]) -> Table:
    """A row a group, a column a system."""
    labels = system_labels(systems)
    rows = [
        Row(
            group.label,
            [plain(group.mixtures), *(estimated(*each, metric) for each in group.estimates)],
            group.below,
        )
        for group in grouping.groups
    ]
    caption = f"{metric_of(metric).title} by {grouping.name}, mean over mixtures with interval"
    return Table(caption, grouping.title, ["mixtures", *labels.values()], rows)


def _extremes(run: Run, site: Site, name: str, facts: pd.DataFrame) -> Iterator[Table]:
    metric = str(run.metric)
    scores = run.values(metric)[name].dropna()
    # Ties keep the order of their names.
    order = scores.sort_values(ascending=metric_of(metric).low_is_good, kind="stable").index
    ends = {
        "best": order[: min(LISTED, -(-len(order) // 2))],
        "worst": order[::-1][: min(LISTED, len(order) // 2)],
    }
    for end, ids in ends.items():
        if len(ids):
            table = extreme_table(run, name, facts.loc[ids], f"The {end} mixtures")
            yield site.table(f"{end}-{name.replace('/', '--')}", table)


def extreme_table(run: Run, name: str, facts: pd.DataFrame, caption: str) -> Table:
    """Mixtures with their scores by a system and what may explain them.

    Args:
        run: the run.
        name: of the system.
        facts: of the mixtures to show, in their order; `listed` if they can be listened to.
        caption: of the table.
    """
    metric = metric_of(str(run.metric))
    values = run.values(str(run.metric)).loc[facts.index]
    direct = direct_of(name, run.systems)
    beside = None if direct in (None, name) else values[name] - values[direct]
    rows = [
        Row(
            mixture,
            [
                plain(values.at[mixture, name], metric.digits),
                *([] if beside is None else [_difference(beside[mixture], metric.digits)]),
                plain(facts.at[mixture, "snr"], 1),
                plain(facts.at[mixture, "overlap"]),
                *(_text(facts.at[mixture, fact]) for fact in ("sexes", "noise")),
            ],
            link=f"#mixture-{mixture}" * bool(facts.at[mixture, "listed"]),
        )
        for mixture in facts.index
    ]
    columns = [metric.title, *([] if beside is None else ["against direct"])]
    columns += ["input SNR (dB)", "overlap (%)", "sexes", "noise"]
    return Table(caption, "mixture", columns, rows)


def _difference(value: float, digits: int) -> Cell:
    return Cell(number(value, digits, sign=True), value=value)


def _text(value: object) -> Cell:
    return Cell(value if isinstance(value, str) else "–")
