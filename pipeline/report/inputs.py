"""What the report is made from: files of the earlier stages."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ReportInputs:
    """Paths of the tables to show, and the configuration they were made with.

    Attributes:
        mixtures: manifest of the test split.
        scores: one row per mixture, system, source and metric.
        summary: mean, median and interval per system and metric.
        comparisons: paired differences between systems.
        answer: the question and the sentences that answer it (JSON).
        latency: one row per timed call.
        latency_summary: percentiles per stage, model and test condition.
        histories: training history of each model, by a name to show.
        denoised: estimates of each denoiser, by its name.
        separated: estimates of each system, by `separator/trained/tested`.
        config: the resolved configuration as a nested dictionary.
        licences: corpora, their licences and whom to name, a line each, where they are known.
    """

    mixtures: Path
    scores: Path
    summary: Path
    comparisons: Path
    answer: Path
    latency: Path
    latency_summary: Path
    histories: dict[str, Path]
    denoised: dict[str, Path]
    separated: dict[str, Path]
    config: dict[str, Any]
    licences: list[str] = field(default_factory=list)
