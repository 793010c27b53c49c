"""Baselines claim what anybody could: frequencies of the past, no return, and two old orders."""

import numpy as np
import pytest

from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS, Samples
from asset_predict_dagster.models.baselines import BASELINES, baseline_forecasts

MISSING = np.nan


def market(returns, action, session=None):
    """One ticker per row; `returns` are of 5, 21 and 252 sessions."""
    n = len(returns)
    session_codes = np.zeros(n, dtype=np.int32) if session is None else np.array(session)
    return Samples(
        feature_names=("log_return_5d", "log_return_21d", "log_return_252d"),
        features=np.array(returns, dtype=np.float32),
        ticker_codes=np.arange(n, dtype=np.int32),
        session_codes=session_codes,
        tickers=np.array([f"TICK{number}" for number in range(n)]),
        sessions=np.datetime64("2024-01-02") + np.arange(2),
        volatility=np.full(n, 0.02, dtype=np.float32),
        in_universe=np.ones(n, dtype=bool),
        action=np.array([ACTIONS.index(name) if name else -1 for name in action], dtype=np.int8),
        return_ranks=np.zeros((n, len(HORIZONS)), dtype=np.float32),
    )


LEARNED = ["buy", "hold", "hold", "sell", "hold"]
FORECAST = np.arange(5, 9)


@pytest.fixture(scope="module")
def forecasts():
    """Five rows to learn from, then four to forecast whose labels must not be read."""
    returns = [
        *[(0.5, 0.5, 0.5)] * 5,
        (0.01, 0.02, 0.30),
        (-0.03, 0.10, 0.20),
        (0.02, -0.05, -0.10),
        (0.00, 0.00, 0.00),
    ]
    samples = market(returns, [*LEARNED, "sell", "sell", "sell", ""])
    return baseline_forecasts(samples, np.arange(9) < 5, FORECAST)


def test_every_baseline_expects_no_return(forecasts):
    assert tuple(forecasts) == BASELINES
    for forecast in forecasts.values():
        assert forecast.expected_returns.shape == (4, len(HORIZONS))
        assert (forecast.expected_returns == 0).all()


@pytest.mark.parametrize("name", ["naive", "prior", "momentum", "reversal"])
def test_the_prior_is_the_frequency_in_training(forecasts, name):
    by_hand = np.tile([0.2, 0.6, 0.2], (4, 1))
    np.testing.assert_allclose(forecasts[name].probabilities, by_hand)


@pytest.mark.parametrize(("name", "certain"), [("majority", "hold"), ("always_up", "buy")])
def test_some_are_certain(forecasts, name, certain):
    probabilities = forecasts[name].probabilities
    assert (probabilities[:, ACTIONS.index(certain)] == 1).all()
    assert (probabilities.sum(axis=1) == 1).all()


@pytest.mark.parametrize("name", ["naive", "prior", "majority", "always_up"])
def test_most_order_nothing(forecasts, name):
    assert (forecasts[name].score == 0).all()


def test_momentum_is_the_year_without_its_last_month(forecasts):
    np.testing.assert_allclose(forecasts["momentum"].score, [0.28, 0.10, -0.05, 0], atol=1e-7)


def test_reversal_is_the_week_turned_round(forecasts):
    np.testing.assert_allclose(forecasts["reversal"].score, [-0.01, 0.03, -0.02, 0], atol=1e-7)


def test_a_missing_past_stands_in_the_middle_of_its_session():
    """Zero would be the worst of a session in which everything rose."""
    returns = [
        (0.1, 0.0, 0.5),
        (0.2, 0.0, 0.6),
        (0.3, 0.0, 0.9),
        (MISSING, MISSING, MISSING),
        (0.9, 0.0, 3.0),
        (0.1, 0.0, MISSING),
    ]
    samples = market(returns, ["hold"] * 6, session=[0, 0, 0, 0, 1, 1])
    found = baseline_forecasts(samples, np.ones(6, dtype=bool), np.arange(6))
    np.testing.assert_allclose(found["momentum"].score, [0.5, 0.6, 0.9, 0.6, 3, 3], rtol=1e-6)
    np.testing.assert_allclose(
        found["reversal"].score, [-0.1, -0.2, -0.3, -0.2, -0.9, -0.1], rtol=1e-6
    )


def test_a_session_without_any_past_orders_nothing():
    samples = market([(MISSING, MISSING, MISSING)] * 2, ["hold", "buy"])
    found = baseline_forecasts(samples, np.ones(2, dtype=bool), np.arange(2))
    assert (found["momentum"].score == 0).all() and (found["reversal"].score == 0).all()


def test_no_rows_have_no_forecasts():
    samples = market([(0.1, 0.1, 0.1)], ["hold"])
    found = baseline_forecasts(samples, np.ones(1, dtype=bool), np.empty(0, dtype=int))
    assert all(forecast.probabilities.shape == (0, 3) for forecast in found.values())
