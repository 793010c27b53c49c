"""The market's own return goes by the clock of the backtests beside it."""

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.evaluation.market_benchmarks import market_benchmarks
from asset_predict_dagster_tests.evaluation.trading_quotes import SESSIONS, quotes_at, random_market

PRICES = {"ZZAA3": [5, 10, 11, 11], "ZZBA3": [5, 10, 10, 13], "ZZCA3": [5, 10, 99, 99]}
QUOTES = quotes_at(PRICES)


def universe_of(quotes: pd.DataFrame, *tickers: str) -> pd.DataFrame:
    return quotes[["session", "ticker"]].assign(in_universe=quotes["ticker"].isin(tickers))


def test_the_universe_is_held_in_equal_parts_from_average_to_average():
    found = market_benchmarks(
        QUOTES, universe_of(QUOTES, "ZZAA3", "ZZBA3"), pd.Series(SESSIONS[:4]), None
    )
    assert found["session"].tolist() == SESSIONS[:4].tolist()
    # +10 % and 0, then 0 and +30 %; the last two have no average two sessions later.
    assert found["equal_weight"].to_numpy() == pytest.approx(
        [0.05, 0.15, np.nan, np.nan], nan_ok=True
    )
    assert found["ibov"].isna().all()


def test_the_index_goes_from_the_close_of_the_next_session_to_the_one_after():
    index = pd.Series([100.0, 100.0, 110.0], index=SESSIONS[[0, 1, 2]])
    sessions = pd.Series(SESSIONS[:4])
    found = market_benchmarks(QUOTES, universe_of(QUOTES, "ZZAA3"), sessions, index)
    assert found["ibov"].to_numpy() == pytest.approx([0.1, np.nan, np.nan, np.nan], nan_ok=True)


def test_a_halted_member_makes_it_up_when_it_trades_again():
    quotes = quotes_at({"ZZAA3": [10, 10, None, 12], "ZZBA3": [10] * 4})
    found = market_benchmarks(
        quotes, universe_of(quotes, "ZZAA3", "ZZBA3"), pd.Series(SESSIONS[:2]), None
    )
    assert found["equal_weight"].tolist() == pytest.approx([0.0, 0.1])


def test_a_session_in_which_no_member_could_be_bought_has_no_return():
    quotes = quotes_at({"ZZAA3": [10, None, 12, 12], "ZZBA3": [10] * 4})
    found = market_benchmarks(quotes, universe_of(quotes, "ZZAA3"), pd.Series(SESSIONS[:1]), None)
    assert found["equal_weight"].isna().all()


def test_an_empty_universe_has_no_return():
    found = market_benchmarks(QUOTES, universe_of(QUOTES), pd.Series(SESSIONS[:2]), None)
    assert found["equal_weight"].isna().all()
    strange = pd.Series(pd.DatetimeIndex(["2019-01-02"]).as_unit("us"))
    later = market_benchmarks(QUOTES, universe_of(QUOTES, "ZZAA3"), strange, None)
    assert later["equal_weight"].isna().all()


def test_without_halts_it_is_the_mean_of_the_members_returns():
    quotes, _ = random_market(7, halted=0.0)
    names = sorted(quotes["ticker"].unique())[:4]
    price = quotes.pivot(index="session", columns="ticker", values="average")[names]
    expected = price.pct_change().shift(-2).mean(axis=1)
    found = market_benchmarks(quotes, universe_of(quotes, *names), quotes["session"], None)
    assert found["equal_weight"].to_numpy()[:-2] == pytest.approx(expected.to_numpy()[:-2])
