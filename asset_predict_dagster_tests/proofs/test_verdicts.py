"""Verdicts: no skill is claimed where there is none, and it is where it was planted.

Twenty random walks and five markets with a signal, from records to the verdict, both models with
their default settings. How a verdict is reached is in `evaluation/skill_claim.py`.
"""

from datetime import date

import pandas as pd
import pytest

from asset_predict_dagster.dataset.model_columns import FOREST_FEATURES, LSTM_FEATURES
from asset_predict_dagster.evaluation.evaluate import evaluate
from asset_predict_dagster.evaluation.verdict import Verdict, judge
from asset_predict_dagster.models.lstm_learner import LstmLearner, LstmSettings
from asset_predict_dagster.models.random_forest import ForestSettings, RandomForestLearner
from asset_predict_dagster_tests.evaluation.canary import (
    forecasts_of,
    one_after_another,
    simulated,
    where_the_oracle_speaks,
)
from asset_predict_dagster_tests.market.simulated_tables import market_as_of

pytestmark = pytest.mark.proofs

RANDOM_WALKS = tuple(range(1, 21))
WITH_A_SIGNAL = (1, 2, 3, 4, 5)
LAST = date(2023, 12, 28)
PLANTED = 0.08
IN_THE_UNIVERSE = {"rank_ic": 0.079, "rank_ic_next_close": 0.082}
"""What strength .08 comes to against either return, on 16 other seeds (`simulated_signal`)."""

MODELS = pytest.mark.parametrize("model", ["random_forest", "lstm"])


def forecasts(strength: float, seed: int, folder) -> pd.DataFrame:
    learners = [
        RandomForestLearner(FOREST_FEATURES, ForestSettings(seed=seed)),
        LstmLearner(LSTM_FEATURES, LstmSettings(seed=seed)),
    ]
    made = forecasts_of(simulated(LAST, strength, seed), learners, folder)
    market_as_of.cache_clear()  # 25 markets at once would fill the memory
    return made


def without_oracle(made: pd.DataFrame) -> pd.DataFrame:
    return made[made["model"] != "oracle"]


def verdicts(evaluations: list[pd.DataFrame], model: str, strength: float) -> list[Verdict]:
    return [judge(e, model, "1", "holdout", planted_strength=strength) for e in evaluations]


def told(what: str, judged: list[Verdict]) -> None:
    claims = [verdict.claim for verdict in judged]
    print(f"{what}: skill claimed in {claims.count('skill')} of {len(claims)}")
    for verdict in judged:
        print(f"    {verdict.headline}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="module")
def random_walks(folder):
    return [
        evaluate(without_oracle(forecasts(0.0, seed, folder)), seed=seed) for seed in RANDOM_WALKS
    ]


@pytest.fixture(scope="module")
def with_a_signal(folder):
    return [forecasts(PLANTED, seed, folder) for seed in WITH_A_SIGNAL]


@MODELS
def test_at_most_three_of_twenty_random_walks_are_called_skill(random_walks, model: str):
    judged = verdicts(random_walks, model, 0.0)
    told(f"{model}, random walks", judged)
    assert [verdict.claim for verdict in judged].count("skill") <= 3
    assert {verdict.claim for verdict in judged} <= {"skill", "no_skill"}


@MODELS
def test_the_price_level_is_known_as_well_to_the_naive_forecast(random_walks, model: str):
    of_prices = pd.concat(
        [
            table[(table["model"] == model) & (table["metric"] == "r2_price")]
            for table in random_walks
        ]
    )
    print(f"{model}, random walks: R² on price {of_prices['value'].min():.5f} at least")
    print(f"    beside the naive forecast's {of_prices['naive_value'].min():.5f}")
    assert (of_prices["value"] > 0.99).all()
    assert (of_prices["value"] - of_prices["naive_value"]).abs().max() < 0.0005
    paragraphs = [verdict.paragraph for verdict in verdicts(random_walks, model, 0.0)]
    for r2, paragraph in zip(of_prices["naive_value"], paragraphs, strict=True):
        assert f"is no skill: tomorrow = today has {r2:.4f}" in paragraph


@MODELS
def test_a_planted_skill_is_claimed(with_a_signal, model: str):
    evaluations = [evaluate(without_oracle(made), seed=1) for made in with_a_signal]
    judged = verdicts(evaluations, model, PLANTED)
    told(f"{model}, planted", judged)
    assert [verdict.claim for verdict in judged].count("skill") == len(judged)


@pytest.mark.parametrize("metric", list(IN_THE_UNIVERSE))
def test_the_oracle_scores_what_was_planted(with_a_signal, metric: str):
    made = one_after_another([where_the_oracle_speaks(rows) for rows in with_a_signal])
    table = evaluate(made, seed=1)
    scored = table[(table["model"] == "oracle") & (table["metric"] == metric)].squeeze()
    print(
        f"the oracle's {metric}: {scored['value']:.4f} [{scored['low']:.4f}, {scored['high']:.4f}]"
    )
    assert scored["low"] <= IN_THE_UNIVERSE[metric] <= scored["high"]


def test_a_market_of_twice_the_signal_is_not_accused_of_a_leak(tmp_path):
    """The oracle of strength .15: nobody can honestly be better, and it is told from a leak."""
    made = where_the_oracle_speaks(forecasts_of(simulated(LAST, 0.15, 1), [], tmp_path))
    verdict = judge(evaluate(made, seed=1), "oracle", "baseline", "holdout")
    print(verdict.headline)
    assert verdict.claim == "skill"
