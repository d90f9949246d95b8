"""Make a network of a finished run one of those that ship, with the figures of its tests.

    python -m pipeline.report.shipping NAME MODEL ATTRIBUTION RESULTS [RESULTS ...]

NAME is the new name, MODEL its path below `results/models/`, as `separate/direct/noisy/0`, and
ATTRIBUTION a file with the recordings that it was trained on, their authors and licences, a line
each. The folders of results hold tests of it; its weights are in each of them.
"""

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor

from pipeline.base.errors import PipelineError
from pipeline.base.files import write_manifest
from pipeline.base.provenance import sha256
from pipeline.mixtures.names import source_names
from pipeline.models.card import read_card
from pipeline.models.weights import from_pretrained, save_weights
from pipeline.report.groups import groupings
from pipeline.report.inputs import ReportInputs
from pipeline.report.mixture_facts import mixture_facts
from pipeline.report.names import headline
from pipeline.report.run import Run
from pipeline.tasks import TASKS, without_network
from pipeline.tasks.grammar import (
    CLEAN,
    NOISY,
    UNPROCESSED,
    ModelKey,
    System,
    weights_of,
)
from pipeline.weights import FOLDER, SUMS, shipped

Figures = dict[str, Any]


def ship(
    name: str, model: ModelKey, attribution: Path, results: list[Path], folder: Path = FOLDER
) -> None:
    """Write the weights of a model with the figures of its tests, and the table of SHA-256.

    Args:
        name: of the network that ships.
        model: its name in the results.
        attribution: lines to add to the licences of the card.
        results: folders of finished runs that have tested it.
        folder: where the networks that ship lie.

    Raises:
        PipelineError: the results are of several trainings of that name.
    """
    sources = [folder_of.parent / weights_of(model) for folder_of in results]
    source = sources[0]
    for other in sources[1:]:
        if not _same(load_file(source), load_file(other)):
            raise PipelineError(
                f"{other}: holds other weights than {source}; give results of one training"
            )
    card = read_card(source)
    given = attribution.read_text(encoding="utf-8").splitlines()
    licences = list(dict.fromkeys([*card.training.get("licences", []), *given]))
    training = card.training | {"licences": licences}
    card = replace(card, training=training, figures=figures_of(results, model))
    path = folder / f"{name}.safetensors"
    save_weights(path, from_pretrained(source), card)
    sums = shipped(folder) | {name: sha256(path)}
    rows = sorted(sums.items())
    write_manifest(folder / SUMS, pd.DataFrame(rows, columns=["name", "sha256"]))


def figures_of(results: list[Path], model: ModelKey) -> list[Figures]:
    """The figures of each test of a model: with the mixture, and by groups of mixtures."""
    return [
        _figures(run, system)
        for run in map(_run, results)
        for system in dict.fromkeys(run.summary["system"])
        if System.parse(system) in _alone(model)
    ]


def _alone(model: ModelKey) -> list[System]:
    """The tests of a model by itself, without a denoiser before or behind it."""
    return [System(model, NOISY), System(model, CLEAN)]


def _same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def _figures(run: Run, system: str) -> Figures:
    parsed = System.parse(system)
    mixture = without_network(TASKS[parsed.model.task], UNPROCESSED).path
    metric = str(headline(run.summary[run.summary["system"] == system]))
    groups = groupings(run, metric, [system], mixture_facts(run))
    return {
        "tested": parsed.heading,
        "speakers": len(source_names(run.mixtures.columns)),
        "mixtures": len(run.mixtures),
        "means": _means(run, system),
        "mixture": _means(run, mixture),
        "metric": metric,
        "groups": {
            way.title: {g.label: [g.mixtures, *_rounded(g.estimates[0])] for g in way.groups}
            for way in groups
        },
    }


def _means(run: Run, system: str) -> Figures:
    """Mean and interval of each metric of a system."""
    rows = run.summary[run.summary["system"] == system].set_index("metric")
    return {
        str(metric): _rounded(values)
        for metric, *values in rows[["mean", "low", "high"]].itertuples()
    }


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(float(value), 3) for value in values]


def _run(results: Path) -> Run:
    """A finished run by the names of its files."""
    scores, estimates = results / "scores", results / "estimates"
    return Run(
        ReportInputs(
            mixtures=results / "mixtures/test/mixtures.csv",
            scores=scores / "scores.csv",
            summary=scores / "summary.csv",
            comparisons=scores / "comparisons.csv",
            answer=scores / "answer.json",
            dry=scores / "dry.csv",
            latency=estimates / "latency.csv",
            latency_summary=estimates / "latency_summary.csv",
            throughput=estimates / "throughput.csv",
            histories={},
            weights={},
            estimates={},
            config={},  # the groups' intervals have the default settings
            benchmarks=results / "benchmarks",
            run=results / "logs/run.json",
        )
    )


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", help="of the network that ships, as separator_2")
    parser.add_argument("model", type=ModelKey.parse, help="as separate/direct/noisy/0")
    parser.add_argument("attribution", type=Path, help="file with a line for each recording")
    parser.add_argument("results", type=Path, nargs="+", help="results folders of finished runs")
    given = parser.parse_args()
    ship(given.name, given.model, given.attribution, given.results)


if __name__ == "__main__":
    main()
