"""The sections `evaluation` and `report`: which measures are computed and shown."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from pipeline.config.paths import UserPath
from pipeline.config.section import Distinct, Section

Metric = Literal[
    "si_sdr", "snr", "sdr", "sir", "sar", "e_interf", "e_noise", "e_artif", "stoi", "estoi", "pesq"
]
Measure = Literal["signal", "dnsmos", "asr"]
Oracle = Literal["ideal_mask"]


class SpeechRecognition(Section):
    """The recogniser that transcribes estimates, and the text with which its result is compared.

    `model` of faster_whisper is `packaged` (Whisper tiny.en, the default), a folder, or a name on
    the Hugging Face hub, which `download` permits to fetch. `reference: recognised` is the
    recogniser's transcript of the clean source, `transcript` the corpus' text.
    """

    engine: Literal["pocketsphinx", "faster_whisper"]
    model: UserPath | None = None
    download: bool = False
    reference: Literal["recognised", "transcript"] = "recognised"

    @model_validator(mode="after")
    def _model_fits(self) -> "SpeechRecognition":
        if self.engine == "pocketsphinx" and self.model is not None:
            raise ValueError("engine is pocketsphinx, which carries its model: leave model out")
        if self.download and (self.model is None or self.packaged):
            raise ValueError(
                "download is for a model on the Hugging Face hub: give its name as model, or leave"
                " download out"
            )
        return self

    @property
    def packaged(self) -> bool:
        """Whether the model is that of the package."""
        return self.engine == "faster_whisper" and self.model in (None, "packaged")

    @property
    def own_model(self) -> str | None:
        """The folder of the model or its name on the hub, unless a package carries it."""
        return None if self.packaged else self.model


class Evaluation(Section):
    """Which measures are computed, and how certain a statement must be.

    `metrics` are computed from signals alone, `snr` for denoisers only, since separators leave the
    scale of their outputs open. Over several trainings, a difference that certainly
    lies within `equivalence_db` is reported as no difference. `dry_sweep` tries every denoiser with
    shares of the mixture from 0 to 1 added back, by itself and before each separator. `oracles` are
    separated with the help of the true sources, as bounds of what is possible.
    """

    metrics: Annotated[list[Metric], Distinct] = Field(default=list(get_args(Metric)), min_length=1)
    dnsmos: bool = False
    asr: SpeechRecognition | None = None
    bootstrap_samples: int = Field(default=2000, ge=100, le=100_000)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    equivalence_db: float = Field(default=0.25, gt=0, le=100)
    dry_sweep: bool = False
    oracles: Annotated[list[Oracle], Distinct] = Field(default=[])

    @model_validator(mode="after")
    def _separators_have_a_metric(self) -> "Evaluation":
        if self.metrics == ["snr"]:
            raise ValueError("metrics: snr is for denoisers only; name another one beside it")
        return self

    @property
    def measures(self) -> list[Measure]:
        """Return the measures that the configuration requests."""
        wanted: dict[Measure, bool] = {
            "signal": True,
            "dnsmos": self.dnsmos,
            "asr": self.asr is not None,
        }
        return [measure for measure, asked in wanted.items() if asked]

    def settings_of(self, measure: Measure) -> dict[str, Any]:
        """Return the settings on which the values of a measure depend, and no others."""
        if measure == "asr" and self.asr:  # its reference decides the input only
            return {"engine": self.asr.engine, "model": self.asr.own_model}
        return self.model_dump(include={"metrics"} if measure == "signal" else set())


class Report(Section):
    """The HTML report, with `examples` mixtures to listen to."""

    title: str | None = None
    examples: int = Field(default=4, ge=1, le=1000)
