"""The section of latency: the time of the machine, and the audio that a network needs first."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from pipeline.evaluation.systems import denoised_after
from pipeline.models import look_ahead
from pipeline.report.figures.latency import draw_latency, draw_latency_length
from pipeline.report.figures.quality_cost import Costed, draw_quality_cost
from pipeline.report.figures.quality_latency import Point, draw_quality_latency
from pipeline.report.names import (
    counted,
    metric_of,
    model_label,
    number,
    system_label,
    tested_words,
)
from pipeline.report.run import Run
from pipeline.report.site import Site
from pipeline.report.systems import separator_of, system, without_denoiser
from pipeline.report.tables import Cell, Row, Table, estimated, plain
from pipeline.tasks.grammar import System

TITLE = "Latency"
PERCENTILES = (50, 95, 99)


def content(run: Run, site: Site) -> dict[str, Any] | None:
    """Return tables and figures of latency, alone and against the gain."""
    totals = end_to_end(run)
    points = dict(_points(run, totals))
    draw_latency(by_itself(run.latency), site.figure("latency"))
    draw_latency_length(by_itself(run.latency), site.figure("latency_length"))
    draw_quality_latency(list(points.values()), str(run.metric), site.figure("quality_latency"))
    costed = list(_costed(run, points, totals))
    draw_quality_cost(costed, str(run.metric), site.figure("quality_cost"))
    if run.latency.empty:
        return None
    total, cost = total_table(run, totals), cost_table(run, totals)
    return {
        "where": where(run.latency),
        "mixed": mixed(run.latency),
        "total": total and site.table("latency-total", total),
        "scored": bool(points),
        "several": len(costed) > 1,
        "cost": cost and site.table("latency-cost", cost),
        "networks": site.table("latency-networks", network_table(run)),
        "throughput": site.table("throughput", throughput_table(run)),
    }


def by_itself(times: pd.DataFrame) -> pd.DataFrame:
    """Return the times of single networks: not those of a separator with a denoiser behind it."""
    behind = times["tested"].map(lambda tested: bool(denoised_after(tested))).astype(bool)
    return times[~behind]


def where(latency: pd.DataFrame) -> str:
    """Return the devices that were timed, with their threads."""
    pairs = latency[["device", "threads"]].drop_duplicates().itertuples(index=False)
    return " and ".join(f"{p.device} with {counted(p.threads, 'thread')}" for p in pairs)


def mixed(latency: pd.DataFrame) -> list[str]:
    """Return the settings in which each network was timed, if they differ.

    Times with different devices or numbers of threads are not comparable.
    """
    if len(latency[["device", "threads"]].drop_duplicates()) == 1:
        return []
    networks = latency.groupby(["stage", "model"], sort=False)
    return [f"{stage} {model}: {where(calls)}" for (stage, model), calls in networks]


def end_to_end(run: Run) -> dict[str, pd.DataFrame]:
    """Return times from the noisy mixture to the speakers, by the name of each realistic system.

    Returns:
        Tables by mixture with `milliseconds`, including denoising before or behind the separator,
        and `seconds` of audio. A system with an untimed mixture is left out.
    """
    denoising = run.latency[run.latency["stage"] == "denoise"].set_index(["model", "mixture_id"])
    before = denoising["latency_ms"][~denoising.index.duplicated()]
    separating = run.latency[run.latency["stage"] == "separate"]
    totals = {}
    for name, calls in separating.groupby("system", sort=False):
        calls = calls.set_index("mixture_id")
        milliseconds = calls["latency_ms"].astype(float)
        if (parts := system(str(name))) and parts.denoiser:
            keys = [(parts.denoiser, mixture) for mixture in calls.index]
            milliseconds = milliseconds + before.reindex(keys).to_numpy(float)
        if name in run.realistic and np.isfinite(milliseconds).all():
            totals[str(name)] = pd.DataFrame(
                {"milliseconds": milliseconds, "seconds": calls["audio_seconds"]}
            )
    return totals


def total_table(run: Run, totals: dict[str, pd.DataFrame]) -> Table | None:
    """Return a table of total times: of separation alone, or of denoising and separation."""
    rows = [_total(run, name, calls) for name, calls in totals.items()]
    columns = ["steps", *(f"p{p} (ms)" for p in PERCENTILES), "RTF, p50", "look-ahead"]
    caption = "From the noisy mixture to the speakers"
    return Table(caption, "system", columns, rows) if rows else None


def _total(run: Run, name: str, calls: pd.DataFrame) -> Row:
    parsed = system(name)
    assert parsed is not None  # only systems are timed end to end
    factors = calls["milliseconds"] / 1000 / calls["seconds"]
    models = [model_label(System.parse(name).model.path)]
    models += [_model("denoise", n) for n in (parsed.denoiser, parsed.denoised_after) if n]
    behind = "separate, then denoise" if parsed.denoised_after else "separate alone"
    cells = [
        Cell("denoise, then separate" if parsed.denoiser else behind),
        *(plain(p, 1) for p in np.percentile(calls["milliseconds"], PERCENTILES)),
        plain(factors.median(), 4),
        ahead(run, models),
    ]
    return Row(system_label(name), cells, parsed.separator)


def network_table(run: Run) -> Table:
    """Return a table of the percentiles of every timed network."""
    columns = {
        "files": ("files", 0),
        "p50_ms": ("p50 (ms)", 1),
        "p95_ms": ("p95 (ms)", 1),
        "p99_ms": ("p99 (ms)", 1),
        "rtf_p50": ("RTF, p50", 4),
        "read_p50_ms": ("reading (ms)", 1),
        "write_p50_ms": ("writing (ms)", 1),
    }
    rows = []
    for _, row in by_itself(run.latency_summary).iterrows():
        cells = [plain(row[key], digits) for key, (_, digits) in columns.items()]
        cells += [
            Cell(str(row["device"])),
            plain(row["threads"]),
            ahead(run, [_model(row["stage"], row["model"])]),
        ]
        rows.append(Row(f"{row['stage']}: {row['model']}", cells, f"on {row['tested']}"))
    titles = [*(title for title, _ in columns.values()), "device", "threads", "look-ahead"]
    return Table("Each network by itself", "network", titles, rows)


def throughput_table(run: Run) -> Table:
    """Return a table of the throughput of each job, including files, and the device's share."""
    columns = {
        "hours_per_hour": ("audio hours an hour", 1),
        "busy_share": ("device busy (%)", 1),
        "batch_size": ("batch", 0),
        "audio_seconds": ("audio (s)", 0),
        "wall_seconds": ("time (s)", 1),
    }
    shares = 100 * run.throughput["busy_share"]
    rows = []
    for row in run.throughput.assign(busy_share=shares).to_dict("records"):
        cells = [plain(row[key], digits) for key, (_, digits) in columns.items()]
        cells += [Cell(row["precision"]), Cell(str(row["device"])), plain(row["threads"])]
        heading = f"{row['stage']}: {row['model']}"
        rows.append(Row(heading, cells, f"{row['split']} split, {tested_words(row['tested'])}"))
    titles = [*(title for title, _ in columns.values()), "precision", "device", "threads"]
    return Table("Throughput of each run", "network", titles, rows)


def _model(stage: str, model: str) -> str:
    """The name under which a timed network's card is found."""
    return model_label(f"{stage}/{model}/{'noisy/' * (stage == 'denoise')}0")


def ahead(run: Run, models: list[str]) -> Cell:
    """Return the look-ahead of networks in a row, which is the sum of their own."""
    if not all(model in run.cards for model in models):
        return Cell("–")
    cards = [run.cards[model] for model in models]
    waits = [look_ahead(card.model, card.arguments, card.sample_rate) for card in cards]
    known = [1000 * wait for wait in waits if wait is not None]
    if len(known) < len(waits):
        return Cell("whole recording")
    cell = plain(sum(known), 1)
    return Cell(f"{cell.text} ms", value=cell.value)


def cost_table(run: Run, totals: dict[str, pd.DataFrame]) -> Table | None:
    """Return a table of each denoiser's gain on the same mixtures, and of the time it takes."""
    pairs = [(a, b) for a in totals for b in without_denoiser(a) if b in totals]
    rows = [_cost(run, a, b, totals[a], totals[b]) for a, b in pairs]
    columns = ["without", f"{metric_of(str(run.metric)).title}, with − without", "added p50 (ms)"]
    note = "Added: the median over mixtures of the difference on the same mixture."
    caption = "What denoising brings, and the time it takes"
    return Table(caption, "with denoising", columns, rows, [note]) if rows else None


def _cost(run: Run, helped: str, direct: str, long: pd.DataFrame, short: pd.DataFrame) -> Row:
    added = (long["milliseconds"] - short["milliseconds"]).median()
    cells = [
        Cell(system_label(direct), separator_of(direct), "words"),
        estimated(*difference(run, helped, direct), str(run.metric), sign=True),
        Cell(number(added, 1, sign=True), value=added),
    ]
    return Row(system_label(helped), cells, separator_of(helped))


def difference(run: Run, a: str, b: str) -> tuple[float, float, float]:
    """Return the mean difference a − b in the headline metric, and its interval; NaN if unknown."""
    table = run.comparisons[run.comparisons["metric"] == run.metric]
    if table.empty:
        return np.nan, np.nan, np.nan
    for first, second, sign in ((a, b, 1), (b, a, -1)):
        row = table[(table["system_a"] == first) & (table["system_b"] == second)]
        if len(row):
            values = sign * row[["difference", "low", "high"]].iloc[0].to_numpy(float)
            return values[0], values[1:].min(), values[1:].max()
    return np.nan, np.nan, np.nan


def _points(run: Run, totals: dict[str, pd.DataFrame]) -> Iterator[tuple[str, Point]]:
    means = run.means(str(run.metric))
    for name, calls in totals.items():
        parsed = system(name)
        if parsed is not None and name in means.index and pd.notna(means.at[name, "mean"]):
            estimate = means.loc[name, ["mean", "low", "high"]].astype(float)
            yield name, Point(*parsed, calls["milliseconds"].median(), *estimate)


def _costed(
    run: Run, points: dict[str, Point], totals: dict[str, pd.DataFrame]
) -> Iterator[Costed]:
    """The networks that were trained and tested on noisy mixtures, with what they cost."""
    for name, point in points.items():
        card = run.cards.get(model_label(System.parse(name).model.path))
        counted = card.training.get("multiply_adds") if card else None
        if point.trained == point.tested == "noisy" and counted:
            rate = (totals[name]["milliseconds"] / totals[name]["seconds"]).median()
            yield Costed(point.separator, rate, counted, point.mean, point.low, point.high)
