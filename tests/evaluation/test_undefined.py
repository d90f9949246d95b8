"""Every NaN of the signal metrics has a reason, and the reason is right."""

import numpy as np
import pytest
from scipy.signal import lfilter

from pipeline.evaluation.measures import Item, open_measure

METRICS = ["si_sdr", "sdr", "sir", "sar", "stoi", "estoi", "pesq"]


def noise(seconds, rate=8000, sources=2):
    rng = np.random.default_rng(0)
    return 0.1 * lfilter([1], [1, -0.9], rng.standard_normal((sources, int(seconds * rate))))


def reasons(references, estimates, rate=8000):
    """Metric to the reasons of both sources, for all undefined metrics."""
    measure = open_measure("signal", rate, metrics=METRICS)
    found: dict[str, list[str]] = {}
    for score in measure(
        Item("m", ["s1", "s2"], references, estimates, ["a", "b"], references, references.sum(0))
    ):
        assert np.isnan(score.value) == bool(score.undefined)
        found.setdefault(score.metric, []).append(score.undefined)
    return {metric: why for metric, why in found.items() if any(why)}


def test_nothing_is_undefined():
    assert reasons(noise(1.0), noise(1.0) + 0.01) == {}


def test_silence():
    references, estimates = noise(1.0), noise(1.0)
    references[0] = estimates[1] = 0.1  # a constant counts as silence too
    found = reasons(references, estimates)
    expected = ["the reference is silent", "the estimate is silent"]
    assert found == dict.fromkeys(METRICS, expected)


def test_no_other_source_sounds():
    references, estimates = noise(1.0), noise(1.0)
    references[1] = 0
    assert reasons(references, estimates)["sir"][0] == "no other reference sounds"


@pytest.mark.parametrize("rate", [8000, 16000])
def test_too_short(rate):
    almost = reasons(noise(0.4, rate), noise(0.4, rate) + 0.01, rate)
    assert almost["stoi"] == ["too short for STOI"] * 2
    found = reasons(noise(0.1, rate), noise(0.1, rate) + 0.01, rate)
    assert set(found) == {"stoi", "estoi", "pesq"}
    assert found["stoi"] == found["estoi"] == ["too short for STOI"] * 2
    assert found["pesq"] == ["too short for PESQ"] * 2
    found = reasons(noise(0.03, rate), noise(0.03, rate) + 0.01, rate)
    assert found["sdr"] == found["sir"] == found["sar"] == ["too short for BSS Eval"] * 2


def test_too_little_speech_and_no_utterance():
    references = noise(1.0)
    references[:, 400:] *= 1e-4  # a twentieth of a second of sound
    found = reasons(references, references + 1e-5 * noise(1.0)[::-1])
    assert found["stoi"] == found["estoi"] == ["too little speech"] * 2
    assert found["pesq"] == ["no utterance found"] * 2
