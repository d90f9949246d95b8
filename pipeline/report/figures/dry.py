"""Figure of SI-SDRi by the share of the mixture that is added back to a denoiser's output."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes

from pipeline.report.names import metric_of
from pipeline.report.style import COLOURS, LEAST_WIDTH, nothing, svg

STYLES = ("-", "--", ":")
"""Of lines, where there are more denoisers than colours."""


class Curve(NamedTuple):
    """A panel, a denoiser, and its values there: the columns `dry mean low high chosen`."""

    panel: str
    denoiser: str
    values: pd.DataFrame


def draw_dry(curves: Sequence[Curve], path: Path) -> None:
    """Draw a panel for the denoisers alone and for each network behind them, a line a denoiser.

    A dot marks the share that is best on dev.

    Args:
        curves: of all panels.
        path: SVG to write.
    """
    if not curves:
        return nothing("No shares of the mixture were tried.", path)
    panels = list(dict.fromkeys(curve.panel for curve in curves))
    names = list(dict.fromkeys(curve.denoiser for curve in curves))
    across = min(2, len(panels))
    down = -(-len(panels) // across)
    with svg(path, (max(4.3 * across, LEAST_WIDTH), 1.1 + 2.9 * down)) as figure:
        axes = figure.subplots(down, across, squeeze=False).ravel()
        for ax, panel in zip(axes, panels, strict=False):
            ax.set_title(panel)
            ax.set_xlabel("share of the mixture (%)")
            for curve in curves:
                if curve.panel == panel:
                    _line(ax, curve, names.index(curve.denoiser))
        for ax in axes[len(panels) :]:
            ax.remove()
        figure.supylabel(metric_of("si_sdri").title, size=10)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=4)


def _line(ax: Axes, curve: Curve, place: int) -> None:
    values, colour = curve.values, COLOURS[place % len(COLOURS)]
    style = STYLES[place // len(COLOURS) % len(STYLES)]
    shares = 100 * values["dry"]
    ax.plot(shares, values["mean"], style, color=colour, label=curve.denoiser)
    ax.fill_between(shares, values["low"], values["high"], color=colour, alpha=0.08, linewidth=0)
    ax.plot(shares[values["chosen"]], values["mean"][values["chosen"]], "o", color=colour)
