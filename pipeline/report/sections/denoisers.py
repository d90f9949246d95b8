"""The section of denoisers: their scores, what they keep of speech, and what they cost."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from pipeline.models import entry_of
from pipeline.models.card import Card
from pipeline.report.figures.quality_latency import Point, draw_quality_latency
from pipeline.report.names import metric_of, metrics_in, model_label, of_systems, system_label
from pipeline.report.run import Run
from pipeline.report.sections.comparisons import comparison_table
from pipeline.report.sections.latency import ahead
from pipeline.report.site import Site
from pipeline.report.systems import MIXTURE_AS_DENOISED, denoiser_of, of_denoising
from pipeline.report.tables import Cell, Row, Table, metric_cells, missing, plain
from pipeline.tasks.grammar import System

TITLE = "Denoisers"
COSTS = ["mixture added (%)", "parameters (M)", "MACs (G/s)", "p50 (ms)", "RTF, p50", "look-ahead"]
COSTS += ["licence"]


BSS_EVAL = {"sdri", "sdr", "sar"}
"""Metrics that say of a single target what SI-SDR says; they are shown where that is missing."""


def content(run: Run, site: Site) -> dict[str, Any] | None:
    """Return a table of all denoisers, their quality against their latency, and differences."""
    scores = of_systems(run.summary, of_denoising)
    if "si_sdr" in set(scores["metric"]):
        scores = scores[~scores["metric"].isin(BSS_EVAL)]
    metric = next(iter(metrics_in(scores)), "")
    draw_quality_latency(list(_points(run, scores, metric)), metric, site.figure("denoisers"))
    if (scores["system"] == MIXTURE_AS_DENOISED).all():
        return None
    pairs = run.denoiser_comparisons
    compared = comparison_table(pairs[pairs["metric"] == metric], "Paired differences of denoisers")
    return {
        "table": site.table("denoisers", denoiser_table(run, scores)),
        "pairs": site.table("denoiser-pairs", compared) if compared.rows else None,
        "first": metric_of(metric),
        "preserved": "preservation" in set(scores["metric"]),
        "drawn": len(run.latency_summary) > 0,
    }


def denoiser_table(run: Run, scores: pd.DataFrame) -> Table:
    """Return metrics against the mixture without noise, and costs: unprocessed, each denoiser."""
    before = scores["system"] == MIXTURE_AS_DENOISED
    scores = pd.concat([scores[before], scores[~before]])
    rows = [
        Row(system_label(name), cells + _costs(run, name))
        for name, cells in metric_cells(scores).items()
    ]
    titles = [metric_of(metric).title for metric in metrics_in(scores)]
    caption = "Scored against the mixture without noise, all speakers together"
    return Table(caption, "denoiser", titles + COSTS, rows, missing(scores))


def _costs(run: Run, name: str) -> list[Cell]:
    denoiser = denoiser_of(name)
    if denoiser is None:
        return [Cell("–")] * len(COSTS)
    label = model_label(System.parse(name).model.path)
    card = run.cards.get(label)
    facts = card.training if card else {}
    times = _times(run, denoiser)
    return [
        plain(100 * run.config.get("denoisers", {}).get(denoiser, {}).get("dry", 0.0)),
        _in(facts.get("parameters"), 1e6),
        _in(facts.get("multiply_adds"), 1e9),
        plain(times.get("p50_ms"), 1),
        plain(times.get("rtf_p50"), 4),
        ahead(run, [label]),
        Cell(_licence(card) if card else "–", kind="words"),
    ]


def _licence(card: Card) -> str:
    """That of a published network, or of published weights that a training began with."""
    if package := card.training.get("package"):
        return str(package["licence"])
    foreign = entry_of(card.model).foreign
    began = foreign is not None and foreign.licence in card.training.get("licences", [])
    return foreign.licence if foreign and began else "–"


def _times(run: Run, denoiser: str) -> dict[str, float]:
    """Median latency and real-time factor of a denoiser; nothing if it was not timed."""
    table = run.latency_summary
    rows = table[(table["stage"] == "denoise") & (table["model"] == denoiser)]
    return rows.iloc[0].to_dict() if len(rows) else {}


def _in(value: float | None, unit: float) -> Cell:
    return plain(None if value is None else value / unit, 2)


def _points(run: Run, scores: pd.DataFrame, metric: str) -> Iterator[Point]:
    for _, row in scores[scores["metric"] == metric].iterrows():
        denoiser = denoiser_of(row["system"])
        latency = _times(run, denoiser).get("p50_ms") if denoiser else None
        if latency is not None and pd.notna(row["mean"]):
            yield Point("denoisers", str(denoiser), "noisy", latency, *row[["mean", "low", "high"]])
