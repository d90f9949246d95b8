"""TIGER against its published count, an independent implementation, and its properties."""

import math

import pytest
import torch
import torch.nn.functional as F
from networks import count, noise

from pipeline.base.errors import PipelineError
from pipeline.models import MODELS, build, look_ahead
from pipeline.models.tiger.bands import widths

PAPER = {
    **{"window_ms": 40, "hop_ms": 10, "features": 128, "hidden": 256, "blocks": 4},
    **{"bands": [[1000, 25], [2000, 100], [4000, 250], [8000, 500]]},
    **{"shared": True, "path": "attention"},
}
TINY = {
    **{"window_ms": 4, "hop_ms": 2, "features": 6, "hidden": 5, "blocks": 2, "depth": 3},
    **{"heads": 2, "head_features": 3, "bands": [[1000, 250], [3000, 750]]},
}
FORMS = [{"path": path, "shared": shared} for path in ("lstm", "attention") for shared in (0, 1)]


def make(sources=2, **arguments):
    torch.manual_seed(3)
    network = build("tiger", TINY | arguments, sources, 8000).double()
    with torch.no_grad():  # otherwise the gains of norms are ones
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def test_parameters_are_those_of_the_paper():
    """Table 2 of arXiv:2410.01469: 0.82 million, of either size, for two speakers at 16 kHz."""
    for blocks in (4, 8):
        assert round(count(build("tiger", PAPER | {"blocks": blocks}, 2, 16000)) / 1e6, 2) == 0.82


def test_bands_are_those_of_the_paper():
    assert len(widths(PAPER["bands"], 640, 16000)) == 67
    assert widths(PAPER["bands"], 640, 16000)[38:52] == [1, 1, *[4] * 10, 10, 10]


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000])
@pytest.mark.parametrize("window", [16, 255, 256, 640])
def test_bands_cover_every_bin_once(rate, window):
    for bands in (PAPER["bands"], [[500, 3000]], [[100, 1], [90_000, 10]]):
        found = widths(bands, window, rate)
        assert sum(found) == window // 2 + 1 and min(found) >= 1


def test_shared_blocks_have_the_weights_of_one():
    assert count(make(shared=True, blocks=2)) == count(make(shared=True, blocks=5))
    assert count(make(blocks=3)) - count(make(blocks=2)) == count(make(blocks=1).blocks)


def norm(values, axes, weights, bias, epsilon):
    mean = values.mean(axes, keepdim=True)
    power = ((values - mean) ** 2).mean(axes, keepdim=True)
    return (values - mean) / (power + epsilon).sqrt() * weights + bias


def prelu(values, slope):
    return values.clamp(min=0) + slope * values.clamp(max=0)


class ByRule:
    """The network from its weights, with one item, in words and loops."""

    def __init__(self, network, path):
        self.w, self.path = network.state_dict(), path

    def get(self, name, *parts):
        return [self.w[f"{name}.{part}"] for part in parts]

    def linear(self, values, name):
        weight, bias = self.get(name, "weight", "bias")
        return values @ weight.T + bias

    def lstm(self, values, name, suffix):
        parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        of_input, of_hidden, bias, more = self.get(name, *(f"{part}_l0{suffix}" for part in parts))
        hidden = cell = torch.zeros(of_hidden.shape[1], dtype=torch.double)
        outputs = []
        for value in values:
            let, keep, new, out = (of_input @ value + of_hidden @ hidden + bias + more).chunk(4)
            cell = keep.sigmoid() * cell + let.sigmoid() * new.tanh()
            hidden = out.sigmoid() * cell.tanh()
            outputs.append(hidden)
        return torch.stack(outputs)

    def recurrent(self, x, name):
        """`x` is [others, sequence, features]."""
        x = norm(x, -1, *self.get(f"{name}.norm", "weight", "bias"), 1e-5)
        found = []
        for values in x:
            ahead = self.lstm(values, f"{name}.lstm", "")
            back = self.lstm(values.flip(0), f"{name}.lstm", "_reverse").flip(0)
            found.append(self.linear(torch.cat([ahead, back], 1), f"{name}.linear"))
        return torch.stack(found)

    def conv(self, values, name, stride=1):
        weight, groups = self.w[f"{name}.0.weight"], 1
        if weight.shape[1] == 1:
            groups = len(values)
        bias = self.w.get(f"{name}.0.bias")
        pad = weight.shape[-1] // 2
        values = F.conv1d(values[None], weight, bias, stride, pad, groups=groups)[0]
        gain, shift = self.get(f"{name}.1", "weight", "bias")
        return norm(values, (0, 1), gain[:, None], shift[:, None], 1e-8)

    def gate(self, scale, other, name):
        length, short = scale.shape[1], other.shape[1]
        spread = [min(math.floor(i * short / length), short - 1) for i in range(length)]
        gate = self.conv(other, f"{name}.gate")[:, spread].sigmoid()
        local, added = self.conv(scale, f"{name}.local"), self.conv(other, f"{name}.added")
        return local * gate + added[:, spread]

    def selective(self, values, name):
        """`values` is [features, sequence]."""
        scales, x = (
            [],
            prelu(self.conv(values, f"{name}.inward.0"), *self.get(f"{name}.inward.1", "weight")),
        )
        for scale in range(3):
            x = self.conv(x, f"{name}.down.{scale}", 1 if scale == 0 else 2)
            scales.append(x)
        common = sum(F.adaptive_avg_pool1d(x[None], scales[-1].shape[1])[0] for x in scales)
        common = self.conv(common, f"{name}.common.0")
        weight, bias = self.get(f"{name}.common.1", "weight", "bias")
        common = F.conv1d(common[None], weight, bias, padding=2, groups=len(common))[0].relu()
        common = self.conv(common, f"{name}.common.3")
        scales = [self.gate(x, common, f"{name}.gates.{i}") for i, x in enumerate(scales)]
        x = self.gate(scales[1], scales[2], f"{name}.up.0")
        x = self.gate(scales[0], x, f"{name}.up.1")
        weight, bias = self.get(f"{name}.outward", "weight", "bias")
        return values + F.conv1d(x[None], weight, bias)[0]

    def embedding(self, x, name):
        x = prelu(self.linear(x, f"{name}.0"), *self.get(f"{name}.1", "weight"))
        return norm(x, -1, *self.get(f"{name}.2", "weight", "bias"), 1e-5)

    def full(self, x, name):
        """`x` is [others, sequence, features]."""
        heads = []
        for head in range(2):
            query, key, value = (
                self.embedding(x, f"{name}.embed.{2 * part + head}") for part in range(3)
            )
            like = torch.einsum("oqe,oke->qk", query, key) / math.sqrt(query.shape[2] * len(x))
            heads.append(torch.einsum("qk,oke->oqe", like.softmax(1), value))
        return x + self.embedding(torch.cat(heads, 2), f"{name}.join")

    def attentive(self, x, name):
        x = torch.stack([self.selective(values.T, f"{name}.selective").T for values in x])
        x = self.full(x, f"{name}.full")
        return norm(x, -1, *self.get(f"{name}.norm", "weight", "bias"), 1e-5)

    def features(self, spectra, runs):
        """[bands, frames, features] of [bins, frames]."""
        found, start = [], 0
        for index, (bands, width) in enumerate(runs):
            gain, shift, weight, bias = self.get(
                f"split.{index}", "gain", "shift", "linear.weight", "linear.bias"
            )
            for band in range(bands):
                part = torch.view_as_real(spectra[start : start + width])  # width, frames, 2
                part = part.permute(1, 0, 2).flatten(1)
                part = norm(part, (0, 1), gain[band, 0, 0], shift[band, 0, 0], 1e-8)
                found.append(part @ weight[band] + bias[band])
                start += width
        return torch.stack(found)

    def masks(self, features, runs, sources):
        """[sources, bins, frames] of [bands, frames, features], which 2 sources share."""
        found, band = [], 0
        for index, (bands, width) in enumerate(runs):
            slope, weight, bias = self.get(
                f"masks.{index}", "prelu", "linear.weight", "linear.bias"
            )
            for own in range(bands):
                x = prelu(features[band], slope[own, 0])
                band += 1
                each = []
                for source, part in enumerate(x.chunk(sources, 1)):
                    row = own * sources + source
                    values, gates = (part @ weight[row] + bias[row]).chunk(2, 1)
                    values = (values * gates.sigmoid()).unflatten(1, (width, 2))
                    each.append(torch.complex(values[..., 0], values[..., 1]).T)
                found.append(torch.stack(each))
        return torch.cat(found, 1)

    def __call__(self, network, mixture, times, sources=2):
        window = torch.hann_window(32).double()
        padded = F.pad(mixture, (16, 32))
        frames = padded.unfold(0, 32, 16) * window
        spectra = torch.fft.rfft(frames).T
        x = first = self.features(spectra / (mixture.std(correction=0) + 1e-8), network.runs)
        path = {"lstm": self.recurrent, "attention": self.attentive}[self.path]
        for time in range(times):
            block = 0 if network.again is not None else time
            if time and network.again is not None:
                gain, shift, slope = self.get("again", "gain", "shift", "prelu.weight")
                x = prelu((first + x) * gain + shift, slope)
            x = x + path(x.transpose(0, 1), f"blocks.{block}.bands").transpose(0, 1)
            x = x + path(x, f"blocks.{block}.frames")
        spectra = self.masks(x, network.runs, sources) * spectra
        pieces = torch.fft.irfft(spectra.transpose(1, 2)) * window
        signal, weights = (
            torch.zeros(sources, len(padded)).double(),
            torch.zeros(len(padded)).double(),
        )
        for frame in range(pieces.shape[1]):
            signal[:, 16 * frame : 16 * frame + 32] += pieces[:, frame]
            weights[16 * frame : 16 * frame + 32] += window**2
        return (signal / weights.clamp(min=1e-11))[:, 16 : 16 + len(mixture)]


@pytest.mark.parametrize("form", FORMS)
def test_it_is_what_its_docstrings_say(form):
    network = make(**form)
    mixture = noise(320)
    with torch.no_grad():
        expected = ByRule(network, form["path"])(network, mixture, 2)
        assert torch.allclose(network(mixture[None])[0], expected, atol=1e-9)


@pytest.mark.parametrize("sources", [1, 2, 3, 4])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("time", [1, 2, 15, 16, 33, 100, 801])
def test_a_recording_of_any_length_keeps_it(form, sources, time):
    network = make(sources, **form)
    estimates = network(noise(2, time))
    assert estimates.shape == (2, sources, time) and estimates.isfinite().all()


@pytest.mark.parametrize("rate", [8000, 11025, 16000])
@pytest.mark.parametrize("window, hop", [(32, 16), (32, 8), (40, 10), (3, 0.5)])
@pytest.mark.parametrize("time", [1, 50, 4001])
def test_masks_of_one_give_the_mixture(rate, window, hop, time):
    network = build("tiger", {"window_ms": window, "hop_ms": hop, "blocks": 1}, 2, rate).double()
    for masks in network.masks:
        bands, width = masks.shape
        masks.linear.weight.data.zero_()
        biases = torch.zeros(2 * bands, 1, 2, width, 2)
        biases[:, :, 0, :, 0], biases[:, :, 1] = 1, 100  # real values, open gates
        masks.linear.bias.data = biases.flatten(2).double()
    mixture = noise(1, time)
    estimates = network(mixture)
    assert torch.allclose(estimates, mixture[:, None].expand_as(estimates), atol=1e-12)


@pytest.mark.parametrize("window, hop", [(32, 16), (1000, 500)])
@pytest.mark.parametrize("past", [0, 1, 100, 127])
def test_the_end_of_a_recording_is_no_louder_than_the_rest(window, hop, past):
    """Where the last frame alone has the last samples, whatever is divided by its window."""
    torch.manual_seed(0)
    network = build("tiger", {"window_ms": window, "hop_ms": hop, "blocks": 1}, 2, 8000)
    mixture = torch.randn(1, (8000 if window == 1000 else 1280) + past * hop // 16)
    with torch.no_grad():
        estimates = network(mixture)
    assert estimates[..., -30:].abs().max() < 3 * estimates[..., :-30].abs().max()


@pytest.mark.parametrize("form", FORMS)
def test_its_level_changes_nothing_but_the_level(form):
    network, mixture = make(**form), noise(1, 500)
    loud, quiet = network(mixture), network(1e-4 * mixture)
    assert torch.allclose(1e-4 * loud, quiet, rtol=1e-3, atol=1e-8)
    assert not network(0 * mixture).any()


@pytest.mark.parametrize("form", FORMS)
def test_an_item_of_a_batch_equals_itself_alone(form):
    network, mixtures = make(**form), noise(3, 400)
    alone = torch.cat([network(item[None]) for item in mixtures])
    assert torch.allclose(network(mixtures), alone, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_the_whole_recording_decides_each_sample(form):
    assert look_ahead("tiger", TINY | form, 8000) is None
    assert not MODELS["tiger"].exact_padding
    mixture = noise(1, 2000).requires_grad_()
    make(**form)(mixture)[0, 0, 10].backward()
    assert mixture.grad[0, -100:].any()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"window_ms": 10, "hop_ms": 6}, "hop_ms: 6 is more than half of window_ms: 10, .*lower"),
        ({"bands": [[2000, 100], [1000, 50]]}, "bands: give pairs .* ascend"),
        ({"bands": [[1000, 0]]}, "bands.*greater than 0"),
        ({"bands": []}, "bands: is empty; give at least one"),
        ({"path": "attention", "features": 50}, "features: 50 is no multiple of heads: 4"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(PipelineError, match=rf"arguments.*{message}"):
        build("tiger", arguments, 2, 8000)
