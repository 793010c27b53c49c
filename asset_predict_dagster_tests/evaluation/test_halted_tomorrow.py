"""Which papers have a forecast says nothing of who trades the session after the next."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.labels import compute_labels
from asset_predict_dagster.dataset.path_returns import path_returns
from asset_predict_dagster.dataset.samples import HORIZONS, build_samples
from asset_predict_dagster.evaluation.backtest import backtest
from asset_predict_dagster.evaluation.costs import Costs
from asset_predict_dagster.evaluation.forecast_rows import Outcomes
from asset_predict_dagster.evaluation.forecasts import forecast_test_sessions
from asset_predict_dagster.evaluation.positions import Strategy
from asset_predict_dagster.models.bundle import Forecasts
from asset_predict_dagster_tests.market.simulated_tables import market_as_of

MARKET = market_as_of(date(2020, 6, 30), signal_strength=0.3)
SESSIONS = np.sort(MARKET.quotes["session"].unique())
ALWAYS_THERE = MARKET.quotes.groupby("ticker").size().loc[lambda n: n == len(SESSIONS)].index
WITHOUT_LIMITS = Strategy(
    "one paper",
    "long_only",
    share=0.001,
    volatility_scaled=False,
    max_turnover=float("inf"),
    max_participation=float("inf"),
)


class Loves:
    """Stands in for a bundle: a model to which one paper is above all others, always."""

    def __init__(self, ticker: str):
        self.ticker = ticker
        self.card = {"experiment": {"horizon": 1}}

    def forecast(self, samples, rows, days_ahead=5):
        is_loved = samples.tickers[samples.ticker_codes[rows]] == self.ticker
        expected = np.repeat(0.01 * is_loved[:, None], days_ahead, axis=1)
        probabilities = np.tile([0.25, 0.5, 0.25], (len(rows), 1))
        return Forecasts(probabilities, expected, expected, expected - 0.05, expected + 0.05)


def without(is_gone: np.ndarray, quotes: pd.DataFrame = MARKET.quotes):
    """The market's quotes, samples, labels and path returns had these quotes not been there."""
    kept = np.flatnonzero(~is_gone)
    quotes, universe, features = (
        table.take(kept).reset_index(drop=True)
        for table in (quotes, MARKET.universe, MARKET.features)
    )
    labels = compute_labels(quotes, universe, features)
    return quotes, build_samples(features, universe, labels), labels, path_returns(quotes)


def scored(market, session: np.datetime64) -> list[set[str]]:
    """The tickers whose forecast of the session has a row, by horizon."""
    quotes, samples, labels, paths = market
    rows = np.flatnonzero((quotes["session"] == session) & samples.is_forecastable)
    outcomes = Outcomes(samples, labels, paths, quotes["close"].to_numpy())
    codes = [outcomes.known(rows, horizon).columns["ticker"] for horizon in HORIZONS]
    return [set(samples.tickers[of_horizon]) for of_horizon in codes]


@pytest.fixture(scope="module")
def whole():
    return without(np.zeros(len(MARKET.quotes), dtype=bool))


@pytest.fixture(scope="module")
def crash():
    """A paper that trades at t+1, not at t+2 to t+4, and at a tenth of its price from t+5 on:
    its quotes, its ticker, t, and what is forecast by a model that loves it."""
    ticker, t = ALWAYS_THERE[0], len(SESSIONS) - 40
    is_its = (MARKET.quotes["ticker"] == ticker).to_numpy()
    when = MARKET.quotes["session"]
    is_gone = is_its & when.between(SESSIONS[t + 2], SESSIONS[t + 4]).to_numpy()
    prices = ["open", "high", "low", "close", "average", "best_bid", "best_ask"]
    prices += [f"adjusted_{name}" for name in ("open", "high", "low", "close")]
    fallen = MARKET.quotes.copy()
    fallen.loc[is_its & (when > SESSIONS[t + 1]).to_numpy(), prices] *= 0.1
    quotes, samples, labels, paths = without(is_gone, fallen)
    forecasts = forecast_test_sessions(
        {("loves", "1"): Loves(ticker)},
        samples,
        labels,
        paths,
        quotes["close"].to_numpy(),
        MARKET.folds(test_size=0.5),
    )
    return quotes, ticker, t, forecasts[forecasts["horizon"] == 1]


def test_a_paper_halted_the_session_after_the_next_has_a_forecast_and_no_tradable_return(crash):
    _, ticker, t, forecasts = crash
    mine = forecasts[forecasts["ticker"] == ticker]
    at_t = mine[mine["session"] == SESSIONS[t]]
    assert set(at_t["model"]) == set(forecasts["model"])
    assert at_t["realised_return"].notna().all()
    assert at_t["realised_return_tradable"].isna().all()
    # Of the eve of the halt nothing was bought at t+2, and no price judges it.
    eve = [SESSIONS[place] for place in range(t + 1, t + 4)]
    assert not mine["session"].isin(eve).any()


def test_who_holds_a_paper_through_its_halt_bears_its_fall(crash):
    quotes, ticker, t, forecasts = crash
    scores = forecasts.loc[forecasts["model"] == "loves", ["session", "ticker", "score"]]
    run = backtest(scores, quotes, WITHOUT_LIMITS, Costs(flat_bps=0.0))
    daily = run.daily.set_index("session")
    # Bought long before, still held after the trades of t+1, and worthless when it trades again.
    assert daily.loc[SESSIONS[t], "turnover"] == pytest.approx(0.0)
    average = quotes[quotes["ticker"] == ticker].set_index("session")["average"]
    fall = average[SESSIONS[t + 5]] / average[SESSIONS[t + 1]] - 1
    assert fall == pytest.approx(-0.9, abs=0.03)
    assert daily.loc[SESSIONS[t : t + 3], "gross_return"].tolist() == [0.0] * 3
    assert daily.loc[SESSIONS[t + 3], "gross_return"] == pytest.approx(fall)


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(sorted(ALWAYS_THERE)), st.integers(260, len(SESSIONS) - 10))
def test_the_future_of_a_paper_after_the_next_session_decides_nobodys_score(whole, ticker, t):
    is_after = (MARKET.quotes["session"] > SESSIONS[t + 1]).to_numpy()
    is_gone = is_after & (MARKET.quotes["ticker"] == ticker).to_numpy()
    of_session = scored(whole, SESSIONS[t])
    assert len(of_session[0]) > 5  # somebody is forecast
    assert scored(without(is_gone), SESSIONS[t]) == of_session
