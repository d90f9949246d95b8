"""The sections of networks: how they are trained and run, and on what."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pipeline.config.section import Distinct, InputPath, Section, Speeds


class Machine(Section):
    """How things run, not what is computed: a change here reruns nothing but the report.

    `threads` is per training, inference or scoring job, `save_seconds` the time between saved
    states of a training, `loader_workers` the processes that read audio for it.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: PositiveInt = 1
    loader_workers: int = Field(default=0, ge=0)
    save_seconds: float = Field(default=60.0, ge=0)
    compile: Literal["auto"] | bool = "auto"


class Training(Section):
    """The training loop. Each model may override any of these under its own `training:`.

    `data: dynamic` draws fresh mixtures, `mixtures.counts.train` of them an epoch, each speaker
    at a speed drawn from `speech_speed`; `rendered` goes through the rendered train split.
    `devices` share every batch of `batch_size`.
    """

    data: Literal["rendered", "dynamic"] = "rendered"
    speech_speed: Speeds = (0.95, 1.05)
    segment_seconds: PositiveFloat = 3.0
    batch_size: PositiveInt = 8
    epochs: PositiveInt = 100
    max_steps: PositiveInt | None = None
    learning_rate: PositiveFloat = 1.0e-3
    gradient_clip: PositiveFloat = 5.0
    plateau_patience: PositiveInt = 5
    stop_patience: PositiveInt = 12
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    devices: PositiveInt = 1

    @model_validator(mode="after")
    def _batch_is_shared(self) -> "Training":
        if self.batch_size % self.devices:
            raise ValueError(
                f"batch_size: {self.batch_size} is not a multiple of devices: {self.devices}"
            )
        return self


class Network(Section):
    """A network from the registry and how to train it."""

    model: str
    arguments: dict[str, Any] = Field(default={})
    init_from: InputPath | None = None
    training: dict[str, Any] = Field(default={})


class Denoiser(Network):
    """A network that hears `mix_both` and returns `mix_clean`."""


class Separator(Network):
    """A network that returns one signal a speaker, trained once for each condition."""

    conditions: Annotated[list[str], Distinct] = Field(min_length=1)


class Inference(Section):
    """Running trained models. `max_seconds` is the longest piece that is fed whole.

    Where nothing is timed, `batch_size` pieces of like length go at once, by default 16 on a GPU
    and 1 on a CPU; latency is always that of one.
    """

    max_seconds: PositiveFloat = 30.0
    overlap_seconds: PositiveFloat = 2.0
    warmup: PositiveInt = 3
    batch_size: PositiveInt | None = None
    precision: Literal["fp32", "bf16"] = "fp32"

    @model_validator(mode="after")
    def _overlap_fits(self) -> "Inference":
        if self.overlap_seconds * 2 > self.max_seconds:
            raise ValueError("overlap_seconds must be at most half of max_seconds")
        return self
