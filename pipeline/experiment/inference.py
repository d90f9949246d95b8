"""Inputs and parameters of the jobs that run models."""

from collections import Counter
from functools import cached_property
from typing import Any, cast

from pipeline.config import Split
from pipeline.experiment.systems import Inputs, denoises, system_of
from pipeline.experiment.training import TrainingJobs
from pipeline.tasks import TASKS, denoiser_behind, denoising
from pipeline.tasks.grammar import (
    System,
    weights_of,
)


class InferenceJobs(TrainingJobs):
    """What decides estimates and latencies."""

    def inference_inputs(self, wildcards: Any) -> Inputs:
        """Input files of a system on one split; `weights` are of its networks, in their order."""
        system, split = system_of(wildcards), wildcards.split
        networks = [system.model, *filter(None, [denoiser_behind(system)])]
        return {
            "mixtures": [f"results/mixtures/{split}/mixtures.csv"],
            "denoised": self._denoised(system.tested, system.model.run, split),
            "weights": [weights_of(model) for model in networks],
        }

    def is_timed(self, wildcards: Any) -> bool:
        """Latency is measured on the test split: its mixtures run one at a time."""
        return f"{system_of(wildcards).path}/{wildcards.split}" in self.timed

    def inference(self, wildcards: Any) -> dict[str, Any]:
        """Settings that decide the estimates; no batch size where mixtures run one at a time."""
        left_out = {"inactive_below"} | ({"batch_size"} if self.is_timed(wildcards) else set())
        system, given = system_of(wildcards), self.config.inference
        permuted = TASKS[system.model.task].permuted
        if given.tracking == "none" or not permuted:
            left_out.add("tracking")
        settings = given.model_dump(mode="json", exclude=left_out)
        if self.config.mixtures.speakers_vary and permuted:
            settings["inactive"] = given.inactive_below
        return settings | self._dry(denoiser_behind(system) or system.model)

    @cached_property
    def timed(self) -> list[str]:
        """Folders of estimates with a latency."""
        return [f"{system.path}/test" for system in self.systems]

    @cached_property
    def batched(self) -> list[str]:
        """Folders of denoised mixtures that models train on, or models or shares are chosen by."""
        folders = [
            f"{denoising(model.trained, model.run).path}/{split}"
            for model in self.models
            for split in ("train", "dev")
            if model.trained.kind == "denoised"
            and not (split == "train" and not self.is_rendered(model))
        ]
        folders += [f"{system.path}/dev" for system in self.swept if denoises(system)]
        return list(dict.fromkeys(folders))

    @cached_property
    def estimates(self) -> dict[Split, int]:
        """How many signals are estimated of each mixture of a split."""
        counts = Counter[Split]()
        untimed = [f"{system.path}/test" for system in (*self.preserving, *self.oracles)]
        for folder in (*self.timed, *self.batched, *untimed):
            path, _, split = folder.rpartition("/")
            task = TASKS[System.parse(path).model.task]
            counts[cast(Split, split)] += len(task.targets(self.config.mixtures.most_speakers))
        return dict(counts)
