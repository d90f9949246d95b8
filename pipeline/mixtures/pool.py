"""The utterances and noises from which the mixtures of a split are drawn."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.base.errors import PipelineError, first_few
from pipeline.base.files import read_manifest
from pipeline.config import Mixtures, Split
from pipeline.corpora.names import composed
from pipeline.mixtures.numbers import checked_numbers

SPEECH_COLUMNS = ["utterance", "speaker", "sex", "path", "samples", "lufs", "rms", "peak", "digest"]
NOISE_COLUMNS = ["noise", "path", "samples", "lufs", "rms", "peak", "digest"]
NUMBERS = ["samples", "lufs", "rms", "peak"]
QUIETEST = -70.0  # dBFS: a noise below is hardly more than the steps of 16 bit

Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class Pool:
    """Utterances in the order of their speakers, and noises, as columns at `rate` Hz.

    Utterances `bounds[k]` to `bounds[k + 1]` are those of speaker k, so that a draw costs the same
    from a small corpus and from a large one. `voices`, with bounds of their own, are the utterances
    of the train split that babble is made of.
    """

    utterances: Columns
    bounds: list[int]
    noises: Columns
    rate: int
    voices: Columns
    voice_bounds: list[int]

    @property
    def num_speakers(self) -> int:
        """Number of speakers to draw from."""
        return len(self.bounds) - 1

    @property
    def utterances_of_each(self) -> list[int]:
        """Number of utterances of each speaker."""
        return np.diff(self.bounds).tolist()


def load_pool(utterances: Path, noises: Path, split: Split, settings: Mixtures, rate: int) -> Pool:
    """Read the utterances and noises that a split may use; log how many are excluded.

    Raises:
        PipelineError: there are too few speakers or no noise; the noise rule cannot use a noise; a
            cell is not a finite number.
    """
    speech = _long_enough(_read(utterances, split), settings, rate, split)
    found = speech["speaker"].nunique()
    if found < settings.most_speakers:
        raise PipelineError(
            f"mixtures: split {split} has {found} speakers with long enough utterances,"
            f" num_speakers is {settings.most_speakers}; lower mixtures.min_seconds or num_speakers"
        )
    noise = _wanted(_read(noises, split), settings, split)
    _check_usable(noise, settings)
    voices = _voices(utterances, settings) if settings.babble else speech[:0]
    return Pool(*_by_speaker(speech), _columns(noise, NOISE_COLUMNS), rate, *_by_speaker(voices))


def _read(manifest: Path, split: Split) -> pd.DataFrame:
    """Rows of a split, with their numbers checked."""
    table = read_manifest(manifest).query("split == @split")
    return checked_numbers(manifest, table, NUMBERS, "run again with --forcerun convert")


def _long_enough(speech: pd.DataFrame, settings: Mixtures, rate: int, split: Split) -> pd.DataFrame:
    """Utterances with a loudness and, unless they are joined, with the least length."""
    least = settings.min_seconds if settings.join_silence is None else 0
    kept = speech[(speech["samples"] >= least * rate) & speech["lufs"].notna()]
    if dropped := len(speech) - len(kept):
        short = f"are shorter than mixtures.min_seconds = {least:g} s or " if least else ""
        logging.warning(
            "%s: %d of %d utterances %shave no loudness, not used",
            split,
            dropped,
            len(speech),
            short,
        )
    return kept


def _voices(utterances: Path, settings: Mixtures) -> pd.DataFrame:
    """Utterances of the train split with a loudness; enough for babble beside the speakers."""
    speech = _read(utterances, "train")
    speech = speech[speech["lufs"].notna()]
    most, speakers = settings.babble_voices[1], speech["speaker"].nunique()
    if speakers < most + settings.most_speakers:
        raise PipelineError(
            f"mixtures.babble_voices: up to {most} beside the {settings.most_speakers} speakers of"
            f" a mixture, the train split has {speakers} speakers; lower it, add speakers,"
            " or set mixtures.babble to 0"
        )
    return speech


def _by_speaker(speech: pd.DataFrame) -> tuple[Columns, list[int]]:
    """Utterances in the order of their speakers, and the bounds of these."""
    speech = speech.sort_values("speaker", kind="stable")
    sizes = speech.groupby("speaker").size()
    bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(int).tolist()
    return _columns(speech, SPEECH_COLUMNS), bounds


def _wanted(noise: pd.DataFrame, settings: Mixtures, split: Split) -> pd.DataFrame:
    """Noises whose types are not excluded."""
    prefixes = tuple(composed(prefix) for prefix in settings.exclude_noises)
    excluded = noise["noise"].map(composed).str.startswith(prefixes)
    if excluded.all():
        raise PipelineError(
            f"mixtures.exclude_noises: leaves no noise for split {split}; exclude fewer prefixes"
        )
    if excluded.any():
        logging.info("%s: %d of %d noises are excluded", split, excluded.sum(), len(noise))
    return noise[~excluded]


def _check_usable(noise: pd.DataFrame, settings: Mixtures) -> None:
    """Refuse noises that cannot be brought to the required level, by the names the user knows."""
    by_loudness = settings.noise_rule == "librimix"
    judged = noise[noise["lufs"].isna()] if by_loudness else noise
    files = judged.get("original_path", judged["path"])  # manifests of older versions lack it
    quiet = judged["rms"] < QUIETEST
    if quiet.any():
        levels = [
            f"{n} ({rms:.1f})" for n, rms in zip(files[quiet], judged["rms"][quiet], strict=True)
        ]
        raise PipelineError(
            f"mixtures: {len(levels)} noises are too quiet, below {QUIETEST:g} dBFS:"
            f" {first_few(levels)}; remove them, or exclude them by mixtures.exclude_noises"
        )
    if by_loudness and len(judged):
        raise PipelineError(
            f"mixtures.noise_rule: {len(judged)} noises are too short or quiet for a loudness:"
            f" {first_few(files.tolist())}; choose wham, remove them, or exclude them by"
            " mixtures.exclude_noises"
        )


def _columns(table: pd.DataFrame, names: list[str]) -> Columns:
    return {name: table[name].tolist() for name in names}
