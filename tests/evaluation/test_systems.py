"""Which systems are compared, and which stands first."""

import pytest

from pipeline.evaluation.systems import pairs_of

CASCADE, DIRECT = ("separate", "b", "denoised-x", "denoised-x"), ("separate", "a", "noisy", "noisy")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (CASCADE, DIRECT),  # whatever the alphabet says
        (("separate", "b", "clean", "denoised-x"), DIRECT),
        (("separate", "a", "denoised-x", "denoised-x"), DIRECT),  # of one network
        (DIRECT, ("separate", "b", "noisy", "noisy")),  # of equal conditions
        (("separate", "a", "clean", "clean"), DIRECT),
    ],
)
def test_pairs_that_are_compared(one, other):
    assert list(pairs_of([one, other])) == list(pairs_of([other, one])) == [(one, other)]


@pytest.mark.parametrize(
    "other",
    [
        ("separate", "b", "noisy", "clean"),
        ("separate", "b", "denoised-x", "noisy"),
        ("denoise", "a", "noisy", "noisy"),
    ],
)
def test_pairs_that_are_not(other):
    assert not list(pairs_of([other, DIRECT]))
