"""Canaries, small: one short market each way and small models; `make proofs` pools many.

One market is one draw, and eight figures at 5 % each would be wrong for every third seed. So the
intervals here are at one in a thousand: a leak is far outside of those, as a planted one shows.
"""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy import stats

from asset_predict_dagster.dataset.model_columns import FOREST_FEATURES, LSTM_FEATURES
from asset_predict_dagster.models.base import Learner
from asset_predict_dagster.models.lstm_learner import LstmLearner, LstmSettings
from asset_predict_dagster.models.random_forest import ForestSettings, RandomForestLearner
from asset_predict_dagster_tests.evaluation.canary import (
    daily_rank_ic,
    direction_gain,
    forecasts_of,
    gain_over,
    gain_over_other_deals,
    lower_end,
    probability_of_hold,
    simulated,
    with_permuted_labels,
)

LAST = date(2021, 12, 30)
PLANTED = 0.3
ONE_IN_A_THOUSAND = 3.09
MODELS = pytest.mark.parametrize("model", ["random_forest", "lstm"])


def learners() -> list[Learner]:
    return [
        RandomForestLearner(FOREST_FEATURES, ForestSettings(n_estimators=30)),
        LstmLearner(LSTM_FEATURES, LstmSettings(n_seeds=1, epochs=6)),
    ]


@pytest.fixture(scope="module")
def random_walk(tmp_path_factory):
    return [forecasts_of(simulated(LAST, 0.0, 7), learners(), tmp_path_factory.mktemp("bundles"))]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    market = simulated(LAST, PLANTED, 7)
    return [forecasts_of(market, learners(), tmp_path_factory.mktemp("bundles"))]


@pytest.fixture(scope="module")
def permuted(tmp_path_factory):
    market = with_permuted_labels(simulated(LAST, PLANTED, 7))
    return [forecasts_of(market, learners(), tmp_path_factory.mktemp("bundles"))]


@MODELS
def test_a_random_walk_shows_no_skill(random_walk, model: str):
    assert lower_end(daily_rank_ic(random_walk, model), ONE_IN_A_THOUSAND) <= 0
    assert lower_end(direction_gain(random_walk, model), ONE_IN_A_THOUSAND) <= 0


@MODELS
def test_nobody_beats_the_truth(random_walk, model: str):
    assert lower_end(gain_over(random_walk, model, "oracle"), ONE_IN_A_THOUSAND) <= 0
    assert lower_end(gain_over(random_walk, "oracle", "prior")) > 0


@MODELS
def test_permuted_labels_show_no_skill(permuted, model: str):
    assert lower_end(daily_rank_ic(permuted, model), ONE_IN_A_THOUSAND) <= 0
    assert lower_end(gain_over_other_deals(permuted, model), ONE_IN_A_THOUSAND) <= 0


def test_a_leak_is_heard(tmp_path_factory):
    """One feature knows tomorrow's return: all canaries of the action sing, and loudly."""
    market = simulated(LAST, 0.0, 7)
    seen = market.tables.features.assign(log_return_1d=market.labels["realised_return_1d"])
    leaking = replace(market, tables=replace(market.tables, features=seen))
    folder = tmp_path_factory.mktemp("bundles")
    heard = [forecasts_of(leaking, learners()[:1], folder)]
    for gain in (
        direction_gain(heard, "random_forest"),
        gain_over(heard, "random_forest", "oracle"),
        gain_over_other_deals(heard, "random_forest"),
    ):
        assert lower_end(gain, 10 * ONE_IN_A_THOUSAND) > 0


@MODELS
def test_a_planted_skill_is_recovered_for_the_most_part(planted, model: str):
    found = daily_rank_ic(planted, model).mean()
    assert found >= 0.6 * daily_rank_ic(planted, "oracle").mean()
    assert lower_end(gain_over_other_deals(planted, model)) > 0


def test_hold_is_as_likely_as_the_law_of_the_return_says():
    # Without a common part: Student's t with 5 degrees of freedom, scaled to unit variance.
    alone = probability_of_hold(np.array([0.0]), np.array([0.02]), np.array([0.01]))
    assert alone == pytest.approx(2 * stats.t(5).cdf(0.5 * np.sqrt(5 / 3)) - 1)
    drawn = np.random.default_rng(1).standard_t(5, (2, 400_000)) * np.sqrt(3 / 5)
    both = probability_of_hold(np.array([0.01]), np.array([0.02]), np.array([0.01]))
    assert both == pytest.approx(np.mean(np.abs(drawn.T @ [0.01, 0.02]) <= 0.01), abs=0.003)


def test_permuting_keeps_each_sessions_outcomes_and_changes_their_tickers():
    true = simulated(LAST, PLANTED, 7)
    permuted = with_permuted_labels(true).labels
    by_session = true.labels["session"]
    for name in ("realised_return_tradable_1d", "return_rank_5d"):
        before, after = (
            table[name].groupby(by_session).apply(lambda values: np.sort(values).tolist())
            for table in (true.labels, permuted)
        )
        np.testing.assert_equal(before.tolist(), after.tolist())
    assert (permuted["action"] != true.labels["action"]).mean() > 0.4
