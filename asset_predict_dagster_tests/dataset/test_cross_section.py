"""A rank is a place among the members of one session, whatever the values and their order."""

import math
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset import cross_section
from asset_predict_dagster.dataset.cross_section import (
    CrossSection,
    gaussian_rank,
    market_state,
    mean_of_session,
)

ONE_BIT = math.ulp(1.0)
values = st.sampled_from([0.0, -0.0, 1.0, 1 + ONE_BIT, 1 + 2 * ONE_BIT, -1.0, 5e-324, 1e300]) | (
    st.floats(allow_nan=True, allow_infinity=True)
)
rows = st.lists(st.tuples(st.integers(0, 6), st.booleans(), values), max_size=60)


def place(value, peers):
    below, equal = sum(x < value for x in peers), sum(x == value for x in peers)
    return NormalDist().inv_cdf((below + equal / 2) / len(peers))


@given(rows=rows)
@example(rows=[(0, True, 1 + ONE_BIT), (0, True, 1.0), (0, True, -math.nan)])
@example(rows=[(0, True, 2.0), (0, True, 1.0), (0, True, -math.nan)])
@settings(max_examples=200, deadline=None)
def test_a_rank_is_the_place_among_the_members_of_the_session(rows):
    session = np.array([row[0] for row in rows], dtype=np.int64)
    is_member = np.array([row[1] for row in rows], dtype=bool)
    value = np.array([row[2] for row in rows], dtype=np.float64)
    found = CrossSection.of(session, is_member).gaussian_rank(value)
    for row in range(len(rows)):
        peers = value[is_member & (session == session[row]) & ~np.isnan(value)]
        counts = is_member[row] and not math.isnan(value[row])
        expected = place(value[row], peers) if counts else math.nan
        assert found[row] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_many_sessions_are_ranked_block_by_block_as_they_are_at_once(monkeypatch):
    random = np.random.default_rng(0)
    session, value = random.integers(0, 50, 2000), random.normal(size=2000)
    is_member = (random.random(2000) < 0.7) & ~np.isin(session, range(10, 20))  # two blocks of none
    at_once = CrossSection.of(session, is_member).gaussian_rank(value)
    monkeypatch.setattr(cross_section, "BLOCK_CELLS", 200)
    in_blocks = CrossSection.of(session, is_member)
    assert len(in_blocks.blocks) >= 8
    np.testing.assert_array_equal(in_blocks.gaussian_rank(value), at_once)


def test_ties_share_their_rank_and_a_lone_ticker_stands_in_the_middle():
    day = pd.Series(pd.to_datetime(["2024-01-02"] * 4 + ["2024-01-03"]))
    ranks = gaussian_rank(np.array([1.0, 5.0, 5.0, 9.0, 123.0]), day)
    assert ranks.round(4).tolist() == [-1.1503, 0.0, 0.0, 1.1503, 0.0]


def test_the_mean_of_a_session_is_of_its_known_members():
    means = mean_of_session(
        np.array([1.0, 3.0, 50.0, math.nan, 7.0]),
        np.array([0, 0, 0, 1, 2]),
        np.array([True, True, False, True, True]),
    )
    np.testing.assert_array_equal(means, [2.0, math.nan, 7.0])


def test_two_tickers_that_part_are_dispersed_and_half_of_them_rise():
    sessions = np.repeat(np.arange(21), 2)
    parting = np.tile([0.01, -0.03], 21)
    state = market_state(sessions, np.ones(42, dtype=bool), parting, parting)
    last = {name: round(float(values[-1]), 12) for name, values in state.items()}
    assert last == {
        "market_return_1d": -0.01,
        "market_return_21d": -0.21,
        "market_breadth_21d": 0.5,
        "market_dispersion_21d": 0.02,
        "market_volatility_21d": 0.0,
    }
