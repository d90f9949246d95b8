import pytest
from systems import path_of

from pipeline.evaluation.metrics import LOWER_IS_BETTER
from pipeline.report.names import (
    METRICS,
    condition_label,
    full_label,
    interval,
    number,
    system_label,
)
from pipeline.report.names import test_label as label_in_test
from pipeline.report.systems import MASKED, is_oracle, system


def test_numbers_are_typeset():
    assert number(-1.5) == "−1.50" and number(0.001, 2, sign=True) == "0.00"
    assert number(-0.001) == "0.00" and number(float("nan")) == "–" and number(None) == "–"
    assert interval(1, 2) == "1.00 to 2.00" and interval(float("nan"), 2) == ""


def test_low_is_good_where_evaluation_says_so():
    assert {name for name, metric in METRICS.items() if metric.low_is_good} == set(LOWER_IS_BETTER)


@pytest.mark.parametrize(
    ("short", "words"),
    [
        ("n/noisy/noisy", "trained on noisy, tested on noisy"),
        ("n/clean/denoised-d", "trained on clean, tested on denoised-d"),
        (
            "n/denoised-d/denoised-d-dry20",
            "trained on denoised-d, tested on denoised-d with 20 % of the mixture",
        ),
        (
            "n/noisy/noisy--denoised-d",
            "trained on noisy, tested on noisy, separated, then denoised by d",
        ),
        ("mixture", "unprocessed mixture"),
        ("ideal_mask", "ideal ratio mask (oracle)"),
    ],
)
def test_systems_in_words(short, words):
    assert system_label(path_of(short)) == words
    named = f"n, {words}" if short.startswith("n/") else words
    assert full_label(path_of(short)) == named


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("noisy", "noisy"),
        ("clean", "clean (oracle)"),
        ("denoised-d", "denoised by d"),
        ("denoised-d-dry30", "denoised by d, 30 % of the mixture added back"),
        ("noisy--denoised-d", "noisy, separated, then denoised by d"),
    ],
)
def test_conditions_in_words(condition, words):
    assert label_in_test(condition) == words
    assert condition == "clean" or condition_label(condition) == words


def test_the_ideal_mask_is_an_oracle_and_no_system_of_the_question():
    assert is_oracle(MASKED) and system(MASKED) is None
    assert is_oracle(path_of("n/noisy/clean")) and not is_oracle(path_of("n/noisy/noisy"))
    assert not is_oracle(path_of("mixture"))


def test_the_parts_of_a_system_with_a_denoiser():
    before, after, shared = (
        system(path_of(f"n/{trained}/{tested}"))
        for trained, tested in [
            ("noisy", "denoised-d"),
            ("noisy", "noisy--denoised-d"),
            ("denoised-d", "denoised-d-dry20"),
        ]
    )
    assert (before.denoiser, before.denoised_after, before.matched) == ("d", "", False)
    assert (after.denoiser, after.denoised_after, after.matched) == (None, "d", True)
    assert (shared.denoiser, shared.denoised_after, shared.matched) == ("d", "", True)
