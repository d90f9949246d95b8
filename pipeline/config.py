"""The typed configuration: one model a section, unknown keys refused, errors of one line."""

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    ValidationError,
    model_validator,
)

from pipeline.errors import PipelineError
from pipeline.problems import describe_problems

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")]
Metric = Literal["si_sdr", "sdr", "sir", "sar", "stoi", "estoi", "pesq"]
Measure = Literal["signal", "dnsmos", "asr"]


def _pair(value: Any) -> Any:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError(f"must be two numbers, [low, high], not {value!r}")
    return value


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"lower bound {pair[0]} is above upper bound {pair[1]}")
    return pair


def _distinct(values: list[Any]) -> list[Any]:
    double = next((v for v in values if values.count(v) > 1), None)
    if double is not None:
        raise ValueError(f"'{double}' stands twice; name it once")
    return values


Range = Annotated[tuple[float, float], BeforeValidator(_pair), AfterValidator(_ordered)]
Speed = Annotated[float, Field(ge=0.1, lt=10)]
Speeds = Annotated[tuple[Speed, Speed], BeforeValidator(_pair), AfterValidator(_ordered)]


class Section(BaseModel):
    """Base of all sections: a key that is not declared is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class Machine(Section):
    """How things run, not what is computed: a change here reruns nothing but the report.

    `threads` is per training or inference job, `save_seconds` the time between saved states of
    a training, `loader_workers` the processes that read audio for it.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: PositiveInt = 1
    loader_workers: int = Field(default=0, ge=0)
    save_seconds: float = Field(default=60.0, ge=0)
    compile: bool = False


class Counts(Section):
    """A number for each split."""

    train: PositiveInt
    dev: PositiveInt
    test: PositiveInt


class DemoCorpus(Section):
    """The embedded corpus: how many synthetic speakers, utterances and noises to make."""

    speakers: Counts = Counts(train=40, dev=10, test=12)
    utterances_per_speaker: PositiveInt = 6
    noises: Counts = Counts(train=24, dev=8, test=8)
    noise_seconds: PositiveFloat = 12.0


class Subsets(Section):
    """Subset folders below the speech root for each split."""

    train: list[str] = Field(min_length=1)
    dev: list[str] = Field(min_length=1)
    test: list[str] = Field(min_length=1)


class LocalCorpus(Section):
    """Corpora already on disk: roots of LibriSpeech and of the WHAM! noise."""

    speech: str
    noise: str
    subsets: Subsets = Subsets(
        train=["train-clean-100", "train-clean-360"], dev=["dev-clean"], test=["test-clean"]
    )


class SpeechDownload(Section):
    """Parts of LibriSpeech to fetch: all of them, or the first speakers and utterances.

    `max_speakers` is of each subset, `max_utterances` of each speaker.
    """

    subsets: Subsets = Subsets(train=["train-clean-100"], dev=["dev-clean"], test=["test-clean"])
    max_speakers: PositiveInt | None = None
    max_utterances: PositiveInt | None = None


class NoiseDownload(Section):
    """The corpus of noise to fetch: all of it, or `max_files` drawn recordings."""

    corpus: str = "wham_noise"
    max_files: int | None = Field(default=None, ge=len(SPLITS))


class DownloadCorpus(Section):
    """Corpora to fetch. `folder` keeps them, `catalogue` is a CSV of further addresses."""

    folder: str = "data"
    catalogue: str | None = None
    speech: SpeechDownload = SpeechDownload()
    noise: NoiseDownload = NoiseDownload()


class Corpora(Section):
    """Where speech and noise come from."""

    kind: Literal["demo", "local", "download"] = "demo"
    demo: DemoCorpus = DemoCorpus()
    local: LocalCorpus | None = None
    download: DownloadCorpus = DownloadCorpus()

    @model_validator(mode="after")
    def _local_given(self) -> "Corpora":
        if self.kind == "local" and self.local is None:
            raise ValueError("kind is local: give local.speech and local.noise, the corpus folders")
        return self


class Hours(Section):
    """Hours of mixtures for each split."""

    train: PositiveFloat
    dev: PositiveFloat
    test: PositiveFloat


class LibriMix(Section):
    """LibriMix's metadata: the folder of `libri<n>mix_<subset>.csv`; without one it is fetched."""

    metadata: str | None = None
    subsets: Subsets = Subsets(train=["train-clean-100"], dev=["dev-clean"], test=["test-clean"])


class Mixtures(Section):
    """How mixtures are made. Levels in LUFS or dBFS, SNR in dB, lengths in seconds, peak of 1.0.

    `kind: drawn` draws them, `kind: librimix` takes LibriMix's own. Only drawn mixtures look at
    the keys below `librimix`. What is drawn for the train split alone: `noise_speeds`.
    """

    kind: Literal["drawn", "librimix"] = "drawn"
    num_speakers: PositiveInt = 3
    mode: Literal["min", "max"] = "min"
    mix_single: bool = False
    librimix: LibriMix = LibriMix()
    counts: Counts = Counts(train=400, dev=40, test=40)
    hours: Hours | None = None
    min_seconds: PositiveFloat = 3.0
    join_silence: float | None = Field(default=None, ge=0)
    speech_lufs: Range = (-33.0, -25.0)
    speech_rms: Range | None = None
    exclude_noises: list[str] = []
    noise_speeds: Annotated[list[Speed], AfterValidator(_distinct)] = Field(
        default=[1.0], min_length=1
    )
    noise_rule: Literal["wham", "librimix"] = "wham"
    noise_snr: Range = (-6.0, 3.0)
    noise_snr_levels: list[float] | None = Field(default=None, min_length=1)
    noise_lufs: Range = (-38.0, -30.0)
    peak: float = Field(default=0.9, gt=0, le=1)


class Training(Section):
    """The training loop. Each model may override any of these under its own `training:`.

    `data: dynamic` draws fresh mixtures, `mixtures.counts.train` of them an epoch, each speaker
    at a speed drawn from `speech_speed`; `rendered` goes through the rendered train split.
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


class Network(Section):
    """A network from the registry and how to train it."""

    model: str
    arguments: dict[str, Any] = {}
    init_from: str | None = None
    training: dict[str, Any] = {}


class Denoiser(Network):
    """A network that hears `mix_both` and returns `mix_clean`."""


class Separator(Network):
    """A network that returns one signal a speaker, trained once for each condition."""

    conditions: Annotated[list[str], AfterValidator(_distinct)] = Field(min_length=1)


class Inference(Section):
    """Running trained models. `max_seconds` is the longest piece that is fed whole."""

    max_seconds: PositiveFloat = 30.0
    overlap_seconds: PositiveFloat = 2.0
    warmup: PositiveInt = 3

    @model_validator(mode="after")
    def _overlap_fits(self) -> "Inference":
        if self.overlap_seconds * 2 > self.max_seconds:
            raise ValueError("overlap_seconds must be at most half of max_seconds")
        return self


class SpeechRecognition(Section):
    """The recogniser that estimates are read by, and what its text is compared with.

    `reference: recognised` is what it hears in the clean source, `transcript` the corpus' own.
    """

    engine: Literal["pocketsphinx", "faster_whisper"]
    model: str | None = None
    reference: Literal["recognised", "transcript"] = "recognised"

    @model_validator(mode="after")
    def _model_fits(self) -> "SpeechRecognition":
        if self.engine == "faster_whisper" and self.model is None:
            raise ValueError("engine is faster_whisper: give model, the folder of its weights")
        if self.engine == "pocketsphinx" and self.model is not None:
            raise ValueError("engine is pocketsphinx, which carries its model: leave model out")
        return self


class Evaluation(Section):
    """What is measured, and the bootstrap over mixtures. `metrics` are those of the signals."""

    metrics: Annotated[list[Metric], AfterValidator(_distinct)] = Field(
        default=list(get_args(Metric)), min_length=1
    )
    dnsmos: bool = False
    asr: SpeechRecognition | None = None
    bootstrap_samples: PositiveInt = 2000
    confidence: float = Field(default=0.95, gt=0.5, lt=1)

    @property
    def measures(self) -> list[Measure]:
        """What is asked for."""
        wanted: dict[Measure, bool] = {
            "signal": True,
            "dnsmos": self.dnsmos,
            "asr": self.asr is not None,
        }
        return [measure for measure, asked in wanted.items() if asked]

    def settings_of(self, measure: Measure) -> dict[str, Any]:
        """What decides a measure's values, and nothing else."""
        if measure == "asr" and self.asr:
            return self.asr.model_dump(exclude={"reference"})  # which decides its input
        return self.model_dump(include={"metrics"} if measure == "signal" else set())


class Report(Section):
    """The HTML report. `examples` mixtures can be listened to."""

    title: str = "Does denoising first help separation?"
    examples: int = Field(default=4, ge=1)


class Config(Section):
    """The whole configuration of a run."""

    seed: int = Field(default=0, ge=0)
    sample_rate: Literal[8000, 16000] = 8000
    shards: PositiveInt = 2
    machine: Machine = Machine()
    corpora: Corpora = Corpora()
    mixtures: Mixtures = Mixtures()
    training: Training = Training()
    denoisers: dict[Name, Denoiser] = Field(min_length=1)
    separators: dict[Name, Separator] = Field(min_length=1)
    inference: Inference = Inference()
    evaluation: Evaluation = Evaluation()
    report: Report = Report()

    @model_validator(mode="after")
    def _enough_for_shards(self) -> "Config":
        fewest = min(self.mixtures.counts.model_dump().values())
        counted = self.mixtures.kind == "drawn" and self.mixtures.hours is None
        if counted and self.shards > fewest:
            raise ValueError(f"shards: {self.shards} is more than the {fewest} mixtures of a split")
        return self

    @model_validator(mode="after")
    def _conditions_exist(self) -> "Config":
        allowed = self.conditions
        for name, separator in self.separators.items():
            for condition in separator.conditions:
                if condition not in allowed:
                    raise ValueError(
                        f"separators.{name}.conditions: '{condition}' is not one of"
                        f" {', '.join(allowed)}; declare the denoiser under denoisers: first"
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
        """Every mixture a separator can hear: clean, noisy, and one a denoiser."""
        return ["clean", "noisy", *(f"denoised-{name}" for name in self.denoisers)]

    def training_of(self, role: Literal["denoisers", "separators"], name: str) -> Training:
        """The training settings of one model: the shared ones with its own laid over them."""
        own = getattr(self, role)[name].training
        return Training(**(self.training.model_dump() | own))


def load_config(values: dict[str, Any]) -> Config:
    """Check a nested dictionary (what `config.yaml` holds) and type it.

    Raises:
        PipelineError: one line that names the key, what is wrong and what is allowed.
    """
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise PipelineError(_one_line(error)) from error
    for role in ("denoisers", "separators"):
        for name in getattr(config, role):
            try:
                config.training_of(role, name)
            except ValidationError as error:
                raise PipelineError(_one_line(error, f"{role}.{name}.training.")) from error
    return config


def _one_line(error: ValidationError, prefix: str = "") -> str:
    model = Training if prefix else Config
    return "config: " + "; ".join(describe_problems(error, model, prefix))
