import math

import numpy as np
import pytest

from pipeline.audio.loudness import loudness
from pipeline.mixtures.facts import mixture_facts, overlap_ratio, snrs

RATE = 8000


def tone(hertz, amplitude=0.5, seconds=2.0, rate=RATE):
    time = np.arange(int(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def test_facts_of_tones():
    """The product of tones with whole periods has a mean of zero: the powers add up."""
    signals = {"s1": tone(500, 0.4), "s2": tone(750, 0.2), "noise": tone(1000, 0.1)}
    facts = mixture_facts(signals | {"mix_both": tone(1)}, RATE)
    decibel = {
        "source_1_snr": 16 / 5,
        "source_2_snr": 4 / 17,
        "noise_both_snr": 1 / 20,
        "source_1_clean_snr": 4,
        "source_2_clean_snr": 1 / 4,
        "source_1_single_snr": 16,
        "noise_single_snr": 1 / 16,
    }
    for name, ratio in decibel.items():
        assert facts[name] == pytest.approx(10 * math.log10(ratio), abs=1e-4), name
    assert facts["overlap_ratio"] == 1
    for name, key in (("s1", "source_1"), ("s2", "source_2"), ("noise", "noise")):
        assert facts[f"{key}_lufs"] == pytest.approx(loudness(signals[name], RATE))
    assert len(facts) == len(decibel) + 4 and all(type(fact) is float for fact in facts.values())


@pytest.mark.parametrize("num_speakers", [1, 2, 3, 5])
def test_snrs_are_librimix_s(voice, num_speakers):
    """The power of each source over that of the mixture without it, as in LibriMix's metrics."""
    voices = [voice(k, 1.5, RATE) for k in range(num_speakers + 1)]
    voices[-1] = voices[-1].astype(np.float64)  # a repeated noise is in double precision
    signals = {f"s{k}": samples for k, samples in enumerate(voices[:-1], 1)} | {"noise": voices[-1]}
    facts = mixture_facts(signals, RATE)

    def expected(parts):
        rest = [sum(parts[:k] + parts[k + 1 :], np.zeros(len(parts[0]))) for k in range(len(parts))]
        return [
            10 * np.log10(np.mean(own**2) / (np.mean(other**2) + 1e-10) + 1e-10)
            for own, other in zip(parts, rest, strict=True)
        ]

    both, clean = expected(voices), expected(voices[:-1])
    for k in range(num_speakers):
        assert facts[f"source_{k + 1}_snr"] == pytest.approx(both[k], abs=1e-4)
        assert facts[f"source_{k + 1}_clean_snr"] == pytest.approx(clean[k], abs=1e-4)
    assert facts["noise_both_snr"] == pytest.approx(both[-1], abs=1e-4)
    single = [facts["source_1_single_snr"], facts["noise_single_snr"]]
    assert single == pytest.approx(expected([voices[0], voices[-1]]), abs=1e-4)


def test_silence_has_a_finite_snr():
    assert np.isfinite(snrs(np.zeros((3, 3)))).all()


@pytest.mark.parametrize("first, second, expected", [(1.0, 1.0, 1.0), (1.0, 0.5, 0.5), (0, 0, 0)])
def test_overlap_of_sources_that_end(first, second, expected):
    sources = [
        np.where(np.arange(RATE) < end * RATE, tone(500, 0.1, 1), 0) for end in (first, second)
    ]
    assert overlap_ratio(sources, RATE) == pytest.approx(expected)


def test_overlap_counts_the_time_with_speech_alone():
    """Sources in [0, 0.5) s, [0.3, 0.6) s and never; no source from 0.6 s to 1 s."""
    time, whole = np.arange(RATE) / RATE, tone(500, 0.1, 1)
    first, second = whole * (time < 0.5), whole * ((time >= 0.3) & (time < 0.6))
    assert overlap_ratio([first, second, 0 * whole], RATE) == pytest.approx(0.2 / 0.6)


def test_a_pause_is_40_db_below_the_loudest_frame():
    time, whole = np.arange(RATE) / RATE, tone(500, 0.1, 1)
    for factor, expected in ((0.011, 1.0), (0.009, 0.5)):
        quiet = np.where(time < 0.5, whole, whole * np.float32(factor))
        assert overlap_ratio([whole, quiet], RATE) == pytest.approx(expected)


def test_one_source_never_overlaps(voice):
    assert overlap_ratio([voice(0, 1.0, RATE)], RATE) == 0
