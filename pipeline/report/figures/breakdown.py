"""Figure of the headline metric by groups of mixtures."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pipeline.report.groups import Grouping
from pipeline.report.names import metric_of, system_labels
from pipeline.report.style import FIRST, INK, LEAST_WIDTH, SECOND, nothing, svg

MOST_GROUPS = 8
"""A panel with more groups, such as speakers, cannot be read."""
LETTERS = 60
"""Total length of the names below a panel that fit side by side."""
OTHERS = "other systems"


def draw_breakdown(
    groupings: Sequence[Grouping],
    metric: str,
    systems: Sequence[str],
    marked: Sequence[str | None],
    path: Path,
) -> None:
    """Draw a panel for each grouping with few groups, with a line or row of points per system.

    Args:
        groupings: with an estimate of the metric for each system.
        metric: what was estimated.
        systems: their names, in the order of the estimates.
        marked: the main system and its counterpart, which are emphasised; None for no system.
        path: SVG to write.
    """
    panels = [grouping for grouping in groupings if len(grouping.groups) <= MOST_GROUPS]
    if not panels:
        return nothing("The test mixtures cannot be parted into groups.", path)
    across = min(2, len(panels))
    down = -(-len(panels) // across)
    with svg(path, (max(4.3 * across, LEAST_WIDTH), 0.9 + 2.6 * down)) as figure:
        axes = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
        for ax, grouping in zip(axes, panels, strict=False):
            _panel(ax, grouping, list(_looks(systems, marked)))
            ax.set_title(f"by {grouping.title}")
        for ax in axes[len(panels) :]:
            ax.remove()
        figure.supylabel(metric_of(metric).title, size=10)
        shown = zip(*axes[0].get_legend_handles_labels(), strict=True)
        handles, labels = zip(*sorted(shown, key=lambda pair: pair[1] == OTHERS), strict=True)
        figure.legend(handles, labels, loc="outside upper left")


def _looks(systems: Sequence[str], marked: Sequence[str | None]) -> Iterator[dict[str, Any]]:
    """The plot style of each system."""
    labels = system_labels(systems)
    styles = ({"color": SECOND, "zorder": 4}, {"color": INK, "zorder": 3, "linestyle": "--"})
    looks = dict(zip(marked, styles, strict=True))
    others = iter([OTHERS])
    for name in systems:
        if name in looks:
            yield {"label": labels[name], "linewidth": 1.8, "markersize": 5, **looks[name]}
        else:
            label = next(others, "_")
            yield {"label": label, "linewidth": 1, "markersize": 3, "color": FIRST, "alpha": 0.7}


def _panel(ax: Axes, grouping: Grouping, looks: list[dict[str, Any]]) -> None:
    """Draw lines if the groups have an order, and points side by side otherwise."""
    groups, places = grouping.groups, np.arange(len(grouping.groups))
    in_order = bool(grouping.unit)
    for column, look in enumerate(looks):
        mean, low, high = np.array([group.estimates[column] for group in groups]).T
        step = 0.02 if in_order else 0.5 / len(looks)
        x = places + step * (column - (len(looks) - 1) / 2)
        ax.plot(x, mean, marker="o", **(look if in_order else look | {"linestyle": "none"}))
        if look["color"] != FIRST:
            ax.vlines(x, low, high, color=look["color"], zorder=look["zorder"])
    names = [f"{group.label}\n({group.mixtures})" for group in groups]
    crowded = sum(len(group.label) for group in groups) > LETTERS
    ax.set_xticks(places, names, size=8.5)
    if crowded:
        ax.tick_params(axis="x", labelrotation=35)
    ax.set_xlim(-0.5, len(groups) - 0.5)
    ax.grid(axis="x", visible=False)
