"""Every session of B3 is asked for from the hour of the next morning on until it is predicted."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from asset_predict_dagster.market.sessions import opens_at, session_after, sessions_between
from asset_predict_dagster.pipeline.daily_runs import session_in_turn
from asset_predict_dagster.pipeline.schedules import (
    cron_lines,
    daily_prediction_schedule,
    is_near_a_tick,
)
from asset_predict_dagster_tests.pipeline.conftest import new_workplace
from asset_predict_dagster_tests.pipeline.daily_life import (
    FAILED,
    FINISHED,
    SAO_PAULO,
    STARTED,
    Life,
    at,
    life_with_champions,
    reason,
    session_of,
)


@pytest.fixture
def life(tmp_path) -> Life:
    return life_with_champions(tmp_path)


def ticks(first: str, until: str, hour: int = 3) -> Iterator[datetime]:
    """The ticks of Dagster's daemon, from midnight on."""
    times = schedule_execution_time_iterator(
        at(first).timestamp(), cron_lines(hour), "America/Sao_Paulo"
    )
    for tick in times:
        if tick >= at(until):
            return
        yield tick


@pytest.mark.parametrize(
    ("morning", "session"),
    [
        ("2024-02-10", "2024-02-09"),  # a Saturday: Friday was a session
        ("2024-02-15", "2024-02-14"),  # the day after Ash Wednesday
        ("2024-12-31", "2024-12-30"),  # the last session of the year
    ],
)
def test_the_morning_after_a_session_asks_for_it(life: Life, morning: str, session: str):
    request = life.tick(f"{morning} 03:00")
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == f"session-{session}-{morning}T03:00"
    assert request.tags["asset_predict/session"] == session


@pytest.mark.parametrize("morning", ["2024-02-11", "2024-02-12", "2024-02-13", "2024-02-14"])
def test_on_weekends_and_holidays_nothing_is_asked_for_that_is_predicted(life: Life, morning: str):
    life.predicted("2024-02-09")
    assert "2024-02-09, the last session" in reason(life.tick(f"{morning} 03:00"))


def test_around_carnival_every_session_is_asked_for_once(life: Life):
    """Each run finds the session's file."""
    asked = []
    for tick in ticks("2024-02-08", "2024-02-17"):
        answer = life.tick(tick)
        if session := session_of(answer):
            asked.append(session)
            life.ran(answer, FINISHED)
            life.predicted(str(session))
    assert [day.day for day in asked] == [7, 8, 9, 14, 15]


def test_a_file_that_has_not_come_is_waited_for_every_half_hour_until_b3_opens(life: Life):
    asked = []
    for tick in ticks("2024-02-20", "2024-02-21"):
        answer = life.tick(tick)
        if session_of(answer):
            asked.append(f"{tick:%H:%M}")
            life.ran(answer, FINISHED)
    assert asked == [
        *("03:00", "03:30", "04:00", "04:30", "05:00", "05:30", "06:00", "06:30"),
        *("07:00", "07:30", "08:00", "08:30", "09:00", "09:30", "10:00"),
    ]


def test_over_carnival_the_last_tick_is_ash_wednesdays_late_opening(life: Life):
    """Friday's file never comes. On Tuesday there are fifteen ticks, on Wednesday six more."""
    asked = [tick for tick in ticks("2024-02-13", "2024-02-15") if session_of(life.tick(tick))]
    assert len(asked) == 15 + 21
    assert {session_of(life.tick(tick)) for tick in asked[::15]} == {date(2024, 2, 9)}
    assert asked[-1] == opens_at(date(2024, 2, 14)) == at("2024-02-14 13:00")


def test_two_ticks_never_share_a_run_key(life: Life):
    """Dagster remembers a key for ever, and would run the second one never."""
    keys = [life.tick(tick).run_key for tick in ticks("2024-02-10", "2024-02-11")]
    assert len(set(keys)) == len(keys) == 15


@pytest.mark.parametrize("first_year", [2017, 2018, 2022])
def test_every_opening_is_a_tick_and_the_first_tick_is_at_the_hour(first_year: int):
    """Before 2019 the clocks were moved, twice a year."""
    times = list(ticks(f"{first_year}-01-01", f"{first_year + 2}-01-01"))
    sessions = sessions_between(date(first_year, 1, 3), date(first_year + 1, 12, 31)).astype(date)
    assert {opens_at(day) for day in sessions.tolist()} <= set(times)
    days = {tick.date() for tick in times}
    assert {min(t for t in times if t.date() == day) for day in list(days)[:60]} == {
        datetime(day.year, day.month, day.day, 3, tzinfo=SAO_PAULO) for day in list(days)[:60]
    }


@pytest.mark.parametrize("hour", [0, 3, 9])
def test_the_session_in_turn_is_the_one_before_the_morning(hour: int):
    """On the 20th its own session has closed, long since, and is not in turn before the 21st."""
    before = at(f"2024-02-20 {hour:02d}:00") - timedelta(seconds=1)
    on_the_hour = at(f"2024-02-20 {hour:02d}:00")
    last = at("2024-02-21 00:00") + timedelta(hours=hour, seconds=-1)
    closed = date(2024, 2, 20)
    assert session_in_turn(closed, before, hour) == date(2024, 2, 16)
    assert session_in_turn(closed, on_the_hour, hour) == date(2024, 2, 19)
    assert session_in_turn(closed, last, hour) == date(2024, 2, 19)


def test_the_session_of_the_settings_is_in_turn_whatever_the_clock_says(tmp_path):
    life = life_with_champions(tmp_path, as_of=date(2024, 2, 9))
    life.predicted("2024-02-09")
    assert "2024-02-09" in reason(life.tick("2024-05-09 03:00"))


def test_a_run_that_failed_is_asked_for_again_half_an_hour_later(life: Life):
    life.ran(life.tick("2024-02-20 03:00"), FAILED)
    assert session_of(life.tick("2024-02-20 03:30")) == date(2024, 2, 19)


def asked_from(first: str, until: str, life: Life, became: dg.DagsterRunStatus) -> list[str]:
    """When runs are asked for, by either of the two, at every tick and 15 minutes later."""
    asked = []
    for tick in ticks(first, until):
        for moment, ask in ((tick, life.tick), (tick + timedelta(minutes=15), life.catch_up)):
            answer = ask(moment)
            if session_of(answer):
                asked.append(f"{moment:%a %H:%M}")
                life.ran(answer, became)
    return asked


def test_a_history_that_ended_long_ago_is_looked_at_once_a_day(life: Life):
    """Six sessions lie from the 9th to the 21st, Carnival's days left out: one more than five."""
    life.quoted("2024-02-09")
    assert asked_from("2024-02-22", "2024-02-25", life, FINISHED) == [
        *("Thu 03:00", "Fri 03:00", "Sat 03:00")
    ]
    why = reason(life.tick("2024-02-24 03:30"))
    assert "newest quotes are of 2024-02-09, more than 5 sessions before 2024-02-23" in why
    assert "run of 03:00" in why


def test_five_sessions_behind_is_late_and_looked_at_until_b3_opens(life: Life):
    life.quoted("2024-02-09")
    asked = asked_from("2024-02-21", "2024-02-22", life, FINISHED)
    assert asked[:2] == ["Wed 03:00", "Wed 03:30"]
    assert asked[-1] == "Wed 10:00"
    assert len(asked) == 15


def test_a_look_that_failed_is_repeated_though_the_history_ended_long_ago(life: Life):
    life.quoted("2024-02-09")
    life.ran(life.tick("2024-02-22 03:00"), FAILED)
    assert session_of(life.tick("2024-02-22 03:30")) == date(2024, 2, 21)


def test_nothing_is_asked_for_while_a_daily_run_is_unfinished(life: Life):
    life.ran(life.tick("2024-02-20 03:00"), STARTED)
    assert "is not finished" in reason(life.tick("2024-02-20 03:30"))


def test_a_missed_tick_is_left_to_the_sensor(life: Life):
    assert "was missed" in reason(life.tick("2024-02-20 03:00", late="2024-02-20 08:11"))
    assert session_of(life.tick("2024-02-20 03:00", late="2024-02-20 03:02"))


def test_a_session_older_than_the_opening_is_left_to_the_sensor(life: Life):
    """A Wednesday in February has ticks up to 13:00, for the one that is Ash Wednesday."""
    assert "B3 has opened since" in reason(life.tick("2024-02-21 10:30"))


def test_without_champions_it_says_what_to_run(tmp_path):
    nobody = Life(new_workplace(tmp_path, as_of=None))
    assert reason(nobody.tick("2024-02-20 03:00")) == (
        "there are no quotes and no champions yet: run complete_pipeline"
    )


@pytest.mark.parametrize("hour", range(10))
def test_the_sensors_keep_away_from_every_tick_as_long_as_it_lasts(hour: int):
    for tick in ticks("2018-02-10", "2018-02-24", hour):
        for seconds in (-120, 0, 181):
            assert is_near_a_tick(tick.astimezone(UTC) + timedelta(seconds=seconds), hour)


def test_between_ticks_and_outside_the_morning_the_sensors_are_free():
    free = ["03:10", "03:20", "10:20", "13:31", "19:00", "02:30", "23:59"]
    assert [is_near_a_tick(at(f"2024-02-20 {moment}"), 3) for moment in free] == [False] * 7


def test_it_runs_by_default_in_sao_paulo():
    schedule = daily_prediction_schedule(7)
    assert schedule.execution_timezone == "America/Sao_Paulo"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_the_session_after_friday_opens_in_local_time_on_both_sides_of_a_moved_clock():
    """On 4 November 2018 the clocks went forward: ten o'clock came an hour earlier in UTC."""
    friday = date(2018, 11, 1)
    assert opens_at(friday) == datetime(2018, 11, 1, 13, tzinfo=UTC)
    assert opens_at(session_after(friday)) == datetime(2018, 11, 5, 12, tzinfo=UTC)
