"""Recognised speech, and its errors against a reference text."""

from collections.abc import Callable
from typing import Any

from pipeline.audio import Samples, to_16_bit
from pipeline.config import SpeechRecognition
from pipeline.evaluation.hearing import HEARD_RATE

Recogniser = Callable[[Samples], str]
"""From `[time]`, as `hear` gives it, to text."""

ERROR_RATES = ("wer", "cer")

# Fewer hypotheses a frame than the default of 30 000: in noise three times as fast, with the
# same errors (0.69 and 0.70 WER at 10 dB SNR, 0.89 and 0.89 at 0 dB).
POCKETSPHINX = {"maxhmmpf": 5000, "maxwpf": 10}


def open_recogniser(settings: SpeechRecognition) -> Recogniser:
    """Load a recogniser of English. What it hears does not depend on what it heard before."""
    if settings.engine == "pocketsphinx":
        return _pocketsphinx()
    return _faster_whisper(str(settings.model))


def error_rates(reference: str, hypothesis: str) -> dict[str, float] | None:
    """Word and character error rate in percent; None where the reference has no words.

    Case, punctuation and spacing do not count. Words too many count as errors, so that a rate
    can pass 100 %.

    >>> error_rates("I'm here.", "im  hear")
    {'wer': 50.0, 'cer': 28.57142857142857}
    """
    import jiwer  # an extra of the project

    same = [jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.RemoveMultipleSpaces()]
    normalise = jiwer.Compose([*same, jiwer.Strip()])
    said, heard = normalise(reference), normalise(hypothesis)
    if not said:
        return None
    return {"wer": 100 * jiwer.wer(said, heard), "cer": 100 * jiwer.cer(said, heard)}


def _pocketsphinx() -> Recogniser:
    """CMU's recogniser with the English model it carries (Huggins-Daines et al. 2006)."""
    from pocketsphinx import Decoder  # an extra of the project

    # Cepstra are normalised over the whole utterance, not from what was heard before it.
    decoder = Decoder(samprate=HEARD_RATE, cmn="batch", loglevel="FATAL", **POCKETSPHINX)

    def recognise(samples: Samples) -> str:
        decoder.start_utt()
        decoder.process_raw(to_16_bit(samples).tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return found.hypstr if found else ""

    return recognise


def _faster_whisper(model: str) -> Recogniser:
    """Whisper (Radford et al. 2022, arXiv:2212.04356) by CTranslate2, from a folder on disk."""
    from faster_whisper import WhisperModel  # installed by those who choose it

    whisper = WhisperModel(model, device="cpu", cpu_threads=1, local_files_only=True)
    # Without sampling and without context from before: the same text at every run.
    settings: dict[str, Any] = {"temperature": 0.0, "condition_on_previous_text": False}

    def recognise(samples: Samples) -> str:
        segments, _ = whisper.transcribe(samples, language="en", **settings)
        return " ".join(segment.text.strip() for segment in segments)

    return recognise
