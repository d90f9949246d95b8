"""Intervals over trainings, speakers, noises and mixtures hold the truth at their nominal rate."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline.base.files import write_manifest
from pipeline.evaluation.trainings import Items, holm, items_of, read_clusters, repeated_mean

SPEAKERS, NOISES, MIXTURES, SOURCES = 12, 15, 60, 3
REPETITIONS = 1000
# Standard deviations in dB of one comparison: of trainings, speakers, noises, mixtures, the rest.
LIKE_THE_DEMO = {"training": 0.47, "speaker": 0.4, "noise": 0.3, "mixture": 0.5, "rest": 1.5}


def design(rng):
    """Test items: three speakers per mixture and one noise, shared among mixtures."""
    speakers = np.array([rng.choice(SPEAKERS, SOURCES, replace=False) for _ in range(MIXTURES)])
    noises = np.repeat(rng.integers(NOISES, size=MIXTURES), SOURCES)
    count = MIXTURES * SOURCES
    return Items(np.full(count, 1 / count), speakers.ravel(), noises)


def drawn(rng, items, trainings, truth, spread):
    """Differences `[trainings, items]` of a repetition with all components drawn anew."""
    speakers = rng.normal(0, spread["speaker"], SPEAKERS)[items.speakers]
    noises = rng.normal(0, spread["noise"], NOISES)[items.noises]
    mixtures = np.repeat(rng.normal(0, spread["mixture"], MIXTURES), SOURCES)
    of_training = rng.normal(0, spread["training"], (trainings, 1))
    rest = rng.normal(0, spread["rest"], (trainings, len(items.weights)))
    return truth + of_training + speakers + noises + mixtures + rest


def repeated(trainings, truth, spread=LIKE_THE_DEMO):
    rng = np.random.default_rng(0)
    for _ in range(REPETITIONS):
        items = design(rng)
        values = drawn(rng, items, trainings, truth, spread)
        yield repeated_mean(values, items, 0.95, margin=0.25)


@pytest.mark.parametrize("trainings", [3, 5])
@pytest.mark.parametrize("training", [0.0, 0.1, 0.47, 1.5])
def test_intervals_cover_all_changes_of_a_repetition(trainings, training):
    spread = LIKE_THE_DEMO | {"training": training}
    found = np.array(list(repeated(trainings, 0.3, spread)))
    covered = np.mean((found[:, 1] <= 0.3) & (found[:, 2] >= 0.3))
    width = np.mean(found[:, 2] - found[:, 1])
    print(f"{trainings} trainings, {training} dB: {100 * covered:.1f} %, width {width:.2f} dB")
    assert covered >= 0.93


@pytest.mark.parametrize("trainings", [2, 3, 5])
def test_two_arms_that_are_the_same_rarely_get_a_verdict(trainings):
    found = np.array(list(repeated(trainings, 0.0)))
    assert np.mean(found[:, 3] < 0.05) <= 0.065


def test_an_interval_over_mixtures_alone_would_not_cover():
    """Without the component of trainings, as with one training, the truth is missed too often."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(300):
        items = design(rng)
        values = drawn(rng, items, 1, 0.3, LIKE_THE_DEMO)[0].reshape(MIXTURES, SOURCES).mean(axis=1)
        reach = stats.t.ppf(0.975, MIXTURES - 1) * values.std(ddof=1) / np.sqrt(MIXTURES)
        covered += abs(values.mean() - 0.3) <= reach
    assert covered / 300 < 0.8


def test_two_runs_of_the_demo_that_disagree_decide_nothing():
    """One processor measured a loss of 0.49 dB, another one a gain of 0.44 dB."""
    items = design(np.random.default_rng(0))
    spread = np.random.default_rng(1).normal(0, 1.5, len(items.weights))
    values = np.array([-0.49, 0.44])[:, None] + spread - spread @ items.weights
    found = repeated_mean(values, items, 0.95, margin=0.25)
    assert found.mean == pytest.approx(-0.025)
    assert found.low < -0.49 and found.high > 0.44
    assert found.p_value > 0.5 and found.p_equivalence > 0.05


def test_many_trainings_that_agree_are_equivalent_or_decided():
    items = design(np.random.default_rng(0))
    rest = np.random.default_rng(1).normal(0, 0.3, (5, len(items.weights)))
    assert repeated_mean(0.02 + rest, items, 0.95, margin=0.25).p_equivalence < 0.01
    assert repeated_mean(1.0 + rest, items, 0.95, margin=0.25).p_value < 1e-6


def test_without_clusters_it_is_student_s_interval():
    """One training repeated to the bit; every item has its own speaker and noise."""
    rng, count = np.random.default_rng(0), 40
    own = np.arange(count)
    values = rng.normal(1, 2, count)
    found = repeated_mean(np.stack([values] * 3), Items(np.full(count, 1 / count), own, own), 0.95)
    low, high = stats.t.interval(0.95, count - 1, values.mean(), stats.sem(values))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.p_value == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_without_spread_of_items_it_is_student_s_interval_over_trainings():
    means = np.array([0.1, 0.7, 0.4, 0.9])
    own = np.arange(30)
    values = np.repeat(means[:, None], 30, axis=1)
    found = repeated_mean(values, Items(np.full(30, 1 / 30), own, own), 0.9)
    low, high = stats.t.interval(0.9, 3, means.mean(), stats.sem(means))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_holm_equals_its_definition():
    assert holm([0.2]) == [0.2]
    assert holm([0.5, 0.001, 0.04]) == pytest.approx([0.5, 0.003, 0.08])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_items_are_clustered_by_speaker_and_noise_and_mixtures_count_the_same(tmp_path):
    table = pd.DataFrame(
        {
            "mixture_id": ["m0", "m1"],
            "noise": ["rain", "rain"],
            **{f"source_{k}_path": "x.wav" for k in (1, 2)},
            **{"source_1_speaker": [7, 8], "source_2_speaker": [9, 7]},
        }
    )
    write_manifest(tmp_path / "mixtures.csv", table)
    clusters = read_clusters(tmp_path / "mixtures.csv")
    keys = [("m0", "s1"), ("m0", "s2"), ("m1", "s2")]  # one of m1 is undefined
    items = items_of(pd.MultiIndex.from_tuples(keys, names=["mixture_id", "source"]), clusters)
    assert items.weights.tolist() == [0.25, 0.25, 0.5]
    assert items.speakers[0] == items.speakers[2] != items.speakers[1]
    assert len(set(items.noises)) == 1
    assert clusters.loc[("m1", "mix_clean"), "speaker"] == "m1"
