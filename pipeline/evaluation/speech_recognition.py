"""Recognise speech, and count the errors against a reference text."""

from collections.abc import Callable
from typing import Any

from pipeline.audio import Samples, to_16_bit
from pipeline.config import SpeechRecognition
from pipeline.evaluation.hearing import HEARD_RATE

Recogniser = Callable[[Samples], str]
"""A function from `[time]`, as `hear` returns it, to text."""

ERROR_RATES = ("wer", "cer")

# Fewer hypotheses per frame than the default of 30 000: in noise three times as fast, with the
# same errors (0.69 and 0.70 WER at 10 dB SNR, 0.89 and 0.89 at 0 dB).
POCKETSPHINX = {"maxhmmpf": 5000, "maxwpf": 10}


def open_recogniser(settings: SpeechRecognition) -> Recogniser:
    """Load a recogniser of English, whose result does not depend on earlier recordings."""
    if settings.engine == "pocketsphinx":
        return _pocketsphinx()
    return _faster_whisper(str(settings.model))


def error_rates(reference: str, hypothesis: str) -> dict[str, float] | None:
    """Word and character error rate in percent; None where the reference has no words.

    WER = 100 (S + D + I) / N: substituted, deleted and inserted words over those of the reference;
    CER counts characters. Case, punctuation and spacing are ignored. A rate can exceed 100 %.

    >>> error_rates("I'm here.", "im  hear")
    {'wer': 50.0, 'cer': 28.57142857142857}
    """
    import jiwer  # an extra of the project

    same = [jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.RemoveMultipleSpaces()]
    normalise = jiwer.Compose([*same, jiwer.Strip()])
    said, found = normalise(reference), normalise(hypothesis)
    if not said:
        return None
    return {"wer": 100 * jiwer.wer(said, found), "cer": 100 * jiwer.cer(said, found)}


def _pocketsphinx() -> Recogniser:
    """CMU's recogniser with its own English model (Huggins-Daines et al. 2006)."""
    from pocketsphinx import Decoder  # an extra of the project

    # Cepstra are normalised over the whole utterance, without the statistics of earlier ones.
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
    from faster_whisper import WhisperModel  # installed by users who choose it

    whisper = WhisperModel(model, device="cpu", cpu_threads=1, local_files_only=True)
    # No sampling and no context from earlier segments: the text is the same in every run.
    settings: dict[str, Any] = {"temperature": 0.0, "condition_on_previous_text": False}

    def recognise(samples: Samples) -> str:
        segments, _ = whisper.transcribe(samples, language="en", **settings)
        return " ".join(segment.text.strip() for segment in segments)

    return recognise
