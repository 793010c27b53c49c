"""Walk-forward: windows whose tests follow each other, each as if the others were not.

One window is made by `splits.split_window`; here is where the tests lie.
"""

from collections.abc import Mapping
from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.labels import SPAN
from asset_predict_dagster.dataset.splits import (
    EMBARGO,
    MIN_SESSIONS,
    as_days,
    purge_length,
    refuse_fractions,
    split_window,
)
from asset_predict_dagster.errors import DatasetError, SettingsError
from asset_predict_dagster.market.sessions import sessions_between

LEAST_SO_FAR = 5
"""Sessions of a test that is one of several: a week. It is pooled with the others."""

MAX_MISSING = 0.05
"""Share of a test's sessions on B3's calendar that may lack a label. Public files miss single
sessions (six days of a half-year is as far as this goes); a missing month is another test."""


def walk_forward(
    sessions: np.ndarray,
    tests: Mapping[str, tuple[date, date]],
    *,
    n_validation: int,
    n_train: int | None = None,
    span: int = SPAN,
    embargo: int = EMBARGO,
    so_far: bool = False,
) -> pd.DataFrame:
    """A window for each of `tests`, every one as if the others were not; rows of `tables.FOLDS`.

    The tests follow each other without gap or overlap: no session is tested twice or left out.

    Parameters
    ----------
    sessions
        Shape (n_sessions,), datetime64[D], sorted: the sessions with a label.
    tests
        Name of each window → first and last day of its test, in order of time; `equal_tests`
        makes some. The days need not be sessions: ("2018-01-01", "2018-06-30") is a half-year.
    n_validation
        Sessions that each window validates on.
    n_train
        Sessions that each window trains on, the latest there are: it rolls. None: every session
        from the first one on, so it expands.
    span
        Sessions after t that a label of t looks at.
    so_far
        A test whose last days have no label yet ends with the last session that has one, and any
        may be as short as five sessions: a quarter holds fewer than 60, and the window that has
        begun a few. It is made again when more is known.

    Raises
    ------
    DatasetError
        If a window cannot have all that was asked: it is refused, never shortened (but see
        `so_far`). Also if tests
        overlap or leave a session out, if one ends after the last labelled session, if more than
        5 % of its sessions on B3's calendar are not among `sessions`, or if a role would get fewer
        than 60 sessions.
    SettingsError
        If the span is below 1 or the embargo below 0.
    """
    purge, days_known = purge_length(span, embargo), as_days(sessions)
    if not tests:
        raise DatasetError("no test window was asked for; name at least one, as `equal_tests` does")
    places = {name: _place_of(days_known, name, *days, so_far) for name, days in tests.items()}
    for (before, one), (after, other) in pairwise(places.items()):
        if one.stop != other.start:
            raise DatasetError(
                f"the test of window {after} should begin with the first labelled session after"
                f" that of {before} and begins {abs(other.start - one.stop)}"
                f" {'later' if other.start > one.stop else 'earlier'}; give test windows, in order"
                " of time, that follow each other"
            )
    return pd.concat(
        [
            split_window(
                days_known,
                name,
                test,
                n_validation,
                n_train,
                purge,
                LEAST_SO_FAR if so_far else MIN_SESSIONS,
            )
            for name, test in places.items()
        ],
        ignore_index=True,
    )


def equal_tests(
    sessions: np.ndarray, n_windows: int, test_size: float = 0.2
) -> dict[str, tuple[date, date]]:
    """The last `test_size` of the sessions, cut into `n_windows` tests as equal as sessions allow.

    Named by their first and last session. Where the sessions do not divide, the earliest windows
    have one more.

    >>> days = np.arange("2020-01-01", "2020-01-26", dtype="datetime64[D]")
    >>> list(equal_tests(days, n_windows=2, test_size=0.2))
    ['2020-01-21..2020-01-23', '2020-01-24..2020-01-25']
    """
    refuse_fractions(test_size=test_size)
    if n_windows < 1:
        raise SettingsError(f"n_windows={n_windows}: at least 1 was expected")
    days = as_days(sessions)
    n_test = round(test_size * len(days))
    if n_windows > n_test:
        raise DatasetError(
            f"{n_test} sessions to test cannot make {n_windows} windows; use a longer history,"
            " a larger test_size or fewer windows"
        )
    parts = np.array_split(days[len(days) - n_test :], n_windows)
    return {f"{p[0]}..{p[-1]}": (p[0].astype(date), p[-1].astype(date)) for p in parts}


def _place_of(
    sessions: np.ndarray, name: str, first: date, last: date, so_far: bool = False
) -> slice:
    """Where the days from `first` to `last` lie in `sessions`, which must reach that far.

    `so_far`, only the first must be reached, and the last session is the end.
    """
    if so_far and len(sessions) and first <= sessions[-1].astype(date):
        last = min(last, sessions[-1].astype(date))
    # A test that the labels do not reach the end of would be a shorter one under the same name.
    if len(sessions):
        unlabelled = sessions_between(sessions[-1].astype(date), last)[1:]
        if len(unlabelled):
            raise DatasetError(
                f"window {name} is tested up to {last}, but the labelled sessions end on"
                f" {sessions[-1]}, {len(unlabelled)} short of it; wait for the data, or end the"
                " window there"
            )
    start = np.searchsorted(sessions, np.datetime64(first))
    place = slice(int(start), int(np.searchsorted(sessions, np.datetime64(last), side="right")))
    calendar = sessions_between(first, last)
    n_missing = len(calendar) - int(np.isin(calendar, sessions[place]).sum())
    if n_missing > MAX_MISSING * len(calendar):
        raise DatasetError(
            f"window {name} has {len(calendar)} sessions from {first} to {last} on B3's calendar,"
            f" and {n_missing} of them have no label; ingest what is missing, or test other days"
        )
    return place
