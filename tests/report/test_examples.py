import numpy as np
import pandas as pd
import pytest

from pipeline import audio
from pipeline.files import read_manifest
from pipeline.report.examples import limited, make_examples, match_level, pick, shown_systems
from pipeline.report.names import main_system

SYSTEM = "net/noisy/noisy"


def scores(values: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        (name, SYSTEM, f"s{number}", "si_sdri", value)
        for name, sources in values.items()
        for number, value in enumerate(sources, 1)
    ]
    return pd.DataFrame(rows, columns=["mixture_id", "system", "source", "metric", "value"])


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, ["median"]),
        (2, ["median", "worst"]),
        (3, ["best", "median", "worst"]),
        (4, ["best", "75th percentile", "median", "worst"]),
        (5, ["best", "75th percentile", "median", "25th percentile", "worst"]),
    ],
)
def test_ranks(count, expected):
    table = scores({f"m{n}": [float(n), n + 1.0] for n in range(9)})
    picks = pick(table, SYSTEM, "si_sdri", count)
    assert [rank for rank, _ in picks] == expected
    assert ("median", "m4") in picks


def test_rank_is_of_the_mean_over_speakers():
    table = scores({"a": [9.0, 0.0], "b": [5.0, 5.0], "c": [1.0, 1.0]})
    assert pick(table, SYSTEM, "si_sdri", 3) == [("best", "b"), ("median", "a"), ("worst", "c")]


def test_ties_and_order_of_rows_do_not_change_the_choice():
    table = scores({name: [1.0] for name in "dbca"})
    shuffled = table.sample(frac=1, random_state=0)
    assert pick(table, SYSTEM, "si_sdri", 3) == pick(shuffled, SYSTEM, "si_sdri", 3)


def test_few_mixtures_give_fewer_examples():
    picks = pick(scores({"a": [1.0], "b": [2.0]}), SYSTEM, "si_sdri", 3)
    assert picks == [("best", "b"), ("median", "a")]


def test_unmeasured_mixtures_are_passed_over():
    table = scores({"a": [1.0], "b": [np.nan]})
    assert [name for _, name in pick(table, SYSTEM, "si_sdri", 3)] == ["a"]


def summary(means: dict[str, float]) -> pd.DataFrame:
    rows = [(name, "si_sdri", value) for name, value in means.items()]
    return pd.DataFrame(rows, columns=["system", "metric", "mean"])


def test_main_system_is_the_best_that_needs_no_oracle():
    table = summary({"mixture": 99, "n/clean/clean": 12, "n/noisy/noisy": 5, "n/clean/noisy": 7})
    assert main_system(table) == "n/clean/noisy"


def test_direct_system_is_heard_beside_the_main_one():
    names = ["n/noisy/noisy", "n/denoised-d/denoised-d", "n/clean/denoised-d"]
    separated = dict.fromkeys(names)
    assert (
        shown_systems(summary(dict(zip(names, (5, 7, 6), strict=True))), separated) == names[1::-1]
    )
    assert shown_systems(summary(dict(zip(names, (8, 6, 7), strict=True))), separated) == names[::2]


def test_estimates_are_aligned_levelled_and_scored(full):
    examples = make_examples(full.inputs, full.index.parent)
    assert [example.rank for example in examples] == ["best", "median", "worst"]
    table, mixtures = read_manifest(full.inputs.scores), read_manifest(full.inputs.mixtures)
    example = examples[1]
    row = mixtures.set_index("mixture_id").loc[example.mixture_id]
    for number, group in enumerate(example.groups[1:], 1):
        reference, _ = audio.read(row[f"s{number}_path"])
        copied, _ = audio.read(full.index.parent / group.clips[0].audio)
        np.testing.assert_allclose(copied, reference, atol=2**-15)
        for clip in group.clips[1:]:
            estimate, rate = audio.read(full.index.parent / clip.audio)
            assert rate == 8000
            assert abs(np.corrcoef(estimate, reference)[0, 1]) > 0.9
            assert np.std(estimate) == pytest.approx(np.std(reference), rel=0.01)
        main = main_system(read_manifest(full.inputs.summary))
        rows = table[(table["mixture_id"] == example.mixture_id) & (table["system"] == main)]
        mine = rows[(rows["metric"] == "si_sdri") & (rows["source"] == f"s{number}")]
        assert group.clips[1].score == f"SI-SDRi {mine['value'].item():.2f} dB"


def test_levels():
    loud = np.array([3.0, -4.0], np.float32)
    assert np.abs(limited(loud)).max() == pytest.approx(0.99)
    quiet = loud / 100
    assert limited(quiet) is quiet
    np.testing.assert_allclose(match_level(loud, quiet), quiet, rtol=1e-5)
    assert match_level(np.zeros(2, np.float32), quiet).tolist() == [0, 0]
