"""Images of sounds: the waveform above the spectrogram, as pixels without axes."""

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.audio import Samples
from pipeline.base.files import replacing

WIDTH, WAVE, SPECTRUM = 880, 40, 120  # pixels: width, and rows of both parts
SPAN_DB = 70.0  # from the darkest colour to the brightest
WINDOW_SECONDS = 0.032
QUALITY = 50  # of WebP, 0 to 100
WAVE_COLOUR = (183, 201, 214)
STEPS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)  # s between ticks
MOST_TICKS = 7

Pixels = NDArray[np.uint8]


class Scale(NamedTuple):
    """The scale that the images of an example share.

    Attributes:
        sample_rate: Hz.
        ceiling: dB of the brightest colour.
        peak: amplitude that fills the waveform's strip.
    """

    sample_rate: int
    ceiling: float
    peak: float


class Tick(NamedTuple):
    """A tick of an axis: its position in percent from the start of the axis, and its label."""

    place: float
    label: str


def scale_of(samples: Samples, sample_rate: int) -> Scale:
    """Return the scale on which the loudest point of `[time]` has the brightest colour."""
    peak = float(np.abs(samples).max(initial=0))
    return Scale(sample_rate, float(power_db(samples, sample_rate).max()), peak or 1.0)


def power_db(samples: Samples, sample_rate: int) -> NDArray[np.float32]:
    """Return the power spectrogram of `[time]`: dB as `[frequency, frame]`.

    Frequencies go from 0 to half the rate; frames are a quarter of a window apart and the first is
    centred on the first sample. A sine of amplitude 1 has -6 dB.
    """
    window = round(WINDOW_SECONDS * sample_rate)
    # An offset would be the loudest point of some recordings, although it is inaudible.
    padded = np.pad(samples - samples.mean(), (window // 2, window))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[:: window // 4]
    shape = np.hanning(window + 1)[:-1].astype(np.float32)
    values = np.fft.rfft(frames * (shape / shape.sum()), axis=1)
    return 10 * np.log10(np.square(np.abs(values)) + 1e-12).T.astype(np.float32)


def draw(samples: Samples, scale: Scale) -> Pixels:
    """Draw the image of `[time]`: `[WAVE + SPECTRUM, WIDTH, 3]`."""
    return np.vstack([_waveform(samples, scale.peak), _spectrogram(samples, scale)])


def save(pixels: Pixels, path: Path) -> None:
    """Write an image as WebP."""
    with replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="webp", quality=QUALITY)


def time_ticks(seconds: float) -> list[Tick]:
    """Return round times for an axis of `seconds` seconds."""
    step = next((s for s in STEPS if seconds / s < MOST_TICKS), STEPS[-1])
    times = [step * k for k in range(math.floor(seconds / step) + 1)]
    return [Tick(100 * time / seconds, f"{time:g}") for time in times]


def frequency_ticks(sample_rate: int) -> Sequence[Tick]:
    """Return the ends and the middle of the spectrogram's axis in kHz, from the top down."""
    top = sample_rate / 2000
    whole = WAVE + SPECTRUM
    return [
        Tick(100 * (WAVE + SPECTRUM * part) / whole, f"{top * (1 - part):g}")
        for part in (0, 0.5, 1)
    ]


def _spectrogram(samples: Samples, scale: Scale) -> Pixels:
    values = power_db(samples, scale.sample_rate)
    hop = round(WINDOW_SECONDS * scale.sample_rate) // 4
    # Rows and columns are points; the image goes from the first point to the last, in time to the
    # last sample.
    box = (0.5, 0.5, 0.5 + max(len(samples), 1) / hop, len(values) - 0.5)
    pixels = Image.fromarray(values).resize((WIDTH, SPECTRUM), Image.Resampling.BILINEAR, box)
    bright = (np.asarray(pixels)[::-1] - scale.ceiling) / SPAN_DB + 1
    return _magma()[np.rint(255 * bright.clip(0, 1)).astype(np.uint8)]


def _waveform(samples: Samples, peak: float) -> Pixels:
    starts = np.linspace(0, len(samples), WIDTH, endpoint=False).astype(int)
    # Rows of the strip count downwards.
    middle = (WAVE - 1) / 2
    top = middle - middle * np.maximum.reduceat(samples, starts) / peak
    bottom = middle - middle * np.minimum.reduceat(samples, starts) / peak
    rows = np.arange(WAVE)[:, None]
    inside = (rows > top - 0.75) & (rows < bottom + 0.75)
    return np.where(inside[..., None], np.array(WAVE_COLOUR, np.uint8), _magma()[0])


@lru_cache
def _magma() -> Pixels:
    return np.rint(255 * matplotlib.colormaps["magma"](range(256))[:, :3]).astype(np.uint8)
