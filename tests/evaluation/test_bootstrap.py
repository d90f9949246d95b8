import numpy as np
import pytest

from pipeline.evaluation.bootstrap import bootstrap_means, percentile_interval


def test_spread_is_that_of_the_mean():
    values = np.random.default_rng(0).normal(5, 2, (400, 1))
    draws = bootstrap_means(values, 4000, seed=1)
    assert draws.shape == (4000, 1)
    assert draws.mean() == pytest.approx(values.mean(), abs=0.01)
    assert draws.std() == pytest.approx(values.std() / 20, rel=0.05)
    low, high = percentile_interval(draws, 0.95)
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.08)


def test_columns_are_drawn_together():
    values = np.random.default_rng(0).normal(size=(50, 1))
    draws = bootstrap_means(np.hstack([values, values + 1]), 200, seed=0)
    assert np.allclose(draws[:, 1] - draws[:, 0], 1)


def test_undefined_values_are_left_out():
    values = np.array([[1.0, np.nan], [1.0, 7.0], [1.0, np.nan]])
    draws = bootstrap_means(values, 300, seed=0)
    assert (draws[:, 0] == 1).all()
    met = np.isfinite(draws[:, 1])
    assert (draws[met, 1] == 7).all() and 0 < (~met).sum() < 150
    low, high = percentile_interval(draws, 0.9)
    assert (low[1], high[1]) == (7, 7)


def test_same_seed_same_draws():
    values = np.arange(10.0)[:, None]
    assert (bootstrap_means(values, 20, 3) == bootstrap_means(values, 20, 3)).all()
    assert (bootstrap_means(values, 20, 3) != bootstrap_means(values, 20, 4)).any()
