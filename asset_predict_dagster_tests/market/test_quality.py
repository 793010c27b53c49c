"""What is missing, repeated or unchanged is named, and nothing else is."""

from datetime import date

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import MarketDataError
from asset_predict_dagster.market.quality import (
    copied_sessions,
    holes,
    missing_sessions,
    repeated_rows,
    stale_prices,
    thin_sessions,
)
from asset_predict_dagster.market.universe import liquid_universe
from asset_predict_dagster_tests.market.real_panel import (
    PANEL_END,
    needs_panel,
    panel_quotes,
)

# Carnival: B3 does not trade on the 12th and the 13th.
FEBRUARY = ["2024-02-08", "2024-02-09", "2024-02-14", "2024-02-15", "2024-02-16"]
SESSIONS = pd.DatetimeIndex(pd.bdate_range("2023-01-02", periods=100)).as_unit("us")
PRICES = ["open", "high", "low", "close"]


def days(*written: str) -> pd.Series:
    return pd.Series(pd.to_datetime(list(written)).astype("datetime64[us]"))


def closes_of(**closes: list[float]) -> pd.DataFrame:
    """Quotes with one price a session, NaN where the ticker did not trade."""
    parts = []
    for ticker, values in closes.items():
        columns = {"ticker": ticker, "session": SESSIONS[: len(values)]}
        parts.append(pd.DataFrame(columns | dict.fromkeys(PRICES, values)).dropna())
    return pd.concat(parts, ignore_index=True)


NOTHING = float("nan")


# Freshness


def test_quotes_up_to_the_last_closed_session_are_fresh():
    assert missing_sessions(days(*FEBRUARY), date(2024, 2, 16), max_behind=0).empty


def test_a_weekend_and_carnival_are_nothing_to_wait_for():
    assert missing_sessions(days("2024-02-09"), date(2024, 2, 13), max_behind=0).empty


@pytest.mark.parametrize(("max_behind", "n_missing"), [(0, 2), (1, 2), (2, 0)])
def test_every_session_that_lacks_is_named_once_there_are_too_many(max_behind, n_missing):
    missing = missing_sessions(days("2024-02-08", "2024-02-09"), date(2024, 2, 15), max_behind)
    assert len(missing) == n_missing
    if n_missing:
        expected = {"session": days("2024-02-14", "2024-02-15"), "sessions_behind": [1, 2]}
        pd.testing.assert_frame_equal(missing, pd.DataFrame(expected))


def test_a_hole_further_back_is_no_lag():
    assert missing_sessions(days("2024-02-08", "2024-02-16"), date(2024, 2, 16), 0).empty


def test_without_any_quote_there_is_nothing_to_be_behind():
    with pytest.raises(MarketDataError, match="expected quotes up to 2024-02-16, found none"):
        missing_sessions(days(), date(2024, 2, 16), max_behind=1)


# Holes


def test_a_session_without_a_single_quote_is_a_hole():
    quotes = pd.DataFrame({"session": days(*FEBRUARY[:2], *FEBRUARY[3:])})
    assert holes(quotes)["session"].tolist() == [pd.Timestamp("2024-02-14")]


def test_where_every_session_has_a_quote_there_is_no_hole():
    assert holes(pd.DataFrame({"session": days(*FEBRUARY)})).empty
    assert holes(pd.DataFrame({"session": days()})).empty


# Thin sessions


def market_of(*n_tickers: int) -> pd.DataFrame:
    """The number of tickers of each session."""
    pairs = [(f"T{t}", SESSIONS[s]) for s, n in enumerate(n_tickers) for t in range(n)]
    return pd.DataFrame(pairs, columns=["ticker", "session"])


def test_a_session_with_fewer_tickers_than_usual_is_named():
    thin = thin_sessions(market_of(*[10] * 12, 7, 10), min_share=0.8)
    assert thin.to_dict("records") == [
        {"session": SESSIONS[12], "n_tickers": 7, "median_before": 10.0, "share": 0.7}
    ]


def test_the_share_itself_is_enough():
    assert thin_sessions(market_of(*[10] * 12, 8), min_share=0.8).empty


def test_the_first_ten_sessions_have_nothing_to_be_compared_with():
    assert thin_sessions(market_of(10, 1, *[10] * 8), min_share=0.8).empty
    assert len(thin_sessions(market_of(*[10] * 10, 1), min_share=0.8)) == 1


def test_one_thin_session_does_not_excuse_the_next():
    thin = thin_sessions(market_of(*[10] * 12, 5, 5), min_share=0.8)
    assert thin["session"].tolist() == list(SESSIONS[12:14])


def test_a_market_that_has_shrunk_is_the_usual_one_after_a_while():
    counts = [10] * 12 + [5] * 4
    assert thin_sessions(market_of(*counts), 0.8, window=3)["session"].tolist() == list(
        SESSIONS[12:14]
    )


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(1, 12), min_size=12, max_size=40), today=st.integers(1, 40))
def test_tomorrow_cannot_make_today_thin(counts, today):
    known = thin_sessions(market_of(*counts[:today]), 0.8, window=11)
    later = thin_sessions(market_of(*counts), 0.8, window=11)
    until = later[later["session"] <= SESSIONS[min(today, len(counts)) - 1]]
    pd.testing.assert_frame_equal(known, until)


# Repeated rows


def test_all_rows_of_a_repeated_key_are_shown_side_by_side():
    frame = pd.DataFrame({"ticker": ["B", "A", "B", "A"], "session": [1, 1, 1, 2], "n": range(4)})
    repeated = repeated_rows(frame, ("ticker", "session"))
    assert repeated["n"].tolist() == [0, 2]
    assert repeated_rows(frame, ["n"]).empty


# Prices that stand still


def stale(quotes: pd.DataFrame, n_sessions: int, liquid: list[bool] | None = None) -> list[dict]:
    in_universe = [True] * len(quotes) if liquid is None else liquid
    universe = quotes[["ticker", "session"]].assign(in_universe=in_universe)
    return stale_prices(quotes, universe, n_sessions).to_dict("records")


def test_a_close_that_stays_the_same_is_a_run_from_its_first_trade_to_its_last():
    quotes = closes_of(ZZAA3=[9.0, 10.0, 10.0, 10.0, 11.0])
    assert stale(quotes, 3) == [
        {
            "ticker": "ZZAA3",
            "first_session": SESSIONS[1],
            "last_session": SESSIONS[3],
            "n_sessions": 3,
            "close": 10.0,
        }
    ]
    assert stale(quotes, 4) == []


def test_a_session_without_a_trade_does_not_end_the_run():
    [run] = stale(closes_of(ZZAA3=[10.0, NOTHING, 10.0, 10.0]), 3)
    assert (run["first_session"], run["last_session"]) == (SESSIONS[0], SESSIONS[3])


def test_the_same_price_of_two_tickers_is_no_run():
    assert stale(closes_of(ZZAA3=[9.0, 10.0], ZZAB3=[10.0, 9.0]), 2) == []


def test_a_price_that_comes_back_is_no_run():
    assert stale(closes_of(ZZAA3=[10.0, 11.0, 10.0]), 2) == []


def test_an_illiquid_ticker_may_keep_its_price():
    quotes = closes_of(ZZAA3=[10.0] * 5)
    assert stale(quotes, 3, [False, False, False, True, True]) == []
    assert stale(quotes, 3, [False, False, True, True, True])[0]["n_sessions"] == 3


# Sessions copied from the one before


def bars(*sessions: list[tuple[float, float, float, float]]) -> pd.DataFrame:
    """Open, high, low, close of tickers T0, T1, ...; an empty tuple where one did not trade."""
    rows = [
        (f"T{t}", SESSIONS[s], *bar)
        for s, session in enumerate(sessions)
        for t, bar in enumerate(session)
        if bar
    ]
    return pd.DataFrame(rows, columns=["ticker", "session", *PRICES])


ONE, TWO, THREE = (1.0, 1.3, 0.9, 1.1), (2.0, 2.3, 1.9, 2.1), (3.0, 3.3, 2.9, 3.1)


def test_a_session_that_repeats_the_one_before_is_named():
    copied = copied_sessions(bars([ONE, TWO], [TWO, THREE], [TWO, ONE], [ONE, THREE]))
    assert copied.to_dict("records") == [
        {
            "session": SESSIONS[2],
            "copy_of": SESSIONS[1],
            "n_tickers": 2,
            "n_copied": 1,
            "share": 0.5,
        }
    ]
    assert copied_sessions(bars([ONE, TWO], [TWO, THREE], [TWO, ONE]), min_share=0.51).empty


@pytest.mark.parametrize("price", PRICES)
def test_a_centavo_of_difference_is_no_copy(price):
    quotes = bars([ONE], [ONE])
    assert len(copied_sessions(quotes)) == 1
    quotes.loc[1, price] += 0.01
    assert copied_sessions(quotes).empty


def test_a_ticker_that_was_away_in_between_has_copied_nothing():
    assert copied_sessions(bars([ONE, TWO], [(), THREE], [ONE, TWO])).empty


def test_another_tickers_prices_are_no_copy():
    assert copied_sessions(bars([ONE, ()], [(), ONE])).empty


def test_prices_of_a_thousandth_of_a_centavo_are_told_apart():
    quotes = bars([ONE], [TWO])
    quotes[PRICES] /= 1000
    assert copied_sessions(quotes).empty


# The panel of real prices


def days_of(table: pd.DataFrame) -> list[str]:
    return table["session"].dt.strftime("%Y-%m-%d").tolist()


@needs_panel
def test_the_panel_lacks_two_sessions():
    assert days_of(holes(panel_quotes())) == ["2012-02-22", "2020-11-20"]
    assert missing_sessions(panel_quotes()["session"], PANEL_END, max_behind=0).empty


@needs_panel
def test_the_panel_has_all_of_its_tickers_in_every_session():
    assert thin_sessions(panel_quotes(), min_share=1.0).empty
    assert repeated_rows(panel_quotes(), ["ticker", "session"]).empty


@needs_panel
def test_three_sessions_of_the_panel_are_mostly_the_session_before():
    # The quantities are the same too: the source filled them up, the 2nd of May after a holiday.
    assert days_of(copied_sessions(panel_quotes())) == ["2012-03-22", "2012-05-02", "2012-08-10"]
    assert copied_sessions(panel_quotes())["n_copied"].tolist() == [33, 33, 31]


@needs_panel
def test_two_prices_of_the_panel_stand_still_for_a_week_around_the_copied_session():
    quotes = panel_quotes()
    universe = liquid_universe(quotes)
    assert stale_prices(quotes, universe, n_sessions=10).empty
    weeks = stale_prices(quotes, universe, n_sessions=7)
    assert weeks["ticker"].tolist() == ["FLRY3", "GGBR4"]
    assert weeks["n_sessions"].tolist() == [7, 8]
    assert weeks["last_session"].dt.strftime("%Y-%m-%d").tolist() == ["2012-08-20"] * 2
