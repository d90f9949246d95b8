"""The section that explains how the numbers are made."""

from typing import Any

from pipeline.config import SpeechRecognition
from pipeline.report.names import metrics_in
from pipeline.report.run import Run
from pipeline.report.site import Site

TITLE = "How the numbers are made"


def content(run: Run, site: Site) -> dict[str, Any]:
    """Return the settings on which the text depends."""
    evaluation = run.config.get("evaluation", {})
    trainings = run.config.get("training", {}).get("repeats", 1)
    return {
        "draws": evaluation.get("bootstrap_samples"),
        "metrics": metrics_in(run.summary),
        "trainings": trainings,
        "recogniser": recogniser(evaluation.get("asr")),
    }


def recogniser(asr: dict[str, Any] | None) -> str:
    """Return the recogniser, and what its text is compared with, in words; empty without one."""
    if not asr:
        return ""
    settings = SpeechRecognition(**asr)
    model = settings.own_model or "tiny.en"
    engine = "pocketsphinx" if settings.engine == "pocketsphinx" else f"Whisper, {model}"
    texts = {
        "recognised": "against what it recognises in the clean source",
        "transcript": "against the transcripts of the corpus",
    }
    return f"{engine}, {texts[settings.reference]}"
