"""What was found about drift: as a table, as an answer to a program, and in words."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.predictions.drift_windows import Measured, Windows
from asset_predict_dagster.predictions.population_stability import customary_label
from asset_predict_dagster.tables import DRIFT

INPUTS, PREDICTIONS = "inputs", "predictions"

_IN_WORDS = 3
"""Columns that a reason names."""


@dataclass(frozen=True)
class Drift:
    """What was found.

    Attributes
    ----------
    subject
        `inputs` or `predictions`.
    columns
        One row per column, the most unlike first; columns as in `tables.DRIFT` from `column` on.
        Empty if nothing could be judged.
    path
        One row per window, by its last session: session, severity, level (at which the alarm
        begins), is_alarm. Of two periods there is one window.
    since
        Session at which the alarm that stands began; None where none does.
    reason
        The finding in words, or why there is none.
    """

    subject: str
    columns: pd.DataFrame
    path: pd.DataFrame
    since: date | None
    reason: str

    @property
    def is_judged(self) -> bool:
        return len(self.path) > 0

    @property
    def has_drift(self) -> bool:
        return self.since is not None

    @property
    def drifted(self) -> list[str]:
        """Columns beyond their threshold while the alarm stands; at least the most unlike one."""
        beyond = self.columns["severity"] > min(1.0, self.columns["severity"].max() * (1 - 1e-9))
        return self.columns.loc[beyond, "column"].tolist() if self.has_drift else []


def found(
    subject: str, windows: Windows, measured: Measured, path: pd.DataFrame, length: int
) -> Drift:
    """The last `length` sessions by column, after the path of severities that ends with them."""
    current = windows.sessions[-length:]
    reference = windows.sessions[: windows.n_reference]
    days = {
        "reference_first": reference[0],
        "reference_last": reference[-1],
        "current_first": current[0],
        "current_last": current[-1],
    }
    is_alarm = path["is_alarm"].to_numpy()
    since = None
    if is_alarm[-1]:
        began = len(is_alarm) - int(np.r_[is_alarm[::-1], False].argmin())
        since = path["session"].iloc[began].date()
    table = pd.DataFrame(
        {
            "column": windows.columns,
            **{name: value.astype("datetime64[us]") for name, value in days.items()},
            "n_reference": measured.n_reference,
            "n_current": measured.n_current,
            "psi": measured.psi,
            "psi_label": [customary_label(index) for index in np.nan_to_num(measured.psi)],
            "psi_threshold": measured.psi_threshold,
            "ks": measured.ks,
            "ks_p_value": measured.ks_p_value,
            "ks_threshold": measured.ks_threshold,
            "severity": measured.severity,
            "is_drifting": measured.severity > 1.0,
            "alarm_since": pd.Timestamp(since) if since else pd.NaT,
        }
    ).sort_values("severity", ascending=False, ignore_index=True)
    return Drift(subject, table, path, since, _in_words(subject, table, path, since, length))


def _in_words(
    subject: str, table: pd.DataFrame, path: pd.DataFrame, since: date | None, length: int
) -> str:
    last = path.iloc[-1]
    most = ", ".join(
        f"{row.column} (PSI {row.psi:.2f}, usual up to {row.psi_threshold:.2f};"
        f" KS {row.ks:.2f}, up to {row.ks_threshold:.2f})"
        for row in table.head(_IN_WORDS).itertuples()
    )
    found = f"drift since {since}" if since else "no drift"
    return (
        f"{subject}: {found}; the {length} sessions to {last['session'].date()} have severity"
        f" {last['severity']:.2f}, alarm from {last['level']:.2f}; most unlike: {most}"
    )


def drift_table(model: str, model_version: str, drift: Drift) -> pd.DataFrame:
    """Rows of `tables.DRIFT`: none of a subject that could not be judged."""
    table = drift.columns.assign(model=model, model_version=model_version, subject=drift.subject)
    return table.reindex(columns=DRIFT.column_names)


def as_answer(drift: Drift) -> dict[str, Any]:
    """What the REST route says: has_drift, drifted_features, drift_scores, recommendation.

    A score is a column's severity: 1 is where the alarm begins.
    """
    scores = dict(zip(drift.columns["column"], drift.columns["severity"].round(4), strict=True))
    return {
        "has_drift": drift.has_drift,
        "drifted_features": drift.drifted,
        "drift_scores": {name: float(score) for name, score in scores.items()},
        "recommendation": "retrain" if drift.has_drift else "ok",
    }


def not_judged(subject: str, why: str) -> Drift:
    """Nothing is found where nothing can be compared, and the reason says so."""
    empty = pd.DataFrame(columns=DRIFT.column_names)
    return Drift(subject, empty, pd.DataFrame(), None, f"{subject}: not judged ({why})")
