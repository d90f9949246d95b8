"""The models and systems of a configuration."""

from functools import cached_property
from typing import Any

import numpy as np

from pipeline.config import Config
from pipeline.models import MODELS
from pipeline.models.chain import CHAIN
from pipeline.tasks import DENOISE, SEPARATE, TASKS, without_network
from pipeline.tasks.grammar import (
    CLEAN,
    NOISY,
    UNPROCESSED,
    Condition,
    ModelKey,
    System,
)

Inputs = dict[str, list[str]]


def model_of(wildcards: Any) -> ModelKey:
    """The model of a job."""
    trained = Condition.parse(wildcards.trained)
    return ModelKey(wildcards.task, wildcards.name, trained, int(wildcards.run))


def system_of(wildcards: Any) -> System:
    """The system of a job."""
    return System.parse(f"{model_of(wildcards).path}/{wildcards.tested}")


def denoises(system: System) -> bool:
    """Whether a system is a denoiser."""
    return system.model.task == DENOISE.name


def seed_of(seed: int, run: int) -> int:
    """The seed of one of the trainings of a model: of the first, that of the configuration."""
    return int(np.random.SeedSequence([seed, run]).generate_state(1)[0]) if run else seed


class Systems:
    """All models and systems of a configuration."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @cached_property
    def models(self) -> list[ModelKey]:
        """Everything that is trained, in the order of the tasks."""
        return [
            ModelKey(task.name, name, Condition.parse(condition), run)
            for task in TASKS.values()
            for name, network in getattr(self.config, task.section).items()
            for condition in network.conditions
            for run in range(self.config.training.repeats)
        ]

    @cached_property
    def systems(self) -> list[System]:
        """Everything that is tested: denoisers on noisy mixtures, others on every condition.

        The sources of noisy mixtures are also denoised, where the configuration says so.
        """
        return [system for model in self.models for system in self._systems_of(model)]

    def _systems_of(self, model: ModelKey) -> list[System]:
        denoisers = getattr(self.network(model), "then_denoise", [])  # a denoiser has none
        return [
            *(System(model, Condition.parse(tested)) for tested in self._tested(model)),
            *(System(model, NOISY, after=f"denoised-{name}") for name in denoisers),
        ]

    @cached_property
    def oracles(self) -> list[System]:
        """Systems that are given the true sources."""
        return [without_network(SEPARATE, name) for name in self.config.evaluation.oracles]

    @property
    def scored_systems(self) -> list[System]:
        """All systems with audio in the score tables: of each task also the mixture itself."""
        tasks = dict.fromkeys(model.task for model in self.models)
        unprocessed = [without_network(TASKS[task], UNPROCESSED) for task in tasks]
        return [*unprocessed, *self.oracles, *self.systems]

    @cached_property
    def preserving(self) -> list[System]:
        """Denoisers on clean mixtures: how much they keep of them is scored, in SI-SDR."""
        if "si_sdr" not in self.config.evaluation.metrics:
            return []
        return [System(model, CLEAN) for model in self.models if model.task == DENOISE.name]

    @cached_property
    def swept(self) -> list[System]:
        """Denoisers, and systems behind one: tried with shares of the mixture added back."""
        if not self.config.evaluation.dry_sweep:
            return []
        return [s for s in self.systems if denoises(s) or s.tested.kind == "denoised"]

    def _tested(self, model: ModelKey) -> list[str]:
        if self.network(model).model == CHAIN:  # which denoises by itself
            return ["clean", "noisy"]
        return ["noisy"] if model.task == DENOISE.name else self.config.conditions

    def network(self, model: ModelKey) -> Any:
        """Its section of the configuration."""
        return getattr(self.config, TASKS[model.task].section)[model.name]

    def training(self, model: ModelKey) -> Any:
        """Its training settings: the shared ones with its own laid over them."""
        return self.config.training_of(TASKS[model.task].section, model.name)

    def is_trained(self, model: ModelKey) -> bool:
        """Whether it is trained here; else it is a published network."""
        return MODELS[self.network(model).model].trained

    def is_dynamic(self, model: ModelKey) -> bool:
        """Whether its mixtures are drawn as it trains."""
        return self.is_trained(model) and bool(self.training(model).data == "dynamic")

    def is_rendered(self, model: ModelKey) -> bool:
        """Whether it is trained on the rendered train split."""
        return self.is_trained(model) and not self.is_dynamic(model)
