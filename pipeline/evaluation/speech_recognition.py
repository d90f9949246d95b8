"""Recognisers of English speech."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.audio import Samples, to_16_bit
from pipeline.evaluation.hearing import HEARD_RATE
from pipeline.models.whisper import check_folder, packaged_folder

Recogniser = Callable[[Samples], str]
"""A function from `[time]`, as `hear` returns it, to text."""

# Fewer hypotheses per frame than the default of 30 000: in noise three times as fast, with the
# same errors (0.69 and 0.70 WER at 10 dB SNR, 0.89 and 0.89 at 0 dB).
POCKETSPHINX = {"maxhmmpf": 5000, "maxwpf": 10}

# No sampling and no context from earlier segments: the text is the same in every run. Stretches
# without speech are left out (Silero VAD), in which Whisper would make up words.
WHISPER: dict[str, Any] = {
    "language": "en",
    "temperature": 0.0,
    "condition_on_previous_text": False,
    "vad_filter": True,
}
LOOPING = 2.4
"""Compression ratio of a text above which Whisper repeats itself (Radford et al. 2022, 4.5).

Their remedy is to sample, at random; here no three tokens in a row may occur a second time."""


def open_recogniser(engine: str, model: str | None = None) -> Recogniser:
    """Load a recogniser of English, whose result does not depend on earlier recordings.

    Args:
        engine: `pocketsphinx` or `faster_whisper`.
        model: for the latter, the folder of its weights; None for those of the package.

    Raises:
        PipelineError: the package is not installed, or has other weights; the folder has none.
    """
    if engine == "pocketsphinx":
        return _pocketsphinx()
    if model is None:
        return _faster_whisper(packaged_folder())
    check_folder(Path(model))
    return _faster_whisper(Path(model))


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


def _faster_whisper(folder: Path) -> Recogniser:
    """Whisper (Radford et al. 2022, arXiv:2212.04356) by CTranslate2, with 8-bit weights."""
    from faster_whisper import WhisperModel  # an extra of the project

    options = {"device": "cpu", "cpu_threads": 1, "compute_type": "int8"}
    whisper = WhisperModel(str(folder), local_files_only=True, **options)

    logging.getLogger("faster_whisper").setLevel(logging.WARNING)  # else two lines a recording

    def recognise(samples: Samples) -> str:
        segments = list(whisper.transcribe(samples, **WHISPER)[0])
        if any(segment.compression_ratio > LOOPING for segment in segments):
            segments = list(whisper.transcribe(samples, **WHISPER, no_repeat_ngram_size=3)[0])
        return " ".join(segment.text.strip() for segment in segments)

    return recognise
