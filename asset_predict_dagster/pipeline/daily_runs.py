"""Runs of `daily_prediction`: which session is in turn, why none is asked for, what was tried."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import TIME_ZONE, sessions_between
from asset_predict_dagster.pipeline.jobs import daily_prediction
from asset_predict_dagster.pipeline.unfinished import unfinished_run
from asset_predict_dagster.predictions.due import MOST_LATE, sessions_late
from asset_predict_dagster.predictions.ledger import asked_sessions
from asset_predict_dagster.tables import CHAMPIONS, QUOTES

SAO_PAULO = ZoneInfo(TIME_ZONE)

SESSION_TAG = "asset_predict/session"
ASKED_BY_TAG = "asset_predict/requested_by"
ASKED_AT_TAG = "asset_predict/requested_at"

_DAYS_WITHOUT_A_SESSION = 30
"""B3 never closes for so long."""


@dataclass(frozen=True)
class Try:
    """A run that was asked for a session: when, by whom, and whether it came to its end.

    `at` is by the clock that the asker was given.
    """

    at: datetime
    by: str
    is_finished: bool


def session_in_turn(last_closed: date, now: datetime, hour: int) -> date:
    """The last session on whose next morning `hour` has passed; none after `last_closed`.

    >>> late = datetime(2024, 2, 9, 23, 0, tzinfo=SAO_PAULO)
    >>> session_in_turn(date(2024, 2, 9), late, hour=3)
    datetime.date(2024, 2, 8)
    """
    day = (now.astimezone(SAO_PAULO) - timedelta(days=1, hours=hour)).date()
    until = min(day, last_closed)
    return sessions_between(until - timedelta(days=_DAYS_WITHOUT_A_SESSION), until)[-1].astype(date)


def why_not(lake: Lake, instance: dg.DagsterInstance, session: date, now: datetime) -> str:
    """Why no run is asked for `session` now; empty if one may be."""
    missing = [table.name for table in (QUOTES, CHAMPIONS) if not lake.exists(table)]
    if missing:
        return f"there are no {' and no '.join(missing)} yet: run complete_pipeline"
    asked = asked_sessions(lake)
    if asked and asked[-1] >= session:
        return f"{session}, the last session whose morning has come, is predicted already"
    running = unfinished_run(instance, [daily_prediction.name])
    if running:
        return f"{running.job_name} {running.run_id} is not finished"
    return _has_ended(lake, instance, session, now)


def _has_ended(lake: Lake, instance: dg.DagsterInstance, session: date, now: datetime) -> str:
    """Why a history that ended long before `session` is not looked at again today; empty if it is.

    No run can predict from it before files come. One a day looks for them.
    """
    today = now.astimezone(SAO_PAULO).date()
    looked = [
        one
        for one in tries_for(instance, session)
        if one.is_finished and one.at.astimezone(SAO_PAULO).date() == today
    ]
    if not looked:
        return ""
    quoted = lake.distinct(QUOTES, ["session"])["session"].dt.date.tolist()
    if sessions_late(quoted, session) <= MOST_LATE:
        return ""
    return (
        f"the newest quotes are of {quoted[-1]}, more than {MOST_LATE} sessions before {session},"
        f" and the run of {looked[-1].at.astimezone(SAO_PAULO):%H:%M} found no newer ones: the next"
        " one looks tomorrow"
    )


def tries_for(instance: dg.DagsterInstance, session: date) -> list[Try]:
    """What was asked for `session`, the first one first."""
    runs = instance.get_runs(
        dg.RunsFilter(job_name=daily_prediction.name, tags={SESSION_TAG: str(session)})
    )
    tries = [
        Try(
            datetime.fromisoformat(run.tags[ASKED_AT_TAG]),
            run.tags[ASKED_BY_TAG],
            run.status == dg.DagsterRunStatus.SUCCESS,
        )
        for run in runs
        # An earlier program did not say when.
        if ASKED_AT_TAG in run.tags
    ]
    return sorted(tries, key=lambda one: one.at)


def tags_of(by: str, now: datetime, session: date | None = None, **more: str) -> dict[str, str]:
    """Who asks and when, and for which session, if the run is to predict it."""
    of_session = {} if session is None else {SESSION_TAG: str(session)}
    return {ASKED_BY_TAG: by, ASKED_AT_TAG: now.isoformat(), **of_session, **more}
