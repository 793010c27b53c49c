"""A label's weight is the share of its span that it has to itself."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.price_grid import PriceGrid
from asset_predict_dagster.dataset.uniqueness import uniqueness
from asset_predict_dagster.market.sessions import sessions_between

DAYS = sessions_between(date(2023, 5, 2), date(2023, 6, 30))


def grid_of(rows):
    """Rows are (ticker, position of the session), in order."""
    tickers, days = zip(*rows, strict=True)
    table = pd.DataFrame({"ticker": tickers, "session": DAYS[list(days)].astype("datetime64[us]")})
    return PriceGrid(table.assign(adjusted_close=1.0))


def uniqueness_of(rows, n_sessions):
    return uniqueness(grid_of(rows), np.array(n_sessions)).tolist()


def test_a_label_alone_is_unique():
    assert uniqueness_of([("AAAA3", 0), ("AAAA3", 3), ("AAAA3", 6)], [3, 3, 0])[:2] == [1.0, 1.0]


def test_sessions_that_two_labels_share_count_half():
    """Spans 1-3 and 2-4: the first has session 1 alone, and shares 2 and 3."""
    weights = uniqueness_of([("AAAA3", 0), ("AAAA3", 1), ("AAAA3", 4)], [3, 3, 0])
    assert weights[:2] == pytest.approx([(1 + 1 / 2 + 1 / 2) / 3] * 2)


def test_labels_of_another_ticker_share_nothing():
    rows = [("AAAA3", 0), ("AAAA3", 5), ("BBBB3", 0), ("BBBB3", 5)]
    assert uniqueness_of(rows, [2, 0, 2, 0])[::2] == [1.0, 1.0]


def test_a_label_that_is_not_there_has_no_weight_and_takes_none():
    weights = uniqueness_of([("AAAA3", 0), ("AAAA3", 1), ("AAAA3", 4)], [3, 0, 0])
    np.testing.assert_array_equal(weights, [1.0, np.nan, np.nan])


def test_a_span_past_the_data_has_no_weight_and_still_takes_its_share():
    """Spans 1-2 and 2-5 where the data end at 4."""
    weights = uniqueness_of([("AAAA3", 0), ("AAAA3", 1), ("AAAA3", 4)], [2, 4, 0])
    np.testing.assert_allclose(weights, [(1 + 1 / 2) / 2, np.nan, np.nan])


rows_of_markets = st.sets(
    st.tuples(st.sampled_from(["AAAA3", "BBBB3"]), st.integers(0, 14)), min_size=1
).map(sorted)


@given(rows=rows_of_markets, data=st.data())
@settings(max_examples=100, deadline=None)
def test_weights_are_those_of_a_plain_loop(rows, data):
    lengths = data.draw(st.lists(st.integers(0, 7), min_size=len(rows), max_size=len(rows)))
    last = max(day for _, day in rows)
    spans = [
        (ticker, set(range(day + 1, day + 1 + length)))
        for (ticker, day), length in zip(rows, lengths, strict=True)
    ]
    by_loop = []
    for ticker, span in spans:
        if not span or max(span) > last:
            by_loop.append(np.nan)
            continue
        shares = [
            1 / sum(session in other for name, other in spans if name == ticker) for session in span
        ]
        by_loop.append(sum(shares) / len(shares))
    np.testing.assert_allclose(uniqueness_of(rows, lengths), by_loop)
