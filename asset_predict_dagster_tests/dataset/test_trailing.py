"""Trailing windows hold their own n values and nothing else."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.dataset.trailing import lagged, trailing_std, trailing_sum

series = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=40)


@given(values=series, n=st.integers(1, 45))
def test_a_trailing_sum_is_that_of_its_n_values(values, n):
    found = trailing_sum(np.array(values), n)
    assert len(found) == len(values)
    for t in range(len(values)):
        expected = math.nan if t < n - 1 else sum(values[t - n + 1 : t + 1])
        assert found[t] == pytest.approx(expected, rel=1e-12, abs=1e-8, nan_ok=True)


@given(values=series, n=st.integers(1, 10), before=series)
def test_what_came_before_a_window_leaves_nothing_in_it(values, n, before):
    alone = trailing_sum(np.array(values), n)[n - 1 :]
    after = trailing_sum(np.array([*before, *values]), n)[len(before) + n - 1 :]
    np.testing.assert_array_equal(alone, after)


def test_two_values_deviate_by_half_their_distance():
    assert trailing_std(np.array([1.0, 3.0, 3.0]), 2)[1:].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("growth", [0.0, 0.1, -3e-5, 1e-9])
def test_equal_values_do_not_deviate(growth):
    assert (trailing_std(np.full(90, growth), 63)[62:] == 0.0).all()


def test_a_small_deviation_around_a_large_mean_is_seen():
    assert trailing_std(np.tile([1.0001, 0.9999], 10), 20)[-1] == pytest.approx(1e-4, rel=1e-6)


def test_nothing_is_lagged_by_more_than_there_is():
    assert np.isnan(lagged(np.array([1.0, 2.0]), 2, np.subtract)).all()
