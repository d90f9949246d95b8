"""The common style of the figures, and the embedding of SVG files into the page."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from pipeline.base.files import replacing

INK, MUTED, LINE, PAPER = "#1b2431", "#5b6776", "#dde2e8", "#fefefe"
FIRST, SECOND = "#8a97a6", "#1c7079"
# Legible on light and dark paper, and distinct for readers with red-green blindness.
COLOURS = ("#1c7079", "#d9822b", "#7d6bb3", "#b0477a", "#5b8c2a", "#3f7fd0")
LEAST_WIDTH = 7.0
"""Inches; a narrower figure would be enlarged on the page, its letters too."""
# Hexadecimal colours that follow the page's light or dark theme in embedded figures.
THEME = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    PAPER: "var(--paper)",
    FIRST: "var(--first)",
    SECOND: "var(--accent)",
}
RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "denoise-then-separate",
    "text.parse_math": False,
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.facecolor": PAPER,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "figure.facecolor": PAPER,
    "legend.frameon": False,
}


@contextmanager
def svg(path: Path, inches: tuple[float, float]) -> Iterator[Figure]:
    """Yield a figure in the common style; write it to `path` at the end of the block."""
    with matplotlib.rc_context(RC):
        figure = Figure(inches, layout="constrained")
        yield figure
        with replacing(path) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})


def nothing(sentence: str, path: Path) -> None:
    """Write the declared file with one sentence if there is nothing to draw."""
    with svg(path, (4.6, 0.8)) as figure:
        figure.text(0.5, 0.5, sentence, ha="center", va="center", color=MUTED)


def inline_svg(path: Path, prefix: str) -> str:
    """Return the SVG element of a figure file, ready for the page and its theme.

    Args:
        path: SVG that a function of this module wrote.
        prefix: put before every id, so that figures in one page share no ids.
    """
    text = path.read_text(encoding="utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", text)
    for colour, variable in THEME.items():
        text = text.replace(colour, variable)
    return text
