"""Multiply-adds of networks, against counts by hand."""

import pytest
import torch
from torch import nn

from pipeline import models
from pipeline.config import Section
from pipeline.models.cost import SECONDS, AtOnce, multiply_adds
from pipeline.models.entry import Entry

PAPER = {"N": 512, "L": 16, "B": 128, "H": 512, "Sc": 128, "P": 3, "X": 8, "R": 3}
SMALL = {"N": 128, "L": 40, "B": 64, "H": 128, "Sc": 64, "P": 3, "X": 6, "R": 2}


def by_hand(sources, rate, N, L, B, H, Sc, P, X, R):
    """Conv-TasNet's multiply-adds per second of audio, by frame, from figure 1 of the paper."""
    frames = (SECONDS * rate - L) // (L // 2) + 1
    block = B * H + H * P + H * (B + Sc)
    frame = N * L + N * B + X * R * block + Sc * sources * N + sources * N * L
    return frames * frame / SECONDS


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("sources", [1, 3])
@pytest.mark.parametrize("arguments", [PAPER, SMALL, SMALL | {"Sc": 0}])
def test_the_cost_of_conv_tasnet_equals_the_count_by_hand(arguments, sources, rate):
    skip = arguments | {"Sc": arguments["Sc"] or arguments["B"]}  # the masks are made from either
    expected = by_hand(sources, rate, **skip)
    if not arguments["Sc"]:
        frames = (SECONDS * rate - arguments["L"]) // (arguments["L"] // 2) + 1
        blocks = arguments["X"] * arguments["R"]
        expected -= frames * blocks * arguments["H"] * arguments["B"] / SECONDS
    found = multiply_adds("conv_tasnet", arguments, sources, rate)
    assert found == pytest.approx(expected, rel=1e-9)


class Recurrent(nn.Module):
    """An LSTM over frames of 80 samples, and a layer back to samples."""

    def __init__(self):
        super().__init__()
        self.lstm, self.back = nn.LSTM(80, 32, batch_first=True), nn.Linear(32, 80)

    def forward(self, mixtures):
        return self.back(self.lstm(mixtures.unflatten(1, (-1, 80)))[0]).flatten(1)[:, None]


class OnACpu(Recurrent):
    """The same behind an operation that needs content."""

    def forward(self, mixtures):
        assert torch.equal(mixtures, mixtures)
        return super().forward(mixtures)


@pytest.mark.parametrize("network", [Recurrent, OnACpu])
def test_recurrent_layers_are_counted(monkeypatch, network):
    monkeypatch.setattr("pipeline.models.cost.build", lambda *_: network())
    frame = 4 * (80 * 32 + 32 * 32) + 32 * 80  # four gates, then the layer back
    assert multiply_adds("conv_tasnet", {}, 1, 8000) == 100 * frame


LAYERS = [
    (nn.LSTM, {"batch_first": True, "num_layers": 2, "bidirectional": True}),
    (nn.LSTM, {"proj_size": 16}),
    (nn.GRU, {"bidirectional": True}),
    (nn.GRU, {"batch_first": True, "num_layers": 3}),
    (nn.RNN, {}),
]


@pytest.mark.parametrize(("kind", "options"), LAYERS, ids=str)
def test_a_recurrent_layer_that_is_counted_at_once_equals_its_steps(monkeypatch, kind, options):
    class Twice(nn.Module):
        """Hands the state of one piece of audio to the next one."""

        def __init__(self):
            super().__init__()
            self.layer = kind(400, 32, **options)

        def forward(self, mixtures):
            frames = mixtures.unflatten(1, (-1, 400))
            found, state = self.layer(frames[:, :20])
            more, _ = self.layer(frames[:, 20:40], state)
            return (found + more).flatten(1)[:, None]

    entry = Entry(Section, lambda *_: Twice(), lambda *_: None)
    monkeypatch.setitem(models.MODELS, "recurrent", entry)
    at_once = multiply_adds("recurrent", {}, 1, 8000)
    monkeypatch.setattr("pipeline.models.cost.RNNS", ())
    assert at_once == multiply_adds("recurrent", {}, 1, 8000) > 0


@pytest.mark.parametrize("shape", [(3, 5, 400), (5, 400)])
@pytest.mark.parametrize(("kind", "options"), LAYERS, ids=str)
def test_a_recurrent_layer_that_is_counted_keeps_its_shapes(kind, options, shape):
    layer = kind(400, 32, **options)

    def shapes():
        found, state = layer(torch.ones(shape))
        state = state if isinstance(state, tuple) else (state,)
        return [tensor.shape for tensor in (found, *state)]

    expected = shapes()
    AtOnce(layer)
    assert shapes() == expected


def test_counting_draws_nothing_and_leaves_the_default_device():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    multiply_adds("conv_tasnet", SMALL, 1, 8000)
    assert torch.equal(torch.rand(1), expected)
    assert models.build("conv_tasnet", SMALL, 1, 8000).encoder.filters.device.type == "cpu"
