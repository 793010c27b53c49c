"""Every session of B3 is predicted on the morning after it, and on no other morning."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from asset_predict_dagster.market.sessions import is_session
from asset_predict_dagster.pipeline.schedules import daily_prediction_schedule

SAO_PAULO = ZoneInfo("America/Sao_Paulo")


def on_the_morning_of(day: str) -> dg.RunRequest | dg.SkipReason:
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime.fromisoformat(day).replace(hour=3, tzinfo=SAO_PAULO)
    )
    return daily_prediction_schedule(3)(context)


@pytest.mark.parametrize(
    ("morning", "session"),
    [
        ("2024-02-10", "2024-02-09"),  # a Saturday: Friday was a session
        ("2024-02-15", "2024-02-14"),  # the day after Ash Wednesday
        ("2024-12-31", "2024-12-30"),  # the last session of the year
    ],
)
def test_the_morning_after_a_session_predicts_it(morning: str, session: str):
    request = on_the_morning_of(morning)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == f"session-{session}"
    assert request.tags["asset_predict/session"] == session


@pytest.mark.parametrize(
    "morning",
    ["2024-02-11", "2024-02-12", "2024-02-13", "2024-02-14", "2024-11-21"],
)
def test_a_weekend_or_holiday_is_skipped_with_the_reason(morning: str):
    skipped = on_the_morning_of(morning)
    assert isinstance(skipped, dg.SkipReason)
    assert "was no session of B3" in skipped.skip_message


def test_every_session_of_a_year_is_asked_for_once():
    mornings = [datetime(2024, 1, 1) + timedelta(days=n) for n in range(366)]
    requested = [
        request.run_key
        for request in (on_the_morning_of(str(morning.date())) for morning in mornings)
        if isinstance(request, dg.RunRequest)
    ]
    days = [(morning - timedelta(days=1)).date() for morning in mornings]
    assert requested == [f"session-{day}" for day in days if is_session(day)]
    assert len(requested) == 251


def test_it_runs_by_default_at_the_hour_of_the_settings_in_sao_paulo():
    schedule = daily_prediction_schedule(7)
    assert schedule.cron_schedule == "0 7 * * *"
    assert schedule.execution_timezone == "America/Sao_Paulo"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
