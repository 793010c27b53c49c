"""Whether one forecaster is better than another is asked session by session."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from asset_predict_dagster.dataset.bootstrap import block_weights
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.comparisons import diebold_mariano, paired_bootstrap

seeds = st.integers(0, 2**32 - 1)


def test_four_sessions_worked_out_by_hand():
    # d = 0 0 2 2, mean 1, deviations -1 -1 1 1: c[0] = 1, c[1] = (1 - 1 + 1) / 4 = 1/4.
    # Of 4 sessions the lags are floor(4 × 0.04^(2/9)) = 1, with weight 1/2: variance of the mean
    # (1 + 2 × 1/2 × 1/4) / 4 = 5/16. For one session ahead √((4 + 1 - 2 + 0) / 4) = √(3/4).
    found = diebold_mariano(np.array([1.0, 1.0, 3.0, 3.0]), np.ones(4))
    assert found.mean_difference == 1.0
    assert found.standard_error == pytest.approx(np.sqrt(5 / 16))
    assert found.statistic == pytest.approx(np.sqrt(16 / 5) * np.sqrt(3 / 4))
    assert found.p_value == pytest.approx(2 * stats.t(3).sf(found.statistic))
    assert found.n_sessions == 4


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 6))
def test_the_test_is_what_a_plain_loop_finds(seed, horizon):
    random = np.random.default_rng(seed)
    n = int(random.integers(20, 200))
    a, b = random.standard_normal((2, n))
    d = a - b
    lags = max(int(4 * (n / 100) ** (2 / 9)), 2 * (horizon - 1))
    variance = 0.0
    for i in range(n):
        for j in range(n):
            if abs(i - j) <= lags:
                weight = 1 - abs(i - j) / (lags + 1)
                variance += weight * (d[i] - d.mean()) * (d[j] - d.mean()) / n**2
    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    expected = d.mean() / np.sqrt(variance) * np.sqrt(correction)
    found = diebold_mariano(a, b, horizon)
    assert found.statistic == pytest.approx(expected, rel=1e-9)
    assert found.p_value == pytest.approx(2 * stats.t(n - 1).sf(abs(expected)), rel=1e-9)


@given(seeds)
def test_who_is_named_first_changes_the_sign_and_nothing_else(seed):
    a, b = np.random.default_rng(seed).standard_normal((2, 40))
    forth, back = diebold_mariano(a, b), diebold_mariano(b, a)
    assert forth.statistic == pytest.approx(-back.statistic)
    assert forth.p_value == pytest.approx(back.p_value)


def test_two_that_are_alike_are_told_apart_one_time_in_twenty():
    random = np.random.default_rng(1)
    p = [diebold_mariano(*random.standard_normal((2, 250))).p_value for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.03)


def test_a_difference_that_is_there_is_found():
    random = np.random.default_rng(2)
    hard = random.exponential(size=250)  # sessions are hard for both
    better, worse = hard + 0.1 * random.standard_normal((2, 250)) + [[0.0], [0.05]]
    found = diebold_mariano(better, worse)
    assert found.mean_difference == pytest.approx(-0.05, abs=0.02)
    assert found.p_value < 1e-4
    difference, low, high = paired_bootstrap(better, worse, seed=1)
    assert difference == found.mean_difference
    assert low < difference < high < 0


def test_only_the_sessions_that_both_have_are_compared():
    days = pd.bdate_range("2024-01-01", periods=6)
    a = pd.Series([9.0, 1.0, 2.0, 3.0, np.nan], index=days[:5])
    b = pd.Series([0.0, 0.0, 0.0, 7.0, 7.0], index=days[[3, 2, 1, 4, 5]])
    found = diebold_mariano(a, b)
    assert (found.n_sessions, found.mean_difference) == (3, 2.0)
    assert paired_bootstrap(a, b, seed=1)[0] == 2.0


def test_those_who_never_differ_have_no_test():
    same = diebold_mariano(np.arange(9.0), np.arange(9.0))
    assert same.mean_difference == 0.0
    assert np.isnan(same.p_value)


def test_the_paired_interval_is_that_of_the_sessions_written_out():
    a, b = np.random.default_rng(4).standard_normal((2, 100))
    means = block_weights(100, seed=7) @ (a - b) / 100
    _, low, high = paired_bootstrap(a, b, seed=7)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: diebold_mariano(np.ones(5), np.zeros(5), horizon=5), "found 5;"),
        (lambda: diebold_mariano(np.ones(1), np.zeros(1)), "2 at least, and found 1"),
        (lambda: diebold_mariano(np.ones(4), np.zeros(5)), "of 4 sessions cannot be compared"),
        (lambda: paired_bootstrap(np.array([np.nan]), np.ones(1), seed=1), "no session is common"),
    ],
)
def test_too_little_to_compare_is_refused(call, said):
    with pytest.raises(DatasetError, match=said):
        call()
