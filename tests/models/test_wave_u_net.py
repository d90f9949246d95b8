"""Wave-U-Net against its counts, an independent implementation, and its look-ahead."""

import pytest
import torch
import torch.nn.functional as F
from networks import count, last_dependence, noise

from pipeline.models import MODELS, build, look_ahead
from pipeline.models.cost import SECONDS, multiply_adds

TINY = {"L": 3, "F": 4}


def make(sources=1, **arguments):
    torch.manual_seed(3)
    return build("wave_u_net", TINY | arguments, sources, 16000).double()


@pytest.mark.parametrize(("levels", "expected"), [(12, 10_263_002), (9, 4_625_186)])
def test_parameters_are_those_of_the_paper(levels, expected):
    assert count(build("wave_u_net", {"L": levels}, 1, 16000)) == expected


def by_rule(mixture, network, levels):
    """The network in words: each sample of an interpolation by its own formula."""
    weights = network.state_dict()

    def convolved(frames, name):
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        found = F.conv1d(F.pad(frames, [weight.shape[2] // 2] * 2), weight, bias)
        return torch.where(found > 0, found, 0.2 * found)

    time = len(mixture)
    mixture = torch.cat([mixture, mixture.new_zeros(-time % 2**levels)])[None]
    frames, skips = mixture, []
    for level in range(levels):
        skips.append(convolved(frames, f"down.{level}"))
        frames = skips[-1][:, range(0, skips[-1].shape[1], 2)]
    frames = convolved(frames, "bottom")
    for level in reversed(range(levels)):
        beyond = torch.cat([frames, frames.new_zeros(len(frames), 1)], 1)
        places = torch.arange(2 * frames.shape[1]) / 2
        before, share = places.floor().long(), places.frac()
        frames = (1 - share) * beyond[:, before] + share * beyond[:, before + 1]
        frames = convolved(torch.cat([frames, skips[level]]), f"up.{level}")
    joined = torch.cat([frames, mixture])
    last = weights["last.weight"][:, :, 0] @ joined + weights["last.bias"][:, None]
    return last.tanh()[:, :time]


@pytest.mark.parametrize("time", [1, 7, 64, 333])
def test_estimates_are_those_of_an_independent_implementation(time):
    network, mixture = make(2), noise(time)
    expected = by_rule(mixture, network, 3)
    torch.testing.assert_close(network(mixture[None])[0], expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("time", [1, 2, 8, 100, 801])
def test_a_recording_of_any_length_keeps_it(time):
    estimates = make(3)(noise(2, time))
    assert estimates.shape == (2, 3, time) and estimates.isfinite().all()


@pytest.mark.parametrize("short", [1, 8, 9, 250])
def test_padding_changes_nothing(short):
    network, lengths = make(2), torch.tensor([401, short])
    mixtures = noise(2, 401) * (torch.arange(401) < lengths[:, None])
    together, alone = network(mixtures, lengths), network(mixtures[1:, :short])
    torch.testing.assert_close(together[1:, :, :short], alone, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(together[0], network(mixtures[:1])[0], rtol=1e-9, atol=1e-12)
    assert MODELS["wave_u_net"].exact_padding


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_look_ahead_is_the_one_that_gradients_show(levels):
    network, mixture = make(L=levels), noise(800)
    ahead = [last_dependence(network, mixture, n) - n for n in range(300, 300 + 2**levels)]
    assert look_ahead("wave_u_net", {"L": levels}, 8000) * 8000 == pytest.approx(max(ahead))


def test_multiply_adds_equal_the_count_by_hand():
    frames, above, total = SECONDS * 8000, 1, 0
    for width in (4, 8, 12):
        total += frames * above * width * 15
        total += frames * (width + width + 4) * width * 5  # its counterpart: below has 4 more
        frames, above = frames / 2, width
    total += frames * 12 * 16 * 15 + SECONDS * 8000 * (4 + 1) * 2
    found = multiply_adds("wave_u_net", TINY, 2, 8000)
    assert found == pytest.approx(total / SECONDS, rel=0.01)
