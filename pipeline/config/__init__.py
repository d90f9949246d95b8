"""The typed configuration: one model a section, unknown keys refused, errors of one line."""

from collections.abc import Iterator
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError, create_model, model_validator

from pipeline.base.errors import PipelineError, first_few
from pipeline.config.corpora import Corpora, DemoCorpus, DownloadCorpus
from pipeline.config.evaluation import Evaluation, Measure, Metric, Report, SpeechRecognition
from pipeline.config.extensions import LOADED, check_tasks, load_extensions
from pipeline.config.mixtures import Mixtures
from pipeline.config.models import (
    Denoiser,
    Inference,
    Machine,
    RepeatedTraining,
    Separator,
    Training,
)
from pipeline.config.paths import InputPath
from pipeline.config.problems import describe_problems
from pipeline.config.section import SPLITS, Counts, Name, Section, Split
from pipeline.tasks import DENOISE, OURS, TASKS
from pipeline.tasks.grammar import NO_NETWORKS

__all__ = [
    "SPLITS",
    "Config",
    "Corpora",
    "Counts",
    "DemoCorpus",
    "DownloadCorpus",
    "Inference",
    "Machine",
    "Measure",
    "Metric",
    "Mixtures",
    "Section",
    "SpeechRecognition",
    "Split",
    "Training",
    "load_config",
]

MOST_SEED = 2**32 - 1  # that seeds NumPy's global generator


class Config(Section):
    """The whole configuration of a run."""

    extensions: list[InputPath] = Field(default=[])
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    sample_rate: Literal[8000, 16000] = 8000
    shards: int = Field(default=2, ge=1, le=10_000)
    machine: Machine = Machine()
    corpora: Corpora = Corpora()
    mixtures: Mixtures = Mixtures()
    training: RepeatedTraining = RepeatedTraining()
    denoisers: dict[Name, Denoiser] = Field(min_length=1)
    separators: dict[Name, Separator]
    inference: Inference = Inference()
    evaluation: Evaluation = Evaluation()
    report: Report = Report()

    @model_validator(mode="after")
    def _enough_for_shards(self) -> "Config":
        fewest = min(self.mixtures.counts.model_dump().values())
        counted = self.mixtures.kind != "librimix" and self.mixtures.hours is None
        if counted and self.shards > fewest:
            raise ValueError(
                f"shards: {self.shards} is more than the {fewest} mixtures of a split; lower it, or"
                " raise mixtures.counts"
            )
        return self

    @model_validator(mode="after")
    def _names_are_free(self) -> "Config":
        for section in (task.section for task in TASKS.values()):
            for name in NO_NETWORKS:
                if name in getattr(self, section):
                    raise ValueError(
                        f"{section}.{name}: this is the name of {NO_NETWORKS[name]} in the tables;"
                        " choose another"
                    )
        return self

    def _beside_denoisers(self) -> Iterator[tuple[str, Separator]]:
        """The networks that can stand before or behind a denoiser, with their keys."""
        for section in (task.section for task in TASKS.values() if task.name != DENOISE.name):
            for name, network in getattr(self, section).items():
                yield f"{section}.{name}", network

    @model_validator(mode="after")
    def _conditions_exist(self) -> "Config":
        allowed = self.conditions
        for name, network in self._beside_denoisers():
            for condition in network.conditions:
                if condition not in allowed:
                    raise ValueError(
                        f"{name}.conditions: '{condition}' is not one of"
                        f" {', '.join(allowed)}; declare the denoiser under denoisers: first"
                    )
        return self

    @model_validator(mode="after")
    def _denoisers_behind_exist(self) -> "Config":
        for name, network in self._beside_denoisers():
            for denoiser in network.then_denoise:
                if denoiser not in self.denoisers:
                    raise ValueError(
                        f"{name}.then_denoise: '{denoiser}' is not one of"
                        f" {', '.join(self.denoisers)}; declare it under denoisers: first"
                    )
        return self

    @model_validator(mode="after")
    def _levels_tell_of_speakers(self) -> "Config":
        behind = [name for name, network in self._beside_denoisers() if network.then_denoise]
        if behind and self.mixtures.speakers_vary:
            raise ValueError(
                f"{behind[0]}.then_denoise: brings every output to the level of the mixture, those"
                " without a speaker too; leave it out, or give mixtures.num_speakers one number"
            )
        return self

    @model_validator(mode="after")
    def _oracles_have_a_task(self) -> "Config":
        if self.evaluation.oracles and not self.separators:
            raise ValueError(
                "evaluation.oracles: they separate, and there are no separators to compare them"
                " with; leave oracles out, or add a separator"
            )
        return self

    @model_validator(mode="after")
    def _sweep_begins_at_nothing(self) -> "Config":
        given = [name for name, denoiser in self.denoisers.items() if denoiser.dry]
        if self.evaluation.dry_sweep and given:
            raise ValueError(
                f"denoisers.{given[0]}.dry: evaluation.dry_sweep tries every share; leave dry out,"
                " or the sweep"
            )
        return self

    @model_validator(mode="after")
    def _transcripts_fit(self) -> "Config":
        asr, given = self.evaluation.asr, self.mixtures
        whole = given.mode == "max" and given.join_silence is None
        if asr and asr.reference == "transcript" and not whole:
            raise ValueError(
                "evaluation.asr.reference: transcript is of whole utterances; set mixtures.mode to"
                " max and leave mixtures.join_silence out, or choose recognised"
            )
        return self

    @property
    def conditions(self) -> list[str]:
        """All conditions of a mixture: clean, noisy, and denoised by each denoiser."""
        return ["clean", "noisy", *(f"denoised-{name}" for name in self.denoisers)]

    def training_of(self, section: str, name: str) -> Training:
        """The training settings of one network: the shared ones with its own laid over them."""
        own = getattr(self, section)[name].training
        return Training(**(self.training.model_dump(exclude={"repeats"}) | own))


def load_config(values: dict[str, Any]) -> Config:
    """Check a nested dictionary (what `config.yaml` holds) and type it; load its extensions.

    Raises:
        PipelineError: one line that names the key, what is wrong and what is allowed.
    """
    load_extensions(extensions_in(values))
    if LOADED:
        _check_tasks(values)
    model = _model()
    try:
        config = model.model_validate(values)
    except ValidationError as error:
        raise PipelineError(_one_line(error, model)) from error
    for section in (task.section for task in TASKS.values()):
        for name in getattr(config, section):
            prefix = f"{section}.{name}.training."
            try:
                training = config.training_of(section, name)
            except ValidationError as error:
                raise PipelineError(_one_line(error, Training, prefix)) from error
            _check_fresh(config, section, training, f"config: {prefix}")
    return config


def _check_fresh(config: Config, section: str, training: Training, prefix: str) -> None:
    """Check the changes of fresh mixtures of a network; `prefix` begins errors."""
    given, fewest = config.mixtures, training.fewest_speakers
    if training.noise_snr is not None and given.noise_rule != "wham":
        raise PipelineError(
            f"{prefix}noise_snr: is for noise_rule wham, other levels are in LUFS; leave it out"
        )
    if fewest is not None and section != DENOISE.section:
        raise PipelineError(
            f"{prefix}fewest_speakers: only a denoiser takes any number of speakers; set it under"
            " denoisers.<name>.training"
        )
    if fewest is not None and fewest > given.most_speakers:
        raise PipelineError(
            f"{prefix}fewest_speakers: is more than mixtures.num_speakers: {given.most_speakers};"
            " lower it"
        )


def extensions_in(values: Any) -> list[str]:
    """The paths of extensions; none where they are ill-typed, which `load_config` then refuses."""
    given = values.get("extensions") if isinstance(values, dict) else None
    fine = isinstance(given, list) and all(isinstance(path, str) for path in given)
    return list(given or ()) if fine else []


def _check_tasks(values: dict[str, Any]) -> None:
    given = values.get("mixtures")
    speakers = given.get("num_speakers") if isinstance(given, dict) else None
    numbers = speakers if isinstance(speakers, list) else [speakers]
    known = [number for number in numbers if isinstance(number, int) and number > 0]
    count = max(known, default=Mixtures().most_speakers)
    ours = {task.section for task in OURS.values()}
    check_tasks({*dir(Config), *Config.model_fields} - ours, count, get_args(Measure))


def _model() -> type[Config]:
    """The configuration, with a section for each task that an extension added."""
    added: dict[str, Any] = {
        task.section: (dict[Name, Separator], {})
        for task in TASKS.values()
        if task.section not in Config.model_fields
    }
    return create_model("Config", __base__=Config, **added) if added else Config


def _one_line(error: ValidationError, model: type[Section], prefix: str = "") -> str:
    return "config: " + first_few(list(describe_problems(error, model, prefix)))
