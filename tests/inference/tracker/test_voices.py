import numpy as np
import pytest
from buzzes import buzz

from pipeline import audio
from pipeline.inference.tracker.voices import embed, mel_energies, scatter, space


def test_a_tone_is_in_the_band_of_its_pitch():
    time = np.arange(8000) / 8000
    low, high = (mel_energies(np.sin(2 * np.pi * f * time), 8000)[5].argmax() for f in (200, 3000))
    assert low == 2 and high == 28


def test_the_level_does_not_matter():
    said = buzz(0)
    np.testing.assert_allclose(embed(said, 8000), embed(0.01 * said, 8000), atol=1e-4)


def test_pauses_do_not_matter():
    said = buzz(0)
    paused = np.concatenate([np.zeros(8000, np.float32), said])
    apart = np.linalg.norm(embed(said, 8000) - embed(buzz(9), 8000))
    assert np.linalg.norm(embed(paused, 8000) - embed(said, 8000)) < 0.2 * apart


def test_the_rate_hardly_matters():
    said = buzz(0)
    other = audio.resample(said, 8000, 16000)
    apart = np.linalg.norm(embed(said, 8000) - embed(buzz(9), 8000))
    assert np.linalg.norm(embed(said, 8000) - embed(other, 16000)) < 0.2 * apart


def test_a_long_stretch_is_nearer_to_its_speaker():
    assert scatter(1) > scatter(4) > 0
    assert scatter(2.5) == pytest.approx(1, abs=0.1)


def test_the_constants_are_a_space():
    known = space()
    assert known.directions.shape == (40, 20) and (known.spread > 0).all()
