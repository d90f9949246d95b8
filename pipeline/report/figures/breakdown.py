"""The headline metric by groups of mixtures."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pipeline.report.groups import Grouping
from pipeline.report.names import metric_of, system_labels
from pipeline.report.style import FIRST, INK, SECOND, nothing, svg

MOST_GROUPS = 8
"""Groups above which a panel cannot be read, as of speakers."""
LETTERS = 60
"""Of all names below a panel together that stand upright beside each other."""
OTHERS = "other systems"


def draw_breakdown(
    groupings: Sequence[Grouping],
    metric: str,
    systems: Sequence[str],
    marked: Sequence[str | None],
    path: Path,
) -> None:
    """Draw a panel a grouping with few groups, a line or a row of points a system.

    Args:
        groupings: with an estimate of the metric for each system.
        metric: what was estimated.
        systems: their names, in the order of the estimates.
        marked: the main system and its counterpart, which stand out; None for none.
        path: SVG to write.
    """
    panels = [grouping for grouping in groupings if len(grouping.groups) <= MOST_GROUPS]
    if not panels:
        return nothing("The test mixtures cannot be parted into groups.", path)
    across = min(2, len(panels))
    down = -(-len(panels) // across)
    with svg(path, (4.3 * across, 0.9 + 2.6 * down)) as figure:
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
    """How each system is drawn."""
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
    """A line a system where the groups are in order, points beside each other where not."""
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
