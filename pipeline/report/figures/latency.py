"""Figures of the latency of one mixture, and of its dependence on the length."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pipeline.report.names import number
from pipeline.report.style import COLOURS, INK, MUTED, SECOND, nothing, svg

MARKERS = "os^Dvp"
MOST = 250
"""Largest number of points per network; more only make the file larger."""


def draw_latency(latency: pd.DataFrame, path: Path) -> None:
    """Draw the latency of one mixture, one panel per stage and network, with percentiles.

    Args:
        latency: `stage, model, latency_ms, …`, one row per timed call.
        path: SVG to write.
    """
    latency = latency[latency["latency_ms"].notna()]
    if latency.empty:
        return nothing("No latency was measured.", path)
    groups = dict(tuple(latency["latency_ms"].groupby(networks(latency))))
    with svg(path, (7.0, 0.4 + 1.75 * len(groups))) as figure:
        axes = figure.subplots(len(groups), sharex=True, squeeze=False)[:, 0]
        for ax, (name, values) in zip(axes, groups.items(), strict=True):
            ax.set_title(f"{name}  (n = {len(values)})", weight="bold", pad=14)
            _histogram(ax, values.to_numpy(float), latency["latency_ms"].max())
        axes[-1].set_xlabel("latency of one mixture (ms)")


def networks(latency: pd.DataFrame) -> pd.Series:
    """Return stage and network of each call; the training condition does not change the speed."""
    return (latency["stage"] + ": " + latency["model"].str.split("/").str[0]).rename("network")


def _histogram(ax: Axes, values: NDArray, longest: float) -> None:
    ax.hist(
        values, bins=np.linspace(0, longest * 1.02 or 1.0, 41).tolist(), color=SECOND, alpha=0.75
    )
    ax.set_ylabel("calls")
    ax.set_xlim(left=0)
    ax.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    p50, p95 = np.percentile(values, [50, 95])
    # Labels point away from each other, so that close percentiles stay legible.
    for value, label, side in ((p50, "p50", "right"), (p95, "p95", "left")):
        ax.axvline(value, color=INK, linewidth=1, linestyle=(0, (3, 2)))
        text = f" {label} {number(value, 0)} "
        ax.text(
            value, 1.01, text, transform=ax.get_xaxis_transform(), ha=side, size=8.5, color=MUTED
        )


def draw_latency_length(latency: pd.DataFrame, path: Path) -> None:
    """Draw the latency of each mixture against its length, one colour per stage and network.

    A mixture is one point of a network, the median over that network's weights and conditions.

    Args:
        latency: `stage, model, mixture_id, audio_seconds, latency_ms, …`, a row per timed call.
        path: SVG to write.
    """
    latency = latency[latency["latency_ms"].notna()]
    if latency.empty:
        return nothing("No latency was measured.", path)
    columns = ["audio_seconds", "latency_ms"]
    mixtures = latency.groupby([networks(latency), "mixture_id"], sort=False)[columns].median()
    with svg(path, (7.4, 4.6)) as figure:
        ax = figure.subplots()
        for place, (name, points) in enumerate(mixtures.groupby("network", sort=False)):
            shown = _thinned(points.sort_values(columns))
            seconds, milliseconds = shown["audio_seconds"], shown["latency_ms"]
            colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
            style: dict[str, Any] = {"color": colour, "markersize": 4.5, "alpha": 0.75}
            ax.plot(seconds, milliseconds, marker, label=name, **style)
        shortest, longest = mixtures["audio_seconds"].quantile([0, 1])
        ax.set(xlabel="length of the mixture (s)", ylabel="latency (ms)")
        ax.set(xlim=(0.97 * shortest, 1.03 * longest), ylim=(0, None))
        _mark_factors(ax, mixtures["latency_ms"] / mixtures["audio_seconds"] / 1000)
        figure.legend(loc="outside upper left", fontsize=8.5, ncols=2)


def _thinned(points: pd.DataFrame) -> pd.DataFrame:
    """At most `MOST` rows, evenly spaced from first to last."""
    places = np.unique(np.linspace(0, len(points) - 1, min(len(points), MOST)).round().astype(int))
    return points.iloc[places]


def _mark_factors(ax: Axes, factors: pd.Series) -> None:
    """Draw lines of equal RTF: round numbers around the measured ones."""
    (left, right), top = ax.get_xlim(), ax.get_ylim()[1]
    steps = [digit * 10.0**power for power in range(-6, 4) for digit in (1, 2, 5)]
    low, high = factors.quantile(0.05) / 2.5, factors.quantile(0.95) * 2.5
    for factor in (step for step in steps if low <= step <= high):
        per_second = 1000 * factor
        if per_second * left > top:
            continue
        end = min(right, top / per_second)
        ends = [per_second * left, per_second * end]
        ax.plot([left, end], ends, color=MUTED, linewidth=0.7, zorder=0)
        text: dict[str, Any] = {"textcoords": "offset points", "size": 8, "color": MUTED}
        # Beside the axes, or above them if the line ends there.
        if end == right:
            text |= {"xytext": (3, 0), "ha": "left", "va": "center"}
        else:
            text |= {"xytext": (0, 2), "ha": "center", "va": "bottom"}
        ax.annotate(f"RTF {factor:g}", (end, ends[1]), **text)
    ax.set(xlim=(left, right), ylim=(0, top))
