"""A report's input on a small made-up market: everything that a report can show, or less."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.evaluation.backtest import backtest
from asset_predict_dagster.evaluation.costs import Costs
from asset_predict_dagster.evaluation.evaluate import evaluate
from asset_predict_dagster.evaluation.positions import STRATEGIES
from asset_predict_dagster.evaluation.report import ReportInput, report_html
from asset_predict_dagster.evaluation.report_input import Importance
from asset_predict_dagster.evaluation.verdict import judge
from asset_predict_dagster_tests.evaluation.forecast_rows import DAILY_VOLATILITY, made_forecasts
from asset_predict_dagster_tests.registry.trainings import importance

MODELS = {("random_forest", "3"): 0.1, ("lstm", "4"): 0.0}
"""Model and version → its skill."""

WHOSE = "version 3 of random_forest, on sessions of its validation from 2022-01-03 to 2022-12-29"

WHEN = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)


def quotes_of(forecasts: pd.DataFrame, seed: int = 2) -> pd.DataFrame:
    """Quotes of the forecast tickers from a month before the first session to a week after.

    The later a ticker's name in the alphabet, the more of it is traded.
    """
    tickers = sorted(forecasts["ticker"].astype("str").unique())
    first = forecasts["session"].min() - pd.offsets.BDay(30)
    last = forecasts["session"].max() + pd.offsets.BDay(5)
    sessions = pd.bdate_range(first, last).as_unit("us")
    random = np.random.default_rng(seed)
    moves = DAILY_VOLATILITY * random.standard_normal((len(sessions), len(tickers)))
    close = 20 * np.exp(np.cumsum(moves, axis=0)).ravel()
    return pd.DataFrame(
        {
            "session": np.repeat(sessions, len(tickers)),
            "ticker": np.tile(tickers, len(sessions)),
            **dict.fromkeys(("open", "high", "low", "average", "close", "adjusted_close"), close),
            "best_bid": close * 0.999,
            "best_ask": close * 1.001,
            "volume_brl": np.tile(np.arange(1, len(tickers) + 1) * 1e7, len(sessions)),
        }
    )


@cache
def _tables(n_sessions: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    forecasts = pd.concat(
        [made_forecasts(MODELS, n_sessions=n_sessions, horizon=horizon) for horizon in (1, 5)],
        ignore_index=True,
    )
    return forecasts, evaluate(forecasts, seed=1), quotes_of(forecasts)


def report_input(n_sessions: int = 90, **changes: Any) -> ReportInput:
    """A holdout of two models with verdicts, backtests, benchmarks and one importance."""
    forecasts, evaluation, quotes = _tables(n_sessions)
    backtests = {}
    for model, version in MODELS:
        mine = (forecasts["model"] == model) & (forecasts["horizon"] == 1)
        scores = forecasts.loc[mine, ["session", "ticker", "score"]]
        backtests[model, version] = [
            backtest(scores, quotes, strategy, Costs()) for strategy in STRATEGIES
        ]
    random = np.random.default_rng(3)
    days = backtests["lstm", "4"][0].daily["session"]
    benchmarks = pd.DataFrame(
        {"session": days, "equal_weight": random.normal(0, 0.01, len(days)), "ibov": np.nan}
    )
    given = ReportInput(
        title="Holdout of November",
        window="holdout",
        evaluation=evaluation,
        forecasts=forecasts[forecasts["horizon"] == 1],
        verdicts=[judge(evaluation, model, version, "holdout") for model, version in MODELS],
        backtests=backtests,
        benchmarks=benchmarks,
        quotes=quotes,
        importances={"random_forest": Importance(importance(25), WHOSE)},
        made_at=WHEN,
        facts={"code version": "0.6.0", "seed": "42"},
    )
    return replace(given, **changes)


def bare_input() -> ReportInput:
    """The same without anything that may be left out."""
    return report_input(verdicts=[], backtests={}, benchmarks=None, importances={}, facts={})


def walk_forward_input(n_sessions: int = 90) -> ReportInput:
    """The same sessions as three test windows, pooled as `walk_forward`."""
    given = report_input(n_sessions)
    sessions = np.sort(given.forecasts["session"].unique())
    window = given.forecasts["session"].map(
        {day: f"2023Q{1 + 3 * place // len(sessions)}" for place, day in enumerate(sessions)}
    )
    parts = evaluate(given.forecasts.assign(window=window), seed=1)
    pooled = given.evaluation.assign(window="walk_forward")
    return replace(
        given, window="walk_forward", evaluation=pd.concat([pooled, parts], ignore_index=True)
    )


@cache
def walk_forward_page() -> str:
    """Its report, made once."""
    return report_html(walk_forward_input())
