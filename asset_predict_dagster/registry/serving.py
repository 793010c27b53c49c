"""Serving: which version of each model may be asked about a session.

A model is never asked about a session whose future it has learned from. For the last session that
is the champion of today; for an earlier one it may be a champion that has gone since.

Source: the tables `champions` and `promotions`.
"""

from datetime import date

import pandas as pd

from asset_predict_dagster.dataset.labels import learned_until

SERVING_COLUMNS = ["model", "model_version", "status", "bundle", "training_end", "trained_at"]


def served_at(
    promotions: pd.DataFrame | None, champions: pd.DataFrame, session: date
) -> pd.DataFrame:
    """The version of each model to ask about a session: columns `SERVING_COLUMNS`.

    Today's champion if all that it has learned from was over at the close of the session
    (`learned_until(training_end) <= session`), else the latest one before it of which that is
    true. A model without any has no row.

    Parameters
    ----------
    promotions
        Rows of `tables.PROMOTIONS`; None where an earlier program kept none.
    champions
        Rows of `tables.CHAMPIONS`.
    """
    versions = champions[SERVING_COLUMNS]
    if promotions is not None:
        log = promotions.sort_values("decided_at", ascending=False).dropna(subset="training_end")
        versions = pd.concat([versions, log[SERVING_COLUMNS]], ignore_index=True)
    knows_no_more = [learned_until(day.date()) <= session for day in versions["training_end"]]
    return versions[knows_no_more].drop_duplicates("model").reset_index(drop=True)
