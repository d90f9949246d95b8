"""What systems cost: their size, the compute of a pass and of their trainings, and the minutes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.base.files import read_manifest, write_manifest
from pipeline.evaluation.systems import ARM, paths_of
from pipeline.models.card import read_card
from pipeline.models.chain import CHAIN
from pipeline.tasks import denoiser_behind, denoising
from pipeline.tasks.grammar import NO_NETWORKS, SYSTEM, Condition, ModelKey, System, weights_of

SIZES = ["parameters", "multiply_adds"]
COSTS = [*SIZES, "steps", "training_compute", "minutes"]
DEV_SCORE = "dev_si_sdri"
JOINT = "joint"
SOURCES = "sources"

SIZE, COMPUTE = 0.05, 0.03
"""By how much of the greater one systems of equal size and of equal training compute may differ."""

Facts = Mapping[str, Any]


def write_costs(scores: Path, weights: list[Path], out: Path) -> None:
    """Write what each system costs, a denoiser before or behind it included.

    `parameters` and `multiply_adds` (for a second of audio) are those of all networks that a
    recording goes through, a denoiser behind a separator once a source; `steps`, `minutes` and
    `training_compute` (multiply-adds) those of all trainings without which the system would not be.
    A training takes three times the multiply-adds of its forward passes, since the backward pass
    takes twice as many (Kaplan et al. 2020, arXiv:2001.08361, section 2.1), and those of a frozen
    denoiser before it once. Dev scores are not counted. Undefined where a model does not tell, or
    goes on from weights of another run.

    Args:
        scores: a long table whose systems are listed.
        weights: files of all models, at their paths below `results/models/`.
        out: the columns `SYSTEM`, `COSTS`, the model's own `dev_si_sdri`, and whether it is a chain
            (`joint`).
    """
    told = {ModelKey.parse("/".join(path.parts[-5:-1])): read_card(path) for path in weights}
    facts = {
        model: card.training | {JOINT: card.model == CHAIN, SOURCES: card.num_sources}
        for model, card in told.items()
    }
    systems = read_manifest(scores)[SYSTEM].drop_duplicates()
    systems = systems[~systems["name"].isin(NO_NETWORKS)]
    parsed = [System.parse(path) for path in paths_of(systems)]
    rows = [system.columns | cost_of(system, facts) for system in parsed]
    write_manifest(out, pd.DataFrame(rows, columns=[*SYSTEM, *COSTS, DEV_SCORE, JOINT]))


def cost_of(system: System, facts: Mapping[ModelKey, Facts]) -> dict[str, float]:
    """The costs of a system, from what the models tell of their trainings."""
    model = system.model
    behind = denoiser_behind(system)
    passed = [model, *_denoisers(system.tested, model.run), *([behind] if behind else [])]
    trained = list(dict.fromkeys(key for each in passed for key in _trainings(facts, each)))
    costs = {
        **{name: sum(_fact(facts, key, name) for key in passed) for name in SIZES},
        "steps": sum(_fact(facts, key, "steps") for key in trained),
        "training_compute": sum(_training_compute(facts, key) for key in trained),
        "minutes": sum(_fact(facts, key, "seconds") for key in trained) / 60,
    }
    own = facts.get(model, {})
    if behind:  # it is passed once a source, and counted once so far
        further = own.get(SOURCES, np.nan) - 1
        costs["multiply_adds"] += further * _fact(facts, behind, "multiply_adds")
    dev = own.get("best", {}).get(DEV_SCORE, np.nan)
    return costs | {DEV_SCORE: dev, JOINT: bool(own.get(JOINT, False))}


def with_costs(comparisons: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Comparisons with the costs of both sides, and whether these are equal.

    Adds `parameters_a`, `parameters_b` …, the mean over the trainings where there are several;
    `equal_size` and `equal_compute` are undefined where a side's cost is.
    """
    each = costs.groupby(ARM, sort=False)[COSTS].mean()
    for side in "ab":
        keys = ["task", *(f"{name}_{side}" for name in ARM[1:])]
        comparisons = comparisons.join(each.add_suffix(f"_{side}"), on=keys)
    equal = {"equal_size": ("parameters", SIZE), "equal_compute": ("training_compute", COMPUTE)}
    for name, (cost, share) in equal.items():
        a, b = (comparisons[f"{cost}_{side}"] for side in "ab")
        alike = (a - b).abs() <= share * np.maximum(a, b)
        comparisons[name] = alike.astype(object).where(a.notna() & b.notna())
    return comparisons


def _denoisers(condition: Condition, run: int) -> list[ModelKey]:
    """The denoiser of a condition, or none."""
    return [denoising(condition, run).model] if condition.kind == "denoised" else []


def _trainings(facts: Mapping[ModelKey, Facts], model: ModelKey) -> Iterator[ModelKey]:
    """A model, and all without whose training it would not be."""
    yield model
    for before in (*_denoisers(model.trained, model.run), *_start(facts, model)):
        yield from _trainings(facts, before)


def _start(facts: Mapping[ModelKey, Facts], model: ModelKey) -> list[ModelKey]:
    """The models of this run from whose weights its training went on, or none."""
    if facts.get(model, {}).get("published"):  # with weights of another run
        return []
    told = facts.get(model, {}).get("init_from")
    sources = told if isinstance(told, list) else [told]
    return [key for key in facts if weights_of(key) in sources]


def _training_compute(facts: Mapping[ModelKey, Facts], model: ModelKey) -> float:
    own = 3 * _fact(facts, model, "multiply_adds") * _fact(facts, model, "audio_seconds")
    frozen = (
        _fact(facts, key, "multiply_adds") * _fact(facts, model, "denoised_seconds")
        for key in _denoisers(model.trained, model.run)
    )
    return own + sum(frozen)


def _fact(facts: Mapping[ModelKey, Facts], model: ModelKey, name: str) -> float:
    """A fact of a model; those of its training are unknown where it began with other weights."""
    told = facts.get(model, {})
    foreign = told.get("init_from") and not _start(facts, model)
    elsewhere = bool(foreign or told.get("published"))
    return np.nan if elsewhere and name not in SIZES else float(told.get(name, np.nan))
