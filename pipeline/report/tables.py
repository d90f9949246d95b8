"""Tables of the page: text to read, and values for sorting and for CSV."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pandas as pd

from pipeline.report.names import counted, interval, metric_of, metrics_in, number


@dataclass(frozen=True)
class Cell:
    """One entry of a table.

    Attributes:
        text: the visible text.
        below: a smaller line below it.
        kind: classes of the stylesheet: `strong` (emphasised), `words` (may wrap).
        value: the value for sorting and for the CSV, instead of the text.
        low: lower end of the value's interval.
        high: upper end.
        heat: position on the colour scale, 0 to 1; None for no colour.
    """

    text: str
    below: str = ""
    kind: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    heat: float | None = None


@dataclass(frozen=True)
class Row:
    """A row: heading, a smaller line below it, `oracle` to dim it, an address to link to."""

    heading: str
    cells: Sequence[Cell]
    below: str = ""
    oracle: bool = False
    link: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the page; `csv` is the path of its values, relative to the page."""

    caption: str
    corner: str
    columns: Sequence[str]
    rows: Sequence[Row]
    notes: Sequence[str] = field(default=())
    csv: str = ""


@dataclass(frozen=True)
class View:
    """One of several alternatives: its name, and its tables."""

    name: str
    tables: Sequence[Table]


def plain(value: float | None, digits: int = 0, kind: str = "") -> Cell:
    """Return the cell of a number."""
    return Cell(number(value, digits), kind=kind, value=_known(value))


def estimated(
    value: float | None,
    low: float | None,
    high: float | None,
    metric: str,
    *,
    kind: str = "",
    sign: bool = False,
    heat: float | None = None,
) -> Cell:
    """Return the cell of a metric's value with its interval below; a dash if there is none."""
    digits = metric_of(metric).digits
    below = interval(low, high, digits, sign)
    return Cell(number(value, digits, sign), below, kind, _known(value), low, high, heat)


def _known(value: float | None) -> float | None:
    """None also for NaN, by which browsers cannot sort."""
    return None if pd.isna(value) else value


def frame(table: Table) -> pd.DataFrame:
    """Return the table's values: a column for each of its columns, two more for intervals."""
    return pd.DataFrame([dict(_record(table, row)) for row in table.rows])


def _record(table: Table, row: Row) -> Iterator[tuple[str, str | float | None]]:
    heading = f"{row.heading}, {row.below}" if row.below else row.heading
    yield table.corner, heading
    spread = _with_interval(table)
    for name, cell in zip(table.columns, row.cells, strict=True):
        yield name, _entry(cell)
        if name in spread:
            yield f"{name} low", cell.low
            yield f"{name} high", cell.high


def _entry(cell: Cell) -> str | float | None:
    if cell.value is not None or cell.text == "–":
        return cell.value
    return f"{cell.text}, {cell.below}" if cell.below else cell.text


def _with_interval(table: Table) -> set[str]:
    return {
        name
        for row in table.rows
        for name, cell in zip(table.columns, row.cells, strict=True)
        if cell.low is not None
    }


def estimate(
    cells: pd.DataFrame,
    name: str,
    metric: str,
    best: str | None = None,
    colour: Callable[[float], float] | None = None,
) -> Cell:
    """The cell of a system's mean, of a table by system; a dash if there is none.

    Args:
        cells: mean and interval, `mean low high`, by system.
        name: of the system.
        metric: of the table.
        best: the system that is emphasised.
        colour: position of a mean on the colour scale.
    """
    if name not in cells.index or pd.isna(cells.at[name, "mean"]):
        return Cell("–")
    mean, low, high = cells.loc[name, ["mean", "low", "high"]]
    heat = None if colour is None else colour(mean)
    return estimated(mean, low, high, metric, kind="strong" * (name == best), heat=heat)


def metric_cells(summary: pd.DataFrame) -> dict[str, list[Cell]]:
    """Return the cells of each system, one a metric in the order of `metrics_in`."""
    metrics = metrics_in(summary)
    by_metric = {m: summary[summary["metric"] == m].set_index("system") for m in metrics}
    return {
        name: [estimate(by_metric[metric], name, metric) for metric in metrics]
        for name in dict.fromkeys(summary["system"])
    }


def missing(summary: pd.DataFrame) -> list[str]:
    """Return notes on the values of each metric that are undefined."""
    counts = summary.groupby("metric", sort=False)["missing"].sum()
    return [
        f"{metric_of(metric).label}: {counted(int(count), 'item')} could not be computed"
        " and do not count in the mean."
        for metric, count in counts.items()
        if count > 0
    ]
