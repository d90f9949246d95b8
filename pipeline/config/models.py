"""The sections of networks: how they are trained and run, and on what."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.config.augment import Augment
from pipeline.config.paths import InputPath
from pipeline.config.problems import shown
from pipeline.config.section import (
    Amount,
    Distinct,
    PieceSeconds,
    Range,
    Seconds,
    Section,
    Speeds,
    as_number,
)


def _weighted(value: Any) -> Any:
    given = value if isinstance(value, dict) else {"weight": value}
    weight = as_number(given.get("weight", 1))
    number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if not number or not 0 < weight <= 1.0e9:
        raise ValueError(f"must be a weight above 0 and up to 1e9, not {shown(weight)}")
    if not isinstance(value, dict):
        return weight
    return value | {"weight": weight} if "weight" in value else value


Weighted = Annotated[Any, BeforeValidator(_weighted)]
"""The weight of a term of a loss, or its weight and arguments."""


Precision = Literal["fp32", "bf16"]
Tracking = Literal["none", "speakers"]
"""Of the products of a network; weights are kept in fp32."""

Tracker = Literal["tensorboard", "mlflow", "clearml", "wandb"]


class Machine(Section):
    """How things run, not what is computed: a change here reruns nothing but the report.

    `threads` is per training, inference or scoring job, `save_seconds` the time between saved
    states of a training, `loader_workers` the processes that read audio for it. `trackers` are
    given curves, and after every `track_every`-th epoch audio and further scores of dev.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(default=1, ge=1, le=1024)
    loader_workers: int = Field(default=0, ge=0, le=1024)
    save_seconds: float = Field(default=60.0, ge=0, le=1_000_000)
    compile: Literal["auto"] | bool = "auto"
    trackers: Annotated[list[Tracker], Distinct] = Field(default=["tensorboard"])
    track_every: Amount = 5


class Training(Section):
    """The training loop. Each model may override any of these under its own `training:`.

    `data: dynamic` draws fresh mixtures, `mixtures.counts.train` of them an epoch, each speaker
    at a speed drawn from `speech_speed`, and changes them as `augment` says; `rendered` goes
    through the rendered train split. Fresh mixtures have an SNR drawn from `noise_snr` instead of
    that of `mixtures`; those of a denoiser have from `fewest_speakers` to `mixtures.num_speakers`.
    `devices` share every batch of `batch_size`. `loss` has the weights of its terms, `monitor` is
    the value of dev that chooses the best epoch, by default those of the task. `inner_weight` is
    that of the SNR of the signal inside of a chain; with `inner_projection` its gradients are never
    against those of the separation.
    """

    data: Literal["rendered", "dynamic"] = "rendered"
    speech_speed: Speeds = (0.95, 1.05)
    noise_snr: Range | None = None
    fewest_speakers: Amount | None = None
    augment: Augment | None = None
    segment_seconds: PieceSeconds = 3.0
    batch_size: Amount = 8
    epochs: Amount = 100
    max_steps: Amount | None = None
    loss: Annotated[dict[str, Weighted], Field(min_length=1)] | None = None
    optimizer: Literal["adam", "adamw"] | None = None
    schedule: Literal["plateau", "constant", "cosine"] | None = None
    warmup_steps: Amount | None = None
    monitor: Literal["dev_si_sdri", "dev_loss"] | None = None
    inner_weight: float | None = Field(default=None, ge=0, le=1.0e9)
    inner_projection: bool | None = None
    learning_rate: float = Field(default=1.0e-3, gt=0, le=100)
    gradient_clip: float = Field(default=5.0, gt=0, le=1.0e9)
    gradient_clip_percentile: float | None = Field(default=None, gt=0, le=100)
    plateau_patience: Amount = 5
    stop_patience: Amount = 12
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    average_best: int | None = Field(default=None, ge=2, le=100)
    precision: Precision = "fp32"
    devices: int = Field(default=1, ge=1, le=1024)

    @model_validator(mode="after")
    def _changed_are_fresh(self) -> "Training":
        for name in ("augment", "noise_snr", "fewest_speakers"):
            if getattr(self, name) is not None and self.data != "dynamic":
                raise ValueError(
                    f"{name}: changes fresh mixtures only; set data to dynamic, or leave {name} out"
                )
        return self

    @model_validator(mode="after")
    def _shift_leaves_speech(self) -> "Training":
        shift = self.augment.shift if self.augment else None
        if shift is not None and shift >= self.segment_seconds:
            raise ValueError(
                f"augment.shift: {shift:g} s would move speech out of a piece of"
                f" {self.segment_seconds:g} s; lower it, or raise segment_seconds"
            )
        return self

    @model_validator(mode="after")
    def _projection_has_a_loss(self) -> "Training":
        if self.inner_projection and not self.inner_weight:
            raise ValueError(
                "inner_projection: there is no inner loss; set inner_weight, or leave it out"
            )
        if self.inner_projection and self.devices > 1:
            raise ValueError("inner_projection: runs on one device; set devices to 1")
        return self

    @model_validator(mode="after")
    def _batch_is_shared(self) -> "Training":
        if self.batch_size % self.devices:
            raise ValueError(
                f"batch_size: {self.batch_size} is not a multiple of devices: {self.devices};"
                f" set it to {-(-self.batch_size // self.devices) * self.devices}, or lower devices"
            )
        return self


LEFT_OUT = (
    *("loss", "optimizer", "schedule", "monitor", "augment", "noise_snr", "fewest_speakers"),
    *("warmup_steps", "gradient_clip_percentile", "average_best"),
    *("inner_weight", "inner_projection"),
)
"""Keys of `Training` without a value unless the configuration gives one; most are the task's."""


class RepeatedTraining(Training):
    """The shared training section: its settings, and how often every model is trained.

    Run 0 has the seed of the configuration, each further one a seed of its own, which changes
    initial weights, order and fresh mixtures, and neither the corpora nor the rendered mixtures.
    """

    repeats: int = Field(default=1, ge=1, le=100)


class Network(Section):
    """A network from the registry and how to train it."""

    model: str
    arguments: dict[str, Any] = Field(default={})
    init_from: InputPath | None = None
    training: dict[str, Any] = Field(default={})


class Denoiser(Network):
    """A network that returns the mixture without its noise, the share `dry` of it added back."""

    dry: float = Field(default=0.0, ge=0, le=1)

    @property
    def conditions(self) -> list[str]:
        """A denoiser is trained on noisy mixtures."""
        return ["noisy"]


class Separator(Network):
    """A network that returns one signal a speaker, trained once for each condition.

    With `noise_output` it returns the noise, too, and its signals add up to the mixture. Each
    denoiser of `then_denoise` makes a further system: what is separated from noisy mixtures is
    denoised, source by source.
    """

    conditions: Annotated[list[str], Distinct] = Field(min_length=1)
    noise_output: bool = False
    then_denoise: Annotated[list[str], Distinct] = Field(default=[])

    @model_validator(mode="after")
    def _there_is_noise(self) -> "Separator":
        if self.noise_output and "clean" in self.conditions:
            raise ValueError(
                "noise_output: clean mixtures have no noise; leave clean out of conditions, or name"
                " another separator for it"
            )
        return self


class Inference(Section):
    """Running trained models. `max_seconds` is the longest piece that is fed whole.

    Where mixtures differ in their number of speakers, an output that is `inactive_below` dB or more
    below the loudest one has no speaker, and is not written.

    Where nothing is timed, `batch_size` pieces of like length go at once, by default 16 on a GPU
    and 1 on a CPU; latency is always that of one. `tracking: speakers` keeps the speaker of each
    source over pauses, for tasks whose sources may come in any order.
    """

    max_seconds: PieceSeconds = 30.0
    overlap_seconds: Seconds = 2.0
    warmup: int = Field(default=3, ge=1, le=1000)
    batch_size: Amount | None = None
    precision: Precision = "fp32"
    tracking: Tracking = "none"
    inactive_below: float = Field(default=-20.0, ge=-150, lt=0)

    @model_validator(mode="after")
    def _overlap_fits(self) -> "Inference":
        if self.overlap_seconds * 2 > self.max_seconds:
            raise ValueError(
                f"overlap_seconds: {self.overlap_seconds:g} is more than half of max_seconds:"
                f" {self.max_seconds:g}; lower it, or raise max_seconds"
            )
        return self
