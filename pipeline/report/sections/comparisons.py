"""Paired differences between systems: in tables, and mixture by mixture."""

from collections.abc import Collection
from importlib.resources import as_file, files
from typing import Any

import numpy as np
import pandas as pd
import plotly

from pipeline.evaluation.costs import COMPUTE, SIZE
from pipeline.report.figures.differences import Difference, draw_differences
from pipeline.report.mixture_facts import fact_texts, mixture_facts
from pipeline.report.names import metric_of, metrics_in, significant, system_label, system_labels
from pipeline.report.picks import listed
from pipeline.report.run import Run
from pipeline.report.site import Site
from pipeline.report.systems import (
    direct_of,
    is_oracle,
    is_rival,
    separator_of,
    system,
    without_denoiser,
)
from pipeline.report.tables import Cell, Row, Table, estimated, plain

TITLE = "Paired comparisons"
COSTS = {
    "parameters": "size (M)",
    "multiply_adds": "MACs (G/s)",
    "steps": "steps",
    "training_compute": "compute (T)",
    "minutes": "minutes",
}
"""Columns of both sides' costs, with their headings."""
UNITS = {"parameters": 1e6, "multiply_adds": 1e9, "training_compute": 1e12}
DRAWN = 8
"""Pairs in the figure; more cannot be told apart."""


def content(run: Run, site: Site) -> dict[str, Any] | None:
    """Those that bear on the question, all others, and what the plots are drawn from."""
    bearing, others = split(run.comparisons, run.chains)
    drawn = differences(run, bearing)
    draw_differences(drawn, site.figure("differences"))
    if run.comparisons.empty:
        return None
    first = comparison_table(
        bearing, "Paired differences" + ", on the question" * bool(len(others))
    )
    rest = comparison_table(others, "All other paired differences")
    return {
        "bearing": site.table("comparisons", first),
        "others": site.table("comparisons-others", rest) if len(others) else None,
        "drawn": len(drawn),
        "explorer": explorer(run),
        "plotly": plotly_script(site),
    }


def split(
    comparisons: pd.DataFrame, chains: Collection[str] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Paired differences: those that bear on the question, then all others.

    The first are in the headline metric, between a system with a denoiser and one without, those
    trained on the same kind of input before the others, and between a chain and a direct system;
    without any such pair everything is in the first table.
    """
    if comparisons.empty:
        return comparisons, comparisons
    pairs = zip(comparisons["system_a"], comparisons["system_b"], strict=True)
    bearing = np.array([_bears(*pair, chains) for pair in pairs])
    bearing &= (comparisons["metric"] == metrics_in(comparisons)[0]).to_numpy()
    if not bearing.any():
        bearing[:] = True
    matched = comparisons[["system_a", "system_b"]].map(_matched).all(axis=1).to_numpy()
    rows = pd.concat([comparisons[bearing & matched], comparisons[bearing & ~matched]])
    return rows, comparisons[~bearing]


def _bears(a: str, b: str, chains: Collection[str]) -> bool:
    """One has a denoiser, the other none: a cascade and a rival, or two trained alike.

    Or one is a chain, which is no rival, and the other a direct system.
    """
    joint = [separator_of(name) in chains for name in (a, b)]
    if any(joint):
        return not all(joint) and direct_of(a) == a and direct_of(b) == b
    return any(is_rival(*pair) or pair[1] in without_denoiser(pair[0]) for pair in ((a, b), (b, a)))


def _matched(name: str) -> bool:
    parsed = system(name)
    return parsed is not None and parsed.matched


def comparison_table(comparisons: pd.DataFrame, caption: str) -> Table:
    """A row a pair and metric."""
    rows = [_comparison(row) for _, row in comparisons.iterrows()]
    columns = ["B", "metric", "A − B", "A better in (%)", "mixtures", "equal", *COSTS.values()]
    notes = ["Bold: the interval of the difference does not contain zero."]
    if len(comparisons) and comparisons[[f"{cost}_a" for cost in COSTS]].notna().any(axis=None):
        notes.append(
            "The costs of A stand above those of B, denoisers included: parameters, multiply-adds"
            " (MACs) for a second of audio, training steps, multiply-adds of all trainings, and"
            f" their minutes. Equal are sizes that differ by at most {100 * SIZE:g} %, and training"
            f" compute that differs by at most {100 * COMPUTE:g} %."
        )
    return Table(caption, "A", columns, rows, notes)


def _comparison(row: pd.Series) -> Row:
    metric = metric_of(row["metric"])
    a, b = row["system_a"], row["system_b"]
    sure = bool(row["low"] > 0 or row["high"] < 0)
    share = None if pd.isna(row["win_rate"]) else 100 * row["win_rate"]
    cells = [
        Cell(system_label(b), separator_of(b), "words"),
        Cell(metric.title, "lower is better" * metric.low_is_good),
        estimated(
            row["difference"],
            row["low"],
            row["high"],
            row["metric"],
            kind="strong" * sure,
            sign=True,
        ),
        plain(share),
        plain(row["mixtures"]),
        Cell(_equality(row["equal_size"], row["equal_compute"]), kind="words"),
        *(_costs(cost, row[f"{cost}_a"], row[f"{cost}_b"]) for cost in COSTS),
    ]
    return Row(system_label(a), cells, separator_of(a), is_oracle(a) or is_oracle(b))


def _costs(cost: str, a: float, b: float) -> Cell:
    """What A costs above what B costs."""
    above, below = (significant(value / UNITS.get(cost, 1)) for value in (a, b))
    return Cell(above, below)


def _equality(size: Any, compute: Any) -> str:
    """The mark of a pair; a dash where nothing is known."""
    known = [(n, e) for n, e in (("size", size), ("compute", compute)) if not pd.isna(e)]
    if unequal := [name for name, equal in known if not equal]:
        return f"not of equal {' or '.join(unequal)}"
    if len(known) == 1:
        return "size, compute unknown" if known[0][0] == "size" else "compute, size unknown"
    return " and ".join(name for name, _ in known) or "–"


def differences(run: Run, comparisons: pd.DataFrame) -> list[Difference]:
    """What is drawn: the first pairs in their first metric, with their mixtures' differences."""
    metric = next(iter(metrics_in(comparisons)), None)
    rows = comparisons[comparisons["metric"] == metric].iloc[:DRAWN]
    values = run.values(str(metric))
    labels = system_labels(run.systems)
    return [
        Difference(
            labels[row["system_a"]],
            labels[row["system_b"]],
            str(metric),
            (values[row["system_a"]] - values[row["system_b"]]).dropna().to_numpy(),
            *(row[name] for name in ("difference", "low", "high")),
        )
        for _, row in rows.iterrows()
    ]


def explorer(run: Run) -> dict[str, Any]:
    """What `comparisons.js` draws from: scores, facts of the mixtures, and intervals.

    Scores are whole numbers, of the metric's `scale`-th part: two digits more than are shown, in
    few characters. Systems are named by their place in `systems`.
    """
    labels = system_labels(run.systems)
    facts = fact_texts(mixture_facts(run))
    shown = facts[["speakers", "sexes", "snr", "overlap", "noise", "seconds"]]
    examples = set(listed(run))
    return {
        "systems": [labels[name] for name in run.systems],
        "metrics": [_metric(run, name) for name in run.metrics],
        "mixtures": [str(name) for name in facts.index],
        "facts": {name: shown[name].astype(str).tolist() for name in shown},
        "listed": [place for place, name in enumerate(facts.index) if name in examples],
        "chosen": _chosen(run),
        "confidence": run.percent,
    }


def _metric(run: Run, name: str) -> dict[str, Any]:
    metric = metric_of(name)
    scale = 10 ** (metric.digits + 2)
    values = run.values(name).reindex(index=run.mixtures.index, columns=run.systems)
    whole = (values * scale).round().astype("Int64").astype(object)
    rows = run.comparisons[run.comparisons["metric"] == name]
    places = {system_name: place for place, system_name in enumerate(run.systems)}
    return {
        "label": metric.label,
        "unit": metric.unit,
        "digits": metric.digits,
        "lowIsGood": metric.low_is_good,
        "scale": scale,
        "values": [whole[column].where(values[column].notna(), None).tolist() for column in whole],
        "pairs": [
            [places[row.system_a], places[row.system_b], row.difference, row.low, row.high]
            for row in rows.itertuples()
            if np.isfinite([row.difference, row.low, row.high]).all()
        ],
    }


def _chosen(run: Run) -> list[int]:
    """The pair to begin with: the first of those that bear on the question."""
    pair = split(run.comparisons, run.chains)[0].iloc[0][["system_a", "system_b"]]
    return [run.systems.index(name) for name in pair]


def plotly_script(site: Site) -> str:
    """Copy the script that draws the plots, as the package `plotly` brings it, to the site."""
    with as_file(files(plotly) / "package_data" / "plotly.min.js") as script:
        return site.copy(script, script.name)
