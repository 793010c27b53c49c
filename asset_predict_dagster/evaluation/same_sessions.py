"""The same sessions: whether two versions of a model may be compared, and on which rows.

A version that was trained earlier may forecast a later test, if it knows nothing of it. Then it
stands beside the new one on the same rows, which is the only fair comparison.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd

from asset_predict_dagster.dataset.splits import purge_length
from asset_predict_dagster.market.sessions import sessions_between


def reason_not_to_test(card: Mapping[str, Any], folds: pd.DataFrame, window: str) -> str:
    """Why a bundle must not forecast the test of a window, in words; empty if it may.

    What it was fitted on, stopped by or calibrated on must have ended a whole purge before the
    first test session: as many sessions as its labels look ahead, and its embargo.
    """
    is_test = (folds["window"] == window) & (folds["role"] == "test")
    first_test = folds.loc[is_test, "session"].min().date()
    ends = (card["training_sessions"][1], card["validation"]["last_session"])
    last_seen = date.fromisoformat(max(ends))
    purge = purge_length(card["experiment"]["span"], card["experiment"]["embargo"])
    n_between = len(sessions_between(last_seen, first_test)) - 2
    if last_seen < first_test and n_between >= purge:
        return ""
    return (
        f"it has learned from sessions up to {last_seen}, and the test begins on {first_test}:"
        f" {purge} sessions should lie between"
    )


def alike(forecasts: pd.DataFrame, judged: pd.DataFrame, who: tuple[str, str]) -> pd.DataFrame:
    """The rows of another version that are of the same tickers, sessions, horizons and outcomes.

    All of them or none: figures of other rows are not to be compared. Both tables are as the lake
    returns them, sorted by their key.

    Parameters
    ----------
    judged
        What is being measured, a version of the same model among it.
    """
    model, version = who
    theirs = forecasts[(forecasts["model"] == model) & (forecasts["model_version"] == version)]
    mine = judged[judged["model"] == model]
    same = ["window", "horizon", "ticker", "session", "realised_return"]
    one, other = (rows[same].reset_index(drop=True) for rows in (theirs, mine))
    return theirs if one.equals(other) else theirs.head(0)
