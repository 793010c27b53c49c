"""Baselines claim what anybody could: frequencies of the past, no return, and two old orders."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS, Samples
from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.baselines import (
    BASELINES,
    RIDGE,
    BaselineLearner,
    baseline_card,
    expects_nothing,
)
from asset_predict_dagster.models.bundle import Bundle, load_bundle, write_bundle
from asset_predict_dagster.tables import PATH_HORIZONS
from asset_predict_dagster_tests.models.synthetic import run_graph

MISSING = np.nan
SIMPLE = tuple(name for name in BASELINES if name != RIDGE)


def market(returns, action):
    """One ticker per row; `returns` are of 5, 21 and 252 sessions."""
    n = len(returns)
    volatility = np.full((n, 1), 0.02, dtype=np.float32)
    return Samples(
        feature_names=("log_return_5d", "log_return_21d", "log_return_252d", "volatility_21d"),
        features=np.hstack([np.array(returns, dtype=np.float32), volatility]),
        ticker_codes=np.arange(n, dtype=np.int32),
        session_codes=np.zeros(n, dtype=np.int32),
        tickers=np.array([f"TICK{number}" for number in range(n)]),
        sessions=np.datetime64("2024-01-02") + np.arange(2),
        volatility=volatility[:, 0],
        in_universe=np.ones(n, dtype=bool),
        action=np.array([ACTIONS.index(name) if name else -1 for name in action], dtype=np.int8),
        return_ranks=np.zeros((n, len(HORIZONS)), dtype=np.float32),
    )


def bundle_of(name, samples, rows):
    learner = BaselineLearner(name)
    trained = learner.fit(samples, rows, np.zeros(len(rows), dtype=bool))
    return Bundle("", baseline_card(learner, samples, rows), trained.onnx)


LEARNED = ["buy", "hold", "hold", "sell", "hold"]


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
    rows = np.arange(9) < 5
    return {
        name: bundle_of(name, samples, rows).forecast(samples, np.arange(5, 9)) for name in SIMPLE
    }


def test_every_baseline_but_ridge_expects_no_return_and_has_no_interval(forecasts):
    for forecast in forecasts.values():
        assert forecast.expected_returns.shape == (4, len(HORIZONS))
        assert (forecast.expected_returns == 0).all()
        assert np.isnan(forecast.lows).all() and np.isnan(forecast.highs).all()


@pytest.mark.parametrize("name", ["naive", "prior", "momentum", "reversal"])
def test_the_prior_is_the_frequency_in_training(forecasts, name):
    by_hand = np.tile([0.2, 0.6, 0.2], (4, 1))
    np.testing.assert_allclose(forecasts[name].probabilities, by_hand, rtol=1e-6)


@pytest.mark.parametrize(("name", "certain"), [("majority", "hold"), ("always_up", "buy")])
def test_some_are_certain(forecasts, name, certain):
    probabilities = forecasts[name].probabilities
    assert (probabilities[:, ACTIONS.index(certain)] > 1 - 3e-7).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("name", ["naive", "prior", "majority", "always_up"])
def test_most_order_nothing(forecasts, name):
    assert (forecasts[name].scores == 0).all()


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("momentum", [0.28, 0.10, -0.05, 0]),  # the year without its last month
        ("reversal", [-0.01, 0.03, -0.02, 0]),  # the week turned round
    ],
)
def test_two_have_an_order_and_it_is_the_same_at_every_horizon(forecasts, name, by_hand):
    expected = np.repeat(np.array(by_hand)[:, None], len(HORIZONS), axis=1)
    np.testing.assert_allclose(forecasts[name].scores, expected, atol=1e-7)


def test_of_a_missing_past_there_is_no_opinion():
    samples = market([(0.1, 0.1, MISSING), (MISSING, 0.1, 0.2)], ["hold", "buy"])
    rows = np.ones(2, dtype=bool)
    momentum, reversal, prior = (
        bundle_of(name, samples, rows).forecast(samples, np.arange(2)).scores[:, 0]
        for name in ("momentum", "reversal", "prior")
    )
    np.testing.assert_allclose(momentum, [MISSING, 0.1], rtol=1e-6)
    np.testing.assert_allclose(reversal, [-0.1, MISSING], rtol=1e-6)
    assert prior.tolist() == [0, 0]


def test_thirty_sessions_ahead_nothing_is_expected_either():
    samples = market([(0.1, 0.2, 0.3)], ["hold"])
    said = bundle_of("naive", samples, np.ones(1, dtype=bool)).forecast(samples, np.arange(1), 30)
    assert (said.expected_returns == 0).all()
    assert said.lows.shape == (1, len(PATH_HORIZONS)) and np.isnan(said.lows).all()


def test_the_naive_artefact_can_be_read_by_a_person():
    samples = market([(0.1, 0.2, 0.3)] * 5, LEARNED)
    trained = BaselineLearner("momentum").refit(samples, np.ones(5, dtype=bool), {})
    said = json.loads(trained.native)
    assert said["order"] == {"log_return_252d": 1.0, "log_return_21d": -1.0}
    assert said["probabilities"] == pytest.approx({"buy": 0.2, "hold": 0.6, "sell": 0.2})


def test_without_rows_there_is_nothing_to_count():
    samples = market([(0.1, 0.1, 0.1)], ["hold"])
    with pytest.raises(TrainingError, match="prior: no row to learn from"):
        BaselineLearner("prior").refit(samples, np.zeros(1, dtype=bool), {})


@pytest.mark.parametrize("name", SIMPLE)
def test_no_rows_have_no_forecasts(name):
    samples = market([(0.1, 0.1, 0.1)], ["hold"])
    said = bundle_of(name, samples, np.ones(1, dtype=bool)).forecast(samples, np.arange(0))
    assert said.probabilities.shape == (0, 3) and said.scores.shape == (0, len(HORIZONS))


log_returns = st.one_of(st.just(MISSING), st.floats(-3, 3, width=32))
rows_of_a_market = st.lists(
    st.tuples(st.tuples(log_returns, log_returns, log_returns), st.sampled_from(ACTIONS)),
    min_size=1,
    max_size=20,
)


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(SIMPLE), rows=rows_of_a_market)
def test_saved_and_loaded_it_says_the_same_and_what_its_own_numbers_say(name, rows):
    samples = market(*zip(*rows, strict=True))
    everything = np.ones(len(rows), dtype=bool)
    learner = BaselineLearner(name)
    trained, card = (
        learner.refit(samples, everything, {}),
        baseline_card(learner, samples, everything),
    )
    in_memory = Bundle("", card, trained.onnx)
    assert expects_nothing(in_memory)
    at = np.arange(len(rows))
    before = in_memory.forecast(samples, at, 30)
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_bundle(Path(folder), write_bundle(Path(folder), trained, card))
    after = loaded.forecast(samples, at, 30)
    for one, other in zip(vars(before).values(), vars(after).values(), strict=True):
        np.testing.assert_array_equal(one, other)
    given_features = samples.columns(learner.feature_names)
    pairs = zip(
        run_graph(trained.onnx, given_features),
        trained.native_forecast(given_features),
        strict=True,
    )
    for exported, own in pairs:
        np.testing.assert_allclose(exported, own, rtol=1e-5, atol=1e-6)
