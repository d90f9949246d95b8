"""Audio clips of the page: equal in loudness if they are compared, all in one coding."""

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline import audio
from pipeline.audio import Samples
from pipeline.audio.loudness import loudness

LOUDNESS = -23.0  # LUFS, the level of broadcasts (EBU R 128)
QUIETEST = -35.0  # LUFS; a clip that would still clip at this level is attenuated alone
PEAK_DB = -0.1  # dBFS, a margin for rounding in the coder
BUDGET = 10e6  # bytes of FLAC; beyond it a single-file report could exceed 25 MB


class Level(NamedTuple):
    """Integrated loudness in LUFS, NaN where undefined, and peak in dBFS, -inf in silence."""

    loudness: float
    peak: float


class Coding(NamedTuple):
    """The coding of the clips: suffix, bytes in total, and bytes as FLAC."""

    suffix: str
    size: int
    flac_size: int


def level(samples: Samples, sample_rate: int) -> Level:
    """Return the level of `[time]`."""
    peak = float(np.abs(samples).max(initial=0))
    return Level(
        loudness(samples, sample_rate), 20 * math.log10(peak) if peak > 0 else float("-inf")
    )


def gains(levels: Sequence[Level]) -> list[float]:
    """Return the gains in dB that bring clips to one loudness without clipping any.

    The loudness is `LOUDNESS`, or less if a clip would exceed full scale, but at least `QUIETEST`.
    A clip whose loudness is undefined (below 0.4 s, near silence) gets 0 dB.
    """
    measured = [each for each in levels if math.isfinite(each.loudness)]
    highest = [each.loudness - each.peak + PEAK_DB for each in measured]
    target = min(LOUDNESS, max(QUIETEST, min(highest, default=LOUDNESS)))
    return [
        min(target - each.loudness if each in measured else 0.0, PEAK_DB - each.peak)
        for each in levels
    ]


def amplified(samples: Samples, decibels: float) -> Samples:
    """Amplify `[time]` by some dB."""
    return (samples * 10 ** (decibels / 20)).astype(np.float32)


def match_level(samples: Samples, reference: Samples) -> Samples:
    """Scale `[time]` to the RMS of its reference; silence stays silence."""
    own, wanted = (np.sqrt(np.mean(np.square(s, dtype=np.float64))) for s in (samples, reference))
    return samples if own == 0 else (samples * (wanted / own)).astype(np.float32)


def settle(clips: Iterable[Path], budget: float = BUDGET) -> Coding:
    """Keep FLAC files, or replace them by Ogg/Opus if they are too large.

    Args:
        clips: the FLAC files.
        budget: bytes that they may have in total.
    """
    files = list(clips)
    flac_size = _size(files)
    if flac_size <= budget:
        return Coding("flac", flac_size, flac_size)
    with ThreadPoolExecutor() as pool:  # the coder runs without the interpreter's lock
        return Coding("ogg", _size(pool.map(_as_opus, files)), flac_size)


def _as_opus(flac: Path) -> Path:
    samples, rate = audio.read(flac)
    smaller = flac.with_suffix(".ogg")
    audio.write(smaller, samples, rate, "OPUS", "OGG")
    flac.unlink()
    return smaller


def _size(files: Iterable[Path]) -> int:
    return sum(file.stat().st_size for file in files)
