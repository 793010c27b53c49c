"""Whoever is given the answer is found out: leaks planted on purpose, from features to verdict.

A market without any signal, a small learner that fits in a moment, and the same way to a verdict
that every model takes. Beside the leaks stands the same learner without one.
"""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset.path_returns import path_returns
from asset_predict_dagster.dataset.samples import Samples, build_samples
from asset_predict_dagster.dataset.splits import HOLDOUT
from asset_predict_dagster.evaluation.evaluate import evaluate
from asset_predict_dagster.evaluation.verdict import judge
from asset_predict_dagster.evaluation.walk_forward import WALK_FORWARD_VERSION, forecast_window
from asset_predict_dagster_tests.market.simulated_tables import market_as_of
from asset_predict_dagster_tests.models.small_learner import LeastSquares

LAST = date(2020, 6, 30)
HONEST = ("rank_log_return_1d", "log_return_1d", "volatility_21d", "rank_log_return_5d")


def named(name: str, *features: str) -> LeastSquares:
    learner = LeastSquares(features)
    learner.name = name
    return learner


def with_hints(samples: Samples, **hints: np.ndarray) -> Samples:
    """The samples with more features, which no honest table has."""
    return replace(
        samples,
        feature_names=(*samples.feature_names, *hints),
        features=np.column_stack([samples.features, *hints.values()]).astype(np.float32),
    )


@pytest.fixture(scope="module")
def market():
    return market_as_of(LAST, signal_strength=0.0, seed=5)


@pytest.fixture(scope="module")
def verdict_of(market):
    """Verdicts by name of the learners, all of them fitted and tested on these samples."""

    def of(learners, samples, labels, **options):
        forecasts = forecast_window(
            learners,
            samples,
            labels,
            path_returns(market.quotes),
            market.quotes["close"].to_numpy(),
            market.folds(test_size=0.3),
            HOLDOUT,
            refit=False,
        )
        table = evaluate(forecasts[forecasts["horizon"] == 1], seed=1)
        return {
            learner.name: judge(table, learner.name, WALK_FORWARD_VERSION, HOLDOUT, **options)
            for learner in learners
        }

    return of


@pytest.fixture(scope="module")
def verdicts(market, verdict_of):
    samples = market.samples
    today = pd.Series(samples.columns(("rank_log_return_1d",))[:, 0])
    of_ticker = today.groupby(samples.ticker_codes)
    hinted = with_hints(
        samples,
        answer=np.array([1.0, 0.0, -1.0, np.nan])[samples.action],
        tomorrow=of_ticker.shift(-1).to_numpy(),
        day_after=of_ticker.shift(-2).to_numpy(),
    )
    learners = [
        named("honest", *HONEST),
        named("given_the_answer", *HONEST, "answer"),
        named("a_row_too_late", *HONEST, "tomorrow"),
        named("two_rows_too_late", *HONEST, "day_after"),
    ]
    return verdict_of(learners, hinted, market.labels)


def test_who_is_given_nothing_is_accused_of_nothing(verdicts):
    assert verdicts["honest"].claim == "no_skill"


@pytest.mark.parametrize(
    ("leak", "words"),
    [
        ("given_the_answer", "of its actions are right"),
        ("a_row_too_late", "rank IC against the next session's return"),
        ("two_rows_too_late", "rank IC against the tradable return"),
    ],
)
def test_a_feature_that_knows_what_comes_is_called_impossible(verdicts, leak, words):
    verdict = verdicts[leak]
    assert verdict.claim == "impossible"
    assert verdict.headline.startswith("Impossible skill, so look for a leak")
    assert words in verdict.paragraph


@pytest.fixture(scope="module")
def of_today(market):
    """Labels that say what happened until t, not after: somebody forgot to shift them."""
    action = market.labels.groupby("ticker")["action"].shift(1)
    return market.labels.assign(action=action.astype(market.labels["action"].dtype))


def test_a_label_of_the_same_day_is_called_impossible(market, verdict_of, of_today):
    samples = build_samples(market.features, market.universe, of_today)
    verdict = verdict_of([named("same_day", *HONEST)], samples, of_today)["same_day"]
    assert verdict.claim == "impossible"
    assert "of its actions are right" in verdict.headline
    assert "Look for a label made of the same day" in verdict.paragraph
