"""Figure of the distribution over mixtures of the differences between two systems."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from pipeline.report.names import interval, metric_of, number
from pipeline.report.style import FIRST, INK, MUTED, PAPER, SECOND, nothing, svg

FEWEST = 8
"""With fewer mixtures, a density would show structure that is not there."""
DOTS = 200
"""With more mixtures, single ones are not drawn."""


class Difference(NamedTuple):
    """Two systems: labels, the difference A − B of each mixture, the mean with its interval."""

    a: str
    b: str
    metric: str
    values: NDArray[np.float64]
    mean: float
    low: float
    high: float


def draw_differences(pairs: Sequence[Difference], path: Path) -> None:
    """Draw the distribution of each pair's differences, with the mean and its interval.

    Args:
        pairs: all in one metric.
        path: SVG to write.
    """
    pairs = [pair for pair in pairs if len(pair.values)]
    if not pairs:
        return nothing("No two systems were compared.", path)
    metric = metric_of(pairs[0].metric)
    with svg(path, (8.2, 0.7 + 1.05 * len(pairs))) as figure:
        ax = figure.subplots()
        for place, pair in enumerate(pairs):
            _spread(ax, place, pair.values)
            ax.errorbar(pair.mean, place, color=INK, marker="o", markersize=5, zorder=4)
            if np.isfinite([pair.low, pair.high]).all():
                ax.hlines(place, pair.low, pair.high, color=INK, linewidth=3, zorder=3)
            _label(ax, place, pair, metric.digits)
        ax.axvline(0, color=MUTED, linestyle=(0, (4, 3)), linewidth=1)
        ax.set(ylim=(len(pairs) - 0.55, -0.7), yticks=[])
        better = "negative" if metric.low_is_good else "positive"
        ax.set_xlabel(f"A − B, {metric.title}; {better}: A is better")
        ax.spines["left"].set_visible(False)
        ax.grid(axis="y", visible=False)


def _spread(ax: Axes, place: int, values: NDArray[np.float64]) -> None:
    if len(values) >= FEWEST and np.ptp(values) > 0:
        bodies: Any = ax.violinplot(
            values, [place], orientation="horizontal", widths=0.4, showextrema=False
        )["bodies"]
        for body in bodies:
            body.set(facecolor=SECOND, edgecolor="none", alpha=0.3)
    if len(values) <= DOTS:
        heights = np.full(len(values), place + 0.24)
        ax.plot(values, heights, "|", color=FIRST, markersize=6, markeredgewidth=1)


def _label(ax: Axes, place: int, pair: Difference, digits: int) -> None:
    """Write the names above the distribution, and the numbers at its right."""
    across = ax.get_yaxis_transform()
    paper = {"facecolor": PAPER, "edgecolor": "none", "pad": 1}
    names = f"{pair.a}\n− {pair.b}"
    ax.text(0, place - 0.33, names, transform=across, size=8.5, va="bottom", bbox=paper)
    spread = interval(pair.low, pair.high, digits, sign=True)
    result = f"{number(pair.mean, digits, sign=True)}\n{spread}".rstrip()
    ax.text(1.02, place, result, transform=across, size=8.5, va="center")
