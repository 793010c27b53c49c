"""Schedules: every session of B3 is predicted on the morning after it."""

from datetime import timedelta

import dagster as dg

from asset_predict_dagster.market.sessions import TIME_ZONE, is_session
from asset_predict_dagster.pipeline.jobs import daily_prediction


def daily_prediction_schedule(hour: int) -> dg.ScheduleDefinition:
    """The schedule `daily_prediction_schedule`, at `hour`:00 São Paulo time."""

    @dg.schedule(
        name="daily_prediction_schedule",
        job=daily_prediction,
        cron_schedule=f"0 {hour} * * *",
        execution_timezone=TIME_ZONE,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Daily at {hour:02d}:00 São Paulo time, on the morning after a B3 session.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        yesterday = context.scheduled_execution_time.date() - timedelta(days=1)
        if not is_session(yesterday):
            return dg.SkipReason(f"{yesterday} was no session of B3: there is nothing new")
        return dg.RunRequest(
            run_key=f"session-{yesterday}", tags={"asset_predict/session": str(yesterday)}
        )

    return schedule
