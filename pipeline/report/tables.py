"""The report's tables: numbers of the scores turned into rows that the page only has to print."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pipeline.report.figures import best_epoch
from pipeline.report.names import (
    DENOISED,
    ORACLE,
    UNDENOISED,
    condition_label,
    condition_order,
    headline,
    interval,
    main_system,
    metric_of,
    metrics_in,
    number,
    of_systems,
    system,
    system_label,
    test_label,
)


@dataclass(frozen=True)
class Cell:
    """One entry: its text, a smaller line below it, its kind (`strong`: look here; `words`)."""

    text: str
    below: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Row:
    """A row: its heading, a smaller line below it, and `oracle` for those to be dimmed."""

    heading: str
    cells: Sequence[Cell]
    below: str = ""
    oracle: bool = False


@dataclass(frozen=True)
class Table:
    """A table as the page prints it."""

    caption: str
    corner: str
    columns: Sequence[str]
    rows: Sequence[Row]
    notes: Sequence[str] = field(default=())


def matrix_tables(summary: pd.DataFrame) -> list[Table]:
    """Training condition × test condition of the headline metric, one table a separator."""
    metric = headline(summary)
    if metric is None:
        return []
    cells = summary[summary["metric"] == metric].set_index("system")
    systems = [parsed for name in cells.index if (parsed := system(name))]
    trained = condition_order(s.trained for s in systems)
    tested = condition_order(s.tested for s in systems)
    best = main_system(summary)
    tables = []
    for separator in dict.fromkeys(s.separator for s in systems):
        rows = []
        for condition in trained:
            names = [f"{separator}/{condition}/{test}" for test in tested]
            entries = [_estimate(cells, n, metric, "strong" * (n == best)) for n in names]
            rows.append(Row(condition_label(condition), entries))
        caption = f"{separator}: {metric_of(metric).title}, mean over mixtures"
        columns = [test_label(test) for test in tested]
        tables.append(Table(caption, "trained on ↓  tested on →", columns, rows))
    return tables


def metric_table(summary: pd.DataFrame) -> Table | None:
    """Every metric of the unprocessed mixture and of each separation system."""
    rows = of_systems(summary, lambda name: not _of_denoising(name))
    return _metric_table(rows, "Separation: mean over mixtures, with interval")


def denoiser_table(summary: pd.DataFrame) -> Table | None:
    """The mixture against the one without noise: unprocessed, then as each denoiser returns it."""
    rows = of_systems(summary, _of_denoising)
    before = rows["system"] == UNDENOISED
    if before.all():
        return None
    rows = pd.concat([rows[before], rows[~before]])
    return _metric_table(rows, "Scored against the mixture without noise, all speakers together")


def _of_denoising(name: str) -> bool:
    return name == UNDENOISED or name.startswith(DENOISED)


def _metric_table(summary: pd.DataFrame, caption: str) -> Table | None:
    if summary.empty:
        return None
    metrics = metrics_in(summary)
    by_metric = {m: summary[summary["metric"] == m].set_index("system") for m in metrics}
    rows = []
    for name in dict.fromkeys(summary["system"]):
        parsed = system(name)
        cells = [_estimate(by_metric[metric], name, metric) for metric in metrics]
        below = parsed.separator if parsed else ""
        oracle = parsed is not None and parsed.oracle
        rows.append(Row(system_label(name), cells, below, oracle))
    titles = [metric_of(metric).title for metric in metrics]
    return Table(caption, "system", titles, rows, _missing(summary))


def _estimate(cells: pd.DataFrame, name: str, metric: str, kind: str = "") -> Cell:
    if name not in cells.index:
        return Cell("–")
    row, digits = cells.loc[name], metric_of(metric).digits
    return Cell(number(row["mean"], digits), interval(row["low"], row["high"], digits), kind)


def _missing(summary: pd.DataFrame) -> list[str]:
    counts = summary.groupby("metric", sort=False)["missing"].sum()
    return [
        f"{metric_of(metric).label}: {count:.0f} item{'s' * (count != 1)} could not be computed"
        " and do not count in the mean."
        for metric, count in counts.items()
        if count > 0
    ]


def comparison_tables(comparisons: pd.DataFrame) -> tuple[Table | None, Table | None]:
    """Paired differences: those that bear on the question, then all others.

    The first are in the headline metric, between a system that hears denoised mixtures and one
    that hears noisy ones; failing such, everything is in the first table.
    """
    if comparisons.empty:
        return None, None
    first = next(iter(metrics_in(comparisons)))
    pairs = zip(comparisons["system_a"], comparisons["system_b"], strict=True)
    bearing = (comparisons["metric"] == first) & np.array([_bears(*pair) for pair in pairs])
    if not bearing.any():
        bearing[:] = True
    main = _comparison_table(comparisons[bearing], "Paired differences")
    rest = comparisons[~bearing]
    return main, _comparison_table(rest, "All other paired differences") if len(rest) else None


def _bears(a: str, b: str) -> bool:
    """One hears denoised, the other noisy mixtures; trained alike, or each on what it hears."""
    systems = sorted((s for s in (system(a), system(b)) if s), key=lambda s: s.tested == "noisy")
    if len(systems) != 2 or systems[0].separator != systems[1].separator:
        return False
    helped, direct = systems
    matched = helped.trained == helped.tested and direct.direct
    alike = helped.trained == direct.trained
    denoising = helped.tested.startswith(DENOISED) and direct.tested == "noisy"
    return denoising and (matched or alike)


def _comparison_table(comparisons: pd.DataFrame, caption: str) -> Table:
    rows = [_comparison(row) for _, row in comparisons.iterrows()]
    columns = ["B", "metric", "A − B", "A better in", "mixtures"]
    note = "Bold: the interval of the difference does not contain zero."
    return Table(caption, "A", columns, rows, [note])


def _comparison(row: pd.Series) -> Row:
    metric = metric_of(row["metric"])
    a, b = system(row["system_a"]), system(row["system_b"])
    spread = interval(row["low"], row["high"], metric.digits, sign=True)
    difference = number(row["difference"], metric.digits, sign=True)
    cells = [
        Cell(system_label(row["system_b"]), b.separator if b else "", "words"),
        Cell(metric.title),
        Cell(difference, spread, "strong" * bool(row["low"] > 0 or row["high"] < 0)),
        Cell(f"{100 * row['win_rate']:.0f} %" if pd.notna(row["win_rate"]) else "–"),
        Cell(number(row["mixtures"], 0)),
    ]
    oracle = any(s is not None and s.tested == ORACLE for s in (a, b))
    return Row(system_label(row["system_a"]), cells, a.separator if a else "", oracle)


def training_table(histories: dict[str, pd.DataFrame]) -> Table | None:
    """What each model's training came to."""
    rows = [_trained(name, history) for name, history in histories.items() if len(history)]
    columns = ["epochs", "steps", "minutes", "best epoch", "dev loss there", "dev SI-SDRi (dB)"]
    return Table("Training of each model", "model", columns, rows) if rows else None


def _trained(name: str, history: pd.DataFrame) -> Row:
    best = best_epoch(history)
    picked = [None] * 3 if best is None else [best[c] for c in ("epoch", "dev_loss", "dev_si_sdri")]
    texts = [
        number(len(history), 0),
        number(history["step"].max(), 0),
        number(history["seconds"].max() / 60, 1),
        *(number(value, digits) for value, digits in zip(picked, (0, 2, 2), strict=True)),
    ]
    return Row(name, [Cell(text) for text in texts])


def latency_table(latency_summary: pd.DataFrame) -> Table | None:
    """Percentiles of every timed network."""
    columns = {
        "files": ("files", 0),
        "p50_ms": ("p50 (ms)", 1),
        "p95_ms": ("p95 (ms)", 1),
        "p99_ms": ("p99 (ms)", 1),
        "rtf_p50": ("RTF, p50", 3),
        "read_p50_ms": ("reading (ms)", 1),
        "write_p50_ms": ("writing (ms)", 1),
    }
    rows = []
    for _, row in latency_summary.iterrows():
        cells = [Cell(number(row[key], digits)) for key, (_, digits) in columns.items()]
        cells += [Cell(str(row["device"])), Cell(number(row["threads"], 0))]
        rows.append(Row(f"{row['stage']}: {row['model']}", cells, f"on {row['tested']}"))
    titles = [*(title for title, _ in columns.values()), "device", "threads"]
    return Table("Each network by itself", "network", titles, rows) if rows else None


def total_latency_table(latency: pd.DataFrame) -> Table | None:
    """What a listener waits for: separation alone, or denoising and separation of one mixture."""
    denoise = latency[latency["stage"] == "denoise"].set_index(["model", "mixture_id"])[
        "latency_ms"
    ]
    separate = latency[latency["stage"] == "separate"]
    rows = []
    for (model, tested), group in separate.groupby(["model", "tested"], sort=False):
        total = group["latency_ms"].to_numpy(float)
        if tested.startswith(DENOISED):
            keys = [(tested.removeprefix(DENOISED), name) for name in group["mixture_id"]]
            total = total + denoise[~denoise.index.duplicated()].reindex(keys).to_numpy(float)
        rtf = total / 1000 / group["audio_seconds"].to_numpy(float)
        if tested != ORACLE and np.isfinite(total).all():
            steps = "denoise, then separate" if tested.startswith(DENOISED) else "separate alone"
            p50, p95 = np.percentile(total, [50, 95])
            texts = [steps, number(p50, 1), number(p95, 1), number(float(np.median(rtf)), 3)]
            rows.append(Row(model, [Cell(text) for text in texts], f"on {tested}"))
    columns = ["steps", "p50 (ms)", "p95 (ms)", "RTF, p50"]
    return (
        Table("From the noisy mixture to the speakers", "system", columns, rows) if rows else None
    )
