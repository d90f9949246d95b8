import numpy as np
import pytest

from pipeline.evaluation.metrics import si_sdr
from pipeline.report.listen.purity import noise_below

RATE = 8000


def speech_with_pauses(seconds=4.0):
    time = np.arange(int(seconds * RATE)) / RATE
    return np.sin(2 * np.pi * 440 * time) * (time % 1 < 0.7) * 0.1


@pytest.mark.parametrize("decibels", [20, 40])
def test_purity_is_the_score_of_the_pure_speech(decibels):
    speech = speech_with_pauses()
    noise = np.random.default_rng(0).normal(size=len(speech))
    noise *= np.sqrt(np.mean(speech**2)) / np.std(noise) * 10 ** (-decibels / 20)
    below = noise_below((speech + noise).astype(np.float32), RATE)
    cap = si_sdr((speech + noise)[None], speech[None])[0]
    assert cap == pytest.approx(decibels, abs=0.2)
    assert below == pytest.approx(cap, abs=1.5)  # a low percentile of noise lies below its mean


def test_an_offset_is_not_noise():
    speech = speech_with_pauses() + 0.001 * np.random.default_rng(0).normal(size=4 * RATE)
    without, with_offset = (noise_below(speech + offset, RATE) for offset in (0, 0.3))
    assert with_offset == pytest.approx(without, abs=0.1)


def test_padding_does_not_count():
    noise = np.random.default_rng(0).normal(0, 0.001, 8000)
    padded = np.concatenate([speech_with_pauses()[:8000] + noise, np.zeros(16000)])
    assert noise_below(padded.astype(np.float32), RATE) == pytest.approx(
        noise_below(padded[:8000].astype(np.float32), RATE), abs=0.1
    )


@pytest.mark.parametrize("samples", [0, 10, 8000])
def test_silence_has_none(samples):
    assert np.isnan(noise_below(np.zeros(samples, np.float32), RATE))
