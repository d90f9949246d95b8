"""Labels of points in a figure, none of which covers another one."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from pipeline.report.style import INK, MUTED

SIZE = 8  # points
LETTER = 0.56  # width of a letter, relative to the size
SLOTS = sorted(range(-8, 9), key=lambda slot: (abs(slot), slot))
"""Positions of a label, in lines above its point: the nearest free one is used."""


class Box(NamedTuple):
    """A rectangle on the figure, in points."""

    left: float
    right: float
    low: float
    high: float

    def meets(self, other: "Box") -> bool:
        """Return whether two rectangles overlap."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.low < other.high
            and other.low < self.high
        )


def label_points(ax: Axes, places: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Write each name to the right of its point, in a free position.

    The axes must have been laid out (`Figure.draw_without_rendering`).
    """
    scale = 72 / ax.figure.dpi
    at = ax.transData.transform(places) * scale
    taken = [Box(x - 4, x + 4, y - 4, y + 4) for x, y in at]
    for place in np.argsort(-at[:, 1], kind="stable"):
        x, y = at[place]
        boxes = {slot: _box(x, y, names[place], slot) for slot in SLOTS}
        free = (s for s, box in boxes.items() if not any(box.meets(other) for other in taken))
        slot = next(free, 0)
        taken.append(boxes[slot])
        _annotate(ax, places[place], names[place], slot)


def _box(x: float, y: float, name: str, slot: int) -> Box:
    middle = y + slot * SIZE * 1.25
    return Box(x + 8, x + 9 + LETTER * SIZE * len(name), middle - SIZE * 0.6, middle + SIZE * 0.6)


def _annotate(ax: Axes, place: tuple[float, float], name: str, slot: int) -> None:
    line = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
    ax.annotate(
        name,
        place,
        (9, slot * SIZE * 1.25),
        textcoords="offset points",
        va="center",
        size=SIZE,
        color=INK,
        arrowprops=line if slot else None,
    )
