"""Every session that closes is asked about once, whenever its file comes and whoever looks when."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.market.sessions import (
    TIME_ZONE,
    last_closed_session,
    opens_at,
    session_after,
    sessions_between,
)
from asset_predict_dagster.predictions.due import MOST_LATE, Due, due, known_at, sessions_late

# Carnival: B3 does not trade on Monday the 12th and Tuesday the 13th of February 2024.
THU, FRI, ASH, NEXT = (date(2024, 2, day) for day in (8, 9, 14, 15))


def at(day: date, hour: int = 3) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZoneInfo(TIME_ZONE))


def test_the_file_of_last_night_is_predicted_in_the_morning():
    wanted = due([THU], [THU, FRI], FRI, at(FRI + timedelta(days=1)))
    assert wanted == Due((FRI,))
    assert wanted.asked == (FRI,)


def test_what_was_asked_about_is_not_asked_about_again():
    assert due([THU, FRI], [THU, FRI], FRI, at(ASH)) == Due(again=(FRI,))


def test_a_late_file_is_waited_for_until_b3_opens_on_ash_wednesday_at_one():
    wanted = due([THU], [THU], FRI, at(ASH, 12))
    assert wanted == Due(awaited=FRI, until=at(ASH, 13))
    assert wanted.asked == ()


def test_once_b3_has_opened_the_session_is_asked_about_without_its_file():
    wanted = due([THU], [THU], FRI, at(ASH, 13))
    assert wanted == Due(late=FRI)
    assert wanted.asked == (FRI,)


def test_a_file_that_comes_after_its_session_was_asked_about_changes_nothing():
    assert due([THU, FRI], [THU, FRI], ASH, at(NEXT)) == Due(awaited=ASH, until=opens_at(NEXT))


def test_after_a_pause_every_session_is_caught_up_with_the_oldest_first():
    assert due([THU], [THU, FRI, ASH, NEXT], NEXT, at(NEXT, 20)).asked == (FRI, ASH, NEXT)


def test_a_session_of_the_pause_whose_file_never_came_is_not_left_out():
    wanted = due([THU], [THU, ASH], ASH, at(NEXT))
    assert wanted == Due((FRI, ASH))
    assert sessions_late([THU, ASH], FRI) == 1


def test_the_files_of_a_pause_are_waited_for_together():
    assert due([THU], [THU], ASH, at(NEXT)) == Due(awaited=ASH, until=opens_at(NEXT))
    assert due([THU], [THU], ASH, at(NEXT, 10)) == Due((FRI,), late=ASH)


def test_nobody_is_asked_about_the_years_before_the_first_prediction():
    assert due([], [THU, FRI, ASH], ASH, at(NEXT)) == Due((ASH,))
    assert due([], [THU, FRI], ASH, at(NEXT)) == Due((FRI,), awaited=ASH, until=opens_at(NEXT))
    assert due([], [THU], ASH, at(NEXT, 13)) == Due((THU,), late=ASH)


def test_without_quotes_nothing_is_due():
    assert due([], [], ASH, at(NEXT)) == Due()
    assert due([], [NEXT], ASH, at(NEXT)) == Due()


def test_a_clock_moved_back_does_not_know_what_was_asked_later():
    assert due([THU, NEXT], [THU, FRI, ASH, NEXT], ASH, at(NEXT, 20)).asked == (FRI, ASH)


@pytest.mark.parametrize(("n_missing", "is_asked"), [(5, True), (6, False)])
def test_beyond_five_sessions_without_a_file_nothing_is_said(n_missing, is_asked):
    last = session_after(THU, n_missing)
    asked = [session_after(THU, n) for n in range(n_missing)]
    wanted = due(asked, [THU], last, at(session_after(last), 20))
    assert wanted.asked == ((last,) if is_asked else ())
    early = due(asked, [THU], last, at(session_after(last)))
    assert early.awaited == (last if is_asked else None)


def test_an_old_history_is_predicted_once_and_no_model_is_forgotten():
    years_later = date(2026, 6, 1)
    assert due([], [THU], years_later, at(years_later, 20)) == Due((THU,))
    assert due([THU], [THU], years_later, at(years_later, 20)) == Due(again=(THU,))


def test_what_is_known_at_a_session_is_the_last_one_with_quotes():
    assert known_at([THU, ASH], FRI) == THU
    assert known_at([THU, ASH], ASH) == ASH
    assert known_at([ASH], FRI) is None


def test_only_who_has_looked_for_a_file_says_that_it_is_late():
    quoted, wanted = [THU], due([THU], [THU], FRI, at(ASH, 13))
    assert wanted.late == FRI
    assert wanted.without_a_look(quoted) == Due(unread=(FRI,))
    # What follows a session whose file may lie there unread is left as well: its turn would pass.
    after_a_gap = due([THU], [THU, ASH], ASH, at(NEXT))
    assert after_a_gap.without_a_look([THU, ASH]) == Due(unread=(FRI, ASH))
    assert due([], [THU, FRI], ASH, at(NEXT, 13)).without_a_look([THU, FRI]) == Due(
        (FRI,), unread=(ASH,)
    )


# Whatever happens

FIRST, N = date(2024, 2, 1), 20
DAYS = sessions_between(FIRST, date(2024, 4, 1)).astype(object).tolist()[:N]
NEVER = None

arrivals = st.lists(
    st.one_of(st.integers(1, 12), st.integers(13, 60), st.integers(60, 240), st.just(NEVER)),
    min_size=N,
    max_size=N,
)
"""Hours from the evening of each session until its file is there: on time, hours, days, never."""

looks = st.lists(st.integers(0, 24 * 45), min_size=1, max_size=40).map(sorted)
"""Hours, from the first evening on, at which somebody looks."""


def life(hours, looked):
    """(when, what is due, what there were quotes of), look by look, the last one long after all."""
    evening = at(FIRST, 20)
    there = {day: at(day, 20) + timedelta(hours=h) for day, h in zip(DAYS, hours, strict=True) if h}
    asked: list[date] = []
    end = at(DAYS[-1], 20) + timedelta(days=12)
    for now in [*(evening + timedelta(hours=hour) for hour in looked), end]:
        closed = min(last_closed_session(now), DAYS[-1])
        quoted = sorted(day for day, moment in there.items() if moment <= now)
        wanted = due(asked, quoted, closed, now)
        yield now, closed, quoted, wanted, list(asked)
        asked += wanted.asked


@settings(max_examples=300, deadline=None)
@given(hours=arrivals, looked=looks)
def test_every_closed_session_is_asked_about_exactly_once_in_the_end(hours, looked):
    looks = [(quoted, wanted.asked) for _, _, quoted, wanted, _ in life(hours, looked)]
    answers = [session for _, asked in looks for session in asked]
    assert answers == sorted(set(answers))
    # The first answer begins the ledger: what closed before it is never asked about.
    for session in DAYS[DAYS.index(next((a[-1] for _, a in looks if a), DAYS[-1])) :]:
        if session not in answers and answers:
            # More than five were missing when what followed was asked about, or are at the end.
            later = [(quoted, session) for quoted, asked in looks if asked and asked[-1] > session]
            quoted, missing = later[0] if later else (looks[-1][0], DAYS[-1])
            assert sessions_late(quoted, missing) > MOST_LATE


@settings(max_examples=300, deadline=None)
@given(hours=arrivals, looked=looks)
def test_nothing_is_asked_about_before_its_file_came_or_the_next_session_opened(hours, looked):
    for now, closed, quoted, wanted, asked in life(hours, looked):
        for session in wanted.asked:
            assert session in quoted or opens_at(session_after(session)) <= now
            assert known_at(quoted, session) is not None
            assert sessions_late(quoted, session) <= MOST_LATE
            assert session not in asked
        blind = wanted.without_a_look(quoted)
        assert set(blind.asked) <= set(quoted)
        assert (*blind.asked, *blind.unread) == wanted.asked
        if wanted.awaited is not None:
            assert wanted.awaited == closed
            assert now < wanted.until
            assert closed not in quoted
