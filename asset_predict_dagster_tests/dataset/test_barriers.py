"""The first barrier a close goes beyond decides; until the time is up nothing is known."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.barriers import first_touch
from asset_predict_dagster.dataset.labels import LABEL_WIDTH, actions
from asset_predict_dagster.dataset.price_grid import PriceGrid
from asset_predict_dagster.market.sessions import sessions_between

DAYS = sessions_between(date(2023, 5, 2), date(2023, 5, 31))
N_DAYS = len(DAYS)


def grid_of(market):
    """{ticker: {position of the session: adjusted close}}."""
    rows = [
        (ticker, DAYS[day], float(close))
        for ticker, closes in sorted(market.items())
        for day, close in sorted(closes.items())
    ]
    table = pd.DataFrame(rows, columns=["ticker", "session", "adjusted_close"])
    return PriceGrid(table.assign(session=table["session"].astype("datetime64[us]")))


def touch_of(closes, until=9, horizon=5, volatility=0.02, width=2.0):
    """(side, after) of session 0, None if not known; the market goes on up to `until`."""
    grid = grid_of(
        {
            "TEST3": dict(enumerate(closes)) if isinstance(closes, list) else closes,
            "ZZZZ3": {0: 1, until: 1},
        }
    )
    touches = first_touch(grid, np.full(len(grid.row), volatility), width, horizon)
    return (int(touches.side[0]), int(touches.after[0])) if touches.is_known[0] else None


@pytest.mark.parametrize(
    ("closes", "by_hand"),
    [
        # Barriers 2 × 2 % × √5 = 8.94 % from 100.
        ([100, 105, 109, 100, 100, 100], (1, 2)),  # up
        ([100, 95, 91, 100, 100, 100], (-1, 2)),  # down
        ([100, 109, 91, 100, 100, 100], (1, 1)),  # both: the first counts
        ([100, 100, 91, 109, 100, 100], (-1, 2)),
        ([100, 108, 92, 108, 92, 108], (0, 5)),  # neither: time's
        ([100, 100, 100, 100, 100, 109], (1, 5)),  # with the last session, not after it
        ([100, 100, 100, 100, 100, 100, 120], (0, 5)),
        # Halted from the second session on: the first trade after it counts, on its own day.
        ({0: 100, 1: 101, 4: 120}, (1, 4)),
        # Halted past its time: 101 stands.
        ({0: 100, 1: 101, 6: 120}, (0, 5)),
        ({0: 100, 6: 120}, None),  # no trade in the whole span
        # Delisted: what it last cost stands until its time is up.
        ({0: 100, 1: 101}, (0, 5)),
        ({0: 100, 1: 88}, (-1, 1)),
        ({0: 100}, None),
    ],
)
def test_the_first_barrier_decides(closes, by_hand):
    assert touch_of(closes) == by_hand


@pytest.mark.parametrize(("until", "by_hand"), [(4, None), (5, (1, 1))])
def test_an_early_touch_is_known_when_the_time_is_up(until, by_hand):
    assert touch_of({0: 100, 1: 120, 2: 120}, until=until) == by_hand


@pytest.mark.parametrize("volatility", [0.0, float("nan")])
def test_without_volatility_there_are_no_barriers(volatility):
    assert touch_of([100, 120, 120, 120, 120, 120], volatility=volatility) is None


def test_a_return_of_exactly_the_barrier_does_not_reach_it():
    """As with the action by forward return. Width 1, one session, volatility 25 %."""
    assert touch_of([100, 125], horizon=1, volatility=0.25, width=1.0) == (0, 1)
    assert touch_of([100, 126], horizon=1, volatility=0.25, width=1.0) == (1, 1)


closes = st.dictionaries(st.integers(0, N_DAYS - 1), st.integers(50, 150), min_size=1)
markets = st.fixed_dictionaries({"AAAA3": closes, "BBBB3": closes})


def touch_by_loop(prices, t, volatility, width, horizon, last):
    """(side, after), or None if it is not known."""
    if t + horizon > last or not any(t < day <= t + horizon for day in prices):
        return None
    barrier = width * volatility * np.sqrt(horizon)
    for ahead in range(1, horizon + 1):
        if t + ahead in prices:
            moved = prices[t + ahead] / prices[t] - 1
            if abs(moved) > barrier:
                return (1 if moved > 0 else -1, ahead)
    return (0, horizon)


@given(market=markets, horizon=st.integers(1, 8), width=st.sampled_from([0.5, 1.0, 3.0]))
@settings(max_examples=100, deadline=None)
def test_touches_are_those_of_a_plain_loop(market, horizon, width):
    grid = grid_of(market)
    first = min(day for prices in market.values() for day in prices)
    last = max(day for prices in market.values() for day in prices)
    touches = first_touch(grid, np.full(len(grid.row), 0.07), width, horizon)
    place = 0
    for _, prices in sorted(market.items()):
        for day in sorted(prices):
            found = (touches.side[place], touches.after[place])
            by_loop = touch_by_loop(prices, day, 0.07, width, horizon, last)
            assert touches.is_known[place] == (by_loop is not None)
            assert by_loop is None or found == by_loop
            assert grid.row[place] == day - first
            place += 1


@given(market=markets)
@settings(max_examples=40, deadline=None)
def test_over_one_session_it_is_the_action_by_forward_return(market):
    grid = grid_of(market)
    volatility = np.full(len(grid.row), 0.1)
    touches = first_touch(grid, volatility, LABEL_WIDTH, horizon=1)
    named = actions(grid.returns(0, 1), volatility)
    assert named.isna().tolist() == (~touches.is_known).tolist()
    side = named.map({"buy": 1, "hold": 0, "sell": -1})[touches.is_known]
    assert side.tolist() == touches.side[touches.is_known].tolist()
