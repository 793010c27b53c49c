"""Drift: does the market, or what is said of it, still look like what a model was made from.

The reference is what the model learned from, the last window of it left out; the last window of 63
sessions is held against it, anew after each session. `drift_windows.py` says how far a window may
stray before it counts, in units called severity: 1 is where the alarm begins.

An alarm is an onset. It begins when the severity passes its level, and stays until the severity is
below .8 of it or the model is trained again. What was there when a model was trained, it has
learned from, so for that model the level is the next of 1, 1.5, 2.25, ... above the severity then:
drift that goes on growing alarms again, drift that stands does not.

Measured numbers are in `docs/LOG.md`.
"""

from datetime import date

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.predictions.drift_finding import (
    INPUTS,
    PREDICTIONS,
    Drift,
    found,
    not_judged,
)
from asset_predict_dagster.predictions.drift_rows import SAID, WINDOW, input_rows, said_rows
from asset_predict_dagster.predictions.drift_windows import Windows

REFERENCE_SESSIONS = 1260
"""Sessions of the reference at most: five years."""

LEAST_WINDOWS = 4
"""Windows that a reference must have room for; of a shorter one windows are shorter."""

LEAST_WINDOW = 21
"""Sessions: a month. Fewer say little of a market that has moods."""

GROWTH = 1.5
CALM = 0.8


def input_drift(
    features: pd.DataFrame,
    universe: pd.DataFrame,
    columns: tuple[str, ...],
    learned_until: date,
) -> Drift:
    """Drift of a model's inputs since it was trained.

    Parameters
    ----------
    features, universe
        Rows of the tables of those names with the same keys in the same order.
    columns
        From `drift_rows.input_columns`, of the features in the bundle's card.
    learned_until
        The last session that was known when the model was trained: the bundle's `learned_until`.

    Raises
    ------
    DatasetError
        If `features` has not every column.
    """
    rows = input_rows(features, universe, columns)
    sessions = np.unique(rows["session"].to_numpy())
    n_known = int(np.searchsorted(sessions, np.datetime64(learned_until), side="right"))
    first_later = max(0, n_known - WINDOW)
    return _watch(INPUTS, rows, columns, sessions[first_later:], learned_until, rows)


def prediction_drift(
    forecasts: pd.DataFrame, predictions: pd.DataFrame, learned_until: date
) -> Drift:
    """Drift of what is served, against what the model said out of sample when it was judged.

    Parameters
    ----------
    forecasts
        Rows of `tables.FORECASTS_OUT_OF_SAMPLE` of the window `holdout`, of the model and version
        that serves.
    predictions
        Rows of `tables.PREDICTIONS` of the model, of whichever versions served in turn: a model
        that is trained every two weeks never serves for a window by itself.
    learned_until
        As for `input_drift`.
    """
    judged, served = said_rows(forecasts), said_rows(predictions)
    columns = tuple(name for name in SAID if judged[name].notna().any())
    sessions = np.unique(served["session"].to_numpy())
    n_known = int(np.searchsorted(sessions, np.datetime64(learned_until), side="right"))
    later = sessions[max(0, n_known - WINDOW) :]
    return _watch(PREDICTIONS, judged, columns, later, learned_until, served)


def drift_between(
    reference: pd.DataFrame, current: pd.DataFrame, columns: tuple[str, ...]
) -> Drift:
    """Drift of one period, or version of a dataset, against another; no clock, no history.

    The alarm is on if a window like `current` would be rare in `reference`. Thresholds are made
    for windows of a quarter of the reference at most: a longer period strays less than they
    allow, so that for it they are cautious.

    Parameters
    ----------
    reference, current
        From `drift_rows.input_rows`. Sessions that are in both count as current alone.
    columns
        Names of the columns to compare.

    Raises
    ------
    DatasetError
        If the reference has fewer than 84 sessions of its own, the current period none, or there is
        no column to compare.
    """
    own = reference[~reference["session"].isin(current["session"].unique())]
    n_reference, n_current = own["session"].nunique(), current["session"].nunique()
    length = min(n_current, n_reference // LEAST_WINDOWS)
    if not columns or n_current == 0 or n_reference < LEAST_WINDOWS * LEAST_WINDOW:
        raise DatasetError(
            f"drift needs a reference of {LEAST_WINDOWS * LEAST_WINDOW} sessions, a current session"
            f" and a column at least; found {n_reference} sessions apart from the current ones,"
            f" {n_current} and {len(columns)}: choose longer periods, or other tickers"
        )
    windows = Windows(own, current, columns, length)
    measured = windows.measure(len(windows.sessions), n_current)
    path = pd.DataFrame(
        {
            "session": windows.sessions[-1:].astype("datetime64[us]"),
            "severity": [float(measured.severity.max())],
            "level": [1.0],
        }
    )
    path["is_alarm"] = path["severity"] > 1.0
    return found(INPUTS, windows, measured, path, n_current)


def alarm_level(severity_learned: float) -> float:
    """The first of 1, 1.5, 2.25, ... above the severity that a model has learned from.

    >>> [alarm_level(severity) for severity in (0.0, 0.99, 1.0, 1.2, 1.5)]
    [1.0, 1.0, 1.5, 1.5, 2.25]
    """
    level = 1.0
    while level <= severity_learned:
        level *= GROWTH
    return level


def _watch(
    subject: str,
    reference: pd.DataFrame,
    columns: tuple[str, ...],
    later_sessions: np.ndarray,
    learned_until: date,
    later: pd.DataFrame,
) -> Drift:
    """`reference` up to the first later session, and the rows of `later` from it on."""
    if not columns or len(later_sessions) == 0:
        return not_judged(subject, "no session to compare" if columns else "no column can drift")
    is_earlier = (reference["session"] < later_sessions[0]).to_numpy()
    own = np.unique(reference.loc[is_earlier, "session"].to_numpy())[-REFERENCE_SESSIONS:]
    length = min(WINDOW, len(own) // LEAST_WINDOWS)
    if not LEAST_WINDOW <= length <= len(later_sessions):
        return not_judged(
            subject,
            f"{len(own)} sessions of reference and {len(later_sessions)} to compare;"
            f" {LEAST_WINDOWS * LEAST_WINDOW} and {max(length, LEAST_WINDOW)} are needed",
        )
    is_own = is_earlier & (reference["session"] >= own[0]).to_numpy()
    is_later = (later["session"] >= later_sessions[0]).to_numpy()
    windows = Windows(reference[is_own], later[is_later], columns, length)
    path = _path(windows, np.datetime64(learned_until))
    measured = windows.measure(len(windows.sessions))
    return found(subject, windows, measured, path, length)


def _path(windows: Windows, learned_until: np.datetime64) -> pd.DataFrame:
    """Severity after each later session, and the alarm as it went on and off."""
    ends = np.arange(windows.n_reference + 1, len(windows.sessions) + 1)
    sessions, severity = windows.sessions[ends - 1], windows.severities(ends)
    is_learned = sessions <= learned_until
    level = alarm_level(float(severity[is_learned].max(initial=0.0)))
    alarms, is_alarm = [], False
    for value in severity.tolist():
        is_alarm = value > level or (is_alarm and value >= CALM * level)
        alarms.append(is_alarm)
    days = sessions.astype("datetime64[us]")
    return pd.DataFrame({"session": days, "severity": severity, "level": level, "is_alarm": alarms})
