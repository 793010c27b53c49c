"""A quote is R$ per share, and its adjusted price grows by what a holder really earned."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import MarketDataError
from asset_predict_dagster.market.corporate_actions import (
    APPLIED_CONFIDENCE,
    read_corporate_actions,
)
from asset_predict_dagster.market.quotes import (
    adjust,
    clean_quotes,
    impossible_prices,
    unannounced_distributions,
    unexplained_jumps,
    unit_price_brl,
)
from asset_predict_dagster.market.simulated_market import SimulatedMarket
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import QUOTES, RAW_QUOTES
from asset_predict_dagster_tests.market.hand_made_quotes import (
    LAST,
    PRICES,
    day,
    event_lists,
    events,
    histories,
    quotes_of,
    raw,
    traded,
)
from asset_predict_dagster_tests.market.real_panel import (
    PANEL,
    PANEL_END,
    needs_panel,
    panel_quotes,
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


def test_a_paper_is_traded_under_its_code_of_the_day():
    quotes = quotes_of(raw(2, 10.0), raw(2, 20.0, "ZZAB4"))
    assert quotes["traded_as"].tolist() == quotes["ticker"].tolist() == ["ZZAA3", "ZZAB4"]


def test_an_average_and_a_number_of_trades_may_be_missing():
    records = pd.DataFrame([raw(2, 10.0, average=np.nan, trades=pd.NA), raw(3, 11.0, trades=7)])
    table = adjust(clean_quotes(records.astype({"trades": "Int64"}), LAST), events())
    assert table["trades"].tolist() == [pd.NA, 7]
    assert table["average"].isna().tolist() == [True, False]


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


def test_events_that_change_no_price_change_none():
    rows = [(3, kind, np.nan) for kind in ("subscription", "spin_off", "other")]
    assert adjusted({2: 10.0, 3: 5.0}, *rows) == [10.0, 5.0]


@pytest.mark.parametrize(
    ("confidence", "adjusted_close"), [(0.69, 5.0), (APPLIED_CONFIDENCE, 10.0), (1.0, 10.0)]
)
def test_an_inferred_event_counts_if_it_is_likely_enough(confidence, adjusted_close):
    inferred = events((3, "split", 2.0)).assign(source="inferred", confidence=confidence)
    table = adjust(traded({2: 10.0, 3: 5.0}), inferred)
    assert table["adjusted_close"].tolist() == [10.0, adjusted_close]


# Adjusted prices, whatever happens


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


@pytest.mark.parametrize(("threshold", "days"), [(0.5, [3, 4]), (0.59, [4]), (0.61, [])])
def test_how_large_a_jump_must_be_is_for_the_caller_to_say(threshold, days):
    # log 1.8 is 0.588, log 33/18 is 0.606.
    quotes = adjust(traded({2: 10.0, 3: 18.0, 4: 33.0}), events())
    assert unexplained_jumps(quotes, threshold)["session"].dt.day.tolist() == days


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


@needs_panel
def test_of_twelve_real_years_two_jumps_are_unexplained():
    """UGPA3's earlier prices are scaled wrongly in the source; AMER3's crash was real."""
    table = adjust(panel_quotes(), read_corporate_actions(PANEL, PANEL_END))
    assert len(table) == 174_348
    jumps = unexplained_jumps(table)
    named = zip(jumps["ticker"], jumps["session"].dt.strftime("%Y-%m-%d"), strict=True)
    assert list(named) == [("AMER3", "2023-01-12"), ("UGPA3", "2021-06-28")]
    assert jumps["adjusted_return"].tolist() == pytest.approx([-0.77, 1.19], abs=0.01)
    assert broken_promises(QUOTES, table).empty


def distributions(*numbers: int) -> pd.DataFrame:
    """Quotes from 2 January on, each session with its distribution number; none on the 4th."""
    days = [2, 3, 5, 8, 9][: len(numbers)]
    return quotes_of(
        *(raw(on, 10.0, distribution_number=n) for on, n in zip(days, numbers, strict=True))
    )


def unknown_days(quotes: pd.DataFrame, actions: pd.DataFrame) -> list[int]:
    return unannounced_distributions(quotes, actions)["session"].dt.day.tolist()


def test_a_distribution_that_no_event_explains_is_named():
    quotes = pd.concat([distributions(100, 101, 101, 102), traded({9: 1.0}, "ZZBB3")])
    quotes = quotes.reset_index(drop=True)
    assert unknown_days(quotes, events()) == [3, 8]
    assert unknown_days(quotes, events((3, "cash_dividend", 0.5))) == [8]
    assert unknown_days(quotes, events((3, "split", 2.0), (8, "subscription", np.nan))) == []
    assert unknown_days(quotes, events((3, "split", 2.0), ticker="ZZBB3")) == [3, 8]
    elsewhere = events((3, "split", 2.0), ticker="ZZCC3")
    assert unknown_days(distributions(100, 101), elsewhere) == [3]


def test_a_distribution_of_a_day_without_trade_is_known_in_the_next_session():
    assert unknown_days(distributions(100, 100, 101), events((4, "cash_dividend", 0.5))) == []
    assert unknown_days(distributions(100, 100, 101), events((3, "cash_dividend", 0.5))) == [5]


def test_an_inferred_event_that_is_not_applied_explains_no_distribution():
    inferred = events((3, "split", 2.0))
    quotes = distributions(100, 101)
    assert unknown_days(quotes, inferred.assign(confidence=0.95)) == []
    assert unknown_days(quotes, inferred.assign(confidence=0.6)) == [3]
