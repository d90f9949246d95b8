import numpy as np
import pytest

from pipeline.evaluation.assignment import assignment

RATE = 1000
BLOCK = 200  # samples


def talk(blocks=60, sources=3, seed=0):
    """Noise of level 1 in every block of each source."""
    return np.random.default_rng(seed).standard_normal((sources, blocks * BLOCK))


def test_sources_in_any_order_and_at_any_level_are_right():
    sources = talk()
    found = assignment(sources, 0.3 * sources[[2, 0, 1]], RATE, [20 * BLOCK, 40 * BLOCK])
    assert found == (pytest.approx(3 * 60 * 0.2), 0, 2, 0)


def test_a_swap_is_wrong_for_as_long_as_it_lasts():
    sources = talk()
    streams = sources.copy()
    streams[:2, 50 * BLOCK :] = sources[[1, 0], 50 * BLOCK :]
    found = assignment(sources, streams, RATE)
    assert found.wrong == pytest.approx(2 * 10 * 0.2)


def test_only_speech_counts():
    sources = talk(sources=2)
    sources[0, 50 * BLOCK :] *= 0.001  # 60 dB below
    streams = sources.copy()
    streams[:, 50 * BLOCK :] = sources[::-1, 50 * BLOCK :]
    found = assignment(sources, streams, RATE)
    assert found[:2] == (pytest.approx(110 * 0.2), pytest.approx(10 * 0.2))


def test_sources_that_are_alike_for_a_while_are_told_apart():
    sources = talk(sources=2)
    sources[1] = 0.9 * sources[0] + 0.1 * sources[1]
    assert assignment(sources, sources[::-1], RATE).wrong == 0


def test_a_joint_is_wrong_where_the_order_changes():
    sources = talk()
    streams = sources.copy()
    streams[:, 20 * BLOCK : 40 * BLOCK] = sources[[1, 0, 2], 20 * BLOCK : 40 * BLOCK]
    joints = [k * 10 * BLOCK for k in range(1, 6)]
    found = assignment(sources, streams, RATE, joints)
    assert (found.joints, found.wrong_joints) == (5, 2)


def test_the_order_of_the_silent_is_no_fault_of_a_joint():
    sources = talk()
    sources[1:, 30 * BLOCK :] = 0
    streams = sources.copy()
    streams[:, 30 * BLOCK :] = sources[[0, 2, 1], 30 * BLOCK :]
    assert assignment(sources, streams, RATE, [30 * BLOCK]).wrong_joints == 0


def test_silence_has_no_speech():
    assert assignment(np.zeros((2, 4000)), np.ones((2, 4000)), RATE) == (0, 0, 0, 0)
