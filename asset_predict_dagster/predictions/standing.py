"""Standing: how far the data and the predictions go, and whether the models may be trusted now.

Ages are reckoned by the clock; drift and lost skill are what the table `model_health` said last of
the version that serves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.errors import TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import session_after, sessions_between
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.predictions.due import due
from asset_predict_dagster.predictions.health import model_health
from asset_predict_dagster.predictions.ledger import asked_sessions
from asset_predict_dagster.predictions.refusals import has_expired
from asset_predict_dagster.tables import (
    CHAMPIONS,
    INGESTED_FILES,
    LABELS,
    MODEL_HEALTH,
    QUOTES,
    VERDICTS,
    Table,
)

_SEEN_IN_DATA = ("losing_skill", "drifting")
"""Verdicts that take a look at all rows: the daily run has taken it."""


@dataclass(frozen=True)
class Reach:
    """The last session that a table speaks of, None where there is none, and how many sessions it
    could speak of have closed since.

    `labels` speak of a session when the next one has closed; rows without a label say nothing.
    """

    table: str
    last: date | None
    n_behind: int


@dataclass(frozen=True)
class ModelStanding:
    """A model: its serving version and verdict (`health.py`), with every reason.

    `is_expired`: it was trained too long ago to say anything.
    """

    model: str
    version: str
    status: str
    verdict: str
    causes: tuple[str, ...]
    reason: str
    is_expired: bool


@dataclass(frozen=True)
class Standing:
    """All of it at one moment.

    Attributes
    ----------
    last_closed
        The session that has closed last.
    origin
        Whose prices there are; empty: none.
    asked
        The last session that was predicted; None: none was.
    due
        Sessions that are to be predicted now.
    awaited, until
        The session whose file is still waited for, and until when.
    """

    last_closed: date
    origin: str
    reaches: tuple[Reach, ...]
    models: tuple[ModelStanding, ...]
    asked: date | None
    due: tuple[date, ...]
    awaited: date | None
    until: datetime | None


def standing(
    lake: Lake, last_closed: date, now: datetime, stale_after_days: int, expires_after: timedelta
) -> Standing:
    """How things stand at `now`, an aware clock; a lake without any table is no error.

    Parameters
    ----------
    stale_after_days, expires_after
        Of the settings.
    """
    quoted = _sessions(lake, QUOTES)
    asked = asked_sessions(lake)
    wanted = due(asked, quoted, last_closed, now)
    files = lake.read_if_made(INGESTED_FILES)
    newest = max((day for day in quoted if day <= last_closed), default=None)
    return Standing(
        last_closed=last_closed,
        origin="" if files is None or files.empty else str(files["origin"].iloc[0]),
        reaches=tuple(_reach(lake, table, last_closed) for table in (QUOTES, FEATURES, LABELS)),
        models=tuple(_models(lake, last_closed, newest, now, stale_after_days, expires_after)),
        asked=asked[-1] if asked else None,
        due=wanted.asked,
        awaited=wanted.awaited,
        until=wanted.until,
    )


def _sessions(lake: Lake, table: Table) -> Sequence[date]:
    if not lake.exists(table):
        return []
    return [day.date() for day in lake.distinct(table, ["session"])["session"]]


def _reach(lake: Lake, table: Table, last_closed: date) -> Reach:
    sessions = _labelled(lake) if table is LABELS else _sessions(lake, table)
    if not sessions:
        return Reach(table.name, None, 0)
    after = session_after(sessions[-1], 1 + ACTION_HORIZON * (table is LABELS))
    n_behind = len(sessions_between(after, last_closed)) if after <= last_closed else 0
    return Reach(table.name, sessions[-1], n_behind)


def _labelled(lake: Lake) -> list[date]:
    """The sessions of which the next session's action is known, sorted."""
    if not lake.exists(LABELS):
        return []
    known = lake.distinct(LABELS, ["session", "action"]).dropna()
    return [day.date() for day in known["session"].drop_duplicates()]


def _models(
    lake: Lake,
    last_closed: date,
    newest: date | None,
    now: datetime,
    stale_after_days: int,
    expires_after: timedelta,
) -> list[ModelStanding]:
    champions = lake.read_if_made(CHAMPIONS)
    aged = model_health(
        MODEL_NAMES,
        champions,
        now,
        stale_after_days,
        last_closed=last_closed,
        newest_quotes=newest,
    )
    status = {} if champions is None else champions.set_index("model")["status"].to_dict()
    told = _told(lake)
    found = []
    for row in aged.itertuples():
        causes, reasons = set(filter(None, row.causes.split(","))), [row.reason]
        for said in _said_of(told, row.model, row.model_version):
            seen = set(said.causes.split(",")) & set(_SEEN_IN_DATA)
            causes |= seen
            if seen:
                reasons.append(f"at {said.checked_at:%Y-%m-%d %H:%M} UTC: {said.reason}")
        ordered = tuple(verdict for verdict in VERDICTS if verdict in causes)
        is_served = row.model in status
        found.append(
            ModelStanding(
                model=row.model,
                version=str(row.model_version) if is_served else "",
                status=status.get(row.model, ""),
                verdict=ordered[0] if ordered else "fresh",
                causes=ordered,
                reason="; ".join(reasons),
                is_expired=bool(
                    is_served
                    and has_expired(row.trained_at.to_pydatetime(), last_closed, now, expires_after)
                ),
            )
        )
    return found


def _told(lake: Lake) -> pd.DataFrame | None:
    try:
        return lake.read_if_made(MODEL_HEALTH)
    except TableError:
        return None  # of an earlier program, which told no causes: the next daily run does


def _said_of(told: pd.DataFrame | None, model: str, version: str) -> list[Any]:
    """The row of `model_health` about the version that serves, if there is one."""
    if told is None:
        return []
    return list(told[(told["model"] == model) & (told["model_version"] == version)].itertuples())
