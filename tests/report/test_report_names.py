import pandas as pd
import pytest

from pipeline.evaluation.metrics import LOWER_IS_BETTER
from pipeline.report.names import METRICS, interval, main_system, number


def test_numbers_are_typeset():
    assert number(-1.5) == "−1.50" and number(0.001, 2, sign=True) == "0.00"
    assert number(-0.001) == "0.00" and number(float("nan")) == "–" and number(None) == "–"
    assert interval(1, 2) == "1.00 to 2.00" and interval(float("nan"), 2) == ""


def test_low_is_good_where_evaluation_says_so():
    assert {name for name, metric in METRICS.items() if metric.low_is_good} == set(LOWER_IS_BETTER)


@pytest.mark.parametrize(
    ("metric", "best"), [("si_sdri", "n/noisy/noisy"), ("wer", "n/clean/noisy")]
)
def test_best_system_is_no_oracle(metric, best):
    rows = [("n/noisy/noisy", 30.0), ("n/clean/noisy", 20.0), ("n/clean/clean", 99.0)]
    rows += [("m/clean/clean", 1.0), ("mixture", 0.0)]
    summary = pd.DataFrame(rows, columns=["system", "mean"]).assign(metric=metric)
    assert main_system(summary) == best
