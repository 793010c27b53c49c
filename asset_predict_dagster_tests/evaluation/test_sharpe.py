"""A Sharpe ratio is only as good as its sessions are many and its trials few."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from asset_predict_dagster.evaluation.sharpe import (
    annualised,
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    probabilistic_sharpe_ratio,
    probability_above,
    sharpe_ratio,
)

RETURNS = np.array([0.01, 0.02, -0.01, 0.00])


def test_mean_over_deviation_worked_out_by_hand():
    # Mean .005; squares of the deviations .005, .015, -.015, -.005: 5e-4, over 3.
    assert sharpe_ratio(RETURNS) == pytest.approx(0.005 / np.sqrt(5e-4 / 3))
    assert annualised(0.1) == pytest.approx(0.1 * np.sqrt(252))


def test_missing_returns_are_left_out():
    assert sharpe_ratio(np.r_[RETURNS, np.nan]) == sharpe_ratio(RETURNS)
    assert deflated_sharpe_ratio(np.r_[RETURNS, np.nan], 5) == deflated_sharpe_ratio(RETURNS, 5)


@pytest.mark.parametrize("returns", [[], [0.1], [0.1] * 7], ids=["none", "one", "equal"])
def test_returns_that_never_vary_have_no_ratio(returns: list):
    assert np.isnan(sharpe_ratio(np.array(returns)))
    assert np.isnan(probabilistic_sharpe_ratio(np.array(returns)))
    assert np.isnan(deflated_sharpe_ratio(np.array(returns), 3))


def test_the_probability_is_the_papers_formula_with_the_moments_of_scipy():
    returns = np.random.default_rng(0).standard_t(4, 300) * 0.01 + 0.001
    ratio = returns.mean() / returns.std(ddof=1)
    skewness, kurtosis = stats.skew(returns), stats.kurtosis(returns, fisher=False)
    error = np.sqrt((1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2) / 299)
    expected = stats.norm.cdf((ratio - 0.02) / error)
    assert probabilistic_sharpe_ratio(returns, 0.02) == pytest.approx(expected, abs=1e-12)


def test_the_papers_own_example_of_a_deflated_ratio():
    # Bailey and López de Prado (2014): 1,250 sessions of 250 a year, a ratio of 2.5 a year,
    # skewness -3, kurtosis 10, 100 trials whose ratios vary by 1/2 a year: .1132 and .9004.
    best = expected_maximum_sharpe(100, variance=0.5 / 250)
    assert best == pytest.approx(0.1132, abs=5e-5)
    found = probability_above(2.5 / np.sqrt(250), best, 1250, skewness=-3.0, kurtosis=10.0)
    assert found == pytest.approx(0.9004, abs=5e-5)


def test_the_best_of_many_normal_draws_is_about_what_is_expected():
    draws = np.random.default_rng(1).normal(0, 0.3, (20_000, 50)).max(axis=1)
    assert expected_maximum_sharpe(50, 0.09) == pytest.approx(draws.mean(), rel=0.02)


def test_one_trial_deflates_nothing():
    assert expected_maximum_sharpe(1, 1.0) == 0.0
    assert deflated_sharpe_ratio(RETURNS, 1) == probabilistic_sharpe_ratio(RETURNS)


def test_without_a_recorded_variance_the_trials_vary_as_luck_does():
    found = deflated_sharpe_ratio(RETURNS, 10)
    assert found == deflated_sharpe_ratio(RETURNS, 10, variance=1 / 3)
    assert found < deflated_sharpe_ratio(RETURNS, 10, variance=1 / 30)


def test_two_returns_that_decide_everything_have_no_probability():
    assert np.isnan(probability_above(1.0, 0.0, 10, skewness=2.0, kurtosis=5.0))


@given(n_trials=st.integers(1, 1000), seed=st.integers(0, 100))
def test_more_trials_never_make_it_likelier(n_trials: int, seed: int):
    returns = np.random.default_rng(seed).normal(0.001, 0.01, 60)
    fewer, more = (deflated_sharpe_ratio(returns, n) for n in (n_trials, n_trials + 1))
    assert 0 <= more <= fewer <= 1


def test_luck_alone_is_called_skill_about_as_often_as_it_should():
    # The best of 20 without skill, 400 times: above .95 in about one in twenty, here in fewer.
    draws = np.random.default_rng(2).normal(0, 0.01, (400, 20, 250))
    ratios = draws.mean(axis=2) / draws.std(axis=2)
    best = draws[np.arange(400), ratios.argmax(axis=1)]
    naive = np.mean([probabilistic_sharpe_ratio(returns) > 0.95 for returns in best])
    deflated = np.mean([deflated_sharpe_ratio(returns, 20) > 0.95 for returns in best])
    assert naive > 0.5
    assert deflated < 0.05
