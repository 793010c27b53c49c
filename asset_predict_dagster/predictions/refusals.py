"""Refusals: whether a prediction is made at all, and what is to be doubted of one that is.

A refused row has no action and no numbers; a marked one keeps them. A row has one reason, the first
that holds of

    unknown_ticker        refused: there is no such ticker to forecast (only who asks for one by its
                          name meets this: the ledger has no row of it)
    stale_quote           refused: it did not trade in the session
    illiquid              refused: it is outside the universe, or has stood still for the whole of
                          the trailing window
    model_expired         refused: the model was last trained too long ago
    late_data             marked: the file of the session that had just closed had not come
    out_of_distribution   marked: the row is unlike those that the model was fitted on
                          (`models/fitted_range.py`)
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd

from asset_predict_dagster.market.sessions import opens_at, session_after
from asset_predict_dagster.tables import MARKED, REFUSED

UNKNOWN_TICKER = "unknown_ticker"

REASONS = (UNKNOWN_TICKER, *REFUSED, *MARKED)
"""In the order of the module's list."""


def first_reasons(holds: Mapping[str, np.ndarray | bool]) -> np.ndarray:
    """The one reason of each row, the first in the order of `REASONS`; empty where none holds.

    Parameters
    ----------
    holds
        Reason → of which rows it holds, shape (n_rows,), or whether it holds of all.

    Examples
    --------
    >>> old_price = np.array([True, True, False, False])
    >>> little_traded = np.array([False, True, True, False])
    >>> first_reasons({"illiquid": little_traded, "stale_quote": old_price}).tolist()
    ['stale_quote', 'stale_quote', 'illiquid', '']
    """
    names = sorted(holds, key=REASONS.index)
    return np.select([np.asarray(holds[name], dtype=bool) for name in names], names, default="")


def is_refused(reasons: pd.Series) -> pd.Series:
    """Which rows of `tables.PREDICTIONS` say nothing, by their column `reason`; bool."""
    return reasons.isin(REFUSED)


def has_expired(
    trained_at: datetime, asked: date, created_at: datetime, expires_after: timedelta
) -> bool:
    """Whether a model was too old to be asked what comes after a session.

        age = min(created_at, opening of the session after `asked`) - trained_at

    Its age counts when the prediction was due: what is caught up with after a pause is answered as
    it would have been in time.

    Parameters
    ----------
    trained_at, created_at
        When it was last trained, and when it is asked; aware.
    asked
        The session that had just closed.
    expires_after
        It has expired when it is older.
    """
    due = min(created_at, opens_at(session_after(asked)))
    return due - trained_at > expires_after
