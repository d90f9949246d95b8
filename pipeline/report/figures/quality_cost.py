"""Figure of the headline metric of each network against what a second of audio costs."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from pipeline.report.figures.labels import label_points
from pipeline.report.names import metric_of
from pipeline.report.style import SECOND, nothing, svg


class Costed(NamedTuple):
    """A network: what a second of audio costs, and its mean and interval of the metric."""

    name: str
    milliseconds: float
    multiply_adds: float
    mean: float
    low: float
    high: float


def draw_quality_cost(networks: Sequence[Costed], metric: str, path: Path) -> None:
    """Draw the metric against time and against multiply-adds, on logarithmic axes.

    Args:
        networks: those that separate noisy mixtures, without a denoiser before them.
        metric: name of the metric.
        path: SVG to write.
    """
    if not networks:
        return nothing("No network was both scored and timed.", path)
    with svg(path, (7.6, 4.2)) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        left.set_ylabel(metric_of(metric).title)
        left.set_xlabel("time (ms for 1 s of audio)")
        right.set_xlabel("multiply-adds (G for 1 s of audio)")
        times = [network.milliseconds for network in networks]
        counts = [network.multiply_adds / 1e9 for network in networks]
        for ax, costs in ((left, times), (right, counts)):
            _panel(ax, costs, networks)
        figure.draw_without_rendering()  # places the axes, into which the labels are fitted
        names = [network.name for network in networks]
        for ax, costs in ((left, times), (right, counts)):
            places = [(cost, network.mean) for cost, network in zip(costs, networks, strict=True)]
            label_points(ax, places, names)


def _panel(ax: Axes, costs: Sequence[float], networks: Sequence[Costed]) -> None:
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(lambda cost, _: f"{cost:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    for cost, network in zip(costs, networks, strict=True):
        if np.isfinite([network.low, network.high]).all():
            ax.vlines(cost, network.low, network.high, color=SECOND, linewidth=1.2, alpha=0.6)
        ax.plot(cost, network.mean, "o", color=SECOND, markersize=6)
    ax.set_xlim(0.7 * min(costs), 3 * max(costs))  # labels are to the right
    ax.margins(y=0.1)
