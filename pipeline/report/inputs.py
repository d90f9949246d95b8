"""The inputs of the report: files of the earlier stages."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ReportInputs:
    """Paths of the tables to show, and the configuration with which they were made.

    Attributes:
        mixtures: manifest of the test split.
        scores: one row per mixture, system, source and metric.
        summary: mean, median and interval per system and metric.
        comparisons: paired differences between systems.
        answer: the question and the sentences that answer it (JSON).
        dry: SI-SDRi by the share of the mixture added back; it may have no rows.
        latency: one row per timed call.
        latency_summary: percentiles per stage, model and test condition.
        throughput: audio, time and device time of each run of a network.
        histories: training history of each model, by a name to show.
        weights: weights of each model, by the same names.
        estimates: of each system on the test split, by its path.
        config: the resolved configuration as a nested dictionary.
        benchmarks: folder with a subfolder of Snakemake's benchmarks per rule; it may be missing.
        run: the facts of the run (`pipeline.base.provenance`); it may be missing.
        licences: corpora, their licences and attributions, a line each, if they are known.
    """

    mixtures: Path
    scores: Path
    summary: Path
    comparisons: Path
    answer: Path
    dry: Path
    latency: Path
    latency_summary: Path
    throughput: Path
    histories: dict[str, Path]
    weights: dict[str, Path]
    estimates: dict[str, Path]
    config: dict[str, Any]
    benchmarks: Path
    run: Path
    licences: list[str] = field(default_factory=list)

    @property
    def samples(self) -> dict[str, Path]:
        """Return folders of the audio that trainings kept, by names of `weights`, if they exist."""
        return {name: path.parent / "samples" for name, path in self.weights.items()}
