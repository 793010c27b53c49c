"""Planned windows: the folds of a calendar window, or why it cannot be made yet or ever.

Validation holds the year before the purge, training all that is earlier: it expands. The window
that holds the last labelled session is tested so far as labels go, and made again later.
"""

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.calendar_windows import (
    HALF_YEAR,
    step_of,
    window_days,
    window_of,
    window_tests,
)
from asset_predict_dagster.dataset.labels import SPAN
from asset_predict_dagster.dataset.splits import EMBARGO, MIN_SESSIONS, as_days, purge_length
from asset_predict_dagster.dataset.walk_forward_splits import LEAST_SO_FAR, walk_forward
from asset_predict_dagster.errors import DatasetError

N_VALIDATION = 252
"""Sessions that a window validates on: a year, the latest before the purge."""


def window_folds(sessions: np.ndarray, window: str) -> pd.DataFrame:
    """Rows of `tables.FOLDS` of one calendar window such as `2018H1`.

    Parameters
    ----------
    sessions
        Shape (n_sessions,), datetime64[D], sorted: the sessions with a label.

    Raises
    ------
    DatasetError
        If too little comes before the window, none of its sessions has a label yet, or sessions
        are missing in it (`walk_forward_splits`). Says which is the first that can be made.
    SettingsError
        If it is no window of the calendar.
    """
    first, last = window_days(window)
    possible = possible_windows(sessions, step_of(window) or HALF_YEAR)
    if window not in possible:
        days = as_days(sessions)
        has = f"they go from {days[0]} to {days[-1]}" if len(days) else "there are none"
        can = (
            f"windows from {possible[0]} to {possible[-1]} can be made"
            if possible
            else "no window can be made yet: use a longer history"
        )
        raise DatasetError(
            f"window {window} needs {_least_before()} labelled sessions before {first} and at least"
            f" {LEAST_SO_FAR} from then to {last}; {has}, {len(days)} in all, so {can}"
        )
    return walk_forward(sessions, {window: (first, last)}, n_validation=N_VALIDATION, so_far=True)


def possible_windows(sessions: np.ndarray, step_months: int) -> list[str]:
    """The calendar windows with enough sessions before them and some in them, in order.

    Raises
    ------
    SettingsError
        If the step is not 3, 6 or 12 months.
    """
    days = as_days(sessions)
    window_of(pd.Timestamp(0).date(), step_months)  # a wrong step is refused without sessions too
    if len(days) <= _least_before():
        return []
    tests = window_tests(step_months, days[_least_before()].item(), days[-1].item())
    starts = [int(np.searchsorted(days, np.datetime64(first))) for first, _ in tests.values()]
    ends = [*starts[1:], len(days)]
    return [
        name
        for name, start, end in zip(tests, starts, ends, strict=True)
        if start >= _least_before() and end - start >= LEAST_SO_FAR
    ]


def _least_before() -> int:
    """Sessions before a test: those that train and validate, and a purge after each."""
    return MIN_SESSIONS + N_VALIDATION + 2 * purge_length(SPAN, EMBARGO)
