from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pipeline.report.names import main_system
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


def test_the_random_ones_do_not_hang_on_the_scores():
    other = pd.Series({name: {4: 4.0, 8: 9.0, 0: -1.0}.get(n, 4 + n / 10) for n, name in
                       enumerate(NINE.index)})  # fmt: skip
    shifted = other.where(NINE != 4, 4.45)
    same = {pick(v, 4, 1)[3].mixture_id for v in (NINE, shifted) if pick(v, 4, 1)}
    assert len(same) == 1


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


def test_nothing_to_hear_without_a_system(builder):
    assert listed(Run(builder(systems=[], mixtures=1).build().inputs)) == []


def run_of(means: dict[str, float], separated: list[str]) -> SimpleNamespace:
    rows = [(name, "si_sdri", value) for name, value in means.items()]
    summary = pd.DataFrame(rows, columns=["system", "metric", "mean"])
    inputs = SimpleNamespace(separated=dict.fromkeys(separated))
    return SimpleNamespace(inputs=inputs, summary=summary, main=main_system(summary))


def test_direct_system_is_heard_beside_the_main_one():
    names = ["n/noisy/noisy", "n/denoised-d/denoised-d", "n/clean/denoised-d"]
    helped = run_of(dict(zip(names, (5, 7, 6), strict=True)), names)
    assert shown_systems(helped) == names[1::-1]
    direct = run_of(dict(zip(names, (8, 6, 7), strict=True)), names)
    assert shown_systems(direct) == names[::2]
    assert shown_systems(run_of({"n/noisy/noisy": 8}, names[:1])) == names[:1]


def test_systems_without_estimates_are_not_shown(tree):
    run = Run(replace(tree.inputs, separated={}))
    assert shown_systems(run) == []
