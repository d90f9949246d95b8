"""Figure of losses and dev scores over the epochs of each training."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pipeline.report.names import number
from pipeline.report.style import FIRST, INK, LEAST_WIDTH, MUTED, SECOND, nothing, svg

DOTTED = 12
"""With fewer epochs, each is drawn as a dot."""


def draw_training_curves(
    histories: Mapping[str, pd.DataFrame], resumed: Mapping[str, Sequence[int]], path: Path
) -> None:
    """Draw losses and development SI-SDRi over epochs, two panels per model, best epoch marked.

    Args:
        histories: `epoch, step, train_loss, dev_loss, dev_si_sdri, …` by the model's name.
        resumed: by the same names, the steps at which an interrupted training was resumed.
        path: SVG to write.
    """
    histories = {name: history for name, history in histories.items() if len(history)}
    if not histories:
        return nothing("No model was trained.", path)
    bands = -(-len(histories) // 4)
    across = -(-len(histories) // bands)
    with svg(path, (max(3.0 * across, LEAST_WIDTH), 3.9 * bands)) as figure:
        axes = figure.subplots(2 * bands, across, squeeze=False)
        for index in range(bands * across):
            band, column = divmod(index, across)
            upper, lower = axes[2 * band, column], axes[2 * band + 1, column]
            if index < len(histories):
                name = list(histories)[index]
                _curves(upper, lower, name, histories[name], labels=column == 0)
                _mark_resumed(upper, histories[name], resumed.get(name, ()))
            else:
                upper.set_axis_off()
                lower.set_axis_off()


def _curves(upper: Axes, lower: Axes, name: str, history: pd.DataFrame, labels: bool) -> None:
    style: dict[str, Any] = {
        "linewidth": 1.6,
        "marker": "o",
        "markersize": 3 if len(history) < DOTTED else 0,
    }
    upper.plot(history["epoch"], history["train_loss"], color=FIRST, label="train", **style)
    upper.plot(history["epoch"], history["dev_loss"], color=SECOND, label="dev", **style)
    lower.plot(history["epoch"], history["dev_si_sdri"], color=SECOND, **style)
    upper.set_title(textwrap.fill(name, 30), weight="bold")
    if labels:
        upper.set_ylabel("loss")
        upper.legend(loc="upper right", fontsize=8.5)
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


def _mark_resumed(ax: Axes, history: pd.DataFrame, steps: Sequence[int]) -> None:
    """Draw a wedge on the axis of epochs for each step at which the training was resumed."""
    # Epoch 1 is drawn at its end, so its first half would lie left of the first tick of the axis.
    ends = [0, *history["step"]], [0, *history["epoch"]]
    places = np.maximum(np.interp(steps, *ends), history["epoch"].min())
    if len(places):
        floor = np.zeros(len(places))
        across = ax.get_xaxis_transform()
        ax.plot(places, floor, "^", color=INK, markersize=7, transform=across, clip_on=False)


def best_epoch(history: pd.DataFrame) -> pd.Series | None:
    """Return the row of the epoch whose weights are used; None if there is none.

    If the weights do not tell, it is that of the highest dev SI-SDRi.
    """
    if "best" in history and history["best"].any():
        return history[history["best"]].iloc[0]
    measured = history[history["dev_si_sdri"].notna()]
    return None if measured.empty else measured.loc[measured["dev_si_sdri"].idxmax()]
