"""An event takes effect in one row of the quotes; looking back, the last quote stays as it is."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from asset_predict_dagster.market.adjustment import back_adjusted, effects, rows_of_events
from asset_predict_dagster.market.quotes import adjust
from asset_predict_dagster_tests.market.hand_made_quotes import (
    closes,
    day,
    event_lists,
    events,
    histories,
    traded,
)


def two_papers() -> pd.DataFrame:
    """Rows 0 to 2 are ZZAA3 on 2, 3 and 5 January; rows 3 and 4 are ZZAB3 on 3 and 5 January."""
    return pd.concat(
        [traded({2: 10.0, 3: 11.0, 5: 12.0}), traded({3: 20.0, 5: 21.0}, "ZZAB3")],
        ignore_index=True,
    )


@pytest.mark.parametrize(
    ("ticker", "of_january", "row"),
    [
        ("ZZAA3", 1, -1),
        ("ZZAA3", 2, -1),  # its first session: nobody held it the evening before
        ("ZZAA3", 3, 1),
        ("ZZAA3", 4, 2),  # no trade that day
        ("ZZAA3", 5, 2),
        ("ZZAA3", 6, -1),  # not the first row of the next ticker
        ("ZZAB3", 2, -1),
        ("ZZAB3", 3, -1),
        ("ZZAB3", 4, 4),
        ("ZZAB3", 6, -1),
        ("ZZAC3", 3, -1),
        ("AAAA3", 3, -1),
    ],
)
def test_the_row_of_an_event(ticker, of_january, row):
    found = rows_of_events(two_papers(), events((of_january, "split", 2.0), ticker=ticker))
    assert found.tolist() == [row]


def test_without_quotes_no_event_has_a_row():
    assert rows_of_events(two_papers().head(0), events((3, "split", 2.0))).tolist() == [-1]


def test_the_events_of_one_row_meet_in_the_order_they_happened():
    # One share: 1 in cash, then two shares, then twice 0.50 in cash.
    rows = [(4, "split", 2.0), (5, "cash_dividend", 0.5), (4, "cash_dividend", 1.0)]
    shares, cash = effects(two_papers(), events(*rows))
    assert shares.tolist() == [1.0, 1.0, 2.0, 1.0, 1.0]
    assert cash.tolist() == [0.0, 0.0, 2.0, 0.0, 0.0]


# Back-adjusted prices, for charts


def back(history: dict[int, float], *rows: tuple[int, str, float]) -> list[float]:
    return back_adjusted(adjust(traded(history), events(*rows)))["close"].tolist()


def test_after_a_split_the_past_is_told_in_todays_shares():
    assert back({2: 10.0, 3: 11.0, 4: 5.5}, (4, "split", 2.0)) == [5.0, 5.5, 5.5]


def test_before_a_dividend_the_price_is_lower_by_what_was_paid_later():
    # 9 today and 1 in cash were 10: the evening before counts as 9.
    assert back({2: 10.0, 3: 9.0, 4: 8.0}, (3, "cash_dividend", 1.0)) == pytest.approx([9, 9, 8])


def test_each_paper_ends_in_its_own_last_quote():
    quotes = adjust(two_papers(), events((5, "split", 2.0), ticker="ZZAB3"))
    assert back_adjusted(quotes)["close"].tolist() == [10.0, 11.0, 12.0, 10.0, 21.0]


def test_the_whole_day_is_back_adjusted_alike():
    quotes = adjust(traded({2: 10.0, 3: 5.0}), events((3, "split", 2.0)))
    table = back_adjusted(quotes.assign(open=9.0, high=12.0, low=8.0))
    assert list(table.columns) == ["ticker", "session", "open", "high", "low", "close"]
    assert table.iloc[0].tolist() == ["ZZAA3", day(2), 4.5, 6.0, 4.0, 5.0]


@settings(max_examples=50, deadline=None)
@given(history=histories, rows=event_lists)
def test_back_adjusted_prices_end_in_the_quote_and_have_the_true_returns(history, rows):
    quotes = adjust(traded(history), events(*rows))
    close = back_adjusted(quotes)["close"]
    assert close.iloc[-1] == quotes["close"].iloc[-1]
    seen, true = close / close.shift(), quotes["adjusted_close"] / quotes["adjusted_close"].shift()
    np.testing.assert_allclose(seen, true, rtol=1e-9)


@settings(max_examples=50, deadline=None)
@given(first=closes, second=closes)
def test_a_later_split_rewrites_a_back_adjusted_price_and_no_forward_adjusted_one(first, second):
    before = adjust(traded({2: first}), events())
    after = adjust(traded({2: first, 3: second}), events((3, "split", 2.0)))
    assert back_adjusted(after)["close"].iloc[0] == back_adjusted(before)["close"].iloc[0] / 2
    assert after["adjusted_close"].iloc[0] == before["adjusted_close"].iloc[0]
