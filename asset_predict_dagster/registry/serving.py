"""Serving: which version of each model may be asked about a session.

A model is never asked about a session whose future it has learned from. For the last session that
is the champion of today; for an earlier one it may be a champion that has gone since.

Source: the tables `champions` and `promotions`.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd

from asset_predict_dagster.dataset.labels import learned_until
from asset_predict_dagster.registry.decisions import rolled_back_from

SERVING_COLUMNS = ["model", "model_version", "status", "bundle", "training_end", "trained_at"]


def served_at(
    promotions: pd.DataFrame | None,
    champions: pd.DataFrame,
    session: date,
    can_serve: Callable[[str, str, str], bool] = lambda model, version, bundle: True,
) -> pd.DataFrame:
    """The version of each model to ask about a session: columns `SERVING_COLUMNS`.

    Today's champion if all that it has learned from was over at the close of the session
    (`learned_until(training_end) <= session`), else the latest one before it of which that is
    true. Versions that a person rolled back from are passed over, and those that cannot serve. A
    model without any has no row.

    Parameters
    ----------
    promotions
        Rows of `tables.PROMOTIONS`; None where an earlier program kept none.
    champions
        Rows of `tables.CHAMPIONS`.
    can_serve
        Whether a version, by its model, number and bundle, forecasts when it is asked; asked of
        those alone that may serve otherwise.
    """
    rows = []
    for champion in champions.itertuples():
        earlier = [] if promotions is None else _earlier(promotions, champion.model)
        for served in (champion, *earlier):
            if learned_until(served.training_end.date()) <= session and can_serve(
                champion.model, served.model_version, served.bundle
            ):
                rows.append({name: getattr(served, name) for name in SERVING_COLUMNS})
                break
    return pd.DataFrame(rows, columns=SERVING_COLUMNS)


def _earlier(promotions: pd.DataFrame, model: str) -> list[Any]:
    """Decisions after which somebody served that nobody rolled back from, the latest first."""
    mine = promotions[promotions["model"] == model].sort_values("decided_at")
    log = list(mine.itertuples())
    left_out = {"", *rolled_back_from(log)}
    return [row for row in reversed(log) if row.model_version not in left_out]
