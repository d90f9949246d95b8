"""The rival of a cascade, and the words on their sizes."""

import pandas as pd
import pytest
from systems import costs_of

from pipeline.evaluation.rivals import Rivals, sizes

DENOISED, NOISY = "conv/denoised-net/denoised-net", "conv/noisy/noisy"
CASCADE = ("conv", "denoised-net", "denoised-net")
DEEP = "deep/noisy/noisy"


def rivals(**deep):
    """Of a cascade that costs twice its own direct system, and of a deep one as dear as it."""
    dear = {"multiply_adds": 2e8, "training_compute": 2e12, "dev_si_sdri": 1.5}
    costs = costs_of([DENOISED, NOISY, DEEP, "deep/noisy/clean"], {DEEP: dear | deep})
    return Rivals(costs)


def test_the_best_on_dev_of_those_that_are_as_small_is_the_rival():
    found = rivals().of(*CASCADE)
    assert found.name == "deep"
    assert found.reason == (
        "Of the direct systems that take at most the compute of the cascade, deep is the best on"
        " dev (1.50 dB; conv 1.00 dB)."
    )
    assert rivals(dev_si_sdri=0.9).of(*CASCADE).name == "conv"


@pytest.mark.parametrize("cost", ["multiply_adds", "training_compute"])
def test_what_takes_more_than_the_cascade_is_no_rival(cost):
    unit = 1e8 if cost == "multiply_adds" else 1e12
    assert rivals(**{cost: 2.05 * unit}).of(*CASCADE).name == "deep"  # equal, within 3 %
    found = rivals(**{cost: 2.07 * unit}).of(*CASCADE)
    assert found.name == "conv"
    assert found.reason == "No other direct system takes at most the compute of the cascade."


def test_there_may_be_no_rival_of_its_compute():
    costs = costs_of([DENOISED, NOISY], {NOISY: {"training_compute": 3e12}})
    found = Rivals(costs).of(*CASCADE)
    assert found.name == "conv"
    assert found.reason.startswith("There is no direct system that takes at most the compute")


def test_costs_that_are_not_known_are_said():
    costs = costs_of([DENOISED, NOISY], {NOISY: {"training_compute": None}})
    found = Rivals(costs).of(*CASCADE)
    assert found.name == "conv" and found.reason.endswith("the cascade (not known: conv).")
    costs = costs_of([DENOISED, NOISY], {DENOISED: {"training_compute": None}})
    assert "The compute of the cascade is not known" in Rivals(costs).of(*CASCADE).reason
    costs = costs_of([DENOISED, NOISY, DEEP], {DEEP: {"training_compute": None}})
    found = Rivals(costs).of(*CASCADE)
    assert found.name == "conv" and found.reason.endswith(" The compute of deep is not known.")


def test_a_cascade_without_a_direct_network_of_its_own_has_the_smallest():
    dear = {"training_compute": 9e12}
    costs = costs_of([DENOISED, "a/noisy/noisy", DEEP], {"a/noisy/noisy": dear, DEEP: dear})
    costs.loc[costs["name"] == "deep", "parameters"] = 10.0
    found = Rivals(costs).of(*CASCADE)
    assert found.name == "deep" and found.reason.startswith("There is no direct system")
    assert Rivals(costs_of([DENOISED])).of(*CASCADE) is None


def test_a_system_without_a_dev_score_is_no_rival():
    published = {"dev_si_sdri": None, "multiply_adds": 1e7, "training_compute": 1e9}
    costs = costs_of([DENOISED, NOISY, DEEP], {DEEP: published})
    assert Rivals(costs).of(*CASCADE).name == "conv"


def test_the_mean_over_trainings_decides():
    first, second = (costs_of([DENOISED, NOISY, DEEP]).assign(run=run) for run in (0, 1))
    second.loc[second["name"] == "deep", "dev_si_sdri"] = 3.0
    first.loc[first["name"] == "deep", "dev_si_sdri"] = 0.0
    assert Rivals(pd.concat([first, second])).of(*CASCADE).name == "deep"


def test_sizes_in_words():
    fact = {"parameters_a": 2e6, "parameters_b": 1e6}
    fact |= {"training_compute_a": 3e12, "training_compute_b": 2e12}
    unequal = fact | {"equal_size": False, "equal_compute": False}
    assert sizes(unequal) == (
        "The two are not of equal size and training compute (2.00 M and 1.00 M parameters,"
        " 1.50 times the training compute)."
    )
    assert "not of equal training compute (" in sizes(unequal | {"equal_size": True})
    assert sizes(fact | {"equal_size": True, "equal_compute": True}) == (
        "The two are of equal size (2.00 M and 1.00 M parameters) and training compute."
    )
    assert sizes(fact | {"equal_size": None, "equal_compute": None}) == ""
