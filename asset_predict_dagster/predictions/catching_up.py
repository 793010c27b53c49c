"""Catching up: all that is due, session by session, each from what was known at its close.

What is said of a session that was missed is what would have been said that day: from the rows up to
it, by a version that had not learned from later ones. `created_at` alone tells that it came later.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.market.sessions import TIME_ZONE
from asset_predict_dagster.predictions.daily import Serving, predict_last_session
from asset_predict_dagster.predictions.due import Due, known_at, sessions_late
from asset_predict_dagster.predictions.ledger import asked_about
from asset_predict_dagster.predictions.served_samples import RECENT_SESSIONS
from asset_predict_dagster.tables import PREDICTIONS


def predict_due(
    wanted: Due,
    said: Mapping[date, set[str]],
    serving_at: Callable[[date], list[Serving]],
    quotes: pd.DataFrame,
    universe: pd.DataFrame,
    features: pd.DataFrame,
    created_at: datetime,
    expires_after: timedelta | None = None,
) -> pd.DataFrame:
    """Rows of `tables.PREDICTIONS`: every answer that is due and that may be given.

    A model none of whose versions may be asked about a session has no row of it.

    Parameters
    ----------
    wanted
        From `due.due`.
    said
        From `ledger.answers`: a model that has answered already is not asked.
    serving_at
        The version of each model to ask at the close of a session (`roster.Roster.at`).
    quotes, universe, features
        Rows of the tables of those names, with the same keys in the same order.
    created_at
        The clock, aware.

    Raises
    ------
    RegistryError
        If sessions are due and every version has learned from later ones.
    """
    days = quotes["session"].to_numpy()
    quoted = np.unique(days).astype("datetime64[D]").astype(object).tolist()
    parts = []
    for session in (*wanted.asked, *wanted.again):
        known = known_at(quoted, session)
        if known is None:
            continue
        has_answered = said.get(session, set())
        serving = [one for one in serving_at(known) if one.model not in has_answered]
        if not serving:
            continue
        # What is older is never looked at; to cut it off first makes a session cost a session.
        longest = max(RECENT_SESSIONS, *(one.bundle.card["lookback"] for one in serving))
        first = quoted[: quoted.index(known) + 1][-longest:][0]
        rows = (days >= np.datetime64(first)) & (days <= np.datetime64(known))
        tables = (table[rows].reset_index(drop=True) for table in (quotes, universe, features))
        late = sessions_late(quoted, session)
        parts.append(
            predict_last_session(
                serving, *tables, created_at, sessions_late=late, expires_after=expires_after
            )
        )
    if parts:
        return pd.concat(parts, ignore_index=True)
    if wanted.asked:
        raise RegistryError(
            "every version that has served and can be opened has learned from sessions after"
            f" {wanted.asked[-1]}, so what it says at the close of that would be hindsight;"
            " run complete_pipeline or retrain as of that session"
        )
    return pd.DataFrame(columns=PREDICTIONS.column_names)


def in_words(wanted: Due, answered: pd.DataFrame) -> dict[str, str]:
    """What was due and what became of it, for people: from `due`, and from `predict_due`.

    Keys, where there is something to tell: `predicted`, `late`, `not_predicted`, `awaited`,
    `left_to_daily_prediction`.
    """
    about = asked_about(answered)
    asked = [day.date() for day in about.drop_duplicates()]
    late = [day.date() for day in about[answered["sessions_late"] > 0].drop_duplicates()]
    hindsight = [day for day in wanted.asked if day not in asked]
    words = {
        "predicted": _listed(asked) or "nothing: every session that may be is in the ledger",
        "late": _listed(late),
        "not_predicted": _listed(hindsight),
        "left_to_daily_prediction": _listed(list(wanted.unread)),
    }
    if hindsight:
        words["not_predicted"] += (
            ": every version has learned from later sessions or cannot be read"
        )
    if wanted.until is not None:
        opening = wanted.until.astimezone(ZoneInfo(TIME_ZONE))
        words["awaited"] = f"{wanted.awaited}, until {opening:%Y-%m-%d %H:%M} in São Paulo"
    return {name: text for name, text in words.items() if text}


def _listed(sessions: list[date]) -> str:
    return ", ".join(map(str, sessions))
