"""Inputs and parameters of trainings."""

from pathlib import Path
from typing import Any

from pipeline import losses, models, tasks
from pipeline.config import Split
from pipeline.config.extensions import LOADED
from pipeline.config.models import LEFT_OUT
from pipeline.experiment.mixtures import MixtureJobs
from pipeline.experiment.systems import Inputs, model_of, seed_of
from pipeline.losses import TERMS
from pipeline.models import MODELS, parse_arguments
from pipeline.models.chain import CHAIN, PARTS
from pipeline.models.package import sum_of
from pipeline.models.starts import parts_of, starts_of
from pipeline.tasks import DENOISE, TASKS, denoising
from pipeline.tasks.grammar import (
    Condition,
    ModelKey,
    weights_of,
)


class TrainingJobs(MixtureJobs):
    """What decides the weights of models."""

    def training_inputs(self, wildcards: Any) -> Inputs:
        """Input files of a training, by the names that its script looks for."""
        model = model_of(wildcards)
        dynamic = self.is_dynamic(model)
        whole = self.is_rendered(model)
        rendered = ["results/mixtures/train/mixtures.csv"] if whole else []
        corpora = ["results/corpora/speech.csv", "results/corpora/noise.csv"]
        front, starts = self._front(model), self._init_from(model) or []
        starts = [starts] if isinstance(starts, str) else starts
        starts = [*starts, *self._taken(model)]
        return {
            "train": corpora if dynamic else rendered,
            "dev": ["results/mixtures/dev/mixtures.csv"],
            "front": [weights_of(front)] if front and dynamic else [],
            "denoised_train": self._denoised(model.trained, model.run, "train") if whole else [],
            "denoised_dev": self._denoised(model.trained, model.run, "dev"),
            "init": [s for s in starts if s.endswith(".safetensors") or Path(s).is_file()],
            "extensions": self._extensions(model),
        }

    def _init_from(self, model: ModelKey) -> str | list[str] | None:
        """The weights that its training starts from: those of models of this run are files."""
        files = [weights_of(start) for start in starts_of(self.config, model)]
        if self.network(model).init_from == PARTS:
            return files
        return files[0] if files else self.network(model).init_from

    def _taken(self, model: ModelKey) -> list[str]:
        """The weights file of a trained network that is taken as it is, or none."""
        network = self.network(model)
        file = MODELS[network.model].file
        return [str(file(parse_arguments(network.model, network.arguments)))] if file else []

    def _arguments(self, model: ModelKey) -> dict[str, Any]:
        """The arguments of its network, of a chain those of both networks."""
        network = self.network(model)
        if network.model != CHAIN:
            return dict(network.arguments)
        return dict(zip(("first", "second"), parts_of(self.config, network), strict=True))

    def _extensions(self, model: ModelKey) -> list[str]:
        """The extensions, if a network, its task or a term of its loss is not one of ours."""
        network, task = self.network(model), model.task
        terms = self.training(model).loss or TASKS[task].loss
        parts = parts_of(self.config, network) if network.model == CHAIN else []
        names = [network.model, *(part["model"] for part in parts)]
        own = all(MODELS[name] is models.OURS.get(name) for name in names)
        own = own and TASKS[task] is tasks.OURS.get(task)
        own = own and all(TERMS[term] is losses.OURS.get(term) for term in terms)
        return [] if own else list(LOADED.values())

    def training_job(self, wildcards: Any) -> dict[str, Any]:
        """Settings that decide the weights of one model; only a change here trains it again."""
        model = model_of(wildcards)
        if not self.is_trained(model):
            return self._published_job(model)
        network, dynamic = self.network(model), self.is_dynamic(model)
        training = self.training(model).model_dump(mode="json")
        del training["devices"]  # they share the same batches
        for name in LEFT_OUT:
            if training[name] is None:
                del training[name]
        if not dynamic:
            del training["speech_speed"]
        return {
            "task": model.task,
            "condition": str(model.trained),
            "model": network.model,
            "arguments": self._arguments(model),
            "init_from": self._init_from(model),
            "training": training,
            "mixtures": self._fresh(model) if dynamic else None,
            "seed": seed_of(self.config.seed, model.run),
            **({"noise_output": True} if self._has_noise_output(model) else {}),
        }

    def _has_noise_output(self, model: ModelKey) -> bool:
        """Whether a separator estimates the noise, too."""
        return bool(getattr(self.network(model), "noise_output", False))

    def _published_job(self, model: ModelKey) -> dict[str, Any]:
        """The same of a network that is not trained: none of training, but the files it is in."""
        network = self.network(model)
        package = MODELS[network.model].package
        files = {Path(path).name: sum_of(Path(path)) for path in self._taken(model)}
        return {
            "task": model.task,
            "condition": str(model.trained),
            "model": network.model,
            "arguments": network.arguments,
            "package": files or (None if not package or package.missing else package.sums()),
        }

    def devices(self, wildcards: Any) -> int:
        """How many devices train one model together."""
        return int(self.training(model_of(wildcards)).devices)

    def _fresh(self, model: ModelKey) -> dict[str, Any]:
        """Settings that decide mixtures drawn in training; a piece has no end, and so no mode."""
        settings, training = self.drawing("train"), self.training(model)
        del settings["mode"]
        if training.noise_snr is not None:
            settings.pop("noise_snr_levels", None)
            settings["noise_snr"] = list(training.noise_snr)
        front = self._front(model)
        return settings | (self._dry(front) if front else {})

    def _dry(self, model: ModelKey) -> dict[str, float]:
        """The share of the mixture that is added to the output of a denoiser, if there is one."""
        share = self.network(model).dry if model.task == DENOISE.name else 0.0
        return {"dry": share} if share else {}

    def _front(self, model: ModelKey) -> ModelKey | None:
        """The denoiser that fresh mixtures of a denoised condition go through, if there is one."""
        denoised = model.trained.kind == "denoised"
        return denoising(model.trained, model.run).model if denoised else None

    def _denoised(self, condition: Condition, run: int, split: Split) -> list[str]:
        """The denoised mixtures that a condition needs: one manifest, or none."""
        if condition.kind != "denoised":
            return []
        return [f"results/estimates/{denoising(condition, run).path}/{split}/estimates.csv"]
