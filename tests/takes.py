"""Recordings of any kind, for tests of what is done to one's own."""

import fractions

import numpy as np
import pytest
import soxr

from pipeline.audio.encoding import FORMATS, encoding
from pipeline.audio.recordings import reading

RATE = 8000
DRAWN = 4000  # rate of random draws, so that resampling loses nothing


def speech_like(rate, channels=1, seconds=0.4, seed=0):
    """Noise below 2 kHz whose level goes up and down, `[time, channels]`."""
    draws = np.random.default_rng(seed).normal(0, 0.1, (round(seconds * DRAWN), channels))
    swing = 1 + np.sin(2 * np.pi * 4 * np.arange(len(draws)) / DRAWN)
    signal = soxr.resample((draws * swing[:, None]).astype(np.float32), DRAWN, rate, "VHQ")
    return signal.reshape(-1, channels).astype(np.float32)


def record(path, signal, rate, suffix=None, subtype=None, tags=None):
    """Write a recording in the format of its suffix."""
    format, default = FORMATS[suffix or path.suffix[1:]]
    with encoding(path, rate, signal.shape[1], format, subtype or default, tags) as write:
        write(signal)
    return path


def record_media(path, signal, rate, codec="aac"):
    """Write a film or phone recording."""
    av = pytest.importorskip("av")
    layout = {1: "mono", 2: "stereo"}[signal.shape[1]]
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Talk"
        track = container.add_stream(codec, rate=rate)
        track.layout = layout
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(signal.T), format="fltp", layout=layout
        )
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, fractions.Fraction(1, rate)
        resampler = av.AudioResampler(track.format, layout, rate, track.frame_size or None)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(track.encode(part))
        container.mux(track.encode(None))
    return path


def load(path):
    """Header and samples `[time, channels]` of a recording."""
    with reading(path) as (header, blocks):
        return header, np.concatenate(list(blocks))
