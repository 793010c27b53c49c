"""A quote is R$ per share, and its adjusted price grows by what a holder really earned."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import MarketDataError
from asset_predict_dagster.market.corporate_actions import read_corporate_actions
from asset_predict_dagster.market.cotahist import read_cotahist
from asset_predict_dagster.market.quotes import (
    adjust,
    clean_quotes,
    impossible_prices,
    unannounced_distributions,
    unexplained_jumps,
    unit_price_brl,
)
from asset_predict_dagster.market.simulated_market import SimulatedMarket
from asset_predict_dagster.market.sources import market_files
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import QUOTES, RAW_QUOTES

PANEL = Path(__file__).parents[2] / ".." / "shared" / "data" / "b3_panel"
LAST = date(2024, 1, 31)
PRICES = ("open", "high", "low", "average", "close", "best_bid", "best_ask")


def day(of_january: int) -> pd.Timestamp:
    return pd.Timestamp(2024, 1, of_january).as_unit("us")


def raw(of_january: int, close: float, ticker: str = "ZZAA3", **changed) -> dict:
    """A record of a session of January 2024 with one price, but for what is `changed`."""
    return {
        **{column.name: "" for column in RAW_QUOTES.columns},
        **dict.fromkeys(PRICES, close),
        "session": day(of_january),
        "ticker": ticker,
        "market_type": "010",
        "bdi_code": "02",
        "quotation_factor": 1,
        **changed,
    }


def quotes_of(*records: dict) -> pd.DataFrame:
    return clean_quotes(pd.DataFrame(records), LAST)


def traded(closes: dict[int, float], ticker: str = "ZZAA3") -> pd.DataFrame:
    """Quotes of one ticker: day of January 2024 → its close."""
    return quotes_of(*(raw(of_january, close, ticker) for of_january, close in closes.items()))


def events(*rows: tuple[int, str, float], ticker: str = "ZZAA3") -> pd.DataFrame:
    """(day of January 2024, kind, R$ per share or shares after / before)."""
    return pd.DataFrame(
        [
            {
                "ticker": ticker,
                "ex_date": day(of_january),
                "kind": kind,
                "amount_brl": value if kind == "cash_dividend" else np.nan,
                "factor": np.nan if kind == "cash_dividend" else value,
            }
            for of_january, kind, value in rows
        ],
        columns=["ticker", "ex_date", "kind", "amount_brl", "factor"],
    )


def adjusted(closes: dict[int, float], *rows: tuple[int, str, float]) -> list[float]:
    return adjust(traded(closes), events(*rows))["adjusted_close"].tolist()


# One row per ticker and session, in reais per share


def test_a_price_per_thousand_shares_becomes_a_price_per_share():
    [quote] = quotes_of(raw(2, 510.0, quotation_factor=1000)).to_dict("records")
    assert [quote[name] for name in PRICES] == [0.51] * len(PRICES)


def test_prices_compare_across_a_change_of_the_quotation_factor():
    quotes = quotes_of(raw(2, 510.0, quotation_factor=1000), raw(3, 0.51))
    assert quotes["close"].tolist() == [0.51, 0.51]


def test_a_missing_price_stays_missing():
    assert unit_price_brl(pd.Series([np.nan]), pd.Series([1000])).isna().all()


def test_only_spot_trades_in_standard_lots_are_quotes():
    quotes = quotes_of(
        raw(2, 10.0, "ZZAA3"),
        raw(2, 90.0, "ZZAF11", bdi_code="12"),  # a real-estate fund
        raw(2, 60.0, "ZZAS4", bdi_code="08"),  # a share in judicial recovery
        raw(2, 10.1, "ZZAA3F", market_type="020", bdi_code="96"),  # a fraction of a lot
        raw(2, 0.3, "ZZAAA10", market_type="070", bdi_code="78"),  # a call
        raw(2, 0.2, "ZZAA1", bdi_code="10"),  # a right
        raw(2, 10.2, "ZZAA3T", market_type="030", bdi_code="62"),  # a forward
    )
    assert quotes["ticker"].tolist() == ["ZZAA3", "ZZAF11", "ZZAS4"]


def test_quotes_are_sorted_by_ticker_and_session():
    quotes = quotes_of(raw(3, 1.0, "ZZAB3"), raw(3, 2.0), raw(2, 3.0), raw(2, 4.0, "ZZAB3"))
    assert quotes["close"].tolist() == [3.0, 2.0, 4.0, 1.0]


def test_what_the_run_pretends_not_to_know_is_hidden():
    records = pd.DataFrame([raw(2, 10.0), raw(3, 11.0), raw(4, 12.0)])
    assert clean_quotes(records, date(2024, 1, 3))["close"].tolist() == [10.0, 11.0]


def test_a_bid_or_ask_of_zero_is_none():
    quotes = quotes_of(raw(2, 10.0, best_bid=0.0, best_ask=10.01))
    assert quotes["best_bid"].isna().all()
    assert quotes["best_ask"].tolist() == [10.01]


@pytest.mark.parametrize("records", [[], [raw(2, 0.3, market_type="070")], [raw(31, 10.0)]])
def test_no_quote_at_all_is_said_so(records):
    table = pd.DataFrame(records, columns=RAW_QUOTES.column_names)
    with pytest.raises(MarketDataError, match=r"no spot trade in standard lots up to 2024-01-30"):
        clean_quotes(table, date(2024, 1, 30))


# Adjusted prices, worked out by hand


def test_without_an_event_a_price_is_its_own_adjusted_price():
    table = adjust(traded({2: 10.0, 3: 11.0}), events())
    assert table["adjusted_close"].tolist() == [10.0, 11.0]
    assert table["split_factor"].tolist() == table["dividend_factor"].tolist() == [1.0, 1.0]


def test_a_split_halves_the_price_and_nobody_is_poorer():
    table = adjust(traded({2: 10.0, 3: 10.0, 4: 5.0, 5: 5.5}), events((4, "split", 2.0)))
    assert table["split_factor"].tolist() == [1.0, 1.0, 2.0, 2.0]
    assert table["adjusted_close"].tolist() == [10.0, 10.0, 10.0, 11.0]


def test_a_grouping_of_ten_makes_the_price_ten_times_as_high():
    assert adjusted({2: 1.0, 3: 10.0, 4: 20.0}, (3, "grouping", 0.1)) == [1.0, 1.0, 2.0]


def test_a_bonus_of_three_per_cent_is_three_shares_for_a_hundred():
    # 100 shares at 10.30 are 1,030; 103 shares at 10.00 are 1,030.
    assert adjusted({2: 10.3, 3: 10.0}, (3, "bonus", 1.03)) == pytest.approx([10.3, 10.3])


def test_a_dividend_is_earned_by_whoever_held_the_eve():
    # 10 the evening before; 9 and 1 in cash the evening after.
    table = adjust(traded({2: 10.0, 3: 9.0, 4: 18.0}), events((3, "cash_dividend", 1.0)))
    assert table["dividend_factor"].tolist() == [1.0, 1 + 1 / 9, 1 + 1 / 9]
    assert table["adjusted_close"].tolist() == pytest.approx([10.0, 10.0, 20.0])


def test_a_dividend_and_a_split_of_one_day_are_of_the_shares_of_the_eve():
    # One share at 10 becomes 1 in cash and two shares at 4.50.
    for rows in ([(3, "cash_dividend", 1.0), (3, "split", 2.0)],):
        assert adjusted({2: 10.0, 3: 4.5}, *rows) == pytest.approx([10.0, 10.0])
        assert adjusted({2: 10.0, 3: 4.5}, *rows[::-1]) == pytest.approx([10.0, 10.0])


def test_an_event_without_a_trade_that_day_takes_effect_at_the_next():
    assert adjusted({2: 10.0, 5: 5.0}, (4, "split", 2.0)) == [10.0, 10.0]
    assert adjusted({2: 10.0, 5: 9.0}, (3, "cash_dividend", 1.0)) == pytest.approx([10.0, 10.0])


def test_a_dividend_after_a_split_is_of_the_new_shares_though_neither_day_traded():
    # One share at 10 → two at 5 → two at 4.50 and twice 0.50 in cash.
    rows = [(3, "split", 2.0), (4, "cash_dividend", 0.5)]
    assert adjusted({2: 10.0, 5: 4.5}, *rows) == pytest.approx([10.0, 10.0])
    assert adjusted({2: 10.0, 5: 4.5}, *rows[::-1]) == pytest.approx([10.0, 10.0])


def test_a_dividend_before_a_split_is_of_the_old_shares_though_neither_day_traded():
    # One share at 10 → one at 9 and 1 in cash → two at 4.50.
    rows = [(3, "cash_dividend", 1.0), (4, "split", 2.0)]
    assert adjusted({2: 10.0, 5: 4.5}, *rows) == pytest.approx([10.0, 10.0])


def test_an_event_before_the_first_session_or_on_it_changes_nothing():
    for ex_date in (2, 3):
        rows = [(ex_date, "split", 2.0), (ex_date, "cash_dividend", 1.0)]
        assert adjusted({3: 10.0, 4: 11.0}, *rows) == [10.0, 11.0]


def test_an_event_after_the_last_session_changes_nothing():
    assert adjusted({2: 10.0, 3: 11.0}, (4, "split", 2.0)) == [10.0, 11.0]


def test_an_event_on_the_last_session_counts():
    assert adjusted({2: 10.0, 3: 5.0}, (3, "split", 2.0)) == [10.0, 10.0]


def test_an_event_of_another_ticker_changes_nothing():
    both = pd.concat([traded({2: 10.0, 3: 11.0}), traded({2: 20.0, 3: 10.0}, "ZZAB3")])
    table = adjust(both.reset_index(drop=True), events((3, "split", 2.0), ticker="ZZAB3"))
    assert table["adjusted_close"].tolist() == [10.0, 11.0, 20.0, 20.0]
    unknown = adjust(traded({2: 10.0, 3: 11.0}), events((3, "split", 2.0), ticker="ZZZZ3"))
    assert unknown["adjusted_close"].tolist() == [10.0, 11.0]


def test_the_whole_day_is_adjusted_by_the_same_factors():
    quotes = quotes_of(raw(2, 10.0), raw(3, 5.0, open=5.25, high=6.0, low=4.5))
    row = adjust(quotes, events((3, "split", 2.0))).iloc[1]
    assert row[["open", "high", "low", "close"]].tolist() == [5.25, 6.0, 4.5, 5.0]
    parts = ["adjusted_open", "adjusted_high", "adjusted_low", "adjusted_close"]
    assert row[parts].tolist() == [10.5, 12.0, 9.0, 10.0]


# Adjusted prices, whatever happens

SESSIONS = pd.DatetimeIndex(pd.bdate_range("2024-01-02", periods=15)).as_unit("us")
closes = st.integers(1, 100_000).map(lambda centavos: centavos / 100)
histories = st.dictionaries(st.sampled_from([*SESSIONS.day]), closes, min_size=1)
amounts = st.tuples(
    st.integers(1, 31), st.just("cash_dividend"), st.integers(1, 500).map(lambda c: c / 100)
)
share_events = st.tuples(
    st.integers(1, 31),
    st.sampled_from(["split", "grouping", "bonus"]),
    st.sampled_from([0.001, 0.1, 1.03, 1.1, 2.0, 3.0, 10.0]),
)
event_lists = st.lists(amounts | share_events, max_size=8)


@settings(max_examples=50, deadline=None)
@given(one=histories, other=histories, rows=event_lists, today=st.integers(2, 22))
def test_what_happens_later_never_changes_an_adjusted_price(one, other, rows, today):
    quotes = pd.concat([traded(one), traded(other, "ZZAB3")], ignore_index=True)
    actions = pd.concat([events(*rows), events(*rows[::2], ticker="ZZAB3")], ignore_index=True)
    seen_later = adjust(quotes, actions)
    known = seen_later["session"] <= day(today)
    seen_today = adjust(
        quotes[quotes["session"] <= day(today)].reset_index(drop=True),
        actions[actions["ex_date"] <= day(today)],
    )
    pd.testing.assert_frame_equal(
        seen_today, seen_later[known].reset_index(drop=True), check_exact=True
    )


@settings(deadline=None)
@given(history=histories, rows=event_lists)
def test_adjusted_prices_grow_as_a_holders_wealth_does(history, rows):
    """The plain loop: hold one share from the first close on, and reinvest at each close."""
    shares, previous, wealth = 1.0, None, []
    for today in sorted(history):
        cash = 0.0
        if previous is not None:
            for ex_date in range(previous + 1, today + 1):
                of_the_day = [(kind, value) for on, kind, value in rows if on == ex_date]
                cash += shares * sum(v for kind, v in of_the_day if kind == "cash_dividend")
                for kind, value in of_the_day:
                    shares *= 1 if kind == "cash_dividend" else value
        shares += cash / history[today]
        wealth.append(shares * history[today])
        previous = today
    assert adjusted(history, *rows) == pytest.approx(wealth, rel=1e-9)


def test_adjusted_returns_are_the_true_returns_of_the_simulated_market():
    last = date(2021, 12, 30)
    simulation = SimulatedMarket().simulate(last)
    quotes = clean_quotes(simulation.records, last)
    table = adjust(quotes, simulation.corporate_actions)
    of_ticker = table.groupby("ticker")
    table["previous"] = of_ticker["close"].shift()
    table["new_shares"] = table["split_factor"] / of_ticker["split_factor"].shift()
    table["seen"] = table["adjusted_close"] / of_ticker["adjusted_close"].shift() - 1
    table["half_a_tick"] = 0.005 / quotes["quotation_factor"]

    seen = table[table["previous"].notna()]
    both = seen.merge(
        simulation.true_returns, on=["ticker", "session"], how="outer", validate="1:1"
    )
    assert len(both) == len(seen) == len(simulation.true_returns) > 30_000
    assert (both["new_shares"] != 1).sum() >= 5
    assert (both["half_a_tick"] < 0.005).any()
    # (close × shares + cash) / previous, with both prices half a tick off.
    bound = both["half_a_tick"] * (both["new_shares"] + 1 + both["total_return"])
    error = (both["seen"] - both["total_return"]).abs()
    assert (error <= bound / both["previous"] + 1e-9).all()
    assert unexplained_jumps(table).empty
    assert impossible_prices(table).empty


# What a reader should look at


def test_a_jump_without_an_event_is_named():
    quotes = pd.concat(
        [traded({2: 10.0, 3: 18.0, 4: 33.0}), traded({2: 10.0, 3: 5.0}, "ZZAB3")],
        ignore_index=True,
    )
    jumps = unexplained_jumps(adjust(quotes, events()))
    # +80 % is believed, +83 % and -50 % are not.
    assert jumps[["ticker", "session"]].values.tolist() == [["ZZAA3", day(4)], ["ZZAB3", day(3)]]
    assert jumps["adjusted_return"].tolist() == pytest.approx([33 / 18 - 1, -0.5])


def test_a_jump_that_an_event_explains_is_not_named():
    table = adjust(traded({2: 10.0, 3: 5.0}), events((3, "split", 2.0)))
    assert unexplained_jumps(table).empty


def test_the_first_session_of_a_ticker_is_no_jump_from_another():
    quotes = pd.concat([traded({2: 10.0}), traded({3: 1_000.0}, "ZZAB3")], ignore_index=True)
    assert unexplained_jumps(adjust(quotes, events())).empty


@pytest.mark.parametrize(
    ("changed", "is_impossible"),
    [
        ({"open": 10.0, "high": 10.0, "low": 10.0, "close": 10.0}, False),
        ({"open": 10.0, "high": 12.0, "low": 9.0, "close": 12.0}, False),
        ({"open": 8.9, "high": 12.0, "low": 9.0, "close": 11.0}, True),
        ({"open": 12.1, "high": 12.0, "low": 9.0, "close": 11.0}, True),
        ({"open": 10.0, "high": 12.0, "low": 9.0, "close": 8.9}, True),
        ({"open": 10.0, "high": 12.0, "low": 9.0, "close": 12.1}, True),
        ({"open": 10.0, "high": 12.0, "low": 0.0, "close": 11.0}, True),
    ],
)
def test_open_and_close_lie_between_low_and_high_above_zero(changed, is_impossible):
    quotes = quotes_of(raw(2, 10.0) | changed, raw(3, 10.0))
    found = impossible_prices(quotes)
    assert found["session"].tolist() == ([day(2)] if is_impossible else [])


@pytest.mark.skipif(
    not PANEL.is_dir(), reason="the panel of real prices is not beside this checkout"
)
def test_of_twelve_real_years_two_jumps_are_unexplained():
    """UGPA3's earlier prices are scaled wrongly in the source; AMER3's crash was real."""
    last = date(2024, 2, 26)
    records = pd.concat(
        [read_cotahist(path).records for path in market_files(PANEL)], ignore_index=True
    )
    table = adjust(clean_quotes(records, last), read_corporate_actions(PANEL, last))
    assert len(table) == 174_348
    jumps = unexplained_jumps(table)
    named = zip(jumps["ticker"], jumps["session"].dt.strftime("%Y-%m-%d"), strict=True)
    assert list(named) == [("AMER3", "2023-01-12"), ("UGPA3", "2021-06-28")]
    assert jumps["adjusted_return"].tolist() == pytest.approx([-0.77, 1.19], abs=0.01)
    assert broken_promises(QUOTES, table).empty


def test_a_distribution_that_no_event_explains_is_named():
    quotes = pd.DataFrame(
        {
            "ticker": ["ZZAA3"] * 4 + ["ZZBB3"],
            "session": pd.to_datetime(
                ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-05"]
            ),
            "distribution_number": [100, 101, 101, 102, 7],
        }
    )
    events = pd.DataFrame({"ticker": ["ZZAA3"], "ex_date": pd.to_datetime(["2024-01-03"])})
    unknown = unannounced_distributions(quotes, events)
    assert unknown["session"].dt.day.tolist() == [5]
    assert unknown["ticker"].tolist() == ["ZZAA3"]
    assert len(unannounced_distributions(quotes, events.head(0))) == 2
