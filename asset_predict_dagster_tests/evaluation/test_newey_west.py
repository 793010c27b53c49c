"""A mean over sessions is as sure as its sessions are unlike their neighbours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.newey_west import newey_west

many = st.lists(st.floats(-1, 1, width=16), min_size=2, max_size=40).map(np.array)


def test_two_neighbours_on_one_side_and_two_on_the_other_worked_out_by_hand():
    # Deviations -1/2, -1/2, 1/2, 1/2: c[0] = 1/4, c[1] = (1/4 - 1/4 + 1/4) / 4 = 1/16.
    found = newey_west(np.array([0.0, 0.0, 1.0, 1.0]), n_lags=1)
    assert found.mean == 0.5
    assert found.standard_error == pytest.approx(np.sqrt((1 / 4 + 2 * (1 / 2) * (1 / 16)) / 4))
    assert found.t == pytest.approx(0.5 / found.standard_error)


def test_without_lags_it_is_the_error_of_independent_sessions():
    values = np.array([0.1, -0.2, 0.4, 0.3])
    expected = values.std() / np.sqrt(4)
    assert newey_west(values, n_lags=0).standard_error == pytest.approx(expected)


def test_a_hundred_sessions_are_compared_four_sessions_apart():
    values = np.sin(np.arange(100.0))
    assert newey_west(values) == newey_west(values, n_lags=4)
    assert newey_west(values) != newey_west(values, n_lags=3)


def test_sessions_like_their_neighbours_make_a_mean_less_sure():
    moody = np.repeat([1.0, -1.0, 2.0, -2.0], 25)
    assert newey_west(moody).standard_error > 2 * newey_west(moody, n_lags=0).standard_error


def test_a_missing_session_is_left_out():
    assert newey_west(np.array([0.0, np.nan, 1.0])) == newey_west(np.array([0.0, 1.0]))


def test_values_that_never_vary_have_no_t():
    assert np.isnan(newey_west(np.ones(10)).t)


def test_one_session_is_refused():
    with pytest.raises(DatasetError, match="found 1;"):
        newey_west(np.array([0.3, np.nan]))


@given(values=many, n_lags=st.integers(0, 60))
def test_time_turned_round_changes_nothing(values: np.ndarray, n_lags: int):
    forth, back = newey_west(values, n_lags), newey_west(values[::-1], n_lags)
    assert forth.mean == pytest.approx(back.mean, abs=1e-12)
    assert forth.standard_error == pytest.approx(back.standard_error, abs=1e-8)
