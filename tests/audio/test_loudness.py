"""Loudness of BS.1770 against its own examples."""

import math

import numpy as np
import pytest

from pipeline.audio.loudness import loudness

RATE = 8000


def tone(hertz, amplitude=0.5, seconds=2.0, rate=RATE):
    time = np.arange(int(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def test_a_kilohertz_at_full_scale_is_three_below_zero():
    """BS.1770's own example: 997 Hz at 0 dBFS in one channel is -3.01 LUFS."""
    assert loudness(tone(997, 1.0, rate=48000), 48000) == pytest.approx(-3.01, abs=0.05)


def test_loudness_may_be_undefined():
    assert math.isnan(loudness(tone(500, 0.1, 0.399), RATE))
    assert math.isnan(loudness(np.zeros(RATE, np.float32), RATE))
    assert math.isnan(loudness(tone(500, 1e-5, 1), RATE))
    assert math.isfinite(loudness(tone(500, 0.1, 0.4), RATE))


def test_silence_at_the_end_is_gated(voice):
    speech = voice(0, 4.0, RATE)
    padded = np.pad(speech, (0, 6 * RATE))
    assert loudness(padded, RATE) == pytest.approx(loudness(speech, RATE), abs=0.5)
