"""A window holds the ticker's own recent sessions, a gap where it did not trade, and no more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.dataset.windows import gather, one_window, stretch_codes, window_index
from asset_predict_dagster.errors import SettingsError

markets = st.sets(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=1).map(sorted)
"""(ticker, session) of every row, sorted as `Samples` are."""


def codes(market):
    ticker_codes, session_codes = np.array(market, dtype=np.int32).T
    return ticker_codes, session_codes


@given(market=markets, lookback=st.integers(1, 6), data=st.data())
def test_windows_are_those_of_a_plain_loop(market, lookback, data):
    wanted = data.draw(st.lists(st.integers(0, len(market) - 1)))
    row_of = {pair: row for row, pair in enumerate(market)}
    by_hand = [
        [row_of.get((ticker, session - lag), -1) for lag in reversed(range(lookback))]
        for ticker, session in (market[row] for row in wanted)
    ]
    index = window_index(*codes(market), np.array(wanted, dtype=np.int64), lookback)
    assert index.dtype == np.int64
    np.testing.assert_array_equal(index, np.array(by_hand).reshape(len(wanted), lookback))


def window_by_loop(rows_of_ticker, session, lookback, longest_gap):
    """Walks back from the row, and stops for good where the ticker was away for too long."""
    window, away = [], 0
    for step in range(session, session - lookback, -1):
        away = 0 if step in rows_of_ticker else away + 1
        if away > longest_gap:
            return [-1] * (lookback - len(window) + longest_gap) + window[longest_gap:]
        window.insert(0, rows_of_ticker.get(step, -1))
    return window


@given(market=markets, lookback=st.integers(1, 12), longest_gap=st.integers(0, 6))
def test_a_window_does_not_reach_back_over_a_long_gap(market, lookback, longest_gap):
    row_of = {}
    for row, (ticker, session) in enumerate(market):
        row_of.setdefault(ticker, {})[session] = row
    by_hand = [window_by_loop(row_of[t], s, lookback, longest_gap) for t, s in market]
    everything = np.ones(len(market), dtype=bool)
    index = window_index(*codes(market), everything, lookback, longest_gap)
    np.testing.assert_array_equal(index, by_hand)


@given(market=markets, lookback=st.integers(1, 12), longest_gap=st.none() | st.integers(0, 6))
def test_one_window_is_the_one_that_the_index_has(market, lookback, longest_gap):
    everything = np.ones(len(market), dtype=bool)
    index = window_index(*codes(market), everything, lookback, longest_gap)
    for row, expected in enumerate(index):
        first, steps = one_window(*codes(market), row, lookback, longest_gap)
        window = np.full(lookback, -1)
        window[steps] = np.arange(first, row + 1)
        np.testing.assert_array_equal(window, expected)


def test_two_sessions_away_are_crossed_and_three_are_not():
    """Rows on sessions 0, 3 and 7: away for two sessions, then for three."""
    market = [(0, 0), (0, 3), (0, 7)]
    index = window_index(*codes(market), np.array([1, 2]), lookback=8, longest_gap=2)
    np.testing.assert_array_equal(
        index, [[-1, -1, -1, -1, 0, -1, -1, 1], [-1, -1, -1, -1, -1, -1, -1, 2]]
    )


def test_a_stretch_is_of_one_ticker_and_ends_before_a_long_gap():
    market = [(0, 0), (0, 3), (0, 7), (1, 8)]
    assert stretch_codes(*codes(market), longest_gap=2).tolist() == [0, 0, 1, 2]
    assert stretch_codes(*codes(market), longest_gap=3).tolist() == [0, 0, 0, 1]


def test_a_longest_gap_below_zero_is_an_error():
    with pytest.raises(SettingsError, match="longest_gap"):
        window_index(*codes([(0, 0)]), np.arange(1), lookback=2, longest_gap=-1)


@given(market=markets, lookback=st.integers(1, 6))
def test_the_last_step_of_a_window_is_the_row_itself(market, lookback):
    everything = np.ones(len(market), dtype=bool)
    index = window_index(*codes(market), everything, lookback)
    np.testing.assert_array_equal(index[:, -1], np.arange(len(market)))


gaps = st.one_of(st.none(), st.integers(0, 4))


@given(market=markets, lookback=st.integers(1, 6), gap=gaps, n_later=st.integers(0, 5))
def test_later_rows_cannot_change_a_window(market, lookback, gap, n_later):
    ticker_codes, session_codes = codes(market)
    past = session_codes <= session_codes.max() - n_later
    seen_today = window_index(
        ticker_codes[past], session_codes[past], np.arange(past.sum()), lookback, gap
    )
    seen_later = window_index(ticker_codes, session_codes, past, lookback, gap)
    numbers = np.append(np.flatnonzero(past), -1)  # -1 stays -1
    np.testing.assert_array_equal(numbers[seen_today], seen_later)


def test_a_gathered_window_is_missing_where_the_ticker_was_halted():
    features = np.array([[1, 10], [2, np.nan], [4, 40]], dtype=np.float32)
    index = window_index(np.zeros(3, int), np.array([0, 1, 3]), np.array([2]), lookback=4)
    windows = gather(features, index)
    assert windows.dtype == np.float32
    np.testing.assert_array_equal(windows, [[[1, 10], [2, np.nan], [np.nan, np.nan], [4, 40]]])


def test_gathering_leaves_the_features_as_they_were():
    features = np.ones((1, 2), dtype=np.float32)
    gather(features, np.array([[-1, 0]]))
    assert (features == 1).all()


def test_no_rows_have_no_windows():
    nothing = np.empty(0, dtype=np.int64)
    assert window_index(np.zeros(3, int), np.arange(3), nothing, lookback=4).shape == (0, 4)


def test_a_window_has_at_least_one_session():
    with pytest.raises(SettingsError, match="lookback"):
        window_index(np.zeros(1, int), np.zeros(1, int), np.arange(1), lookback=0)
