"""B3's calendar: which days it trades on, and when a session is over."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import MarketDataError
from asset_predict_dagster.market.cotahist import read_cotahist
from asset_predict_dagster.market.sessions import (
    TIME_ZONE,
    all_sessions,
    is_session,
    last_closed_session,
    not_sessions,
    opens_at,
    session_after,
    sessions_between,
)

SAO_PAULO = ZoneInfo(TIME_ZONE)
REAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "cotahist_real"
days = st.dates(date(1990, 1, 1), date(2026, 12, 31))


def sao_paulo(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=SAO_PAULO)


@pytest.mark.parametrize(
    ("day", "trades", "because"),
    [
        (date(2024, 2, 12), False, "Carnival Monday"),
        (date(2024, 2, 14), True, "Ash Wednesday, from 13:00 on"),
        (date(2024, 3, 29), False, "Good Friday"),
        (date(2024, 5, 30), False, "Corpus Christi"),
        (date(2021, 1, 25), False, "the city's anniversary, kept until 2021"),
        (date(2022, 1, 25), True, "the city's anniversary, kept until 2021"),
        (date(2020, 7, 9), True, "the state's holiday, moved in 2020"),
        (date(2021, 7, 9), False, "the state's holiday, kept until 2021"),
        (date(2020, 11, 20), True, "Black Consciousness Day, moved in 2020"),
        (date(2024, 11, 20), False, "Black Consciousness Day, national from 2024 on"),
        (date(2024, 12, 24), False, "Christmas Eve"),
        (date(2024, 12, 30), True, "the year's last session"),
        (date(2024, 12, 31), False, "New Year's Eve"),
        (date(2024, 11, 9), False, "a Saturday"),
        (date(2003, 2, 12), True, "more than twenty years ago"),
    ],
)
def test_b3_trades_on_this_day_or_does_not(day, trades, because):
    assert is_session(day) == trades, because


@pytest.mark.skipif(
    not REAL.is_dir(), reason="B3's own files are not beside this checkout (../shared/data)"
)
@pytest.mark.parametrize("name", ["D12022003.TXT", "A2016.TXT", "A2021.ZIP", "D08112024.ZIP"])
def test_every_session_of_b3s_own_files_is_one(name):
    quoted = read_cotahist(REAL / f"COTAHIST_{name}").records["session"]
    assert len(quoted) > 0
    assert not_sessions(quoted).empty


@settings(deadline=None)  # the first example opens the calendar
@given(first=days, length=st.integers(-3, 40))
def test_the_sessions_between_two_days_are_those_a_loop_finds(first, length):
    last = first + timedelta(days=length)
    looped = [first + timedelta(days=step) for step in range(length + 1)]
    expected = [day for day in looped if is_session(day)]
    assert sessions_between(first, last).tolist() == expected


def test_sessions_are_sorted_and_reach_back_to_1986():
    sessions = all_sessions()
    assert (np.diff(sessions).astype(int) > 0).all()
    assert sessions[0] < np.datetime64("1986-01-10")


def test_the_session_after_today_is_always_known():
    today = datetime.now(SAO_PAULO).date()
    assert session_after(today, steps=60) > today
    assert is_session(session_after(today, steps=60))


@settings(deadline=None)
@given(day=days, steps=st.integers(1, 30))
def test_as_many_sessions_lie_after_a_day_as_steps_were_taken(day, steps):
    target = session_after(day, steps)
    assert is_session(target)
    assert len(sessions_between(day + timedelta(days=1), target)) == steps


def test_five_sessions_after_the_friday_before_carnival():
    # 9 February is a Friday; 14, 15, 16, 19, 20 are sessions.
    assert session_after(date(2024, 2, 9), steps=5) == date(2024, 2, 20)
    # From within Carnival the same sessions follow.
    assert session_after(date(2024, 2, 13), steps=5) == date(2024, 2, 20)


@pytest.mark.parametrize(
    ("now", "session"),
    [
        (sao_paulo(2024, 2, 26, 9, 0), date(2024, 2, 23)),  # Monday before the opening
        (sao_paulo(2024, 2, 26, 17, 59), date(2024, 2, 23)),
        (sao_paulo(2024, 2, 26, 18, 0), date(2024, 2, 26)),
        (sao_paulo(2024, 2, 26, 23, 59), date(2024, 2, 26)),
        (sao_paulo(2024, 2, 24, 12, 0), date(2024, 2, 23)),  # Saturday
        (sao_paulo(2024, 2, 13, 20, 0), date(2024, 2, 9)),  # Carnival Tuesday
        (sao_paulo(2024, 2, 14, 14, 0), date(2024, 2, 9)),  # Ash Wednesday, trading
        (sao_paulo(2024, 2, 14, 18, 0), date(2024, 2, 14)),
    ],
)
def test_a_session_counts_from_its_close_on(now, session):
    assert last_closed_session(now) == session


def test_the_clock_may_be_of_any_time_zone():
    # 01:00 in London is 22:00 of the evening before in São Paulo.
    assert last_closed_session(datetime(2024, 2, 27, 1, 0, tzinfo=UTC)) == date(2024, 2, 26)
    # 20:59 UTC is 17:59 in São Paulo.
    assert last_closed_session(datetime(2024, 2, 26, 20, 59, tzinfo=UTC)) == date(2024, 2, 23)
    # 05:00 of the 27th in Tokyo is 17:00 of the 26th in São Paulo.
    tokyo = datetime(2024, 2, 27, 5, 0, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert last_closed_session(tokyo) == date(2024, 2, 23)


def test_days_without_trading_are_named_once_and_in_order():
    asked = pd.to_datetime(["2024-02-13", "2024-02-09", None, "2024-02-10", "2024-02-13"])
    strange = not_sessions(pd.Series(asked))
    assert strange["day"].tolist() == [pd.Timestamp("2024-02-10"), pd.Timestamp("2024-02-13")]


def test_no_day_is_no_strange_day():
    assert not_sessions(pd.Series([], dtype="datetime64[us]")).empty


def test_beyond_the_calendar_there_is_no_next_session():
    last = all_sessions()[-1].astype(date)
    with pytest.raises(MarketDataError, match="calendar is known up to"):
        session_after(last)


@pytest.mark.parametrize("years", [1, 2, 30])
def test_a_process_that_lives_for_years_knows_the_last_session_and_thirty_to_come(years):
    later = datetime.now(UTC) + timedelta(days=366 * years)
    last = last_closed_session(later)
    assert later.date() - last <= timedelta(days=6)
    assert is_session(session_after(last, steps=30))


def test_a_clock_beyond_the_calendar_is_refused_and_not_told_the_last_session_known():
    assert last_closed_session(sao_paulo(2099, 12, 31, 12)) == date(2099, 12, 30)
    with pytest.raises(MarketDataError, match="known up to 2099-12-31, and the clock says 2100"):
        last_closed_session(sao_paulo(2100, 1, 1, 0))


def test_b3_opens_at_ten_and_on_ash_wednesday_at_one():
    assert opens_at(date(2024, 2, 9)) == sao_paulo(2024, 2, 9, 10)
    assert opens_at(date(2024, 2, 14)) == sao_paulo(2024, 2, 14, 13)


def test_a_day_without_trading_has_no_opening():
    with pytest.raises(MarketDataError, match="does not open on 2024-02-13"):
        opens_at(date(2024, 2, 13))
