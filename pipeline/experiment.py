"""From the configuration to the models and systems of a run, and the inputs and parameters of jobs.

Plain Python: the rules ask it for their inputs and parameters, Snakemake's `wildcards` standing for
the model or system of a job. A parameter holds that part of the configuration which decides the
result of its job, and nothing else.
"""

from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from pipeline import losses, models, tasks
from pipeline.config import SPLITS, Config, Split
from pipeline.config.extensions import LOADED
from pipeline.config.models import LEFT_OUT
from pipeline.corpora.catalogue import librimix_parts
from pipeline.losses import TERMS
from pipeline.models import MODELS
from pipeline.models.chain import CHAIN, PARTS, resolved
from pipeline.models.starts import starts_of
from pipeline.tasks import DENOISE, SEPARATE, TASKS, denoising
from pipeline.tasks.grammar import (
    CLEAN,
    NOISY,
    UNPROCESSED,
    UNTRAINED,
    Condition,
    ModelKey,
    System,
    weights_of,
)

Inputs = dict[str, list[str]]


def model_of(wildcards: Any) -> ModelKey:
    """The model of a job."""
    trained = Condition.parse(wildcards.trained)
    return ModelKey(wildcards.task, wildcards.name, trained, int(wildcards.run))


def system_of(wildcards: Any) -> System:
    """The system of a job."""
    return System.parse(f"{model_of(wildcards).path}/{wildcards.tested}")


def _denoises(system: System) -> bool:
    return system.model.task == DENOISE.name


def seed_of(seed: int, run: int) -> int:
    """The seed of one of the trainings of a model: of the first, that of the configuration."""
    return int(np.random.SeedSequence([seed, run]).generate_state(1)[0]) if run else seed


class Experiment:
    """All models and systems of a configuration."""

    def __init__(self, config: Config) -> None:
        self.config = config

    # Models and systems

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
        """Everything that is tested: denoisers on noisy mixtures, others on every condition."""
        return [
            System(model, Condition.parse(tested))
            for model in self.models
            for tested in self._tested(model)
        ]

    @property
    def scored_systems(self) -> list[System]:
        """All systems of the score tables: of each task also the mixture itself."""
        tasks = dict.fromkeys(model.task for model in self.models)
        models = [ModelKey(task, UNPROCESSED, UNTRAINED) for task in tasks]
        return [*(System(model, NOISY) for model in models), *self.systems]

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
        return [s for s in self.systems if _denoises(s) or s.tested.kind == "denoised"]

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

    # Corpora and mixtures

    def is_rendered(self, model: ModelKey) -> bool:
        """Whether it is trained on the rendered train split."""
        return self.is_trained(model) and not self.is_dynamic(model)

    @cached_property
    def converted(self) -> list[str]:
        """Corpora that are needed at the workflow's rate.

        Not those of LibriMix's metadata, which is read from the files as they lie.
        """
        drawn = self.config.mixtures.kind == "drawn"
        return ["speech", "noise"] if drawn or any(map(self.is_dynamic, self.models)) else []

    @cached_property
    def rendered(self) -> list[Split]:
        """Splits that are needed: not a train split that no model is trained on."""
        needed = any(map(self.is_rendered, self.models))
        return [split for split in SPLITS if split != "train" or needed]

    def drawing(self, split: Split) -> dict[str, Any]:
        """Settings that decide the draws of one split: not other splits, nor unused keys."""
        given = self.config.mixtures
        unused = {
            "counts": given.hours is not None,
            "speech_lufs": given.speech_rms is not None,
            "noise_speeds": split != "train",
            "noise_snr": given.noise_rule != "wham" or given.noise_snr_levels,
            "noise_snr_levels": given.noise_rule != "wham",
            "noise_lufs": given.noise_rule != "librimix",
            "babble": not given.babble,
            "babble_voices": not given.babble,
        }
        left_out = {"kind", "librimix", "mix_single"} | {k for k, v in unused.items() if v}
        settings = given.model_dump(mode="json", exclude=left_out)
        for amounts in filter(None, map(settings.get, ("counts", "hours"))):
            amounts |= dict.fromkeys(amounts, amounts[split])
        return settings

    def rendering(self) -> dict[str, Any]:
        """Settings that decide the audio of mixtures, drawn or of LibriMix's metadata."""
        given = self.config.mixtures
        keys = {"kind", "mix_single", "peak" if given.kind == "drawn" else "mode"}
        return given.model_dump(mode="json", include=keys)

    def librimix_given(self, split: Split) -> list[str]:
        """LibriMix's metadata of a split in the user's folder, if one is named."""
        given = self.config.mixtures.librimix
        if given.metadata is None:
            return []
        stem = f"{given.metadata}/libri{self.config.mixtures.num_speakers}mix"
        return [f"{stem}_{name}.csv" for name in getattr(given.subsets, split)]

    def librimix_fetched(self, split: Split) -> list[str]:
        """Lists of the metadata files of a split that are downloaded."""
        if self.config.mixtures.librimix.metadata is not None:
            return []
        parts = librimix_parts(self.config, split)
        return [f"results/corpora/download/{part}.csv" for part in parts]

    # Training

    def training_inputs(self, wildcards: Any) -> Inputs:
        """Input files of a training, by the names that its script looks for."""
        model = model_of(wildcards)
        dynamic = self.is_dynamic(model)
        whole = self.is_rendered(model)
        rendered = ["results/mixtures/train/mixtures.csv"] if whole else []
        corpora = ["results/corpora/speech.csv", "results/corpora/noise.csv"]
        front, starts = self._front(model), self._init_from(model) or []
        starts = [starts] if isinstance(starts, str) else starts
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

    def _arguments(self, model: ModelKey) -> dict[str, Any]:
        """The arguments of its network, of a chain those of both networks."""
        network = self.network(model)
        return resolved(self.config, network) if network.model == CHAIN else network.arguments

    def _extensions(self, model: ModelKey) -> list[str]:
        """The extensions, if its network, its task or a term of its loss is not one of ours."""
        network, task = self.network(model).model, model.task
        terms = self.training(model).loss or TASKS[task].loss
        own = MODELS[network] is models.OURS.get(network) and TASKS[task] is tasks.OURS.get(task)
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
        return model.task == SEPARATE.name and bool(self.network(model).noise_output)

    def _published_job(self, model: ModelKey) -> dict[str, Any]:
        """The same of a network that is not trained: none of training, but the installed files."""
        network = self.network(model)
        package = MODELS[network.model].package
        return {
            "task": model.task,
            "condition": str(model.trained),
            "model": network.model,
            "arguments": network.arguments,
            "package": None if package is None or package.missing else package.sums(),
        }

    def devices(self, wildcards: Any) -> int:
        """How many devices train one model together."""
        return int(self.training(model_of(wildcards)).devices)

    def _fresh(self, model: ModelKey) -> dict[str, Any]:
        """Settings that decide mixtures drawn in training; a piece has no end, and so no mode."""
        settings = self.drawing("train")
        del settings["mode"]
        front = self._front(model)
        return settings | (self._dry(front) if front else {})

    def _front(self, model: ModelKey) -> ModelKey | None:
        """The denoiser that fresh mixtures of a denoised condition go through, if there is one."""
        denoised = model.trained.kind == "denoised"
        return denoising(model.trained, model.run).model if denoised else None

    def _denoised(self, condition: Condition, run: int, split: Split) -> list[str]:
        """The denoised mixtures that a condition needs: one manifest, or none."""
        if condition.kind != "denoised":
            return []
        return [f"results/estimates/{denoising(condition, run).path}/{split}/estimates.csv"]

    # Inference

    def inference_inputs(self, wildcards: Any) -> Inputs:
        """Input files of a system on one split."""
        system, split = system_of(wildcards), wildcards.split
        return {
            "mixtures": [f"results/mixtures/{split}/mixtures.csv"],
            "denoised": self._denoised(system.tested, system.model.run, split),
            "weights": [weights_of(system.model)],
        }

    def is_timed(self, wildcards: Any) -> bool:
        """Latency is measured on the test split: its mixtures run one at a time."""
        return f"{system_of(wildcards).path}/{wildcards.split}" in self.timed

    def inference(self, wildcards: Any) -> dict[str, Any]:
        """Settings that decide the estimates; no batch size where mixtures run one at a time."""
        left_out = {"batch_size"} if self.is_timed(wildcards) else set()
        settings = self.config.inference.model_dump(mode="json", exclude=left_out)
        return settings | self._dry(model_of(wildcards))

    def _dry(self, model: ModelKey) -> dict[str, float]:
        """The share of the mixture that is added to the output of a denoiser, if there is one."""
        share = self.network(model).dry if model.task == DENOISE.name else 0.0
        return {"dry": share} if share else {}

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
        folders += [f"{system.path}/dev" for system in self.swept if _denoises(system)]
        return list(dict.fromkeys(folders))

    @cached_property
    def estimates(self) -> dict[Split, int]:
        """How many signals are estimated of each mixture of a split."""
        counts = Counter[Split]()
        preserved = [f"{system.path}/test" for system in self.preserving]
        for folder in (*self.timed, *self.batched, *preserved):
            path, _, split = folder.rpartition("/")
            task = TASKS[System.parse(path).model.task]
            counts[cast(Split, split)] += len(task.targets(self.config.mixtures.num_speakers))
        return dict(counts)

    # Evaluation

    def scoring_inputs(self, wildcards: Any) -> Inputs:
        """Input files of the scores of a shard; the mixture itself has no estimates."""
        estimates = f"results/estimates/{system_of(wildcards).path}/test/estimates.csv"
        texts = f"results/scores/asr/reference/{wildcards.scatteritem}.csv"
        return {
            "mixtures": ["results/mixtures/test/mixtures.csv"],
            "estimates": [] if wildcards.name == UNPROCESSED else [estimates],
            "references": [texts] if wildcards.measure == "asr" else [],
            "model": self.recogniser() if wildcards.measure == "asr" else [],
        }

    def sweep_inputs(self, wildcards: Any) -> Inputs:
        """Input files of the scores of a shard with shares of the mixture added back."""
        system, split = system_of(wildcards), wildcards.split
        alone = _denoises(system)
        denoised = f"results/estimates/{system.path}/{split}/estimates.csv"
        return {
            "mixtures": [f"results/mixtures/{split}/mixtures.csv"],
            "denoised": [denoised]
            if alone
            else self._denoised(system.tested, system.model.run, split),
            "weights": [] if alone else [weights_of(system.model)],
        }

    def measured(self, wildcards: Any) -> dict[str, Any]:
        """Settings that decide the values of one measure."""
        if system_of(wildcards) in self.preserving:
            return {"metrics": ["si_sdr"]}
        settings = self.config.evaluation.settings_of(wildcards.measure)
        if wildcards.measure == "signal" and wildcards.task != DENOISE.name:
            settings["metrics"] = [name for name in settings["metrics"] if name != "snr"]
        return settings

    def scoring_threads(self, wildcards: Any) -> int:
        """Processes of one job. A measure with a model is opened once, and runs on one thread."""
        return self.config.machine.threads if wildcards.measure == "signal" else 1

    @cached_property
    def scored(self) -> list[str]:
        """Folders of score tables: every measure that fits a system's task."""
        preserved = [f"signal/{system.path}" for system in self.preserving]
        return preserved + [
            f"{measure}/{system.path}"
            for measure in self.config.evaluation.measures
            for system in self.scored_systems
            if measure in TASKS[system.model.task].measures
        ]

    def reference_inputs(self, wildcards: Any) -> Inputs:
        """Input files of the texts that recognised speech is compared with."""
        return {"speech": self.transcripts(), "model": self.recogniser()}

    def recogniser(self) -> list[str]:
        """Files of the model that recognises speech, where it is the user's."""
        asr = self.config.evaluation.asr
        if asr is None or asr.model is None:
            return []
        return sorted(str(path) for path in Path(asr.model).rglob("*") if path.is_file())

    def transcripts(self) -> list[str]:
        """The corpus with its transcripts, where recognised speech is compared with these."""
        asr = self.config.evaluation.asr
        wanted = asr is not None and asr.reference == "transcript"
        return ["results/corpora/speech.csv"] if wanted else []
