"""A review gathers a verdict and two backtests for each model, and says what it could not make."""

from datetime import UTC, date, datetime

import pandas as pd
import pytest

from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.costs import Costs
from asset_predict_dagster.evaluation.evaluate import evaluate
from asset_predict_dagster.evaluation.review import TRIED, Made, Market, review, trials
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts
from asset_predict_dagster_tests.market.simulated_tables import market_as_of

NOON = datetime(2024, 1, 8, 12, tzinfo=UTC)
MADE = Made(NOON, facts={"seed": "1"})
MODELS = {("lstm", "4"): 0.3, ("random_forest", "3"): 0.1, ("average", "3+4"): 0.2}
N_TICKERS = 12


@pytest.fixture(scope="module")
def market() -> Market:
    tables = market_as_of(date(2020, 6, 30), signal_strength=0.3)
    return Market(tables.quotes, tables.universe)


@pytest.fixture(scope="module")
def forecasts(market) -> pd.DataFrame:
    """Made to order, under the names of the market's papers and in its sessions."""
    rows = made_forecasts(MODELS, n_tickers=N_TICKERS)
    traded = market.quotes.groupby("ticker")["session"].count()
    tickers = sorted(traded.nlargest(N_TICKERS).index)
    sessions = sorted(market.quotes["session"].unique())[200:]
    names = dict(zip(sorted(rows["ticker"].unique()), tickers, strict=True))
    days = dict(zip(sorted(rows["session"].unique()), sessions, strict=False))
    return rows.assign(ticker=rows["ticker"].map(names), session=rows["session"].map(days))


@pytest.fixture(scope="module")
def figures(forecasts) -> pd.DataFrame:
    return evaluate(forecasts, seed=1)


@pytest.fixture(scope="module")
def reviewed(market, forecasts, figures):
    return review("A holdout", "holdout", figures, forecasts, market, MADE)


def test_each_model_is_judged_the_average_first(reviewed):
    judged = [(verdict.model, verdict.model_version) for verdict in reviewed.verdicts]
    assert judged == [("average", "3+4"), ("random_forest", "3"), ("lstm", "4")]
    assert reviewed.models == judged


def test_each_model_is_backtested_by_both_strategies_on_its_own_scores(reviewed, forecasts):
    assert set(reviewed.backtests) == set(MODELS)
    returns = set()
    for of_model in reviewed.backtests.values():
        assert [run.strategy.name for run in of_model] == ["long_short", "long_only"]
        for run in of_model:
            assert run.daily["session"].isin(forecasts["session"]).all()
            assert run.costs == Costs()
            returns.add(run.daily["gross_return"].sum())
    assert len(returns) == 2 * len(MODELS)


def test_the_market_stands_beside_in_the_same_sessions(reviewed, forecasts):
    beside = reviewed.benchmarks
    assert beside["session"].tolist() == sorted(forecasts["session"].unique())
    assert beside["equal_weight"].notna().all()
    assert beside["ibov"].isna().all()


def test_other_costs_are_those_that_were_asked_for(market, forecasts, figures, reviewed):
    dear = review("Dear", "holdout", figures, forecasts, market, MADE, Costs(flat_bps=50.0))
    for who, runs in dear.backtests.items():
        for run, before in zip(runs, reviewed.backtests[who], strict=True):
            assert run.costs.flat_bps == 50.0
            assert run.daily["cost"].sum() > before.daily["cost"].sum()


def test_the_variants_that_were_tried_are_counted(market, forecasts, figures):
    tuned = Made(NOON, n_trials={"lstm": 50})
    counted = review("Tuned", "holdout", figures, forecasts, market, tuned).backtests
    assert counted[("lstm", "4")][0].n_trials == TRIED["lstm"] + 49
    assert counted[("random_forest", "3")][0].n_trials == TRIED["random_forest"]
    assert counted[("average", "3+4")][0].n_trials == TRIED["lstm"] + 49 + TRIED["random_forest"]
    assert trials("somebody's", {}) == 1


def test_a_backtest_that_cannot_be_made_is_a_fact_and_no_silence(market, forecasts, figures):
    ends_now = Market(
        market.quotes[market.quotes["session"] <= forecasts["session"].min()], market.universe
    )
    told = review("Too short", "holdout", figures, forecasts, ends_now, MADE)
    assert told.backtests == {}
    assert told.facts["seed"] == "1"
    assert {"no backtest of lstm 4", "no backtest of average 3+4"} <= set(told.facts)
    assert len(told.verdicts) == 3


def test_a_window_in_which_no_model_was_measured_is_refused(market, forecasts, figures):
    with pytest.raises(DatasetError, match="no model was evaluated in the window '2018H1'"):
        review("Nothing", "2018H1", figures, forecasts, market, MADE)
    baselines = figures[figures["model_version"] == "baseline"]
    with pytest.raises(DatasetError, match="no model was evaluated"):
        review("Nothing", "holdout", baselines, forecasts, market, MADE)
