"""Figure of the headline metric of each system against its latency."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pipeline.report.figures.labels import label_points
from pipeline.report.names import condition_label, condition_order, metric_of
from pipeline.report.style import COLOURS, FIRST, LINE, MUTED, nothing, svg
from pipeline.report.systems import DENOISED


class Point(NamedTuple):
    """A system: its parts, its median latency in ms, its mean and interval of the metric."""

    separator: str
    trained: str
    tested: str
    milliseconds: float
    mean: float
    low: float
    high: float


def draw_quality_latency(points: Sequence[Point], metric: str, path: Path) -> None:
    """Draw each system as a point with its interval, one panel per separator.

    Colours show the input of a system, labels its training condition (the denoiser's name for
    denoised mixtures). A thin line leads from a separator with noisy mixtures as input to the same
    one with a denoiser before or behind it.

    Args:
        points: systems that need no oracle.
        metric: name of the metric.
        path: SVG to write.
    """
    if not points:
        return nothing("No system was both scored and timed.", path)
    tested = condition_order(point.tested for point in points)
    colours = dict(zip(tested, [MUTED, *COLOURS] if "noisy" in tested else COLOURS, strict=False))
    separators = list(dict.fromkeys(point.separator for point in points))
    with svg(path, (7.6, 0.8 + 3.9 * len(separators))) as figure:
        axes = figure.subplots(len(separators), sharex=True, squeeze=False)[:, 0]
        for ax, separator in zip(axes, separators, strict=True):
            ax.set_title(separator, weight="bold")
            ax.set_ylabel(metric_of(metric).title)
            _panel(ax, [point for point in points if point.separator == separator], colours)
        axes[-1].set_xlabel("latency of one mixture, p50 (ms)")
        axes[-1].set_xlim(0, 1.25 * max(point.milliseconds for point in points))
        figure.legend(
            handles=[_key(colours.get(name, FIRST), f"input: {_input(name)}") for name in tested],
            loc="outside upper left",
            fontsize=8.5,
            ncols=2,
        )
        figure.draw_without_rendering()  # places the axes, into which the labels are fitted
        for ax, separator in zip(axes, separators, strict=True):
            _label(ax, [point for point in points if point.separator == separator])


def _panel(ax: Axes, points: Sequence[Point], colours: dict[str, str]) -> None:
    for start, end in _added(points):
        ways = [start.milliseconds, end.milliseconds], [start.mean, end.mean]
        ax.plot(*ways, color=LINE, linewidth=1.2, zorder=1)
    for point in points:
        colour, x = colours.get(point.tested, FIRST), point.milliseconds
        if np.isfinite([point.low, point.high]).all():
            ax.vlines(x, point.low, point.high, color=colour, linewidth=1.2, alpha=0.6, zorder=2)
        ax.plot(x, point.mean, "o", color=colour, markersize=6, zorder=3)
    ax.margins(y=0.08)


def _added(points: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    """Pairs of one separator, without a denoiser and with one."""
    for start in points:
        for end in points:
            if start.trained == end.trained and start.tested == "noisy" != end.tested:
                yield start, end


def _key(colour: str, label: str) -> Line2D:
    return Line2D([], [], color=colour, marker="o", linestyle="none", markersize=6, label=label)


def _input(condition: str) -> str:
    label = condition_label(condition)
    if label.startswith("noisy"):
        return f"noisy mixtures{label.removeprefix('noisy')}"
    return f"mixtures {label}"


def _label(ax: Axes, points: Sequence[Point]) -> None:
    """Label each point with its training condition."""
    names = [point.trained.removeprefix(DENOISED) for point in points]
    label_points(ax, [(point.milliseconds, point.mean) for point in points], names)
