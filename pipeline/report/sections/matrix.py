"""The section of training condition × test condition, from unprocessed mixture to oracle."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from pipeline.evaluation.aggregate import IMPROVEMENTS
from pipeline.report.figures.matrix import colour_scale, draw_matrix
from pipeline.report.names import (
    condition_label,
    condition_order,
    full_label,
    interval,
    metric_of,
    metrics_in,
    number,
    of_systems,
    system_label,
    test_label,
)
from pipeline.report.run import Run
from pipeline.report.site import Site
from pipeline.report.systems import (
    MASKED,
    MIXTURE,
    ORACLE,
    Parts,
    ceiling_of,
    is_oracle,
    of_denoising,
    separator_of,
    system,
)
from pipeline.report.tables import Cell, Row, Table, View, estimate, metric_cells, missing, plain

TITLE = "Training condition × test condition"


def content(run: Run, site: Site) -> dict[str, Any] | None:
    """Return views of every metric, and a table of all metrics of separation."""
    draw_matrix(run.summary, site.figure("matrix"))
    if not run.systems:
        return None
    return {
        "views": [_view(run, site, metric) for metric in run.metrics],
        "ceiling": bool(_oracles(run)),
        "masked": MASKED in set(run.summary["system"]),
        "best": full_label(run.main) if run.main else "",
        "metrics": site.table("metrics", metric_table(run.summary)),
    }


def _view(run: Run, site: Site, metric: str) -> View:
    """A matrix for each separator, and the closed gap of each system."""
    tables = {f"matrix-{metric}-{name}": table for name, table in matrix_tables(run, metric)}
    if gap := gap_table(run, metric):
        tables[f"gap-{metric}"] = gap
    return View(metric_of(metric).label, [site.table(*named) for named in tables.items()])


def _oracles(run: Run) -> list[str]:
    """The systems that are the ceiling: trained and tested on clean mixtures."""
    return [n for n in run.systems if (s := system(n)) and s.trained == s.tested == ORACLE]


def matrix_tables(run: Run, metric: str) -> Iterator[tuple[str, Table]]:
    """Yield the means of each separator: a row per training, a column per test condition."""
    cells = run.means(metric)
    paths = {parts: str(path) for path in cells.index if (parts := system(path))}
    tested = condition_order(parts.tested for parts in paths)
    colour = colour_scale(cells.loc[cells.index.isin(run.systems), "mean"], metric)
    look = (metric, run.main, colour)
    for separator in dict.fromkeys(parts.separator for parts in paths):
        trained = condition_order(p.trained for p in paths if p.separator == separator)
        rows = [
            Row(
                condition_label(condition),
                [
                    estimate(cells, paths.get(Parts(separator, condition, test), ""), *look)
                    for test in tested
                ],
            )
            for condition in trained
        ]
        title = f"{separator}: {metric_of(metric).title}, mean over mixtures with interval"
        columns = [test_label(test) for test in tested]
        yield separator, Table(title, "trained on ↓ tested on →", columns, rows)


def gap_table(run: Run, metric: str) -> Table | None:
    """Return the share of the gap between unprocessed mixture and oracle that each system closes.

    The oracle is the same separator trained and tested on clean mixtures. The share is of means
    over mixtures, its interval from the same resampled mixtures for all three. The ideal mask has a
    row without a share. None without an oracle.
    """
    oracles = _oracles(run)
    if not oracles:
        return None
    cells = run.means(metric)
    names = cells["mean"].reindex(run.realistic)
    order = names.sort_values(ascending=metric_of(metric).low_is_good).index
    none, whole = plain(0.0), plain(100.0)
    if metric in IMPROVEMENTS.values():  # zero by definition
        floor = Row("unprocessed mixture", [plain(0.0), none], "floor")
    else:
        floor = _row(cells, MIXTURE, metric, "floor", none)
    return Table(
        f"From the unprocessed mixture to the oracle: {metric_of(metric).title}",
        "system",
        [metric_of(metric).title, "gap closed (%)"],
        [
            *(_row(cells, name, metric, "", Cell("–")) for name in [MASKED] if name in cells.index),
            *(_row(cells, name, metric, "ceiling", whole) for name in oracles),
            *(_row(cells, name, metric, "", _share(run, name, metric)) for name in order),
            floor,
        ],
    )


def _row(cells: pd.DataFrame, name: str, metric: str, place: str, share: Cell) -> Row:
    below = ", ".join(filter(None, [separator_of(name), place]))
    return Row(system_label(name), [estimate(cells, name, metric), share], below, is_oracle(name))


def _share(run: Run, name: str, metric: str) -> Cell:
    values = run.values(metric)
    ceiling = ceiling_of(name)
    if ceiling not in values or name not in values:
        return Cell("–")
    floor = 0.0 if metric in IMPROVEMENTS.values() else values[MIXTURE]
    table = np.column_stack([values[name] - floor, values[ceiling] - floor])
    whole = table[np.isfinite(table).all(axis=1)]
    if not len(whole):
        return Cell("–")
    gained, gap = whole.mean(axis=0) * (-1 if metric_of(metric).low_is_good else 1)
    if gap <= 0:  # there is no gap to close
        return Cell("–")
    share, low, high = (100 * part for part in (gained / gap, *run.bootstrap.ratio_interval(whole)))
    return Cell(number(share, 0), interval(low, high, 0), "", share, low, high)


def metric_table(summary: pd.DataFrame) -> Table:
    """Return every metric of the unprocessed mixture, the ideal mask and each separation system."""
    own = of_systems(summary, lambda name: not of_denoising(name))
    metrics = metrics_in(own)
    rows = [
        Row(system_label(name), cells, separator_of(name), is_oracle(name))
        for name, cells in metric_cells(own).items()
    ]
    titles = [metric_of(metric).title for metric in metrics]
    caption = "Separation: mean over mixtures, with interval"
    return Table(caption, "system", titles, rows, missing(own))
