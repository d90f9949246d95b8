"""GateWave against its count, an independent implementation, and its properties."""

import pytest
import torch
import torch.nn.functional as F
from networks import count, last_dependence, noise

from pipeline.models import MODELS, build, look_ahead
from pipeline.models.cost import SECONDS, multiply_adds

TINY = {"channels": 6, "depth": 3}


def make(sources=1, **arguments):
    torch.manual_seed(3)
    network = build("gatewave", TINY | arguments, sources, 16000).double()
    with torch.no_grad():  # otherwise the gains of norms are ones
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def test_parameters_are_those_of_the_issue():
    assert count(build("gatewave", {}, 1, 16000)) == 20_811_652


def by_rule(mixture, network, depth):
    """The network from its weights, with norms in words and the GRU step by step."""
    w, time = network.state_dict(), mixture.shape[-1]

    def gated(frames, name, convolve):
        frames = (frames - frames.mean()) / (frames.var(correction=0) + 1e-8).sqrt()
        frames = frames * w[f"{name}.norm.weight"][:, None] + w[f"{name}.norm.bias"][:, None]
        values, gates = (
            convolve(frames, w[f"{name}.{part}.weight"], w[f"{name}.{part}.bias"], stride=4)
            for part in ("values", "gates")
        )
        return values / (1 + (-gates).exp())

    def gru(frames, suffix):
        parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        of_input, of_hidden, bias, more = (w[f"recurrent.{part}_l0{suffix}"] for part in parts)
        hidden, outputs = torch.zeros(of_hidden.shape[1], dtype=torch.double), []
        for frame in frames:
            reset, keep, new = (of_input @ frame + bias).chunk(3)
            reset_too, keep_too, new_too = (of_hidden @ hidden + more).chunk(3)
            keep = (keep + keep_too).sigmoid()
            new = (new + (reset + reset_too).sigmoid() * new_too).tanh()
            hidden = keep * hidden + (1 - keep) * new
            outputs.append(hidden)
        return torch.stack(outputs)

    scale = mixture.std(correction=0)
    length = next(n for n in range(time, time + 10_000) if covered(n, depth))
    frames, skips = F.pad(mixture / (scale + 1e-8), (0, length - time))[None], []
    for level in range(depth):
        frames = gated(frames, f"down.{level}", F.conv1d)
        skips.append(frames)
    both = [gru(frames.T, ""), gru(frames.T.flip(0), "_reverse").flip(0)]
    frames = w["linear.weight"] @ torch.cat(both, 1).T + w["linear.bias"][:, None]
    for level in range(depth):
        frames = gated(frames + skips.pop(), f"up.{level}", F.conv_transpose1d)
    return scale * frames[:, :time]


def covered(length, depth):
    for _ in range(depth):
        if length < 8 or length % 4:
            return False
        length = length // 4 - 1
    return True


@pytest.mark.parametrize("time", [2, 7, 500])
def test_estimates_are_those_of_an_independent_implementation(time):
    network, mixture = make(2), 0.1 * noise(time)
    expected = by_rule(mixture, network, 3)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(network(mixture[None])[0], expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("time", [1, 2, 100, 801])
def test_a_recording_of_any_length_keeps_it(time):
    estimates = make(3)(noise(2, time))
    assert estimates.shape == (2, 3, time) and estimates.isfinite().all()


def test_neither_the_batch_nor_its_mode_nor_the_level_changes_an_estimate():
    network, mixtures = make(), noise(3, 500) * torch.tensor([[1e-2], [1.0], [30.0]])
    together = network(mixtures)
    torch.testing.assert_close(network.eval()(mixtures[1:2]), together[1:2], rtol=1e-9, atol=0)
    torch.testing.assert_close(network(0.1 * mixtures), 0.1 * together, rtol=1e-4, atol=0)
    assert not MODELS["gatewave"].exact_padding  # of a padded one the zeros would count, too


def test_silence_stays_silence_and_has_finite_gradients():
    network, mixture = make(), torch.zeros(1, 300, dtype=torch.double, requires_grad=True)
    estimates = network(mixture)
    assert not estimates.any()
    estimates.sum().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())
    assert mixture.grad.isfinite().all()


def test_the_whole_recording_decides_each_sample():
    assert look_ahead("gatewave", TINY, 8000) is None
    assert last_dependence(make(), noise(4000), 10) == 3999


def test_multiply_adds_equal_the_count_by_hand():
    frames, above, total = SECONDS * 8000, 1, 0
    for width in (6, 12, 24):
        frames = frames // 4  # up to a frame
        total += 4 * frames * above * width * 8 + (2 * frames * width * 8 if above == 1 else 0)
        above = width
    total += frames * (2 * 3 * 2 * 24 * 24 + 48 * 24)
    found = multiply_adds("gatewave", TINY, 2, 8000)  # the last level up has twice the outputs
    assert found == pytest.approx(total / SECONDS, rel=0.01)
