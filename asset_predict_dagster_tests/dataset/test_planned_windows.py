"""A calendar window has a year to validate on, all before it to train, and may be tested so far."""

from datetime import date

import numpy as np
import pytest

from asset_predict_dagster.dataset.calendar_windows import window_days
from asset_predict_dagster.dataset.labels import SPAN
from asset_predict_dagster.dataset.planned_windows import (
    N_VALIDATION,
    possible_windows,
    window_folds,
)
from asset_predict_dagster.dataset.splits import EMBARGO, MIN_SESSIONS, too_close_roles
from asset_predict_dagster.dataset.walk_forward_splits import walk_forward
from asset_predict_dagster.errors import DatasetError, SettingsError
from asset_predict_dagster.market.sessions import sessions_between

CALENDAR = sessions_between(date(2016, 1, 1), date(2019, 12, 31))
PURGE = SPAN + EMBARGO
LEAST = MIN_SESSIONS + N_VALIDATION + 2 * PURGE


def roles_of(folds) -> dict[str, np.ndarray]:
    days = folds["session"].to_numpy().astype("datetime64[D]")
    return {role: days[folds["role"] == role] for role in ("train", "validation", "test")}


def known_until(last: date) -> np.ndarray:
    return sessions_between(CALENDAR[0].item(), last)


@pytest.mark.parametrize("window", ["2018H1", "2018Q1", "2018"])
def test_a_window_is_tested_whole_and_trained_on_all_before_it(window):
    folds = window_folds(CALENDAR, window)
    roles = roles_of(folds)
    np.testing.assert_array_equal(roles["test"], sessions_between(*window_days(window)))
    assert len(roles["validation"]) == N_VALIDATION
    assert roles["train"][0] == CALENDAR[0]
    assert too_close_roles(folds).empty
    assert set(folds["window"]) == {window}


def test_a_window_that_has_begun_is_tested_so_far():
    roles = roles_of(window_folds(known_until(date(2018, 7, 20)), "2018H2"))
    np.testing.assert_array_equal(
        roles["test"], sessions_between(date(2018, 7, 1), date(2018, 7, 20))
    )


def test_what_is_known_later_changes_neither_training_nor_validation():
    so_far = roles_of(window_folds(known_until(date(2018, 7, 20)), "2018H2"))
    whole = roles_of(window_folds(CALENDAR, "2018H2"))
    for role in ("train", "validation"):
        np.testing.assert_array_equal(so_far[role], whole[role])


def test_five_sessions_are_a_test_and_four_are_none():
    assert sessions_between(date(2018, 7, 1), date(2018, 7, 6)).size == 5
    assert possible_windows(known_until(date(2018, 7, 6)), 6)[-1] == "2018H2"
    assert possible_windows(known_until(date(2018, 7, 5)), 6)[-1] == "2018H1"
    with pytest.raises(DatasetError, match=r"window 2018H2 needs .* at least 5 from then"):
        window_folds(known_until(date(2018, 7, 5)), "2018H2")


def test_the_first_window_is_that_with_just_enough_before_it():
    start = np.searchsorted(CALENDAR, np.datetime64("2018-01-01"))
    just_enough, too_few = CALENDAR[start - LEAST :], CALENDAR[start - LEAST + 1 :]
    assert possible_windows(just_enough, 6)[0] == "2018H1"
    assert len(roles_of(window_folds(just_enough, "2018H1"))["train"]) == MIN_SESSIONS
    assert possible_windows(too_few, 6)[0] == "2018H2"
    with pytest.raises(DatasetError, match="so windows from 2018H2 to 2019H2 can be made"):
        window_folds(too_few, "2018H1")


@pytest.mark.parametrize("step", [3, 6, 12])
def test_every_possible_window_can_be_made_and_they_leave_no_session_out(step):
    sessions = known_until(date(2019, 11, 8))
    windows = possible_windows(sessions, step)
    tested = [roles_of(window_folds(sessions, window))["test"] for window in windows]
    together = np.concatenate(tested)
    np.testing.assert_array_equal(together, sessions[sessions >= together[0]])


@pytest.mark.parametrize("window", ["2030H1", "2019H2", "2001H1"])
def test_a_window_that_cannot_be_made_says_which_can(window):
    with pytest.raises(
        DatasetError, match=f"window {window} needs 334 .* so windows from 2017H2 to 2019H1 can"
    ):
        window_folds(known_until(date(2019, 6, 28)), window)


@pytest.mark.parametrize("n_sessions", [0, 100, LEAST])
def test_a_history_that_is_too_short_for_any_window_says_so(n_sessions):
    assert possible_windows(CALENDAR[:n_sessions], 6) == []
    with pytest.raises(DatasetError, match="no window can be made yet"):
        window_folds(CALENDAR[:n_sessions], "2018H1")


def test_what_is_no_window_is_refused():
    with pytest.raises(SettingsError, match="'holdout' is no window"):
        window_folds(CALENDAR, "holdout")
    with pytest.raises(SettingsError, match="3, 6 or 12"):
        possible_windows(CALENDAR[:10], 5)


def test_a_quarter_of_sixty_sessions_is_a_test_only_where_it_may_be_short():
    tests = {"2018Q1": window_days("2018Q1")}
    assert sessions_between(*tests["2018Q1"]).size == 60
    few = {"2018Q2": (date(2018, 4, 1), date(2018, 4, 30))}
    with pytest.raises(DatasetError, match=r"20 .* test .* each role needs at least 60"):
        walk_forward(CALENDAR, few, n_validation=120)
    assert len(walk_forward(CALENDAR, few, n_validation=120, so_far=True))
    with pytest.raises(DatasetError, match="at least 60, the test 5"):
        walk_forward(CALENDAR, few, n_validation=20, so_far=True)
