import warnings
from typing import get_args

import mir_eval
import numpy as np
import pesq as pypesq
import pystoi
import pytest
import torch
from scipy.signal import lfilter
from torchmetrics.functional.audio import signal_noise_ratio

from pipeline.config import Metric
from pipeline.evaluation import metrics
from pipeline.evaluation.intelligibility import MEASURES

RATE = 8000
ALL = list(get_args(Metric))


NOISE = np.random.default_rng(3).standard_normal(3 * RATE)


def speech_like(seed, sources=3, seconds=3.0, rate=RATE):
    """Coloured noise with the syllable rhythm of speech, `[sources, time]`."""
    rng = np.random.default_rng(seed)
    time = int(seconds * rate)
    syllables = rng.random((sources, int(seconds * 5) + 1)) ** 2
    envelope = np.repeat(syllables, rate // 5, axis=1)[:, :time]
    return 0.1 * lfilter([1], [1, -1.3, 0.6], rng.standard_normal((sources, time))) * envelope


def estimates_of(references, seed=9):
    """Leaky, filtered and noisy versions of the sources."""
    rng = np.random.default_rng(seed)
    leak = 0.2 * np.roll(references, 1, axis=0)
    filtered = lfilter([0.8, 0.3, -0.1], [1], references)
    return filtered + leak + 0.01 * rng.standard_normal(references.shape)


@pytest.fixture(scope="module")
def references():
    return speech_like(1)


@pytest.fixture(scope="module")
def estimates(references):
    return estimates_of(references)


@pytest.mark.parametrize("decibels", [-20.0, 0.0, 17.3, 60.0])
def test_si_sdr_of_orthogonal_noise_is_the_power_ratio(decibels):
    time = np.arange(8000) / 8000
    source, noise = np.sin(2 * np.pi * 100 * time), np.cos(2 * np.pi * 317 * time)
    noise = noise * 10 ** (-decibels / 20)
    assert metrics.si_sdr(source[None], (source + noise)[None]) == pytest.approx(decibels, abs=1e-4)


def test_si_sdr_ignores_scale_sign_and_mean(references, estimates):
    expected = metrics.si_sdr(references, estimates)
    np.testing.assert_allclose(metrics.si_sdr(references, -3e-3 * estimates), expected)
    np.testing.assert_allclose(metrics.si_sdr(5 * references + 2, estimates - 0.3), expected)


def test_snr_is_that_of_torchmetrics_and_falls_with_a_wrong_scale(references, estimates):
    for gain in (1.0, 0.5):
        pair = (torch.from_numpy(signals) for signals in (gain * estimates, references))
        expected = signal_noise_ratio(*pair, zero_mean=True)
        np.testing.assert_allclose(metrics.snr(references, gain * estimates), expected, rtol=1e-6)
    halved = metrics.snr(references + 0.1, 0.5 * references - 0.2)
    np.testing.assert_allclose(halved, 20 * np.log10(2), rtol=1e-9)


def test_snr_stays_finite_at_its_bounds(references):
    np.testing.assert_allclose(metrics.snr(references, references), 120, atol=0.1)
    np.testing.assert_allclose(metrics.snr(1e-5 * references, references), -100, atol=0.1)


@pytest.mark.parametrize("sources", [1, 2, 3])
def test_the_parts_of_an_error_add_up_to_that_of_si_sdr(sources):
    speakers = speech_like(4, sources)
    estimates = estimates_of(speakers) + 0.02 * NOISE
    parts = metrics.error_parts(speakers, estimates, speakers, NOISE)
    total = sum(10 ** (values / 10) for values in parts.values())
    np.testing.assert_allclose(
        -10 * np.log10(total), metrics.si_sdr(speakers, estimates), rtol=1e-6
    )


def test_every_part_of_an_error_is_that_of_its_cause(references):
    """Of a denoiser: the mixture of all speakers, one of them too loud, and noise, and clicks."""
    target, clicks = references.sum(0), np.zeros(3 * RATE)
    clicks[::700] = 1
    wrong = target + 0.4 * references[0] + 0.02 * NOISE + 0.01 * clicks
    found = metrics.error_parts(target[None], wrong[None], references, NOISE)
    basis = np.stack([target, *references[:2], NOISE, clicks]).T
    residuals = []
    for last in (1, 3, 4, 5):  # least squares on ever more signals, in place of a QR
        used = basis[:, :last] - basis[:, :last].mean(0)
        centred = wrong - wrong.mean()
        residuals.append(np.square(centred - used @ np.linalg.lstsq(used, centred)[0]).sum())
    explained = np.square(wrong - wrong.mean()).sum() - residuals[0]
    expected = [residuals[0] - residuals[1], residuals[1] - residuals[2], residuals[2]]
    for values, energy in zip(found.values(), expected, strict=True):
        assert values[0] == pytest.approx(10 * np.log10(energy / explained), abs=1e-4)
    assert residuals[3] == pytest.approx(0, abs=1e-9)  # the clicks are all that is left


def test_si_sdr_stays_finite_at_its_bounds(references):
    np.testing.assert_allclose(metrics.si_sdr(references, references), 120, atol=0.1)
    time = np.arange(8000) / 8000
    sine, cosine = np.sin(2 * np.pi * 50 * time), np.cos(2 * np.pi * 50 * time)
    np.testing.assert_allclose(metrics.si_sdr(sine[None], cosine[None]), -120, atol=0.01)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1], [3, 2, 1, 0]])
def test_permutation_is_found(order):
    references = speech_like(4, sources=4)
    estimates = estimates_of(references)
    found = metrics.permutation(references, estimates[order])
    np.testing.assert_array_equal(np.array(order)[found], np.arange(4))


def test_permutation_pairs_silence_with_silence(references, estimates):
    references, estimates = references.copy(), estimates.copy()
    references[0] = estimates[2] = 0
    assert metrics.permutation(references, estimates)[0] == 2


@pytest.mark.parametrize("sources", [2, 3, 4])
def test_bss_equals_mir_eval(sources):
    references = speech_like(sources, sources)
    estimates = estimates_of(references)
    search = sources == 2  # mir_eval tries every pair, which is slow
    given = estimates[::-1] if search else estimates
    expected = mir_eval.separation.bss_eval_sources(references, given, compute_permutation=search)
    order = metrics.permutation(references, given)
    np.testing.assert_array_equal(order, expected[3])
    np.testing.assert_allclose(metrics.bss(references, given[order]), expected[:3], atol=1e-3)


def test_bss_of_the_mixture_equals_mir_eval(references):
    mixture = np.repeat(references.sum(0, keepdims=True), 3, axis=0)
    mixture = mixture + 0.01 * np.random.default_rng(2).standard_normal(mixture.shape[1])
    expected = mir_eval.separation.bss_eval_sources(references, mixture, compute_permutation=False)
    np.testing.assert_allclose(metrics.bss(references, mixture), expected[:3], atol=1e-3)


def test_bss_of_one_source_has_no_sir(references, estimates):
    sdr, sir, sar = metrics.bss(references[:1], estimates[:1])
    expected = mir_eval.separation.bss_eval_sources(references[:1], estimates[:1])
    np.testing.assert_allclose(sdr, expected[0], atol=1e-3)
    np.testing.assert_allclose(sar, expected[2], atol=1e-3)
    assert np.isnan(sir).all()


def test_bss_drops_only_silent_signals(references, estimates):
    two = metrics.bss(references[:2], estimates[:2])
    silenced = references.copy()
    silenced[2] = 0
    for value, expected in zip(metrics.bss(silenced, estimates), two, strict=True):
        np.testing.assert_allclose(value[:2], expected)
        assert np.isnan(value[2])
    silenced = estimates.copy()
    silenced[0] = 0
    expected = metrics.bss(references, estimates).sdr[1:]
    np.testing.assert_allclose(metrics.bss(references, silenced).sdr[1:], expected)


@pytest.mark.parametrize("kind", ["identical references", "pure tones", "perfect estimates"])
def test_bss_of_singular_systems_is_finite(kind, references, estimates):
    time = np.arange(references.shape[1]) / RATE
    if kind == "identical references":
        references = references[[0, 0, 1]]
    elif kind == "pure tones":
        references = np.sin(2 * np.pi * np.array([[200.0], [300.0], [300.0]]) * time)
    estimates = references.copy() if kind == "perfect estimates" else estimates
    assert np.isfinite(metrics.bss(references, estimates)).all()


@pytest.mark.parametrize("rate, mode", [(8000, "nb"), (16000, "wb")])
def test_stoi_and_pesq_equal_the_libraries(rate, mode):
    references = speech_like(3, sources=2, rate=rate)
    estimates = estimates_of(references)
    for row, (r, e) in enumerate(zip(references, estimates, strict=True)):
        found = metrics.intelligibility(references, estimates, rate, ["estoi", "stoi"])
        assert found["stoi"][row] == pytest.approx(pystoi.stoi(r, e, rate), abs=1e-9)
        extended = pystoi.stoi(r, e, rate, extended=True)
        assert found["estoi"][row] == pytest.approx(extended, abs=1e-9)
        assert metrics.pesq(references, estimates, rate)[row] == pypesq.pesq(rate, r, e, mode)


def test_estoi_is_repeatable_and_leaves_the_global_generator_alone(references, estimates):
    """pystoi draws noise from the global generator."""
    estimates = estimates * (np.arange(estimates.shape[1]) < RATE)  # silence
    np.random.seed(5)
    first = metrics.intelligibility(references, estimates, RATE, ["estoi"])["estoi"]
    drawn = np.random.random()
    np.random.seed(6)
    again = metrics.intelligibility(references, estimates, RATE, ["estoi"])["estoi"]
    np.testing.assert_array_equal(again, first)
    np.random.seed(5)
    assert np.random.random() == drawn


def test_pesq_of_many_utterances_does_not_crash():
    # 100 bursts: twice as many utterances as the C code has room for.
    time = np.arange(60 * RATE) / RATE
    rng = np.random.default_rng(0)
    reference = 0.1 * rng.standard_normal((1, len(time))) * (time % 0.6 < 0.3)
    reference[:, : 25 * RATE] = 0  # its first piece is all silence
    estimate = reference + 0.02 * rng.standard_normal(reference.shape)
    assert 1 < metrics.pesq(reference, estimate, RATE)[0] < 4.6


@pytest.mark.parametrize("silent", ["reference", "estimate"])
def test_silence_is_nan_without_warnings(silent, references, estimates):
    signals = {"reference": references.copy(), "estimate": estimates.copy()}
    signals[silent][1] = 0.1  # a constant counts as silence too
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = metrics.score_item(
            signals["reference"], signals["estimate"], RATE, ALL, references, NOISE
        )
    for values in scores.values():
        assert np.isnan(values).tolist() == [False, True, False]


def test_all_silent_is_nan():
    silence = np.zeros((2, RATE))
    scores = metrics.score_item(silence, silence, RATE, ALL, silence, silence[0])
    assert all(np.isnan(values).all() for values in scores.values())


@pytest.mark.parametrize("samples", [1, 100, 300, 511, 1900])
def test_too_short_is_nan_without_warnings(samples, references, estimates):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = metrics.score_item(
            references[:, :samples],
            estimates[:, :samples],
            RATE,
            ["stoi", "estoi", "pesq", "sdr"],
            references[:, :samples],
            NOISE[:samples],
        )
    assert np.isnan([scores["stoi"], scores["estoi"], scores["pesq"]]).all()
    assert np.isnan(scores["sdr"]).all() == (samples < metrics.FILTER_TAPS)


@pytest.mark.parametrize("sources", [1, 2, 3, 4])
def test_score_item_computes_the_requested_metrics(sources, monkeypatch):
    references = speech_like(5, sources)
    estimates = estimates_of(references)
    scores = metrics.score_item(references, estimates, RATE, ALL, references, NOISE)
    assert list(scores) == [m for m in ALL if m != "sir" or sources > 1]
    np.testing.assert_allclose(scores["si_sdr"], metrics.si_sdr(references, estimates))
    np.testing.assert_allclose(scores["pesq"], metrics.pesq(references, estimates, RATE))
    for unwanted in ("bss", "pesq"):
        monkeypatch.setattr(metrics, unwanted, None)
    monkeypatch.setitem(MEASURES, "estoi", None)
    only = metrics.score_item(references, estimates, RATE, ["stoi", "si_sdr"], references, NOISE)
    assert list(only) == ["stoi", "si_sdr"]
