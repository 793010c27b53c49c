"""Canaries: no skill is found where there is none, and most of it where it was planted.

Five simulated markets each way, from records to out-of-sample forecasts, pooled; a small version
of it is in `evaluation/test_canaries.py`, and what is measured in `evaluation/canary.py`.
"""

from datetime import date

import numpy as np
import pytest

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
    simulated,
    with_permuted_labels,
)

pytestmark = pytest.mark.proofs

SEEDS = (1, 2, 3, 4, 5)
LAST = date(2023, 12, 28)
PLANTED = 0.08
MODELS = pytest.mark.parametrize("model", ["random_forest", "lstm"])


def learners(seed: int) -> list[Learner]:
    return [
        RandomForestLearner(FOREST_FEATURES, ForestSettings(seed=seed)),
        LstmLearner(LSTM_FEATURES, LstmSettings(seed=seed)),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="module")
def random_walks(folder):
    return [forecasts_of(simulated(LAST, 0.0, seed), learners(seed), folder) for seed in SEEDS]


@pytest.fixture(scope="module")
def planted(folder):
    return [forecasts_of(simulated(LAST, PLANTED, seed), learners(seed), folder) for seed in SEEDS]


@pytest.fixture(scope="module")
def permuted(folder):
    """The planted markets again, with nothing left to find."""
    return [
        forecasts_of(with_permuted_labels(simulated(LAST, PLANTED, seed)), learners(seed), folder)
        for seed in SEEDS
    ]


def told(what: str, values: np.ndarray) -> str:
    return f"{what} {values.mean():+.5f} ({len(values)} sessions, from {lower_end(values):+.5f})"


@MODELS
def test_a_random_walk_shows_no_skill_in_the_order_of_returns(random_walks, model: str):
    daily = daily_rank_ic(random_walks, model)
    print(told(f"{model}, random walks: rank IC", daily))
    assert lower_end(daily) <= 0


@MODELS
def test_a_random_walk_shows_no_skill_in_the_direction_of_moves(random_walks, model: str):
    gain = direction_gain(random_walks, model)
    print(told(f"{model}, random walks: log-loss of the direction below the prior's by", gain))
    assert lower_end(gain) <= 0


@MODELS
def test_nobody_beats_the_truth(random_walks, model: str):
    """One who knows the process tells hold from move; what the models tell is a part of that."""
    beyond = gain_over(random_walks, model, "oracle")
    below_prior = gain_over(random_walks, model, "prior")
    there = gain_over(random_walks, "oracle", "prior")
    print(told(f"{model}, random walks: log-loss below the truth's by", beyond))
    print(told(f"{model}, random walks: log-loss below the prior's by", below_prior))
    print(told("the truth: log-loss below the prior's by", there))
    assert lower_end(beyond) <= 0
    assert below_prior.mean() < there.mean()


@MODELS
def test_permuted_labels_show_no_skill(permuted, model: str):
    daily = daily_rank_ic(permuted, model)
    gain = gain_over_other_deals(permuted, model)
    print(told(f"{model}, permuted labels: rank IC", daily))
    print(told(f"{model}, permuted labels: log-loss below that of other deals by", gain))
    print(
        told(f"{model}, permuted: log-loss below the prior's", gain_over(permuted, model, "prior"))
    )
    assert lower_end(daily) <= 0
    assert lower_end(gain) <= 0


@MODELS
def test_a_planted_skill_is_recovered_for_the_most_part(planted, model: str):
    found = daily_rank_ic(planted, model).mean()
    there = daily_rank_ic(planted, "oracle").mean()
    print(f"{model}, planted: rank IC {found:.4f} of the oracle's {there:.4f}")
    assert found >= 0.6 * there


@MODELS
def test_where_labels_are_true_the_deal_matters(planted, model: str):
    """The figure that is nothing on permuted labels is something where there is something."""
    assert lower_end(gain_over_other_deals(planted, model)) > 0
