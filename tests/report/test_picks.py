from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report.scored import write_run
from systems import path_of

from pipeline.report.picks import listed, pick, shown_systems
from pipeline.report.run import Run


def table(**values: float) -> pd.Series:
    return pd.Series(values)


NINE = pd.Series({f"m{n}": float(n) for n in range(9)})


@pytest.mark.parametrize("count", [1, 2, 3])
def test_ranks_come_first(count):
    picks = pick(NINE, count, seed=0)
    expected = [("median", "m4", 5), ("best", "m8", 1), ("worst", "m0", 9)]
    assert [(p.reason, p.mixture_id, p.place) for p in picks] == expected[:count]
    assert picks[0].value == 4.0 and picks[0].mixtures == 9


def test_the_others_are_drawn_by_the_seed():
    drawn = {tuple(p.mixture_id for p in pick(NINE, 5, seed)[3:]) for seed in range(20)}
    assert len(drawn) > 10 and not {"m4", "m8", "m0"} & {name for pair in drawn for name in pair}
    assert pick(NINE, 5, 3) == pick(NINE, 5, 3)
    assert all(p.reason == "drawn at random" for p in pick(NINE, 9, 0)[3:])


def test_the_random_ones_do_not_depend_on_the_scores():
    # The others in another order, with the same median, best and worst.
    turned = pd.Series([0.0, 7, 6, 5, 4, 3, 2, 1, 8], NINE.index)
    for seed in range(10):
        drawn = [[p.mixture_id for p in pick(values, 6, seed)] for values in (NINE, turned)]
        assert drawn[0] == drawn[1]


def test_low_can_be_good():
    picks = pick(NINE, 3, 0, low_is_good=True)
    assert [p.mixture_id for p in picks] == ["m4", "m0", "m8"]


def test_ties_and_order_of_rows_do_not_change_the_choice():
    values = table(d=1.0, b=1.0, c=1.0, a=1.0)
    assert pick(values, 4, 0) == pick(values.sample(frac=1, random_state=0), 4, 0)


def test_few_mixtures_give_fewer_examples():
    assert [(p.reason, p.mixture_id) for p in pick(table(a=1.0, b=2.0), 4, 0)] == [
        ("median, best", "b"),
        ("worst", "a"),
    ]
    assert [p.reason for p in pick(table(a=1.0), 4, 0)] == ["median, best, worst"]
    assert pick(table(), 4, 0) == []


def test_unmeasured_mixtures_are_passed_over():
    assert [p.mixture_id for p in pick(table(a=1.0, b=np.nan), 4, 0)] == ["a"]


def test_listed_are_those_of_the_main_system(tree):
    run = Run(tree.inputs)
    values = run.values("si_sdri")[run.main]
    names = listed(run)
    assert len(names) == 3
    assert names[1] == values.idxmax() and names[2] == values.idxmin()


def test_no_examples_without_a_system(builder):
    oracle = ["conv_tasnet/clean/clean"]
    assert listed(Run(builder(systems=oracle, mixtures=1).build().inputs)) == []


def test_systems_without_estimates_are_not_shown(tree):
    run = Run(replace(tree.inputs, estimates={}))
    assert shown_systems(run) == []


def test_of_a_share_of_the_mixture_the_same_system_without_it_is_heard(tmp_path):
    means = {"net/clean/denoised-d-dry20": 7.0, "net/clean/denoised-d": 6.0, "net/noisy/noisy": 5.0}
    scores = {name: np.full((2, 1), mean) for name, mean in means.items()}
    _, plain, direct = map(path_of, means)
    inputs = write_run(tmp_path, {"si_sdri": scores})
    estimates = dict.fromkeys((plain, direct), tmp_path / "estimates.csv")
    assert shown_systems(Run(replace(inputs, estimates=estimates))) == [plain, direct]
