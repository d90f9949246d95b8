"""Which systems are compared, and which stands first."""

import pytest

from pipeline.evaluation.systems import has_rival, pairs_of, without_denoiser
from pipeline.tasks.grammar import System

CASCADE, DIRECT = ("separate", "b", "denoised-x", "denoised-x"), ("separate", "a", "noisy", "noisy")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (CASCADE, DIRECT),  # whatever the alphabet says
        (("separate", "b", "clean", "denoised-x"), DIRECT),
        (("separate", "a", "denoised-x", "denoised-x"), DIRECT),  # of one network
        (DIRECT, ("separate", "b", "noisy", "noisy")),  # of equal conditions
        (("separate", "a", "clean", "clean"), DIRECT),
        (("separate", "b", "noisy", "noisy--denoised-x"), DIRECT),  # of two networks, too
        (("separate", "a", "noisy", "noisy--denoised-x"), DIRECT),
        (("separate", "b", "denoised-x", "denoised-x-dry20"), DIRECT),
        # Of one network: what its outputs gain.
        (("separate", "a", "clean", "noisy--denoised-x"), ("separate", "a", "clean", "noisy")),
        # As before: not every system without a denoiser is last.
        (("separate", "a", "clean", "noisy"), ("separate", "a", "denoised-x", "denoised-x")),
    ],
)
def test_pairs_that_are_compared(one, other):
    assert list(pairs_of([one, other])) == list(pairs_of([other, one])) == [(one, other)]


@pytest.mark.parametrize(
    "other",
    [
        ("separate", "b", "noisy", "clean"),
        ("separate", "b", "denoised-x", "noisy"),
        ("separate", "b", "clean", "noisy"),
        ("denoise", "a", "noisy", "noisy"),
    ],
)
def test_pairs_that_are_not(other):
    assert not list(pairs_of([other, DIRECT]))


@pytest.mark.parametrize(
    ("trained", "tested", "rival"),
    [
        ("denoised-x", "denoised-x", True),
        ("denoised-x", "denoised-x-dry20", True),
        ("clean", "denoised-x-dry100", True),
        ("noisy", "denoised-x", False),
        ("denoised-y", "denoised-x-dry20", False),
        ("noisy", "noisy--denoised-x", True),
        ("clean", "noisy--denoised-x", True),
        ("denoised-x", "noisy--denoised-x", False),
        ("noisy", "noisy", False),
        ("clean", "clean", False),
    ],
)
def test_a_rival_is_for_a_separator_trained_on_its_input_or_on_clean_mixtures(
    trained, tested, rival
):
    assert has_rival(trained, tested) == rival


@pytest.mark.parametrize(
    ("path", "others"),
    [
        ("n/noisy/0/noisy", []),
        ("n/noisy/1/denoised-x", ["n/noisy/1/noisy"]),
        ("n/denoised-x/1/denoised-x", ["n/denoised-x/1/noisy", "n/noisy/1/noisy"]),
        ("n/denoised-x/0/denoised-x-dry20", ["n/denoised-x/0/noisy", "n/noisy/0/noisy"]),
        ("n/noisy/0/noisy--denoised-x", ["n/noisy/0/noisy"]),
        ("n/clean/0/noisy--denoised-x", ["n/clean/0/noisy"]),
    ],
)
def test_systems_to_see_what_a_denoiser_brings(path, others):
    found = without_denoiser(System.parse(f"separate/{path}"))
    assert [system.path for system in found] == [f"separate/{other}" for other in others]
