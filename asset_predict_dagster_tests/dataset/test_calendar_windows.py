"""Quarters, half-years and years: every day lies in exactly one of each."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.dataset.calendar_windows import (
    day_asked,
    step_of,
    window_days,
    window_of,
    window_tests,
)
from asset_predict_dagster.errors import SettingsError

days = st.dates(date(1986, 1, 1), date(2099, 12, 31))
steps = st.sampled_from([3, 6, 12])


@given(day=days, step=steps)
def test_a_day_lies_in_the_window_that_is_named_for_it(day, step):
    name = window_of(day, step)
    first, last = window_days(name)
    assert first <= day <= last
    assert step_of(name) == step


@given(first=days, length=st.integers(0, 2000), step=steps)
def test_windows_follow_each_other_without_gap_or_overlap(first, length, step):
    last = first + timedelta(days=length)
    tests = window_tests(step, first, last)
    ends = list(tests.values())
    assert ends[0][0] <= first <= ends[0][1]
    assert ends[-1][0] <= last <= ends[-1][1]
    for (_, before), (after, _) in pairwise(ends):
        assert after == before + timedelta(days=1)
    assert [window_of(start, step) for start, _ in ends] == list(tests)


def test_a_half_year_ends_with_june_and_a_leap_quarter_with_its_own_february():
    assert window_days("2018H1") == (date(2018, 1, 1), date(2018, 6, 30))
    assert window_days("2018H2") == (date(2018, 7, 1), date(2018, 12, 31))
    assert window_days("2020Q1") == (date(2020, 1, 1), date(2020, 3, 31))
    assert window_days("2018") == (date(2018, 1, 1), date(2018, 12, 31))


@pytest.mark.parametrize(
    "name", ["holdout", "2018H3", "2018H0", "2018Q5", "18H1", "2018h1", "2018-H1", "0000", ""]
)
def test_what_is_no_window_of_the_calendar_is_refused_by_name(name):
    assert step_of(name) is None
    with pytest.raises(SettingsError, match=f"'{name}' is no window of the calendar"):
        window_days(name)


def test_a_step_of_another_length_is_refused():
    with pytest.raises(SettingsError, match="3, 6 or 12 months were expected, not 4"):
        window_tests(4, date(2018, 1, 1), date(2018, 12, 31))


def test_a_span_that_ends_before_it_begins_is_refused():
    with pytest.raises(SettingsError, match="2017-12-31, is before the first one, 2018-01-01"):
        window_tests(6, date(2018, 1, 1), date(2017, 12, 31))


def test_a_day_is_asked_for_as_one_or_as_a_window():
    assert day_asked("2018-05-02", is_last=True) == date(2018, 5, 2)
    assert day_asked("2018H1", is_last=False) == date(2018, 1, 1)
    assert day_asked("2018H1", is_last=True) == date(2018, 6, 30)
    with pytest.raises(SettingsError, match="'May' is neither a day"):
        day_asked("May", is_last=False)
