"""Splits: which session trains, which validates, which tests. By session, never by row.

Every window is train | purge | validation | purge | test. A purge holds as many sessions as the
labels of a row look ahead, plus an embargo, so that no label of one role knows a session of the
next. `temporal_split` is one such window; `walk_forward` is several whose tests follow each other.
"""

from collections.abc import Mapping
from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.labels import SPAN
from asset_predict_dagster.errors import DatasetError, SettingsError
from asset_predict_dagster.market.sessions import sessions_between
from asset_predict_dagster.tables import FOLDS

HOLDOUT = "holdout"
EMBARGO = 5
"""Sessions left out beyond the labels' span: volatility clusters, so neighbours are alike."""

MIN_SESSIONS = 60
"""Sessions a role needs: three months; fewer decide nothing."""


def temporal_split(
    sessions: np.ndarray,
    *,
    validation_size: float = 0.2,
    test_size: float = 0.2,
    span: int = SPAN,
    embargo: int = EMBARGO,
    window: str = HOLDOUT,
) -> pd.DataFrame:
    """One window whose test is the end of sorted `sessions`; rows of `tables.FOLDS`.

    Parameters
    ----------
    sessions
        Shape (n_sessions,), datetime64[D], sorted: the sessions with a label.
    validation_size, test_size
        Fractions of all sessions; validation and test get exactly that many (rounded), training
        what is left after two purges.
    span
        Sessions after t that a label of t looks at.

    Raises
    ------
    DatasetError
        If a role would get fewer than 60 sessions.
    SettingsError
        If the span is below 1 or the embargo below 0.

    Examples
    --------
    >>> days = np.arange("2020-01-01", "2021-05-15", dtype="datetime64[D]")
    >>> folds = temporal_split(days, span=6, embargo=5)
    >>> folds.groupby("role").size().to_dict()
    {'test': 100, 'train': 278, 'validation': 100}
    """
    n_validation, n_test = round(validation_size * len(sessions)), round(test_size * len(sessions))
    test = slice(len(sessions) - n_test, len(sessions))
    return _window(sessions, window, test, n_validation, None, _purge(span, embargo))


def walk_forward(
    sessions: np.ndarray,
    tests: Mapping[str, tuple[date, date]],
    *,
    n_validation: int,
    n_train: int | None = None,
    span: int = SPAN,
    embargo: int = EMBARGO,
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

    Raises
    ------
    DatasetError
        If a window cannot have all that was asked: it is refused, never shortened. Also if tests
        overlap or leave a session out, if one ends after the last labelled session, or if a role
        would get fewer than 60 sessions.
    SettingsError
        If the span is below 1 or the embargo below 0.
    """
    purge = _purge(span, embargo)
    if not tests:
        raise DatasetError("no test window was asked for; name at least one, as `equal_tests` does")
    places = {name: _place_of(sessions, name, *days) for name, days in tests.items()}
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
            _window(sessions, name, test, n_validation, n_train, purge)
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
    n_test = round(test_size * len(sessions))
    if not 1 <= n_windows <= n_test:
        raise DatasetError(
            f"{n_test} sessions to test cannot make {n_windows} windows; use a longer history,"
            " a larger test_size or fewer windows"
        )
    parts = np.array_split(sessions[len(sessions) - n_test :], n_windows)
    return {f"{p[0]}..{p[-1]}": (p[0].astype(date), p[-1].astype(date)) for p in parts}


def _purge(span: int, embargo: int) -> int:
    if span < 1 or embargo < 0:
        raise SettingsError(
            f"labels look at least 1 session ahead, and an embargo is at least 0 sessions; found"
            f" span {span} and embargo {embargo}, which would let training see its test"
        )
    return span + embargo


def _place_of(sessions: np.ndarray, name: str, first: date, last: date) -> slice:
    """Where the days from `first` to `last` lie in `sessions`, which must reach that far."""
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
    return slice(int(start), int(np.searchsorted(sessions, np.datetime64(last), side="right")))


def _window(
    sessions: np.ndarray,
    window: str,
    test: slice,
    n_validation: int,
    n_train: int | None,
    purge: int,
) -> pd.DataFrame:
    """train | purge | validation | purge | test, with the test at `test` of the sessions."""
    if (np.diff(sessions) <= np.timedelta64(0)).any():
        raise DatasetError(
            "the sessions to split must be sorted, each of them once; sort them with np.unique"
        )
    start_validation = test.start - purge - n_validation
    n_available = start_validation - purge
    n_asked = n_available if n_train is None else n_train
    n_test = test.stop - test.start
    if min(n_asked, n_validation, n_test) < MIN_SESSIONS or n_asked > n_available:
        wanted = "" if n_train is None else f" of {n_train} asked"
        raise DatasetError(
            f"window {window}: {test.stop} labelled sessions give {max(n_available, 0)} to"
            f" train{wanted}, {n_validation} to validate and {n_test} to test after purging"
            f" 2 × {purge}; each role needs at least {MIN_SESSIONS}: use a longer history"
        )
    roles = {
        "train": sessions[n_available - n_asked : n_available],
        "validation": sessions[start_validation : start_validation + n_validation],
        "test": sessions[test],
    }
    return pd.concat(
        [
            pd.DataFrame({"window": window, "session": days.astype("datetime64[us]"), "role": role})
            for role, days in roles.items()
        ],
        ignore_index=True,
    )[FOLDS.column_names]


def usable_sessions(labels: pd.DataFrame, universe: pd.DataFrame) -> np.ndarray:
    """Sessions in which some ticker of the universe has a known action; datetime64[D], sorted.

    Parameters
    ----------
    labels, universe
        Rows of the tables of those names with the same keys in the same order.

    Raises
    ------
    DatasetError
        If there is no such session.
    """
    usable = universe["in_universe"].to_numpy() & labels["action"].notna().to_numpy()
    sessions = np.unique(labels["session"].to_numpy()[usable].astype("datetime64[D]"))
    if len(sessions) == 0:
        raise DatasetError(
            f"none of {labels['session'].nunique()} sessions has a liquid ticker with a known label"
            " (a ticker is in the universe from its 63rd session on): use a longer history"
        )
    return sessions


def role_mask(
    samples_sessions: np.ndarray,
    session_codes: np.ndarray,
    folds: pd.DataFrame,
    role: str,
    window: str = HOLDOUT,
) -> np.ndarray:
    """Rows whose session plays `role`: boolean mask, shape (n_rows,)."""
    chosen = folds.loc[(folds["window"] == window) & (folds["role"] == role), "session"]
    is_chosen = np.isin(samples_sessions, chosen.to_numpy().astype("datetime64[D]"))
    return is_chosen[session_codes]


def too_close_roles(folds: pd.DataFrame, purge: int = SPAN + EMBARGO) -> pd.DataFrame:
    """Neighbouring roles with fewer than `purge` sessions between them, or out of order.

    Columns: window, before, after, n_between (sessions of B3's calendar). Empty if every
    window is train | purge | validation | purge | test.
    """
    close = []
    for window, rows in folds.groupby("window"):
        days = rows.groupby("role")["session"].agg(["min", "max"])
        for before, after in pairwise(("train", "validation", "test")):
            last, first = days.loc[before, "max"], days.loc[after, "min"]
            n_between = len(sessions_between(last.date(), first.date())) - 2
            if first <= last or n_between < purge:
                close.append((window, before, after, n_between))
    return pd.DataFrame(close, columns=["window", "before", "after", "n_between"])
