"""The ledger: which sessions the table `predictions` answers.

A row answers the session that had just closed when it was made: its own, or, where files had not
come, the one `sessions_late` sessions after it.
"""

from datetime import date

import pandas as pd

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import session_after
from asset_predict_dagster.predictions.due import MOST_LATE
from asset_predict_dagster.tables import PREDICTIONS

_NEAREST = {"horizon": range(1, MOST_LATE + 2)}
"""Every answer has one of these horizons: the others need not be read."""


def asked_sessions(lake: Lake) -> list[date]:
    """The sessions that were asked about, sorted; none without a ledger."""
    return sorted(answers(lake))


def answers(lake: Lake) -> dict[date, set[str]]:
    """Each session that was asked about, and the models that answered."""
    said: dict[date, set[str]] = {}
    if lake.exists(PREDICTIONS):
        rows = lake.distinct(PREDICTIONS, ["model", "session", "sessions_late"], where=_NEAREST)
        for row, session in zip(rows.itertuples(), asked_about(rows), strict=True):
            said.setdefault(session.date(), set()).add(row.model)
    return said


def asked_about(predictions: pd.DataFrame) -> pd.Series:
    """The session that each row answers; datetime64[us].

    Parameters
    ----------
    predictions
        Rows of `tables.PREDICTIONS` or of `tables.OUTCOMES`.
    """
    is_late = predictions["sessions_late"] > 0
    if not is_late.any():
        return predictions["session"]
    late = predictions.loc[is_late, ["session", "sessions_late"]]
    after = {
        (session, n): pd.Timestamp(session_after(session.date(), n))
        for session, n in late.drop_duplicates().itertuples(index=False, name=None)
    }
    asked = [after[key] for key in late.itertuples(index=False, name=None)]
    return predictions["session"].mask(is_late, pd.Series(asked, index=late.index))


def newest(predictions: pd.DataFrame) -> pd.DataFrame:
    """The rows that answer the last session asked about."""
    asked = asked_about(predictions)
    return predictions[asked == asked.max()]
