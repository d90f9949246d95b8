"""Figure of the rules of a run and their dependencies, in layers from the first to the last."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import igraph
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve
from numpy.typing import NDArray

from pipeline.report.names import counted
from pipeline.report.style import INK, LINE, MUTED, PAPER, SECOND, nothing, svg

WIDTH, HEIGHT = 0.86, 0.62  # of a box; the centres of boxes are 1 apart
EDGE = np.array([0, HEIGHT / 2])  # from the centre of a box to the centre of its lower edge
INCHES = (1.75, 0.66)  # of that distance

Points = NDArray[np.float64]


def draw_dag(jobs: Mapping[str, int], edges: Sequence[Sequence[str]], path: Path) -> None:
    """Draw a box for each rule and a line to each rule that uses its output.

    An edge is left out if a longer path connects its rules: the figure is the transitive reduction.

    Args:
        jobs: number of jobs of each rule.
        edges: pairs of a rule and a rule that uses its output.
        path: SVG to write.
    """
    if not edges:
        return nothing("The graph of the rules was not recorded.", path)
    names, used = list(jobs), reduced(edges)
    places, bends = _layout(names, used)
    across, down = np.ptp(places, axis=0) + 1
    with svg(path, (max(INCHES[0] * across, 4.6), INCHES[1] * down)) as figure:
        ax = figure.subplots()
        ax.set_axis_off()
        for (start, end), between in zip(used, bends, strict=True):
            way = [places[names.index(start)], *between, places[names.index(end)]]
            _line(ax, np.array(way))
        for name, place in zip(names, places, strict=True):
            _box(ax, place, name, jobs[name])
        low, high = places.min(axis=0) - 0.5, places.max(axis=0) + 0.5
        ax.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]))


def reduced(edges: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """Return the edges that no longer path between the same two rules makes redundant, in order."""
    graph = igraph.Graph.TupleList([tuple(edge) for edge in edges], directed=True)
    kept = []
    for start, end in edges:
        a, b = graph.vs.find(name=start), graph.vs.find(name=end)
        others = [v for v in graph.successors(a) if v != b.index]
        if not any(b.index in graph.subcomponent(v, mode="out") for v in others):
            kept.append((start, end))
    return kept


def _layout(
    names: list[str], edges: list[tuple[str, str]]
) -> tuple[Points, list[list[Sequence[float]]]]:
    """Positions of the boxes, `[boxes, 2]` downwards, and of the bends of each line."""
    graph = igraph.Graph(
        len(names), [(names.index(a), names.index(b)) for a, b in edges], directed=True
    )
    layout = graph.layout_sugiyama()
    return np.array(layout.coords), layout.edge_routing


def _line(ax: Axes, way: Points) -> None:
    """Draw a line down from one box to another; it moves sideways only between the rows."""
    points, codes = [way[0] + EDGE], np.array([Curve.MOVETO])
    for stop in way[1:]:
        start, end = points[-1], stop - EDGE
        half = (end - start) * [0, 0.5]
        points += [start + half, end - half, end, stop + EDGE]
        codes = np.append(codes, [Curve.CURVE4, Curve.CURVE4, Curve.CURVE4, Curve.LINETO])
    path = Curve(np.array(points[:-1]), codes[:-1])  # the line ends on top of the last box
    ax.add_patch(PathPatch(path, fill=False, edgecolor=MUTED, linewidth=1))


def _box(ax: Axes, place: Points, name: str, jobs: int) -> None:
    x, y = place
    corner = (x - WIDTH / 2, y - HEIGHT / 2)
    box = FancyBboxPatch(corner, WIDTH, HEIGHT, boxstyle="round,pad=0,rounding_size=0.08")
    box.set(facecolor=PAPER, edgecolor=SECOND if jobs > 1 else LINE, linewidth=1.2)
    ax.add_patch(box)
    ax.text(x, y - 0.12, name, ha="center", va="center", size=9, color=INK)
    count = counted(jobs, "job")
    ax.text(x, y + 0.15, count, ha="center", va="center", size=8, color=MUTED)
