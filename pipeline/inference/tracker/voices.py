"""What tells one voice from another: statistics of log-mel frames, in a space of few dimensions.

The space is that of a linear discriminant analysis (Fisher 1936; Bishop 2006, section 4.1.6): in
it the stretches of a speaker scatter by about 1 in every direction, and speakers by `spread`. Its
constants, in `voices.csv`, are fitted by `benchmarks/voices.py`; nothing of a test speaker is in
them. Any other embedding can take the place of `embed`, with a `spread` and a `scatter` of its own.
"""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import Samples

Vector = NDArray[np.float64]

WINDOW, HOP = 0.025, 0.01  # s
BANDS, LOWEST, HIGHEST = 32, 80.0, 3900.0  # Hz: the same for recordings at 8 and at 16 kHz
COEFFICIENTS = 20
PAUSE_DB = 35.0  # a frame this far below the loudest one is a pause
FLOOR = 1e-4  # least energy of a band against the mean of all
FLATTEST = 1e-3  # least deviation of a coefficient
CONSTANTS = Path(__file__).with_name("voices.csv")


class Space(NamedTuple):
    """A space of voices.

    Attributes:
        mean: of the statistics, `[statistics]`.
        directions: from the statistics to the space, `[statistics, dimensions]`.
        spread: variance of speakers in each dimension, `[dimensions]`.
        scatter: a and b of a + b / T, the variance of a stretch of T seconds about its speaker.
    """

    mean: Vector
    directions: Vector
    spread: Vector
    scatter: Vector


def embed(samples: Samples, sample_rate: int) -> Vector:
    """The place of a stretch of one voice, `[time]`, in the space of voices: `[dimensions]`.

    It does not depend on the level. `samples` must not be silent.
    """
    known = space()
    return (statistics(samples, sample_rate) - known.mean) @ known.directions


def scatter(seconds: float) -> float:
    """The variance of the place of a stretch of so many seconds, in each dimension."""
    constant, fleeting = space().scatter
    return float(constant + fleeting / seconds)


@lru_cache
def space() -> Space:
    """The space that was fitted, from `CONSTANTS`: its rows are those of `Space` in order."""
    rows = np.loadtxt(CONSTANTS, delimiter=",")
    count = 2 * COEFFICIENTS
    return Space(rows[0, :count], rows[2:, :count].T, rows[2:, count], rows[1, :2])


def statistics(samples: Samples, sample_rate: int) -> Vector:
    """Mean and log deviation over time of each cepstral coefficient of `[time]`: `[2 · 20]`.

    The coefficients are those of the log energies of 32 mel bands (Davis & Mermelstein 1980),
    without the first, which is the level. Frames without speech are left out.
    """
    energies = mel_energies(samples, sample_rate)
    level = 10 * np.log10(energies.sum(axis=1) + np.finfo(np.float64).tiny)
    energies = energies[level > level.max() - PAUSE_DB]
    cepstra = np.log(energies + FLOOR * energies.mean()) @ _cosines()
    return np.concatenate([cepstra.mean(axis=0), np.log(cepstra.std(axis=0) + FLATTEST)])


def mel_energies(samples: Samples, sample_rate: int) -> Vector:
    """Energies of `[time]` in mel bands, `[frames, bands]`; a stretch below a frame is padded."""
    window, hop = round(WINDOW * sample_rate), round(HOP * sample_rate)
    padded = np.pad(samples.astype(np.float64), (0, max(0, window - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    spectra = np.abs(np.fft.rfft(frames * np.hanning(window), 2 * window)) ** 2
    return spectra @ _bank(sample_rate)


@lru_cache
def _bank(sample_rate: int) -> Vector:
    """Triangles of equal width in mel, `[bins, bands]`, with mel = 2595 lg(1 + f / 700)."""
    low, high = (2595 * np.log10(1 + f / 700) for f in (LOWEST, HIGHEST))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    window = round(WINDOW * sample_rate)
    bins = np.fft.rfftfreq(2 * window, 1 / sample_rate)[:, None]
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rise, fall))


@lru_cache
def _cosines() -> Vector:
    """The discrete cosine transform without its first row, `[bands, coefficients]`."""
    band, row = np.arange(BANDS)[:, None] + 0.5, np.arange(1, COEFFICIENTS + 1)
    return np.sqrt(2 / BANDS) * np.cos(np.pi * band * row / BANDS)
