"""The section on how many speakers were found, where mixtures differ in their number."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from pipeline.evaluation.counting import COUNTED, COUNTING, confusion
from pipeline.report.mixture_facts import speaker_counts
from pipeline.report.names import (
    METRICS,
    any_of,
    counted,
    full_label,
    metric_of,
    number,
    system_label,
)
from pipeline.report.run import Run
from pipeline.report.site import Site
from pipeline.report.systems import ORACLE, is_oracle, separator_of, system
from pipeline.report.tables import Row, Table, View, estimate, estimated, plain

TITLE = "How many speakers"
QUALITY = ("si_sdri", "si_sdr", "sdr", "stoi", "pesq")
"""Metrics of matched pairs that are shown by the number of speakers."""


def content(run: Run, site: Site) -> dict[str, Any] | None:
    """Return the counting of all systems, and of each its confusion matrix and its quality."""
    names = [str(name) for name in run.means(COUNTED).index]
    if not names:
        return None
    speakers = speaker_counts(run)
    below = run.config.get("inference", {}).get("inactive_below")
    return {
        "numbers": any_of(sorted(speakers.unique())),
        "outputs": int(speakers.max()),
        "below": None if below is None else number(-below, 0),
        "counting": site.table("counting", counting_table(run, names)),
        "systems": [
            View(full_label(name), list(_views(run, site, name, speakers))) for name in names
        ],
    }


def counting_table(run: Run, names: list[str]) -> Table:
    """Return the share of mixtures in which all speakers are counted, and the errors, by system."""
    cells = {metric: run.means(metric) for metric in COUNTING}
    rows = [
        Row(
            system_label(name),
            [estimate(cells[metric], name, metric) for metric in COUNTING],
            separator_of(name),
            is_oracle(name),
        )
        for name in names
    ]
    titles = [metric_of(metric).title for metric in COUNTING]
    return Table("Counting of speakers: mean over mixtures, with interval", "system", titles, rows)


def _views(run: Run, site: Site, name: str, speakers: "pd.Series[int]") -> Iterator[Table]:
    slug = name.replace("/", "--")
    yield site.table(f"confusion-{slug}", confusion_table(run, name, speakers))
    yield site.table(f"quality-by-count-{slug}", quality_table(run, name, speakers))


def confusion_table(run: Run, name: str, speakers: "pd.Series[int]") -> Table:
    """Return how many mixtures of each number of speakers had which number found."""
    scores = run.all_scores[run.all_scores["system"] == name]
    found = confusion(scores, speakers)
    rows = [
        Row(
            counted(int(true), "speaker"),
            [
                *(plain(count, kind="strong" * (k == true)) for k, count in row.items()),
                plain(100 * row.get(true, 0) / row.sum(), 1),
            ],
        )
        for true, row in found.iterrows()
    ]
    trainings = scores["run"].nunique()
    of = f"mixtures of {trainings} trainings" if trainings > 1 else "mixtures"
    columns = [*(f"{k} found" for k in found.columns), "right (%)"]
    return Table(f"Confusion matrix: {of} by their number and the number found", "", columns, rows)


def quality_table(run: Run, name: str, speakers: "pd.Series[int]") -> Table:
    """Return the metrics of matched pairs and of counting, a row for each number of speakers.

    The improvement over the noisy mixture is left out for clean input, where a lone talker is
    the input itself.
    """
    parts = system(name)
    clean = parts is not None and parts.tested == ORACLE
    wanted = [metric for metric in QUALITY if not (clean and metric == "si_sdri")]
    metrics = [m for m in (*wanted, *COUNTING) if name in run.values(m) and m in METRICS]
    values = pd.DataFrame({metric: run.values(metric)[name] for metric in metrics})
    rows = []
    for true in sorted(speakers.unique()):
        own = values[speakers.reindex(values.index) == true]
        low, high = run.bootstrap.intervals(own)
        spread = zip(metrics, own.mean(), np.asarray(low), np.asarray(high), strict=True)
        cells = [estimated(mean, least, most, metric) for metric, mean, least, most in spread]
        rows.append(Row(counted(int(true), "speaker"), [plain(len(own)), *cells]))
    caption = "Quality by number of speakers: mean over matched pairs, with interval"
    titles = [metric_of(metric).title for metric in metrics]
    return Table(caption, "", ["mixtures", *titles], rows)
