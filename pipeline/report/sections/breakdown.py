"""The section of groups of mixtures, and of the best and the worst ones."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from pipeline.report.figures.breakdown import draw_breakdown
from pipeline.report.groups import Grouping, groupings
from pipeline.report.mixture_facts import mixture_facts
from pipeline.report.names import metric_of, number, system_labels
from pipeline.report.picks import listed
from pipeline.report.run import Run
from pipeline.report.site import Site
from pipeline.report.systems import direct_of
from pipeline.report.tables import Cell, Row, Table, View, estimated, plain

TITLE = "Where it works and where it fails"
MOST_SYSTEMS = 6
LISTED = 10
"""Number of mixtures in each list of the best and of the worst."""
FACTS = {"snr": "input SNR (dB)", "overlap": "overlap (%)", "sexes": "sexes", "noise": "noise"}
DIGITS = {"snr": 1, "overlap": 0}
AGAINST = "against direct"


def content(run: Run, site: Site) -> dict[str, Any] | None:
    """Return the headline metric by group, and the best and worst mixtures of every system."""
    metric, main = run.metric, run.main
    shown = tabled_systems(run)
    facts = mixture_facts(run).assign(listed=run.mixtures.index.isin(listed(run)))
    parted = list(groupings(run, metric, shown, facts)) if metric and main else []
    draw_breakdown(parted, str(metric), shown, [main, run.counterpart], site.figure("breakdown"))
    if metric is None or main is None:
        return None
    labels = system_labels(run.realistic)
    known = facts.dropna(axis="columns", how="all")
    extremes = [View(labels[name], list(_extremes(run, site, name, known))) for name in run.ranked]
    return {
        "groups": [_group_view(site, grouping, metric, shown) for grouping in parted],
        "left_out": len(run.realistic) - len(shown),
        "extremes": extremes,
        "direct": any(AGAINST in table.columns for view in extremes for table in view.tables),
    }


def tabled_systems(run: Run) -> list[str]:
    """Return the best realistic systems, and always the main separator without denoising."""
    direct = direct_of(run.main) if run.main else None
    return run.ranked[:MOST_SYSTEMS] + [n for n in run.ranked[MOST_SYSTEMS:] if n == direct]


def _group_view(site: Site, grouping: Grouping, metric: str, systems: Sequence[str]) -> View:
    table = group_table(grouping, metric, systems)
    slug = grouping.name.replace(" ", "-").lower()
    return View(grouping.name, [site.table(f"breakdown-{slug}", table)])


def group_table(grouping: Grouping, metric: str, systems: Sequence[str]) -> Table:
    """Return a table with a row for each group and a column for each system."""
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
    """Return a table of mixtures with their scores by a system and facts that may explain them.

    Args:
        run: the run.
        name: the system.
        facts: of the mixtures to show, in their order; `listed` if they are among the examples to
            listen to.
        caption: of the table.
    """
    metric = metric_of(str(run.metric))
    values = run.values(str(run.metric)).loc[facts.index]
    direct = direct_of(name)
    beside = values[name] - values[direct] if direct in run.systems and direct != name else None
    known = {fact: title for fact, title in FACTS.items() if fact in facts}
    rows = [
        Row(
            mixture,
            [
                plain(values.at[mixture, name], metric.digits),
                *([] if beside is None else [_difference(beside[mixture], metric.digits)]),
                *(_fact(fact, facts.at[mixture, fact]) for fact in known),
            ],
            link=f"#mixture-{mixture}" * bool(facts.at[mixture, "listed"]),
        )
        for mixture in facts.index
    ]
    columns = [metric.title, *([] if beside is None else [AGAINST])]
    return Table(caption, "mixture", [*columns, *known.values()], rows)


def _difference(value: float, digits: int) -> Cell:
    return Cell(number(value, digits, sign=True), value=value)


def _fact(fact: str, value: Any) -> Cell:
    if fact in DIGITS:
        return plain(value, DIGITS[fact])
    return Cell(value if isinstance(value, str) else "–")
