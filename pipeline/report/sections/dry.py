"""The section of shares of the mixture that are added back to the output of denoisers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from pipeline.report.figures.dry import Curve, draw_dry
from pipeline.report.names import counted, full_label, system_label
from pipeline.report.run import Run
from pipeline.report.site import Site
from pipeline.report.systems import denoiser_of, system
from pipeline.report.tables import Row, Table, estimated, plain

TITLE = "Adding the mixture back"
ALONE = "denoisers alone"
COLUMNS = ["best share on dev (%)", "SI-SDRi with none (dB)", "with it (dB)", "gain (dB)"]


def content(run: Run, site: Site) -> dict[str, Any] | None:
    """Return SI-SDRi by the share that is added back, of denoisers and of systems behind them."""
    draw_dry([_curve(name, rows) for name, rows in _systems(run)], site.figure("dry"))
    if run.dry.empty:
        return None
    return {"table": site.table("dry", dry_table(run))}


def dry_table(run: Run) -> Table:
    """Return the share that is best on dev, and what it gains on test: a row a system."""
    rows, notes = list[Row](), list[str]()
    for name, shares in _systems(run):
        none, chosen = shares.iloc[0], shares[shares["chosen"]]
        best = chosen.iloc[0] if len(chosen) else pd.Series(np.nan, shares.columns)
        cells = [
            plain(100 * best["dry"]),
            *(estimated(row["mean"], row["low"], row["high"], "si_sdri") for row in (none, best)),
            estimated(best["gain"], best["gain_low"], best["gain_high"], "si_sdri", sign=True),
        ]
        label = system_label(name) if denoiser_of(name) else full_label(name)
        rows.append(Row(label, cells))
        notes += _notes(label, best["dry"], len(run.mixtures) - int(none["mixtures"]))
    caption = "The share of the mixture that is best on dev, and its SI-SDRi on test"
    return Table(caption, "system", COLUMNS, rows, notes)


def _notes(label: str, best: float, left_out: int) -> Iterator[str]:
    if best == 1:
        yield f"{label}: on dev nothing was better than to leave the denoiser out (100 %)."
    if left_out:
        yield (
            f"{label}: {counted(left_out, 'mixture')} left out, since an estimate or a"
            " source is silent with some share, so that there is no SI-SDR."
        )


def _systems(run: Run) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each system, by rising share."""
    table = run.dry.sort_values("dry")
    return [(str(name), rows) for name, rows in table.groupby("system", sort=False)]


def _curve(name: str, rows: pd.DataFrame) -> Curve:
    parts = system(name)
    panel = f"{parts.separator}, trained on {parts.trained}" if parts else ALONE
    denoiser = parts.denoiser if parts else denoiser_of(name)
    return Curve(panel, str(denoiser), rows[["dry", "mean", "low", "high", "chosen"]])
