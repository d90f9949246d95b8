import sys

import numpy as np
import pytest
from fast_bss_eval.numpy.metrics import square_cosine_metrics
from scipy.signal import lfilter

from pipeline.evaluation import bss_eval
from pipeline.evaluation.bss_eval import FILTER_TAPS, LOAD, PIECE, square_cosines

TIME = 20_000


@pytest.fixture
def references():
    return coloured(seed=0)


def coloured(seed, sources=3, time=TIME):
    """Noise with a spectrum as steep as that of speech."""
    noise = np.random.default_rng(seed).standard_normal((sources, time))
    return lfilter([1], [1, -1.6, 0.8], noise)


def estimates_of(references, leak=0.1):
    own = lfilter([0.9, 0.2], [1], references)
    return own + leak * np.roll(references, 1, axis=0) + 0.3 * coloured(1, *references.shape)


def direct(references, estimates):
    """`[2, sources]` by fast_bss_eval, which factorises the whole system."""
    found = square_cosine_metrics(references, estimates, FILTER_TAPS, load_diag=LOAD)
    return np.stack([np.diag(shares) for shares in found])


@pytest.fixture
def no_factorisation(monkeypatch):
    """Fail if fast_bss_eval is called."""
    monkeypatch.setitem(sys.modules, "fast_bss_eval.numpy.metrics", None)


@pytest.mark.parametrize("sources", [1, 2, 3, 5])
@pytest.mark.parametrize("leak", [0.1, 1e-4])
def test_a_few_steps_find_the_solution_of_the_factorisation(sources, leak, no_factorisation):
    references = coloured(sources, sources)
    estimates = estimates_of(references, leak)
    expected = direct(references, estimates)
    np.testing.assert_allclose(square_cosines(references, estimates), expected, rtol=1e-8)


@pytest.mark.parametrize("difference", [0.3, 1e-2, 1e-4, 1e-6, 0.0])
def test_similar_references_are_separated_too(references, difference):
    references[1] = references[0] + difference * references[1]
    estimates = estimates_of(references)
    expected = direct(references, estimates)
    np.testing.assert_allclose(square_cosines(references, estimates), expected, atol=1e-7)


def test_references_that_sound_in_turn(references):
    references *= np.arange(TIME) // 7000 == np.arange(3)[:, None]
    estimates = references + 0.1 * coloured(1)
    estimates[0] = references[0]  # no part of it is left for other sources to explain
    expected = direct(references, estimates)
    np.testing.assert_allclose(square_cosines(references, estimates), expected, rtol=1e-8)


@pytest.mark.parametrize("time", [FILTER_TAPS, PIECE - FILTER_TAPS, PIECE, PIECE + 1, 3 * PIECE])
def test_correlations_over_pieces_are_those_of_the_whole(time):
    references, estimates = coloured(2, 2, time), coloured(3, 2, time)
    auto, cross = bss_eval._correlations(references, estimates)
    for i, reference in enumerate(references):
        for j in range(2):
            own, other = (np.correlate(s[j], reference, "full") for s in (references, estimates))
            expected = own[time - 1 : time - 1 + FILTER_TAPS]
            np.testing.assert_allclose(auto[i, j], expected, atol=1e-9 * time)
            expected = other[time - 1 : time - 1 + FILTER_TAPS]
            np.testing.assert_allclose(cross[j, i], expected, atol=1e-9 * time)


def test_loudness_decides_nothing(references):
    estimates = estimates_of(references)
    scale = np.array([[1e-4], [3.0], [1e3]])
    expected = square_cosines(references, estimates)
    found = square_cosines(scale * references, scale[::-1] * estimates)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
