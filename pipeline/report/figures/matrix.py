"""The headline metric as training condition × test condition, for `snakemake --report`."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from pipeline.report.names import (
    condition_label,
    condition_order,
    headline,
    interval,
    metric_of,
    number,
    test_label,
)
from pipeline.report.style import MUTED, nothing, svg
from pipeline.report.systems import ORACLE, system

HEAT = LinearSegmentedColormap.from_list("heat", ["#eef5f3", "#a9d3cd", "#4b9aa0", "#16535f"])


def draw_matrix(summary: pd.DataFrame, path: Path) -> None:
    """Draw the headline metric as training condition × test condition, one map per separator.

    Args:
        summary: `system, metric, mean, low, high, …`, one row per system and metric.
        path: SVG to write.
    """
    metric = headline(summary)
    rows = summary[summary["metric"] == metric]
    rows = rows.assign(parts=[system(name) for name in rows["system"]])
    rows = rows[rows["parts"].notna() & rows["mean"].notna()]
    if metric is None or rows.empty:
        return nothing("No separation system was scored.", path)
    separators = list(dict.fromkeys(parts.separator for parts in rows["parts"]))
    trained = condition_order(parts.trained for parts in rows["parts"])
    tested = condition_order(parts.tested for parts in rows["parts"])
    width = 1.7 + 1.75 * len(tested)
    height = len(separators) * (0.95 + 0.72 * len(trained)) + 0.1
    with svg(path, (width, height)) as figure:
        axes = figure.subplots(len(separators), squeeze=False)[:, 0]
        colours = colour_scale(rows["mean"], metric)
        for ax, separator in zip(axes, separators, strict=True):
            cells = {
                (trained.index(row.parts.trained), tested.index(row.parts.tested)): row
                for row in rows.itertuples()
                if row.parts.separator == separator
            }
            _heat(ax, cells, trained, tested, colours, metric_of(metric).digits)
            ax.set_title(f"{separator}: {metric_of(metric).title}", pad=10, weight="bold")


def colour_scale(means: pd.Series, metric: str) -> Callable[[float], float]:
    """Return a function from a mean to 0 (worst) … 1 (best); small differences stay close."""
    least = {"dB": 1.0, "%": 5.0}.get(metric_of(metric).unit, 0.05)
    middle, width = (means.max() + means.min()) / 2, max(means.max() - means.min(), least)
    turn = -1 if metric_of(metric).low_is_good else 1
    return lambda mean: 0.5 + turn * (mean - middle) / width


def _heat(
    ax: Axes,
    cells: dict[tuple[int, int], Any],
    trained: list[str],
    tested: list[str],
    colours: Callable[[float], float],
    digits: int,
) -> None:
    for (y, x), row in cells.items():
        fill = HEAT(colours(row.mean))
        light = colours(row.mean) > 0.55
        text: dict[str, Any] = {
            "ha": "center",
            "va": "center",
            "color": "#ffffff" if light else "#10161d",
        }
        ax.add_patch(Rectangle((x + 0.02, y + 0.03), 0.96, 0.94, facecolor=fill, edgecolor="none"))
        spread = interval(row.low, row.high, digits)
        ax.text(x + 0.5, y + (0.4 if spread else 0.5), number(row.mean, digits), size=13, **text)
        ax.text(x + 0.5, y + 0.72, spread, size=8.5, **text)
    ax.set(xlim=(0, len(tested)), ylim=(len(trained), 0))
    ax.set_xticks(
        [x + 0.5 for x in range(len(tested))], [_two_lines(test_label(name)) for name in tested]
    )
    ax.set_yticks(
        [y + 0.5 for y in range(len(trained))],
        [_two_lines(condition_label(name)) for name in trained],
    )
    ax.set(xlabel="tested on", ylabel="trained on")
    ax.grid(False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if ORACLE in tested:
        frame = Rectangle((tested.index(ORACLE), 0), 1, len(trained), clip_on=False)
        frame.set(fill=False, edgecolor=MUTED, linestyle=(0, (4, 3)), linewidth=1.2)
        ax.add_patch(frame)


def _two_lines(label: str) -> str:
    return textwrap.fill(label, 14, break_long_words=False, break_on_hyphens=False)
