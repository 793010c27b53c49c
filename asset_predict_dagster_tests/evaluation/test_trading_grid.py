"""The grid holds the price of each session's trading, and what stood when there was none."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.evaluation.trading_grid import TradingGrid, average_price
from asset_predict_dagster_tests.evaluation.trading_quotes import quotes_at, random_market
from asset_predict_dagster_tests.market.simulated_tables import market_as_of


def test_a_halt_is_a_return_of_nothing_and_then_all_of_it():
    grid = TradingGrid(quotes_at({"ZZAA3": [10, None, None, 15], "ZZBA3": [None, 4, 4, 5]}))
    assert grid.returns[:, 0].tolist() == [0.0, 0.0, 0.5]
    assert grid.returns[:, 1].tolist() == [0.0, 0.0, 0.25]
    assert grid.idle[:, 0].tolist() == [0, 1, 2, 0]
    assert grid.traded[:, 1].tolist() == [False, True, True, True]


def test_a_session_of_the_calendar_in_which_nothing_traded_is_a_session():
    grid = TradingGrid(quotes_at({"ZZAA3": [10, None, 11]}))
    assert len(grid.calendar) == 3
    assert grid.returns[:, 0].tolist() == pytest.approx([0.0, 0.1])


def test_a_row_without_traded_value_is_no_trade():
    quotes = quotes_at({"ZZAA3": [10, 20, 30]}, volume_brl=[1e6, 0.0, 1e6])
    grid = TradingGrid(quotes)
    assert grid.traded[:, 0].tolist() == [True, False, True]
    assert grid.returns[:, 0].tolist() == [0.0, 2.0]


def test_a_missing_average_is_the_middle_of_high_low_and_close_adjusted_alike():
    quotes = quotes_at({"ZZAA3": [10.0]}, average=np.nan, high=12.0, low=9.0, close=9.0)
    assert average_price(quotes.assign(adjusted_close=18.0)).tolist() == [20.0]
    assert average_price(quotes.assign(average=0.0, adjusted_close=9.0)).tolist() == [10.0]


def test_its_volatility_is_the_feature_of_that_name():
    market = market_as_of(date(2018, 12, 28))
    quotes = market.quotes
    grid = TradingGrid(quotes)
    found = grid.volatility[grid.place(quotes["session"]), grid.column(quotes["ticker"])]
    expected = market.features["volatility_21d"].to_numpy()
    assert found == pytest.approx(expected, abs=1e-7, nan_ok=True)
    assert np.isfinite(found).mean() > 0.5


def test_what_is_not_there_has_no_place():
    grid = TradingGrid(quotes_at({"ZZAA3": [10, 11]}))
    days = pd.Series(pd.DatetimeIndex(["2024-01-01", "2024-01-03", "2030-01-02"]).as_unit("us"))
    assert grid.place(days).tolist() == [-1, 1, -1]
    assert grid.column(pd.Series(["ZZZZ3", "ZZAA3"])).tolist() == [-1, 0]


def test_tickers_may_be_categories():
    quotes, _ = random_market(2)
    plain, coded = TradingGrid(quotes), TradingGrid(quotes.astype({"ticker": "category"}))
    assert (plain.returns == coded.returns).all()
    assert coded.column(quotes["ticker"].astype("category")[:3]).tolist() == [0, 0, 0]
