"""The report's figures. Every function draws its data into one file, the same bytes each time."""

import io
import textwrap
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image
from scipy.signal import stft

from pipeline.audio import Samples
from pipeline.files import replacing
from pipeline.report.names import (
    ORACLE,
    condition_label,
    condition_order,
    headline,
    interval,
    metric_of,
    number,
    system,
    test_label,
)
from pipeline.report.style import FIRST, INK, MUTED, RC, SECOND, nothing, svg

HEAT = LinearSegmentedColormap.from_list("heat", ["#eef5f3", "#a9d3cd", "#4b9aa0", "#16535f"])
TILE, TILE_TEXT = "#0d0b16", "#cfccd9"
SPAN_DB = 70.0


def matrix(summary: pd.DataFrame, path: Path) -> None:
    """Draw the headline metric as training condition × test condition, one map a separator.

    Args:
        summary: `system, metric, mean, low, high, …`, one row per system and metric.
        path: SVG to write.
    """
    metric = headline(summary)
    rows = summary[summary["metric"] == metric]
    rows = rows.assign(parts=[system(name) for name in rows["system"]])
    rows = rows[rows["parts"].notna() & rows["mean"].notna()]
    if metric is None or rows.empty:
        return nothing("No separation system was scored.", path)
    separators = list(dict.fromkeys(parts.separator for parts in rows["parts"]))
    trained = condition_order(parts.trained for parts in rows["parts"])
    tested = condition_order(parts.tested for parts in rows["parts"])
    width = 1.7 + 1.75 * len(tested)
    height = len(separators) * (0.95 + 0.72 * len(trained)) + 0.1
    with svg(path, (width, height)) as figure:
        axes = figure.subplots(len(separators), squeeze=False)[:, 0]
        colours = _colours(rows["mean"], 1.0 if metric_of(metric).unit == "dB" else 0.05)
        for ax, separator in zip(axes, separators, strict=True):
            cells = {
                (trained.index(row.parts.trained), tested.index(row.parts.tested)): row
                for row in rows.itertuples()
                if row.parts.separator == separator
            }
            _heat(ax, cells, trained, tested, colours, metric_of(metric).digits)
            ax.set_title(f"{separator}: {metric_of(metric).title}", pad=10, weight="bold")


def _colours(means: pd.Series, least: float) -> Normalize:
    """A scale from lowest to highest, but of a width that does not paint a trifle as a gulf."""
    middle, half = (means.max() + means.min()) / 2, max(means.max() - means.min(), least) / 2
    return Normalize(middle - half, middle + half)


def _heat(
    ax: Axes,
    cells: dict[tuple[int, int], Any],
    trained: list[str],
    tested: list[str],
    colours: Normalize,
    digits: int,
) -> None:
    for (y, x), row in cells.items():
        fill = HEAT(colours(row.mean))
        light = colours(row.mean) > 0.55
        text: dict[str, Any] = {
            "ha": "center",
            "va": "center",
            "color": "#ffffff" if light else "#10161d",
        }
        ax.add_patch(Rectangle((x + 0.02, y + 0.03), 0.96, 0.94, facecolor=fill, edgecolor="none"))
        spread = interval(row.low, row.high, digits)
        ax.text(x + 0.5, y + (0.4 if spread else 0.5), number(row.mean, digits), size=13, **text)
        ax.text(x + 0.5, y + 0.72, spread, size=8.5, **text)
    ax.set(xlim=(0, len(tested)), ylim=(len(trained), 0))
    ax.set_xticks(
        [x + 0.5 for x in range(len(tested))], [_two_lines(test_label(name)) for name in tested]
    )
    ax.set_yticks(
        [y + 0.5 for y in range(len(trained))],
        [_two_lines(condition_label(name)) for name in trained],
    )
    ax.set(xlabel="tested on", ylabel="trained on")
    ax.grid(False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if ORACLE in tested:
        frame = Rectangle((tested.index(ORACLE), 0), 1, len(trained), clip_on=False)
        frame.set(fill=False, edgecolor=MUTED, linestyle=(0, (4, 3)), linewidth=1.2)
        ax.add_patch(frame)


def training_curves(histories: dict[str, pd.DataFrame], path: Path) -> None:
    """Draw losses and development SI-SDRi over epochs, two panels a model, best epoch marked.

    Args:
        histories: `epoch, train_loss, dev_loss, dev_si_sdri, …` by the model's name.
        path: SVG to write.
    """
    histories = {name: history for name, history in histories.items() if len(history)}
    if not histories:
        return nothing("No model was trained.", path)
    bands = -(-len(histories) // 4)
    across = -(-len(histories) // bands)
    with svg(path, (max(3.0 * across, 4.6), 3.9 * bands)) as figure:
        axes = figure.subplots(2 * bands, across, squeeze=False)
        for index in range(bands * across):
            band, column = divmod(index, across)
            upper, lower = axes[2 * band, column], axes[2 * band + 1, column]
            if index < len(histories):
                name = list(histories)[index]
                _curves(upper, lower, name, histories[name], labels=column == 0)
            else:
                upper.set_axis_off()
                lower.set_axis_off()


def _curves(upper: Axes, lower: Axes, name: str, history: pd.DataFrame, labels: bool) -> None:
    style: dict[str, Any] = {
        "linewidth": 1.6,
        "marker": "o",
        "markersize": 3 if len(history) < 12 else 0,
    }
    upper.plot(history["epoch"], history["train_loss"], color=FIRST, label="train", **style)
    upper.plot(history["epoch"], history["dev_loss"], color=SECOND, label="dev", **style)
    lower.plot(history["epoch"], history["dev_si_sdri"], color=SECOND, **style)
    upper.set_title(textwrap.fill(name, 30), weight="bold")
    if labels:
        upper.set_ylabel("loss")
        upper.legend(loc="upper center", fontsize=8.5)
        lower.set_ylabel("dev SI-SDRi (dB)")
    lower.set_xlabel("epoch")
    for ax in (upper, lower):
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    _mark_best(upper, lower, history)


def _mark_best(upper: Axes, lower: Axes, history: pd.DataFrame) -> None:
    best = best_epoch(history)
    if best is None:
        return
    for ax, column in ((upper, "dev_loss"), (lower, "dev_si_sdri")):
        ax.axvline(best["epoch"], color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
        ax.plot(best["epoch"], best[column], "o", color=SECOND, markersize=6)
    note = f"best: epoch {best['epoch']:.0f}, {number(best['dev_si_sdri'], 1)} dB"
    lower.set_title(note, size=8.5, color=MUTED)


def best_epoch(history: pd.DataFrame) -> pd.Series | None:
    """The row of the highest development SI-SDRi, whose weights are used; None if there is none."""
    measured = history[history["dev_si_sdri"].notna()]
    return None if measured.empty else measured.loc[measured["dev_si_sdri"].idxmax()]


def latency_histogram(latency: pd.DataFrame, path: Path) -> None:
    """Draw how long one mixture takes, one panel a stage and network, percentiles marked.

    Args:
        latency: `stage, model, latency_ms, …`, one row per timed call.
        path: SVG to write.
    """
    latency = latency[latency["latency_ms"].notna()]
    if latency.empty:
        return nothing("No latency was measured.", path)
    # What a network was trained on does not change its speed: one panel for all its weights.
    names = latency["stage"] + ": " + latency["model"].str.split("/").str[0]
    groups = dict(tuple(latency["latency_ms"].groupby(names.rename("panel"))))
    with svg(path, (7.0, 0.4 + 1.75 * len(groups))) as figure:
        axes = figure.subplots(len(groups), sharex=True, squeeze=False)[:, 0]
        for ax, (name, values) in zip(axes, groups.items(), strict=True):
            ax.set_title(f"{name}  (n = {len(values)})", weight="bold", pad=14)
            _histogram(ax, values.to_numpy(float), latency["latency_ms"].max())
        axes[-1].set_xlabel("latency of one mixture (ms)")


def _histogram(ax: Axes, values: NDArray, longest: float) -> None:
    ax.hist(
        values, bins=np.linspace(0, longest * 1.02 or 1.0, 41).tolist(), color=SECOND, alpha=0.75
    )
    ax.set_ylabel("calls")
    ax.set_xlim(left=0)
    ax.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    p50, p95 = np.percentile(values, [50, 95])
    # Labels lean away from each other, so that close percentiles stay legible.
    for value, label, side in ((p50, "p50", "right"), (p95, "p95", "left")):
        ax.axvline(value, color=INK, linewidth=1, linestyle=(0, (3, 2)))
        text = f" {label} {number(value, 0)} "
        ax.text(
            value, 1.01, text, transform=ax.get_xaxis_transform(), ha=side, size=8.5, color=MUTED
        )


def power_db(samples: Samples, sample_rate: int) -> tuple[NDArray, NDArray, NDArray]:
    """Power spectrogram of `[time]`: frequencies in Hz, times in s, dB as `[frequency, frame]`."""
    window = min(int(0.032 * sample_rate), len(samples))
    step = max(1, window // 4)
    frequencies, times, values = stft(
        samples, sample_rate, nperseg=window, noverlap=window - step, padded=True
    )
    return frequencies, times, 10 * np.log10(np.abs(values) ** 2 + 1e-12)


def spectrogram(samples: Samples, sample_rate: int, ceiling: float, path: Path) -> None:
    """Draw a spectrogram over a fixed range of 70 dB.

    Args:
        samples: `[time]`.
        sample_rate: in Hz.
        ceiling: the dB of the brightest colour; give all signals of a mixture the same.
        path: PNG to write, a tile with axes in s and kHz.
    """
    _, _, values = power_db(samples, sample_rate)
    extent = (0, len(samples) / sample_rate, 0, sample_rate / 2000)
    colours: dict[str, Any] = {
        "xtick.color": TILE_TEXT,
        "ytick.color": TILE_TEXT,
        "axes.grid": False,
    }
    colours |= {"xtick.labelcolor": TILE_TEXT, "ytick.labelcolor": TILE_TEXT, "font.size": 8}
    with matplotlib.rc_context(RC | colours):
        figure = Figure((4.0, 1.7), dpi=150, facecolor=TILE, layout="constrained")
        ax = figure.subplots()
        ax.imshow(
            values,
            origin="lower",
            aspect="auto",
            extent=extent,
            cmap="magma",
            vmin=ceiling - SPAN_DB,
            vmax=ceiling,
        )
        ax.set_xlabel("time (s)", color=TILE_TEXT)
        ax.set_ylabel("frequency (kHz)", color=TILE_TEXT)
        ax.spines[:].set_visible(False)
        _save_small_png(figure, path)


def _save_small_png(figure: Figure, path: Path) -> None:
    """Save with a palette of 96 colours: a third of the size, no loss the eye can see."""
    whole = io.BytesIO()
    figure.savefig(whole, format="png")
    labels = LinearSegmentedColormap.from_list("labels", [TILE, TILE_TEXT])
    ramps = ((matplotlib.colormaps["magma"], 84), (labels, 12))
    colours = np.vstack([ramp(np.linspace(0, 1, steps)) for ramp, steps in ramps])
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.rint(255 * colours[:, :3]).astype(np.uint8).tobytes())
    reduced = Image.open(whole).convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
    with replacing(path) as temporary:
        reduced.save(temporary, format="png", optimize=True)


def _two_lines(label: str) -> str:
    return textwrap.fill(label, 14, break_long_words=False, break_on_hyphens=False)
