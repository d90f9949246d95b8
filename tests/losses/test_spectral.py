"""The multi-resolution STFT loss, against auraloss and NumPy."""

import numpy as np
import pytest
import torch
from auraloss.freq import MultiResolutionSTFTLoss

from pipeline.losses import parse_terms
from pipeline.losses.loss import Loss
from pipeline.losses.spectral import Arguments, Resolution, multi_resolution_stft

PAPER = {"fft_sizes": [512, 1024, 2048], "hop_sizes": [50, 120, 240]}
PAPER["win_lengths"] = [240, 600, 1200]


def term(sample_rate=16000, **arguments):
    [(_, found, _)] = parse_terms({"multi_resolution_stft": arguments}, sample_rate)
    return found.single


def signals(count=1, time=16000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    targets, noise = torch.randn(2, count, time, generator=generator)
    return targets + 0.5 * noise, targets


def test_the_defaults_are_those_of_the_paper_at_16_khz_and_scaled_at_others():
    sizes = zip(*PAPER.values(), strict=True)
    assert Arguments().resolutions(16000) == [Resolution(*size) for size in sizes]
    assert Arguments().resolutions(8000) == [(256, 25, 120), (512, 60, 300), (1024, 120, 600)]
    given = Arguments(ffts=[100], hops=["2 ms"], windows=["25 ms"])
    assert given.resolutions(8000) == [(200, 16, 200)]


@pytest.mark.parametrize("factors", [(1.0, 1.0), (0.5, 0.0), (0.0, 2.0)])
def test_one_signal_has_the_loss_of_auraloss(factors):
    estimates, targets = signals()
    oracle = MultiResolutionSTFTLoss(**PAPER, w_sc=factors[0], w_log_mag=factors[1])
    expected = oracle(estimates[:, None], targets[:, None])
    found = term(spectral_convergence=factors[0], log_magnitude=factors[1])(estimates, targets)
    torch.testing.assert_close(found[0], expected, rtol=1e-5, atol=1e-5)


def test_a_tone_at_half_its_level():
    """All magnitudes halve: the convergence is 1/2, the distance of the logarithms log 2."""
    tone = torch.sin(torch.arange(4096) * np.pi / 4)[None]
    impulse = torch.zeros(1, 4097)
    impulse[0, ::64] = 1  # one at the centre of every frame: no magnitude is near zero
    resolutions = [Resolution(256, 64, 256)]
    convergence, _ = multi_resolution_stft(tone / 2, tone, resolutions)
    _, logarithm = multi_resolution_stft(impulse / 2, impulse, [Resolution(64, 64, 64)])
    assert convergence.item() == pytest.approx(0.5, abs=1e-4)
    assert logarithm.item() == pytest.approx(np.log(2), abs=1e-4)


def test_the_other_signals_of_a_batch_change_nothing():
    estimates, targets = signals(3)
    scales = torch.tensor([1e-3, 1.0, 100.0])[:, None]
    together = term()(scales * estimates, scales * targets)
    pairs = zip(scales * estimates, scales * targets, strict=True)
    alone = torch.cat([term()(e[None], t[None]) for e, t in pairs])
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("level", [0.0, 1e-8])
@pytest.mark.parametrize("silent", ["estimate", "target", "both"])
@pytest.mark.parametrize("name", ["snr", "si_sdr", "l1", "multi_resolution_stft"])
@pytest.mark.parametrize("permuted", [False, True])
def test_silence_has_a_finite_loss_and_gradient(name, silent, level, permuted):
    estimates, targets = (s.view(2, 2, -1).clone() for s in signals(4, 2000))
    if silent != "estimate":
        targets[0, 0] *= level
    if silent != "target":
        estimates[0, 0] *= level
    estimates.requires_grad_()
    value = Loss({name: 1}, permuted, 8000)(estimates, targets)
    value.backward()
    assert value.isfinite() and estimates.grad.isfinite().all()
    assert estimates.grad[1].abs().max() > 0


@pytest.mark.parametrize("samples", [1, 100, 1023])
def test_a_short_signal_has_a_loss(samples):
    assert term()(*signals(2, samples)).isfinite().all()
