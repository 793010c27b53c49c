"""Splits: which session trains, which validates, which tests. By session, never by row.

Every window is train | purge | validation | purge | test. A purge holds as many sessions as the
labels of a row look ahead, plus an embargo, so that no label of one role knows a session of the
next. `temporal_split` is one such window; several whose tests follow each other are made by
`walk_forward_splits`, of the same `split_window`.
"""

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

ROLES = ("train", "validation", "test")
"""In the order of time."""

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
        If a fraction is not between 0 and 1, both leave nothing to train on, the span is below 1
        or the embargo below 0.

    Examples
    --------
    >>> days = np.arange("2020-01-01", "2021-05-15", dtype="datetime64[D]")
    >>> folds = temporal_split(days, span=6, embargo=5)
    >>> folds.groupby("role").size().to_dict()
    {'test': 100, 'train': 278, 'validation': 100}
    """
    refuse_fractions(validation_size=validation_size, test_size=test_size)
    days = as_days(sessions)
    n_validation, n_test = round(validation_size * len(days)), round(test_size * len(days))
    test = slice(len(days) - n_test, len(days))
    return split_window(days, window, test, n_validation, None, purge_length(span, embargo))


def as_days(sessions: np.ndarray) -> np.ndarray:
    """Sessions of any datetime64 unit as datetime64[D]; unsorted or repeated ones are refused."""
    days = np.asarray(sessions).astype("datetime64[D]")
    # A missing day is neither before nor after another one.
    if np.isnat(days).any() or (np.diff(days) <= np.timedelta64(0)).any():
        raise DatasetError(
            "the sessions to split must be sorted, each of them once, and none missing; sort them"
            " with np.unique"
        )
    return days


def refuse_fractions(**fractions: float) -> None:
    """Raise `SettingsError` unless each lies between 0 and 1 and together they leave some."""
    # Written so that NaN is refused as well.
    if not (all(0 < size < 1 for size in fractions.values()) and sum(fractions.values()) < 1):
        found = ", ".join(f"{name}={size}" for name, size in fractions.items())
        raise SettingsError(
            f"{found}: fractions of the sessions were expected, each above 0 and below 1, that"
            " leave some to train on"
        )


def purge_length(span: int, embargo: int) -> int:
    """Sessions between two roles: what a label looks ahead, and the embargo."""
    if span < 1 or embargo < 0:
        raise SettingsError(
            f"labels look at least 1 session ahead, and an embargo is at least 0 sessions; found"
            f" span {span} and embargo {embargo}, which would let training see its test"
        )
    return span + embargo


def split_window(
    sessions: np.ndarray,
    window: str,
    test: slice,
    n_validation: int,
    n_train: int | None,
    purge: int,
    least_test: int = MIN_SESSIONS,
) -> pd.DataFrame:
    """train | purge | validation | purge | test, with the test at `test` of the sessions.

    Rows of `tables.FOLDS`; what cannot be had in full raises `DatasetError`. `sessions` are those
    of `as_days`; without `n_train` every session before the first purge trains. `least_test` is
    how many sessions the test needs: one of several may decide nothing by itself.
    """
    start_validation = test.start - purge - n_validation
    n_available = start_validation - purge
    n_asked = n_available if n_train is None else n_train
    n_test = test.stop - test.start
    is_short = min(n_asked, n_validation) < MIN_SESSIONS or n_test < least_test
    if is_short or n_asked > n_available:
        wanted = "" if n_train is None else f" of {n_train} asked"
        raise DatasetError(
            f"window {window}: {test.stop} labelled sessions give {max(n_available, 0)} to"
            f" train{wanted}, {n_validation} to validate and {n_test} to test after purging"
            f" 2 × {purge}; each role needs at least {MIN_SESSIONS}"
            f"{'' if least_test == MIN_SESSIONS else f', the test {least_test}'}: use a longer"
            " history"
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
    """Rows whose session plays `role`: boolean mask, shape (n_rows,).

    Raises `DatasetError` if the folds have no such window, or it no such role: an empty mask would
    be a training or a test of nothing.
    """
    chosen = folds.loc[(folds["window"] == window) & (folds["role"] == role), "session"]
    if chosen.empty:
        there = sorted({f"{row.role} of {row.window}" for row in folds.itertuples()})
        raise DatasetError(
            f"no session plays {role} of {window}; the folds have {', '.join(there) or 'none'}"
        )
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
        missing = [role for role in ROLES if role not in days.index]
        if missing:
            raise DatasetError(f"window {window} has no session for {', none for '.join(missing)}")
        for before, after in pairwise(ROLES):
            last, first = days.loc[before, "max"], days.loc[after, "min"]
            n_between = len(sessions_between(last.date(), first.date())) - 2
            if first <= last or n_between < purge:
                close.append((window, before, after, n_between))
    return pd.DataFrame(close, columns=["window", "before", "after", "n_between"])
