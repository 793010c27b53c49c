"""Ranks and sums within sessions are those of a loop over the sessions."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from asset_predict_dagster.evaluation.by_session import BySession, JudgedRows

sessions = st.lists(st.integers(0, 6), min_size=1, max_size=60)
few_values = st.sampled_from([-1.5, 0.0, 0.25, 2.0])


@given(sessions, st.data())
def test_ranks_are_those_of_each_session_alone(session, data):
    values = np.array(data.draw(st.lists(few_values, min_size=len(session), max_size=len(session))))
    order = BySession(np.array(session))
    found = order.ranks(values[order.order])
    expected = [rankdata(values[np.array(session) == day]) for day in sorted(set(session))]
    np.testing.assert_array_equal(found, np.concatenate(expected))


def test_a_missing_value_has_no_rank_and_takes_none():
    order = BySession(np.array([1, 1, 1, 2]))
    ranks = order.ranks(np.array([0.3, np.nan, 0.1, 5.0]))
    np.testing.assert_array_equal(ranks, [2.0, np.nan, 1.0, 1.0])


@given(sessions)
def test_sums_and_means_are_those_of_each_session_alone(session):
    values = np.arange(float(len(session)))
    order = BySession(np.array(session))
    by_hand = pd.Series(values).groupby(session)
    np.testing.assert_allclose(order.sums(values[order.order]), by_hand.sum())
    centred = values - by_hand.transform("mean").to_numpy()
    np.testing.assert_allclose(order.centred(values[order.order]), centred[order.order], atol=1e-12)
    assert order.sessions.tolist() == sorted(set(session))
    np.testing.assert_array_equal(order.sessions[order.codes], np.array(session)[order.order])


def test_counts_of_truth_are_counted_and_not_merely_noticed():
    order = BySession(np.array([1, 1, 2]))
    assert order.sums(np.array([True, True, False])).tolist() == [2.0, 0.0]


def test_within_a_session_tickers_are_in_order():
    order = BySession(np.array([2, 1, 2, 1]), tickers=np.array([1, 3, 0, 2], dtype=np.int8))
    assert order.order.tolist() == [3, 1, 2, 0]


def test_outcomes_are_read_once_whoever_forecasts():
    asked = []

    def column(name):
        asked.append(name)
        return np.array([1.0, 2.0])

    order = BySession(np.array([1, 1]))
    naive = JudgedRows(column, order)
    model = JudgedRows(column, order, outcomes=naive)
    for rows in (naive, model, model):
        rows.ranks("realised_return")
        rows.column("score")
    assert asked == ["realised_return", "score", "score"]
