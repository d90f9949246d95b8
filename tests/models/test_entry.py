"""What an entry of the registry says, and what is built from it."""

import pytest
import torch
from torch import nn

from pipeline import models
from pipeline.config import Section
from pipeline.models.entry import Entry
from pipeline.models.signals import Inputs, Outputs, passed


class Arguments(Section):
    """None."""


class Same(nn.Module):
    """Its input, once for each source; notes rates and lengths."""

    def __init__(self, sources, rate):
        super().__init__()
        self.sources, self.rate, self.given = sources, rate, []

    def forward(self, mixture, lengths=None):
        self.given.append((tuple(mixture.shape), None if lengths is None else lengths.tolist()))
        return mixture[:, None].repeat(1, self.sources, 1)


@pytest.fixture
def register(monkeypatch):
    """`register(**fields)`: an entry `same` of the registry."""

    def add(**fields):
        build = lambda arguments, sources, rate: Same(sources, rate)  # noqa: E731
        entry = Entry(Arguments, build, lambda arguments, rate: 10 / rate, **fields)
        monkeypatch.setitem(models.MODELS, "same", entry)
        return entry

    return add


@pytest.mark.parametrize(
    ("rates", "asked", "runs"),
    [
        (None, 8000, 8000),
        ((8000, 16000), 8000, 8000),
        ((16000, 48000), 8000, 16000),
        ((16000, 48000), 44100, 48000),
        ((8000,), 16000, 8000),
    ],
)
def test_a_network_runs_at_the_next_rate_it_has(register, rates, asked, runs):
    assert register(sample_rates=rates).rate_for(asked) == runs
    network = models.build("same", {}, 2, asked)
    assert (network.network if runs != asked else network).rate == runs


@pytest.mark.parametrize(("outer", "inner"), [(8000, 16000), (8000, 48000), (16000, 8000)])
@pytest.mark.parametrize("time", [1, 2, 7, 801, 8000])
def test_audio_is_resampled_around_it_and_keeps_its_length(register, outer, inner, time):
    register(sample_rates=(inner,))
    network = models.build("same", {}, 2, outer)
    assert passed(network, Inputs(torch.randn(3, time))).estimates.shape == (3, 2, time)
    expected = -(-time * inner // outer)
    assert network.network.given == [((3, expected), None)]


@pytest.mark.parametrize(("outer", "inner"), [(8000, 16000), (8000, 48000), (16000, 8000)])
def test_resampling_delays_nothing(register, outer, inner):
    register(sample_rates=(inner,))
    network = models.build("same", {}, 1, outer)
    seconds = torch.arange(outer) / outer
    tone = torch.sin(2 * torch.pi * 440 * seconds)[None]
    found = passed(network, Inputs(tone)).estimates[0, 0]
    middle = slice(200, -200)  # the ends lack neighbours
    torch.testing.assert_close(found[middle], tone[0, middle], atol=2e-3, rtol=0)


def test_lengths_are_those_at_the_networks_rate(register):
    register(sample_rates=(16000,))
    network = models.build("same", {}, 1, 8000)
    passed(network, Inputs(torch.randn(2, 100), torch.tensor([100, 33])))
    assert network.network.given == [((2, 200), [200, 66])]


def test_resampling_looks_ahead_too(register):
    register()
    assert models.look_ahead("same", {}, 8000) == pytest.approx(10 / 8000)
    register(sample_rates=(16000,))
    network = models.build("same", {}, 1, 8000)
    mixture = torch.randn(1, 2000, requires_grad=True)
    passed(network, Inputs(mixture)).estimates[0, 0, 1000].backward()
    reach = int(mixture.grad[0].nonzero().max()) - 1000
    assert reach / 8000 <= models.look_ahead("same", {}, 8000) - 10 / 16000 <= (reach + 3) / 8000


def test_inputs_go_by_their_names_and_a_tensor_is_the_estimates():
    class Named(nn.Module):
        def forward(self, mixture, reference):
            return mixture[:, None] * reference[:, None]

    one, two = torch.ones(1, 3), 2 * torch.ones(1, 3)
    found = passed(Named(), Inputs(one, reference=two))
    assert torch.equal(found.estimates, two[:, None]) and found.inner is None

    class Further(nn.Module):
        def forward(self, mixture):
            return Outputs(mixture[:, None], speaker_logits=mixture)

    assert torch.equal(passed(Further(), Inputs(one)).speaker_logits, one)


def test_further_inputs_and_outputs_are_resampled_too(register, monkeypatch):
    class Inner(nn.Module):
        def forward(self, mixture, reference):
            assert reference.shape == (1, 600)
            return Outputs(
                mixture[:, None], speaker_logits=reference[:, :4], inner=mixture[:, None]
            )

    entry = Entry(Arguments, lambda *_: Inner(), lambda *_: None, sample_rates=(16000,))
    monkeypatch.setitem(models.MODELS, "same", entry)
    network = models.build("same", {}, 1, 8000)
    found = passed(network, Inputs(torch.randn(1, 500), reference=torch.randn(1, 300)))
    assert found.estimates.shape == found.inner.shape == (1, 1, 500)
    assert found.speaker_logits.shape == (1, 4)
