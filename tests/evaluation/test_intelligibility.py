"""STOI and ESTOI against pystoi."""

import numpy as np
import pystoi
import pytest

from pipeline.evaluation.intelligibility import FS, SHORTEST, envelopes, estoi, stoi


def pair(seconds, rate, noise=0.3, seed=0):
    """Syllables of a rich buzz with pauses between them, and the same with noise."""
    time = np.arange(round(seconds * rate)) / rate
    rng = np.random.default_rng(seed)
    buzz = sum(np.sin(2 * np.pi * 130 * k * time + k * k) / k for k in range(1, 25))
    reference = 0.1 * buzz * (np.sin(2 * np.pi * 1.3 * time) > -0.3)
    return reference, reference + noise * 0.1 * rng.standard_normal(len(time))


@pytest.mark.parametrize("rate", [8000, 10000, 16000, 22050, 48000])
@pytest.mark.parametrize("seconds", [0.9, 3.0, 7.77])
def test_both_equal_pystois(rate, seconds):
    for noise in (0.01, 0.3, 3.0):
        signals = pair(seconds, rate, noise)
        compared = envelopes(*signals, rate)
        assert stoi(compared) == pytest.approx(pystoi.stoi(*signals, rate), abs=1e-9)
        extended = pystoi.stoi(*signals, rate, extended=True)
        assert estoi(compared) == pytest.approx(extended, abs=1e-9)


def test_an_estimate_equal_to_the_reference_has_full_intelligibility():
    reference, _ = pair(2.0, 8000)
    compared = envelopes(reference, 3 * reference, 8000)
    assert stoi(compared) == pytest.approx(1) and estoi(compared) == pytest.approx(1)


def test_a_silent_estimate_has_no_intelligibility():
    reference, estimate = pair(6.0, 8000, 0.001)
    half = estimate * (np.arange(len(estimate)) < len(estimate) // 2)
    whole, part = envelopes(reference, estimate, 8000), envelopes(reference, half, 8000)
    assert stoi(part) == pytest.approx(stoi(whole) / 2, abs=0.05)
    assert estoi(part) == pytest.approx(estoi(whole) / 2, abs=0.05)


@pytest.mark.filterwarnings("ignore:Not enough STFT frames")
def test_a_number_of_frames_too_few_for_pystoi_is_too_few():
    """pystoi returns 1e-5 in this case."""
    found = set()
    for samples in range(4000, 6000, 50):
        signals = pair(samples / FS, FS)
        undefined = pystoi.stoi(*signals, FS) == 1e-5
        assert (envelopes(*signals, FS) is None) == undefined
        found.add(undefined)
    assert found == {True, False}


def test_the_shortest_signal():
    noise = np.random.default_rng(0).standard_normal(round(SHORTEST * FS))
    assert envelopes(noise, noise, FS) and not envelopes(noise[1:], noise[1:], FS)


@pytest.mark.parametrize("which", [0, 1])
def test_nan_is_not_a_number(which):
    signals = pair(2.0, FS)
    signals[which][5000:9000] = np.nan
    compared = envelopes(*signals, FS)
    assert compared is None or np.isnan([stoi(compared), estoi(compared)]).all()
