"""Samples are the tables, row for row: nothing moved, nothing filled."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS, build_samples
from asset_predict_dagster.market.sessions import sessions_between

DAYS = sessions_between(date(2020, 11, 16), date(2020, 11, 27))
RANKS = [f"return_rank_{h}d" for h in HORIZONS]

keys = st.sets(
    st.tuples(st.sampled_from(["AAAA3", "BBBB4", "CCCC11"]), st.integers(0, 9)), min_size=1
).map(sorted)
"""(ticker, position of the session in DAYS) of every row, in the lake's order."""


def tables(rows, seed=0):
    """Features, universe and labels of the given rows, each cell a number of its own."""
    random = np.random.default_rng(seed)
    key = pd.DataFrame(
        {
            "ticker": [ticker for ticker, _ in rows],
            "session": DAYS[[position for _, position in rows]].astype("datetime64[us]"),
        }
    )
    n = len(key)
    cells = random.random((n, 3)).astype(np.float32)
    cells[random.random((n, 3)) < 0.2] = np.nan
    names = ["log_return_1d", "volatility_21d", "rsi_14"]
    features = pd.concat([key, pd.DataFrame(cells, columns=names)], axis=1)
    universe = key.assign(in_universe=random.random(n) < 0.7)
    ranks = random.normal(size=(n, len(RANKS)))
    ranks[random.random(ranks.shape) < 0.1] = np.nan
    action = pd.Series(random.choice([*ACTIONS, "none"], n), dtype="str")
    action = action.where(action != "none")
    labels = pd.concat([key, pd.DataFrame(ranks, columns=RANKS)], axis=1)
    unique = np.where(random.random(n) < 0.1, np.nan, random.uniform(0.2, 1, n))
    labels = labels.assign(action=action, uniqueness=unique)
    return features, universe, labels


@given(rows=keys, seed=st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_every_row_is_that_of_the_tables(rows, seed):
    features, universe, labels = tables(rows, seed)
    samples = build_samples(features, universe, labels)
    assert samples.n_rows == len(rows)
    assert samples.feature_names == ("log_return_1d", "volatility_21d", "rsi_14")
    for row, (ticker, position) in enumerate(rows):
        assert samples.tickers[samples.ticker_codes[row]] == ticker
        assert samples.sessions[samples.session_codes[row]] == DAYS[position]
        for column, name in enumerate(samples.feature_names):
            np.testing.assert_equal(samples.features[row, column], features[name][row])
        np.testing.assert_equal(samples.volatility[row], features["volatility_21d"][row])
        assert samples.in_universe[row] == universe["in_universe"][row]
        named = labels["action"][row]
        assert samples.action[row] == (-1 if pd.isna(named) else ACTIONS.index(named))
        by_table = labels.loc[row, RANKS].to_numpy(dtype=np.float32)
        np.testing.assert_equal(samples.return_ranks[row], by_table)
        np.testing.assert_equal(samples.weight[row], np.float32(labels["uniqueness"][row]))
        assert samples.is_labelled[row] == (
            universe["in_universe"][row]
            and pd.notna(named)
            and labels.loc[row, RANKS].notna().all()
            and pd.notna(features["volatility_21d"][row])
        )


@given(rows=keys)
@settings(max_examples=30, deadline=None)
def test_sessions_are_the_calendar_from_the_first_to_the_last(rows):
    """Also the ones no ticker traded in, so that one step is always one session."""
    samples = build_samples(*tables(rows))
    positions = [position for _, position in rows]
    np.testing.assert_array_equal(samples.sessions, DAYS[min(positions) : max(positions) + 1])


def test_codes_are_ordered_as_the_arrays_promise():
    rows = sorted((ticker, t) for ticker in ("AAAA3", "BBBB4") for t in (0, 2, 3))
    samples = build_samples(*tables(rows))
    assert samples.ticker_codes.tolist() == [0, 0, 0, 1, 1, 1]
    assert samples.session_codes.tolist() == [0, 2, 3, 0, 2, 3]
    assert samples.ticker_codes.dtype == samples.session_codes.dtype == np.int32
    assert samples.features.dtype == samples.return_ranks.dtype == np.float32
    assert samples.features.flags.c_contiguous


def test_without_labels_every_label_is_missing():
    features, universe, _ = tables([("AAAA3", t) for t in range(10)])
    samples = build_samples(features, universe)
    assert (samples.action == -1).all()
    assert samples.return_ranks.shape == (10, len(HORIZONS))
    assert np.isnan(samples.return_ranks).all()
    assert samples.weight is None
    assert not samples.is_labelled.any()


def test_columns_come_in_the_order_asked_for():
    features, universe, labels = tables([("AAAA3", t) for t in range(10)])
    columns = build_samples(features, universe, labels).columns(("rsi_14", "log_return_1d"))
    np.testing.assert_array_equal(columns[:, 0], features["rsi_14"])
    np.testing.assert_array_equal(columns[:, 1], features["log_return_1d"])
    assert columns.flags.c_contiguous


def test_what_is_for_people_stays_behind():
    features, universe, labels = tables([("AAAA3", t) for t in range(10)])
    features.insert(2, "sma_20", np.float32(30))
    samples = build_samples(features.assign(macd=np.float32(1)), universe, labels)
    assert samples.feature_names == ("log_return_1d", "volatility_21d", "rsi_14")
    np.testing.assert_array_equal(samples.features[:, 0], features["log_return_1d"])


def test_an_unknown_column_is_an_error():
    samples = build_samples(*tables([("AAAA3", 0)]))
    with pytest.raises(ValueError, match="not in tuple"):
        samples.columns(("rsi_15",))


def test_between_holds_both_ends():
    samples = build_samples(*tables([("AAAA3", t) for t in range(10)]))
    assert samples.session_codes[samples.between(3, 5)].tolist() == [3, 4, 5]
