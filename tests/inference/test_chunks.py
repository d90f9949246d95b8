import numpy as np
import pytest
import torch
from torch import nn

from pipeline.inference.chunks import estimate, join, same_order

CPU = torch.device("cpu")
LONGEST, OVERLAP = 100, 30
GAINS = np.array([1, 2, -1], np.float32)


class Gains(nn.Module):
    """Three sources: the mixture, its double and its negative, in the order that `order` draws."""

    def __init__(self, order=lambda: [0, 1, 2]):
        super().__init__()
        self.order, self.lengths = order, []

    def forward(self, mixture):
        self.lengths.append(mixture.shape[1])
        return mixture[:, None] * torch.from_numpy(GAINS[self.order(), None])


class Counter(nn.Module):
    """A constant signal, the number of the call: what was joined where can be seen."""

    calls = 0

    def forward(self, mixture):
        self.calls += 1
        return torch.full_like(mixture, self.calls)[:, None]


def noise(time, seed=0):
    return np.random.default_rng(seed).standard_normal(time).astype(np.float32)


def run(network, mixture):
    return estimate(network, mixture, CPU, LONGEST, OVERLAP)


@pytest.mark.parametrize("time", [1, 99, 100])
def test_short_mixture_goes_whole(time):
    network, mixture = Gains(), noise(time)
    np.testing.assert_array_equal(run(network, mixture), GAINS[:, None] * mixture)
    assert network.lengths == [time]


@pytest.mark.parametrize("time", [101, 129, 130, 131, 169, 170, 171, 239, 240, 241, 1000])
def test_pieces_join_to_what_the_whole_gives(time):
    network, mixture = Gains(), noise(time)
    found = run(network, mixture)
    np.testing.assert_allclose(found, GAINS[:, None] * mixture, atol=1e-6)
    assert found.dtype == np.float32
    assert network.lengths == [LONGEST] * (1 + -(-(time - LONGEST) // (LONGEST - OVERLAP)))


@pytest.mark.parametrize("seed", range(5))
def test_channels_keep_their_order_whatever_the_network_gives(seed):
    random, mixture = np.random.default_rng(seed), noise(1000)
    orders = []
    network = Gains(lambda: orders.append(random.permutation(3)) or orders[-1])
    found = run(network, mixture)
    assert len({tuple(order) for order in orders}) > 1
    np.testing.assert_allclose(found, GAINS[orders[0], None] * mixture, atol=1e-6)


def test_overlap_is_a_linear_cross_fade():
    found = run(Counter(), noise(170))[0]
    np.testing.assert_array_equal(found[:70], 1)
    np.testing.assert_allclose(found[70:100], np.linspace(1, 2, 30), rtol=1e-6)
    np.testing.assert_array_equal(found[100:], 2)


def test_last_piece_overlaps_more_and_fades_over_all_of_it():
    found = run(Counter(), noise(180))[0]  # pieces begin at 0, 70 and 80
    first_two = np.concatenate([np.ones(70), np.linspace(1, 2, 30), np.full(70, 2)])
    ramp = np.linspace(0, 1, 90)
    np.testing.assert_allclose(found[:80], first_two[:80], rtol=1e-6)
    np.testing.assert_allclose(found[80:170], first_two[80:] * (1 - ramp) + 3 * ramp, rtol=1e-6)
    np.testing.assert_array_equal(found[170:], 3)


def test_join_fades_each_source_into_its_own():
    output = np.array([[1, 1, 1, 0, 0], [-2, -2, -2, 0, 0]], np.float32)
    join(output, np.array([[-2, -2, -2, -2, -2], [3, 3, 3, 3, 3]], np.float32), 3)
    np.testing.assert_array_equal(output, [[1, 2, 3, 3, 3], [-2, -2, -2, -2, -2]])


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_order_is_found_by_correlation(order):
    sources = noise(4000).reshape(4, 1000)
    found = same_order(sources, sources[order] + 0.5 * noise(4000, 1).reshape(4, 1000))
    np.testing.assert_array_equal(np.array(order)[found], np.arange(4))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_broken_output_comes_through_for_the_caller_to_notice(value):
    network = nn.Sequential(nn.Unflatten(1, (1, -1)))
    mixture = noise(250)
    mixture[120] = value
    assert np.isfinite(run(network, mixture)[:, :100]).any()
    assert not np.isfinite(run(network, mixture)).all()
