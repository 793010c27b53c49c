"""Splits: which session trains, which validates, which tests. By session, never by row.

Between two roles `purge` sessions belong to none: as many as the labels of a row look ahead,
plus an embargo, so that no label of one role knows a session of the next.
"""

from itertools import pairwise

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.labels import SPAN
from asset_predict_dagster.errors import DatasetError
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
    """train | purge | validation | purge | test over sorted `sessions`; rows of `tables.FOLDS`.

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

    Examples
    --------
    >>> days = np.arange("2020-01-01", "2021-05-15", dtype="datetime64[D]")
    >>> folds = temporal_split(days, span=6, embargo=5)
    >>> folds.groupby("role").size().to_dict()
    {'test': 100, 'train': 278, 'validation': 100}
    """
    n_validation, n_test = round(validation_size * len(sessions)), round(test_size * len(sessions))
    purge = span + embargo
    n_train = len(sessions) - n_validation - n_test - 2 * purge
    if min(n_train, n_validation, n_test) < MIN_SESSIONS:
        raise DatasetError(
            f"{len(sessions)} labelled sessions give {max(n_train, 0)} to train,"
            f" {n_validation} to validate and {n_test} to test after purging 2 × {purge};"
            f" each role needs at least {MIN_SESSIONS}: use a longer history"
        )
    start_validation = n_train + purge
    start_test = start_validation + n_validation + purge
    roles = {
        "train": sessions[:n_train],
        "validation": sessions[start_validation : start_validation + n_validation],
        "test": sessions[start_test:],
    }
    return pd.concat(
        pd.DataFrame({"window": window, "session": days.astype("datetime64[us]"), "role": role})
        for role, days in roles.items()
    )[FOLDS.column_names].reset_index(drop=True)


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
