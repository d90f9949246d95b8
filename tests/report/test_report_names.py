from pipeline.evaluation.metrics import LOWER_IS_BETTER
from pipeline.report.names import METRICS, interval, number


def test_numbers_are_typeset():
    assert number(-1.5) == "−1.50" and number(0.001, 2, sign=True) == "0.00"
    assert number(-0.001) == "0.00" and number(float("nan")) == "–" and number(None) == "–"
    assert interval(1, 2) == "1.00 to 2.00" and interval(float("nan"), 2) == ""


def test_low_is_good_where_evaluation_says_so():
    assert {name for name, metric in METRICS.items() if metric.low_is_good} == set(LOWER_IS_BETTER)
