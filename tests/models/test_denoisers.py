"""Published denoisers: lengths, delays, states and levels, on a voice of a few seconds."""

import numpy as np
import onnxruntime
import pytest
import torch

from pipeline import models
from pipeline.models import MODELS
from pipeline.models.published import dtln, spectral_gating
from pipeline.models.signals import Inputs, passed

NAMES = ["deepfilternet3", "rnnoise", "dtln", "spectral_gating"]


def network(name, rate, **arguments):
    package = MODELS[name].package
    if package and package.missing:
        pytest.skip(package.missing)
    return models.build(name, arguments, 1, rate).eval()


def denoise(name, samples, rate=16000, **arguments):
    """The estimate of one recording."""
    given = torch.as_tensor(np.asarray(samples, np.float32))[None]
    estimates = passed(network(name, rate, **arguments), Inputs(given)).estimates
    assert estimates.shape == (1, 1, len(samples))
    return estimates[0, 0].numpy()


def level(samples):
    return 20 * np.log10(np.std(samples))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", [8000, 16000])
def test_nothing_is_late(name, rate, voice):
    given = voice(1, 3, rate)
    found = denoise(name, given, rate)
    sums = np.correlate(found[rate : 2 * rate], given[rate - 500 : 2 * rate + 500], "valid")
    assert abs(int(sums.argmax()) - 500) <= 1
    assert np.corrcoef(given, found)[0, 1] > 0.95  # the scale of its samples is right, too


@pytest.mark.parametrize("name", NAMES)
def test_a_state_ends_with_its_recording(name, voice):
    given = voice(2, 1)
    first = denoise(name, given)
    denoise(name, voice(3, 0.7))
    assert np.array_equal(first, denoise(name, given))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("time", [1, 2, 127, 481])
def test_every_length_is_kept_and_silence_stays_silence(name, time):
    assert np.isfinite(denoise(name, np.full(time, 0.1))).all()
    assert not denoise(name, np.zeros(time)).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_padded_recording_is_denoised_like_alone(name, voice):
    rate = (MODELS[name].sample_rates or (16000,))[0]
    assert MODELS[name].exact_padding
    short, long = voice(4, 0.3, rate), voice(5, 0.5, rate)
    batch = torch.zeros(2, len(long))
    batch[0, : len(short)], batch[1] = torch.from_numpy(short), torch.from_numpy(long)
    lengths = torch.tensor([len(short), len(long)])
    found = network(name, rate)(batch, lengths=lengths)[:, 0].numpy()
    assert np.array_equal(found[0, : len(short)], denoise(name, short, rate))
    assert np.array_equal(found[1], denoise(name, long, rate))
    assert not found[0, len(short) :].any()


@pytest.mark.slow
@pytest.mark.parametrize("name, hop", [("deepfilternet3", 480), ("rnnoise", 480), ("dtln", 128)])
def test_look_ahead_is_where_a_click_begins(name, hop, voice):
    entry = MODELS[name]
    [rate] = entry.sample_rates
    given = voice(1, 0.6, rate)
    before, reaches = denoise(name, given, rate), []
    start = 40 * hop if hop == 480 else 60 * hop
    for place in range(start, start + hop, hop // 8):
        changed = given.copy()
        changed[place] += 0.5
        first = np.flatnonzero(denoise(name, changed, rate) != before)[0]
        reaches.append(place - first)
    bound = entry.look_ahead(entry.arguments(), rate) * rate
    # The ends of a window weigh next to nothing.
    assert 0.9 * bound < max(reaches) <= round(bound)


def test_a_limit_of_attenuation_leaves_noise():
    noise = 0.05 * np.random.default_rng(0).standard_normal(32000)
    free, limited = (
        level(denoise("deepfilternet3", noise, attenuation_limit=limit)[16000:]) - level(noise)
        for limit in (100, 6)
    )
    assert free < -20 and limited == pytest.approx(-6, abs=1.5)


def stepwise(name):
    """One network of DTLN from a vector to the next, straight from its file."""
    session = onnxruntime.InferenceSession(dtln.PACKAGE.file(name))
    vector, state = session.get_inputs()
    kept = np.zeros(state.shape, np.float32)

    def step(values):
        nonlocal kept
        given = {vector.name: values.astype(np.float32)[None, None], state.name: kept}
        found, kept = session.run(None, given)
        return found[0, 0]

    return step


def test_windows_of_dtln_are_added_like_in_one_pass(voice):
    network("dtln", 16000)
    samples = torch.from_numpy(voice(1, 0.5))
    time, hop, window = len(samples), dtln.HOP, dtln.WINDOW
    frames = torch.nn.functional.pad(samples, (window - hop, window)).unfold(0, window, hop)
    masks, signals = stepwise(dtln.MASKS), stepwise(dtln.SIGNALS)
    rows = [
        signals(np.fft.irfft(np.fft.rfft(one) * masks(np.abs(np.fft.rfft(one)))))
        for one in frames.numpy()
    ]
    total = len(rows) * hop + window - hop
    added = torch.nn.functional.fold(
        torch.from_numpy(np.stack(rows)).T[None], (1, total), (1, window), stride=(1, hop)
    ).flatten()[window - hop :][:time]
    np.testing.assert_allclose(denoise("dtln", samples), added, atol=1e-5)


@pytest.mark.parametrize("threshold, reduction", [(0, 120), (6, 12), (9, 6)])
def test_the_gate_lets_through_what_theory_says(threshold, reduction):
    """Magnitudes of noise have a Rayleigh distribution: P(M > c median) = 2^(-c²)."""
    noise = 0.1 * np.random.default_rng(1).standard_normal(320_000)
    gain = level(denoise("spectral_gating", noise, threshold=threshold, reduction=reduction))
    least = 10 ** (-reduction / 20)
    expected = least + (1 - least) * 2 ** -(10 ** (threshold / 10))
    assert 10 ** ((gain - level(noise)) / 20) == pytest.approx(expected, rel=0.1)


def test_the_gate_keeps_a_tone_that_comes_and_goes():
    rng, time = np.random.default_rng(2), np.arange(64000) / 16000
    on = time % 1 < 0.25
    tone = on * np.sin(2 * np.pi * 1000 * time)
    found = denoise("spectral_gating", tone + 1e-3 * rng.standard_normal(len(time)), reduction=60)
    # In the middle the whole kernel lies in the burst, beside the tone's bins it finds noise.
    middle, pause = (time % 1 > 0.1) & (time % 1 < 0.15), (time % 1 > 0.5) & (time % 1 < 0.75)
    kept = found[middle] @ tone[middle] / (tone[middle] @ tone[middle])
    assert 0.1 < kept <= 1
    assert level(found[pause]) < -60 - 6


def test_a_triangle_has_the_sum_one():
    weights = spectral_gating._triangle(3)
    np.testing.assert_allclose(weights, np.array([1, 2, 3, 4, 3, 2, 1]) / 16)
