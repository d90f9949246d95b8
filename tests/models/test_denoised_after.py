"""Sources that are denoised after they are separated, at the level that the mixture gives them."""

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.models.blended import Blended
from pipeline.models.denoised_after import DenoisedAfter, scaled_to
from pipeline.models.signals import Inputs, passed


class Separated(nn.Module):
    """Fixed sources, `[batch, sources, time]`, at scales of their own."""

    def __init__(self, sources, scales=(1.0, 1.0)):
        super().__init__()
        self.sources = sources * torch.tensor(scales).view(1, -1, 1)

    def forward(self, mixture):
        return self.sources


class Gate(nn.Module):
    """A denoiser that depends on the level: it removes samples below 0.5."""

    def forward(self, mixture):
        assert mixture.ndim == 2
        return torch.where(mixture.abs() > 0.5, mixture, 0)[:, None]


@pytest.fixture
def sources():
    """Two recordings of two sources that do not correlate: they sound one after the other."""
    signals = torch.randn(2, 2, 400, generator=torch.Generator().manual_seed(0))
    signals[:, 0, 200:] = signals[:, 1, :200] = 0
    return signals


@pytest.mark.parametrize("scales", [(1.0, 1.0), (-3e-6, 2e7), (1e-25, -1e18)])
def test_scale_and_sign_of_the_separator_do_not_matter(sources, scales):
    network = DenoisedAfter(Separated(sources, scales), Gate())
    found = passed(network, Inputs(sources.sum(1))).estimates
    assert found.shape == (2, 2, 400)
    expected = torch.where(sources.abs() > 0.5, sources, 0)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_each_source_goes_through_the_denoiser_by_itself(sources):
    seen = []
    denoiser = Gate()
    denoiser.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    DenoisedAfter(Separated(sources), denoiser)(sources.sum(1))
    [given] = seen
    torch.testing.assert_close(given, sources.reshape(4, 400), rtol=1e-4, atol=1e-5)


def test_the_scale_is_that_of_least_squares():
    rng = np.random.default_rng(0)
    mixture, estimates = rng.standard_normal((2, 300)), rng.standard_normal((2, 3, 300))
    found = scaled_to(torch.from_numpy(mixture).float(), torch.from_numpy(estimates).float())
    for y, of_mixture, scaled in zip(mixture, estimates, found.numpy(), strict=True):
        for estimate, one in zip(of_mixture, scaled, strict=True):
            [alpha], *_ = np.linalg.lstsq(estimate[:, None], y, rcond=None)
            np.testing.assert_allclose(one, alpha * estimate, rtol=1e-4, atol=1e-5)


def test_a_silent_estimate_stays_silent_and_finite():
    estimates = torch.zeros(1, 2, 50)
    estimates[0, 1] = 1.0
    found = scaled_to(torch.ones(1, 50), estimates)
    assert found[0, 0].eq(0).all() and found[0, 1].allclose(torch.ones(50))


def test_a_share_of_its_input_is_added_to_what_the_denoiser_returns(sources):
    mixture = sources.sum(1)
    whole = DenoisedAfter(Separated(sources), Gate())(mixture).estimates
    network = DenoisedAfter(Separated(sources, (5.0, -1.0)), Blended(Gate(), 0.25))
    torch.testing.assert_close(
        network(mixture).estimates, 0.75 * whole + 0.25 * sources, rtol=1e-4, atol=1e-5
    )
