"""Error rates by hand, and cpWER against meeteval's."""

from itertools import permutations

import numpy as np
import pytest
from meeteval.wer import cp_word_error_rate

from pipeline.evaluation.word_errors import cp_error_rate, error_rates

WORDS = ["a", "b", "c", "d"]


def test_error_rates_by_hand():
    assert error_rates("a b c d", "a x c") == pytest.approx({"wer": 50, "cer": 300 / 7})
    assert error_rates("YOU DIDN'T, come!", " you didn't  come") == {"wer": 0, "cer": 0}
    assert error_rates("come", "") == {"wer": 100, "cer": 100}
    assert error_rates("go", "go on and on")["wer"] == 300
    assert error_rates(" .", "go") is None


def test_cpwer_by_hand():
    assert cp_error_rate(["A b", "c d e"], ["C, d e.", "a x"]) == 20
    assert cp_error_rate(["a b", "c d"], ["a d", "c b"]) == 50  # either order
    assert cp_error_rate(["a b", "c d"], ["c d"]) == 50  # one stream: the other speaker is missed
    assert cp_error_rate(["a b"], ["a b", "x", ""]) == 50  # words of a stream without a speaker
    assert cp_error_rate(["a b", ""], ["", "a b"]) == 0
    assert cp_error_rate(["a"], [""]) == 100
    assert cp_error_rate(["", " ."], ["a", "b"]) is None


def test_cpwer_does_not_depend_on_any_order():
    said, found = ["a b c", "b b", "d"], ["d d", "a c", "b"]
    rates = {cp_error_rate(said, list(order)) for order in permutations(found)}
    assert rates == {cp_error_rate(said[::-1], found)} == {50.0}


@pytest.mark.parametrize("seed", range(20))
def test_cpwer_is_that_of_meeteval(seed):
    rng = np.random.default_rng(seed)

    def texts():
        lengths = rng.integers(0, 8, size=rng.integers(1, 5))
        return [" ".join(rng.choice(WORDS, size=length)) for length in lengths]

    said, found = [*texts(), "a"], texts()
    expected = cp_word_error_rate(dict(enumerate(said)), dict(enumerate(found)))
    assert cp_error_rate(said, found) == pytest.approx(100 * expected.error_rate)
