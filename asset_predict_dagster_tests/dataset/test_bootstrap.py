"""An interval holds the truth as often as it says, and it is as wide as it should be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.bootstrap import BLOCK, block_weights, draw_resamples, interval


def mean(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


def mean_interval(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    return interval(np.column_stack([values, np.ones(len(values))]), mean, weights)


def coverage(n_sessions: int, n_trials: int) -> tuple[float, float]:
    """Share of intervals that hold the true mean 0, and their mean width over the analytic one."""
    weights = block_weights(n_sessions, seed=1)
    random = np.random.default_rng(2)
    ends = np.array(
        [mean_interval(random.standard_normal(n_sessions), weights) for _ in range(n_trials)]
    )
    holds = (ends[:, 0] <= 0) & (ends[:, 1] >= 0)
    analytic = 2 * 1.96 / np.sqrt(n_sessions)
    return float(holds.mean()), float((ends[:, 1] - ends[:, 0]).mean() / analytic)


def test_the_interval_of_a_mean_covers_about_95_percent_and_is_as_wide_as_theory_says():
    share, width = coverage(n_sessions=500, n_trials=400)
    assert share == pytest.approx(0.94, abs=0.03)
    assert width == pytest.approx(1.0, abs=0.06)


def test_a_short_history_is_not_given_a_certainty_it_does_not_have():
    share, width = coverage(n_sessions=60, n_trials=400)
    assert share > 0.85
    assert width > 0.9


def test_sessions_that_share_their_mood_widen_the_interval():
    random = np.random.default_rng(3)
    shocks = random.standard_normal(1000)
    # A mean of 10 neighbours each: as if there were a tenth of the sessions.
    moods = np.convolve(shocks, np.ones(10) / np.sqrt(10), mode="same")
    low, high = mean_interval(moods, block_weights(1000, seed=1))
    analytic_if_independent = 2 * 1.96 / np.sqrt(1000)
    assert 2.0 < (high - low) / analytic_if_independent < 3.5


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(0, 100))
def test_every_resample_has_as_many_sessions_as_the_history(n_sessions, seed):
    weights = block_weights(n_sessions, seed, n_resamples=20)
    assert weights.shape == (20, n_sessions)
    assert (weights.sum(axis=1) == n_sessions).all()
    assert (weights >= 0).all()


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(0, 100))
def test_totals_block_by_block_are_those_of_the_sessions_one_by_one(n_sessions, seed):
    sums = np.random.default_rng(seed).standard_normal((n_sessions, 3))
    resamples = draw_resamples(n_sessions, seed, n_resamples=20)
    expected = block_weights(n_sessions, seed, n_resamples=20) @ sums
    np.testing.assert_allclose(resamples.totals(sums), expected, rtol=1e-9, atol=1e-9)


def test_no_session_is_favoured_not_even_at_the_ends():
    often = block_weights(252, seed=1, n_resamples=5000).mean(axis=0)
    # One standard error is .014.
    assert often == pytest.approx(np.ones(252), abs=0.06)


def test_sessions_are_drawn_in_blocks_of_a_month():
    for weights in block_weights(500, seed=4, n_resamples=50):
        steps = np.diff(weights, append=weights[0])
        # A block begins and ends once each; the last one may be cut short.
        assert np.abs(steps).sum() <= 2 * -(-500 // BLOCK)
        assert np.count_nonzero(weights) >= BLOCK


def test_the_same_seed_draws_the_same_sessions():
    np.testing.assert_array_equal(block_weights(90, 5, 10), block_weights(90, 5, 10))
    assert (block_weights(90, 5, 10) != block_weights(90, 6, 10)).any()


def test_a_constant_has_no_uncertainty():
    assert mean_interval(np.full(100, 0.25), block_weights(100, 1)) == pytest.approx((0.25, 0.25))


def test_what_is_never_defined_has_no_interval():
    with np.errstate(invalid="ignore"):
        low, high = interval(np.zeros((100, 2)), mean, block_weights(100, 1))
    assert np.isnan(low)
    assert np.isnan(high)


def test_resamples_in_which_a_statistic_is_undefined_are_left_out():
    counted = np.zeros(400)
    counted[:21] = 1.0
    sums = np.column_stack([counted * 3.0, counted])  # the mean, where there is one, is 3
    with np.errstate(invalid="ignore"):
        assert interval(sums, mean, block_weights(400, 1)) == pytest.approx((3.0, 3.0))
