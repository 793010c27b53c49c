"""Schedules: every session of B3 is predicted on the morning after it."""

from datetime import datetime, time, timedelta

import dagster as dg

from asset_predict_dagster.market.sessions import TIME_ZONE, opens_at, session_after
from asset_predict_dagster.pipeline.daily_runs import (
    SAO_PAULO,
    session_in_turn,
    tags_of,
    why_not,
)
from asset_predict_dagster.pipeline.jobs import daily_prediction
from asset_predict_dagster.pipeline.resources import Clock, LakeTables

NAME = "daily_prediction_schedule"

_OPENING, _ASH_WEDNESDAYS_OPENING = 10, 13
"""Hours at which B3 opens, São Paulo time; Ash Wednesday is in February or March."""

TICK_LASTS = timedelta(minutes=3)
"""A tick that Dagster comes to later than this was missed."""

QUIET = timedelta(minutes=5)
"""Before and after a tick the sensors leave it to the schedule."""


def cron_lines(hour: int) -> list[str]:
    """At `hour`, which is before B3 opens, and every half hour until it does."""
    hours = ",".join(map(str, range(hour, _OPENING)))
    return [
        f"0,30 {hours} * * *",
        f"0 {_OPENING} * * *",
        f"0,30 {_OPENING}-{_ASH_WEDNESDAYS_OPENING - 1} * 2,3 WED",
        f"0 {_ASH_WEDNESDAYS_OPENING} * 2,3 WED",
    ]


def is_near_a_tick(now: datetime, hour: int) -> bool:
    """Whether the schedule at `hour` may tick within `QUIET` before or after `now`."""
    first, last = time(hour), time(_ASH_WEDNESDAYS_OPENING)
    local = now.astimezone(SAO_PAULO).replace(tzinfo=None)
    before = local.replace(minute=local.minute // 30 * 30, second=0, microsecond=0)
    return any(
        abs(tick - local) <= QUIET and first <= tick.time() <= last
        for tick in (before, before + timedelta(minutes=30))
    )


def daily_prediction_schedule(hour: int) -> dg.ScheduleDefinition:
    """The schedule `daily_prediction_schedule`, from `hour`:00 São Paulo time on.

    Each tick asks for a run until the session is in the ledger: a file that came late or a run that
    failed is made good half an hour later. The last tick is B3's opening, when a session whose file
    has not come is predicted from the one before. Missed ticks are `catch_up_predictions`'s.
    """

    @dg.schedule(
        name=NAME,
        job=daily_prediction,
        cron_schedule=cron_lines(hour),
        execution_timezone=TIME_ZONE,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"At {hour:02d}:00 São Paulo time on the morning after a B3 session, and every"
        " half hour until it is predicted or B3 opens.",
    )
    def schedule(
        context: dg.ScheduleEvaluationContext, lake: LakeTables, clock: Clock
    ) -> dg.RunRequest | dg.SkipReason:
        tick, now = context.scheduled_execution_time, clock.now()
        if now - tick > TICK_LASTS:
            return dg.SkipReason(
                f"the tick of {tick:%Y-%m-%d %H:%M} was missed: catch_up_predictions asks for what"
                " is due"
            )
        session = session_in_turn(clock.last_session(), tick, hour)
        why = why_not(lake.open(), context.instance, session, now)
        if why:
            return dg.SkipReason(why)
        if tick > opens_at(session_after(session)):
            return dg.SkipReason(
                f"{session} is not predicted and B3 has opened since: that is for"
                " catch_up_predictions"
            )
        return dg.RunRequest(
            run_key=f"session-{session}-{tick:%Y-%m-%dT%H:%M}",
            tags=tags_of(NAME, now, session),
        )

    return schedule
