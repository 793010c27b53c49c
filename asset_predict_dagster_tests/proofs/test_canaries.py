"""Canaries: no skill is found where there is none, and most of it where it was planted.

Five simulated markets each way, from records to out-of-sample forecasts, pooled. The interval is
one-sided at 5 %; sessions of one market are taken as independent, which the overlap of one-session
returns entered a day later allows.
"""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset.features import FEATURE_NAMES
from asset_predict_dagster.evaluation.forecasts import forecast_test_sessions
from asset_predict_dagster.evaluation.metrics import session_rank_ic
from asset_predict_dagster.models.base import Learner
from asset_predict_dagster.models.bundle import load_bundle
from asset_predict_dagster.models.lstm_learner import LstmLearner, LstmSettings
from asset_predict_dagster.models.random_forest import ForestSettings, RandomForestLearner
from asset_predict_dagster.models.training import train
from asset_predict_dagster_tests.market.simulated_tables import market_as_of

pytestmark = pytest.mark.proofs

SEEDS = (1, 2, 3, 4, 5)
LAST = date(2023, 12, 28)
ONE_SIDED_95 = 1.645


def learners(seed: int) -> list[Learner]:
    return [
        RandomForestLearner(FEATURE_NAMES, ForestSettings(seed=seed)),
        LstmLearner(FEATURE_NAMES, LstmSettings(seed=seed)),
    ]


def forecasts_of_a_market(seed: int, strength: float, folder: Path) -> pd.DataFrame:
    """Next-session forecasts of both models and of the oracle on one market's test sessions."""
    market = market_as_of(LAST, strength, seed)
    samples, folds = market.samples, market.folds()
    bundles = {}
    for learner in learners(seed):
        trained = train(learner, samples, market.labels, folds, folder, {})
        bundles[(learner.name, "1")] = load_bundle(folder, trained.evaluation_bundle)
    last_close = market.quotes["close"].to_numpy()
    forecasts = forecast_test_sessions(bundles, samples, market.labels, last_close, folds)
    forecasts = forecasts[forecasts["horizon"] == 1]
    oracle = forecasts[forecasts["model"] == "naive"].drop(columns="score")
    known = market.oracle.astype({"session": "datetime64[us]"})
    oracle = oracle.merge(known, on=["session", "ticker"]).assign(model="oracle")
    return pd.concat([forecasts, oracle], ignore_index=True)


@pytest.fixture(scope="module")
def markets(tmp_path_factory):
    """strength → the forecasts of each of the five markets; made once."""
    folder = tmp_path_factory.mktemp("bundles")
    return {
        strength: [forecasts_of_a_market(seed, strength, folder) for seed in SEEDS]
        for strength in (0.0, 0.08)
    }


def daily_rank_ic(markets: list[pd.DataFrame], model: str) -> np.ndarray:
    return np.concatenate(
        [
            session_rank_ic(rows[rows["model"] == model], "realised_return_tradable").dropna()
            for rows in markets
        ]
    )


def log_loss_gain(markets: list[pd.DataFrame], model: str) -> np.ndarray:
    """Per session: log-loss of the class prior minus the model's; above zero is skill."""
    gains = []
    for rows in markets:
        loss = {}
        for name in (model, "prior"):
            mine = rows[rows["model"] == name]
            said = np.select(
                [mine["realised_label"] == action for action in ("buy", "hold", "sell")],
                [mine[f"probability_{action}"] for action in ("buy", "hold", "sell")],
            )
            loss[name] = pd.Series(-np.log(said)).groupby(mine["session"].to_numpy()).mean()
        gains.append(loss["prior"] - loss[model])
    return np.concatenate(gains)


def lower_end(values: np.ndarray) -> float:
    return values.mean() - ONE_SIDED_95 * values.std(ddof=1) / np.sqrt(len(values))


def upper_end(values: np.ndarray) -> float:
    return values.mean() + ONE_SIDED_95 * values.std(ddof=1) / np.sqrt(len(values))


@pytest.mark.parametrize("model", ["random_forest", "lstm"])
def test_a_market_without_skill_shows_none_in_the_order_of_returns(markets, model: str):
    daily = daily_rank_ic(markets[0.0], model)
    print(f"{model}, no skill: rank IC {daily.mean():.4f}, {len(daily)} sessions")
    assert lower_end(daily) <= 0


@pytest.mark.parametrize("model", ["random_forest", "lstm"])
def test_a_planted_skill_is_recovered_for_the_most_part(markets, model: str):
    found = daily_rank_ic(markets[0.08], model).mean()
    there = daily_rank_ic(markets[0.08], "oracle").mean()
    print(f"{model}, planted: rank IC {found:.4f} of the oracle's {there:.4f}")
    assert found >= 0.6 * there


@pytest.mark.parametrize("strength", [0.0, 0.08])
@pytest.mark.parametrize("model", ["random_forest", "lstm"])
def test_probabilities_are_no_worse_than_the_priors(markets, model: str, strength: float):
    gain = log_loss_gain(markets[strength], model)
    print(f"{model} at {strength}: log-loss {gain.mean():.5f} below the prior's")
    assert upper_end(gain) >= 0
