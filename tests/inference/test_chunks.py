from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.inference.chunks import Joiner, Recording, cut, fade, same_order

LONGEST, OVERLAP = 100, 30
GAINS = np.array([1, 2, -1], np.float32)


class Gains(nn.Module):
    """Three sources: the mixture, its double and its negative, in the order drawn by `order`."""

    def __init__(self, order=lambda: [0, 1, 2]):
        super().__init__()
        self.order, self.lengths = order, []

    def forward(self, mixture):
        self.lengths.append(mixture.shape[1])
        return mixture[:, None] * torch.from_numpy(GAINS[self.order(), None])


class Counter(nn.Module):
    """A constant signal, the number of the call: it shows which pieces were joined where."""

    calls = 0

    def forward(self, mixture):
        self.calls += 1
        return torch.full_like(mixture, self.calls)[:, None]


def noise(time, seed=0):
    return np.random.default_rng(seed).standard_normal(time).astype(np.float32)


def pieces(time):
    return list(cut(Recording("a", "a.wav", time, ()), LONGEST, OVERLAP))


def run(network, mixture):
    """The final samples of all pieces, joined: `[sources, time]`."""
    joiner, parts = Joiner(), []
    for piece in pieces(len(mixture)):
        samples = torch.from_numpy(mixture[piece.start : piece.start + piece.samples])
        parts += joiner.join(piece, network(samples[None])[0].numpy())
    return np.concatenate(parts, axis=1)


def in_memory(network, mixture):
    """Overlap-add over the whole recording in one pass, in its simplest form."""
    starts = [*range(0, len(mixture) - LONGEST, LONGEST - OVERLAP), len(mixture) - LONGEST]
    parts = [network(torch.from_numpy(mixture[s : s + LONGEST])[None])[0].numpy() for s in starts]
    output = np.zeros((len(parts[0]), len(mixture)), np.float32)
    output[:, :LONGEST] = parts[0]
    for (before, start), part in zip(pairwise(starts), parts[1:], strict=True):
        shared = before + LONGEST - start
        held = output[:, start : start + shared].copy()
        part = part[same_order(held, part[:, :shared])]
        ramp = np.linspace(0, 1, shared, dtype=np.float32)
        output[:, start : start + LONGEST] = part
        output[:, start : start + shared] = held * (1 - ramp) + part[:, :shared] * ramp
    return output


@pytest.mark.parametrize("time", [1, 99, 100])
def test_a_short_mixture_is_one_piece(time):
    network, mixture = Gains(), noise(time)
    np.testing.assert_array_equal(run(network, mixture), GAINS[:, None] * mixture)
    assert network.lengths == [time]


@pytest.mark.parametrize("time", [101, 129, 130, 131, 169, 170, 171, 239, 240, 241, 1000])
def test_pieces_join_to_the_output_of_the_whole(time):
    network, mixture = Gains(), noise(time)
    found = run(network, mixture)
    np.testing.assert_allclose(found, GAINS[:, None] * mixture, atol=1e-6)
    assert found.dtype == np.float32
    assert network.lengths == [LONGEST] * (1 + -(-(time - LONGEST) // (LONGEST - OVERLAP)))


@pytest.mark.parametrize("seed", range(5))
def test_channels_keep_their_order_for_any_order_of_the_network(seed):
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


@pytest.mark.parametrize("time", [101, 169, 170, 171, 239, 240, 241, 1000])
def test_piece_by_piece_equals_one_pass_to_the_bit(time):
    random, mixture = np.random.default_rng(time), noise(time)
    orders = [random.permutation(3) for _ in range(20)]
    found, expected = (join(Gains(iter(orders).__next__), mixture) for join in (run, in_memory))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("time", [1, 100, 101, 170, 171, 180, 1000])
def test_pieces_follow_one_another_and_give_their_overlap(time):
    found = pieces(time)
    assert found[0].start == 0 and found[0].shared == 0
    assert [piece.last for piece in found] == [False] * (len(found) - 1) + [True]
    for before, piece in pairwise(found):
        assert piece.shared == before.start + before.samples - piece.start >= OVERLAP
        assert piece.samples == LONGEST and piece.start > before.start


def test_a_joiner_holds_a_piece_and_takes_the_next_recording():
    joiner = Joiner()
    for _ in range(2):
        for piece in pieces(1000):
            settled = joiner.join(piece, np.ones((2, piece.samples), np.float32))
            assert sum(part.shape[1] for part in settled) <= 2 * LONGEST
        assert settled[-1].shape == (2, LONGEST)


def test_fade_is_from_each_source_to_its_own():
    before = np.array([[1, 1, 1], [-2, -2, -2]], np.float32)
    after = np.array([[-2, -2, -2, -2, -2], [3, 3, 3, 3, 3]], np.float32)
    np.testing.assert_array_equal(fade(before, after), [[1, 2, 3, 3, 3], [-2, -2, -2, -2, -2]])


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_order_is_found_by_correlation(order):
    sources = noise(4000).reshape(4, 1000)
    found = same_order(sources, sources[order] + 0.5 * noise(4000, 1).reshape(4, 1000))
    np.testing.assert_array_equal(np.array(order)[found], np.arange(4))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_broken_output_is_returned_to_the_caller(value):
    network = nn.Sequential(nn.Unflatten(1, (1, -1)))
    mixture = noise(250)
    mixture[120] = value
    assert np.isfinite(run(network, mixture)[:, :100]).any()
    assert not np.isfinite(run(network, mixture)).all()
