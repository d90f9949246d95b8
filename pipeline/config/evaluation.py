"""The sections `evaluation` and `report`: what is measured and shown."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from pipeline.config.paths import UserPath
from pipeline.config.section import Distinct, Section

Metric = Literal["si_sdr", "sdr", "sir", "sar", "stoi", "estoi", "pesq"]
Measure = Literal["signal", "dnsmos", "asr"]


class SpeechRecognition(Section):
    """The recogniser that estimates are read by, and what its text is compared with.

    `reference: recognised` is what it hears in the clean source, `transcript` the corpus' own.
    """

    engine: Literal["pocketsphinx", "faster_whisper"]
    model: UserPath | None = None
    reference: Literal["recognised", "transcript"] = "recognised"

    @model_validator(mode="after")
    def _model_fits(self) -> "SpeechRecognition":
        if self.engine == "faster_whisper" and self.model is None:
            raise ValueError("engine is faster_whisper: give model, the folder of its weights")
        if self.engine == "pocketsphinx" and self.model is not None:
            raise ValueError("engine is pocketsphinx, which carries its model: leave model out")
        return self


class Evaluation(Section):
    """What is measured, and how sure it is. `metrics` are those of the signals.

    Over several trainings, a difference within `equivalence_db` for sure is said to be none.
    """

    metrics: Annotated[list[Metric], Distinct] = Field(default=list(get_args(Metric)), min_length=1)
    dnsmos: bool = False
    asr: SpeechRecognition | None = None
    bootstrap_samples: int = Field(default=2000, ge=100, le=100_000)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    equivalence_db: float = Field(default=0.25, gt=0, le=100)

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
    examples: int = Field(default=4, ge=1, le=1000)
