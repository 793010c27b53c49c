"""A worn-out model is asked for at once, then ever more rarely while its trainings fail."""

from datetime import date, timedelta
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.market.sessions import session_after
from asset_predict_dagster.predictions.health import MENDED_BY_TRAINING
from asset_predict_dagster.predictions.retraining import (
    LONGEST_PAUSE,
    REMEMBERED,
    Asked,
    Due,
    NotDue,
    left_by_hand,
    next_training,
)

THURSDAY = date(2024, 2, 8)
"""Carnival is on Monday and Tuesday, and Ash Wednesday is a session."""


def days_asked(became, n_days: int, standing=None, per_week: int = 7) -> list[str]:
    """The days, from Thursday on, on which a model is asked for whose causes always stand."""
    asked: list[Asked] = []
    for ago in range(n_days):
        today = THURSDAY + timedelta(days=ago)
        due = next_training(standing or {"lstm": ["drifting"]}, asked, today, per_week)
        if isinstance(due, Due):
            asked.append(Asked(due.model, frozenset(due.causes), today, became(len(asked))))
    return [f"{one.day:%m-%d}" for one in asked]


def test_after_a_failure_the_pauses_are_1_2_4_and_then_always_8_days():
    # The 23rd and eight days are the 2nd of March: 2024 is a leap year.
    asked = days_asked(became=lambda n: False, n_days=24)
    assert asked == ["02-08", "02-09", "02-11", "02-15", "02-23", "03-02"]


def test_a_training_that_ended_well_ends_the_row_of_failures():
    # Two failures, then one that ended well; the cause stands five sessions later: of the 11th, a
    # Sunday, those are 14, 15, 16, 19 and 20. It fails, and the pause is one day again.
    asked = days_asked(became=lambda n: n == 2, n_days=15)
    assert asked == ["02-08", "02-09", "02-11", "02-20", "02-21"]


def test_a_cause_that_a_finished_training_left_standing_waits_for_five_sessions():
    # Sessions after the 8th: 9, 14, 15, 16, 19; after the 19th: 20, 21, 22, 23 and 26.
    assert days_asked(became=lambda n: True, n_days=19) == ["02-08", "02-19", "02-26"]


def test_no_more_than_so_many_trainings_of_a_model_in_seven_days():
    # Without the cap the third would be on the 11th; the 8th is seven days back on the 15th.
    assert days_asked(lambda n: False, n_days=9, per_week=2) == ["02-08", "02-09", "02-15"]
    assert days_asked(lambda n: False, n_days=16, per_week=1) == ["02-08", "02-15", "02-22"]


def said(asked: list[Asked], today: date, per_week: int = 3, cause: str = "drifting") -> str:
    answer = next_training({"lstm": [cause]}, asked, today, per_week)
    assert isinstance(answer, NotDue)
    (reason,) = answer.reasons
    return reason


def on(day: date, is_finished: bool = False, cause: str = "drifting") -> Asked:
    return Asked("lstm", frozenset({cause}), day, is_finished)


def test_why_it_waits_is_said_with_the_day_on_which_it_ends():
    friday, monday = THURSDAY + timedelta(days=1), THURSDAY + timedelta(days=4)
    assert said([on(THURSDAY)], THURSDAY) == "lstm: asked for today"
    assert said([on(THURSDAY), on(friday)], THURSDAY + timedelta(days=2)) == (
        "lstm: 2 trainings in a row failed, the last of 2024-02-09; again on 2024-02-11"
    )
    assert said([on(THURSDAY), on(friday)], monday, per_week=2) == (
        "lstm: asked for 2 times in seven days, the most allowed; again on 2024-02-15"
    )
    assert said([on(THURSDAY, is_finished=True)], monday) == (
        "lstm-drifting: a training of 2024-02-08 has not mended it; asked for again on 2024-02-19"
    )


def test_all_causes_of_a_model_that_are_due_are_asked_for_together():
    due = next_training({"lstm": ["stale", "drifting"]}, [], THURSDAY, 3)
    assert due == Due("lstm", ("drifting", "stale"))


def test_the_wait_of_one_cause_holds_back_no_other():
    trained = [on(THURSDAY, is_finished=True)]
    due = next_training({"lstm": ["drifting", "stale"]}, trained, THURSDAY + timedelta(days=1), 3)
    assert due == Due("lstm", ("stale",))


def test_what_training_cannot_mend_is_not_asked_of_it():
    assert isinstance(next_training({"lstm": ["broken"]}, [], THURSDAY, 3), NotDue)


@pytest.mark.parametrize(
    ("one", "other", "first"),
    [
        (["stale"], ["drifting"], "other"),
        (["drifting"], ["losing_skill"], "other"),
        (["losing_skill"], ["missing"], "other"),
        (["stale", "losing_skill"], ["drifting"], "one"),
        (["stale"], ["stale"], "one"),
    ],
)
def test_the_worse_model_comes_first(one: list[str], other: list[str], first: str):
    due = next_training({"one": one, "other": other}, [], THURSDAY, 3)
    assert isinstance(due, Due)
    assert due.model == first


def test_of_two_equally_bad_ones_the_one_that_has_waited_longer_comes_first():
    asked = [
        Asked("one", frozenset({"stale"}), THURSDAY - timedelta(days=3), True),
        Asked("other", frozenset({"stale"}), THURSDAY - timedelta(days=4), True),
    ]
    standing = {"one": ["drifting"], "other": ["drifting"]}
    due = next_training(standing, asked, THURSDAY, 3)
    assert isinstance(due, Due)
    assert due.model == "other"


def test_one_that_was_never_asked_for_comes_before_one_that_was():
    asked = [Asked("one", frozenset({"stale"}), THURSDAY - timedelta(days=20), True)]
    due = next_training({"one": ["stale"], "other": ["stale"]}, asked, THURSDAY, 3)
    assert due == Due("other", ("stale",))


def test_a_cause_that_joins_on_the_day_of_a_training_waits_for_tomorrow():
    """The same data would give the same model."""
    trained = [on(THURSDAY, is_finished=True)]
    assert said(trained, THURSDAY, cause="losing_skill") == "lstm: asked for today"
    tomorrow = next_training({"lstm": ["losing_skill"]}, trained, THURSDAY + timedelta(days=1), 3)
    assert tomorrow == Due("lstm", ("losing_skill",))


# Whatever becomes of the trainings

causes = st.lists(st.sampled_from(MENDED_BY_TRAINING), unique=True, min_size=1)
LONGEST_WAIT = 2 * LONGEST_PAUSE + 5
"""Days: five sessions with Carnival between, and then the longest pause after another cause."""


@given(
    first=st.dates(date(2015, 1, 1), date(2020, 1, 1)),
    standing=st.dictionaries(st.sampled_from(["random_forest", "lstm"]), causes, min_size=1),
    outcomes=st.lists(st.booleans(), min_size=120, max_size=120),
    looks=st.lists(st.integers(1, 4), min_size=60, max_size=60),
    per_week=st.integers(1, 4),
)
def test_never_above_the_cap_never_twice_a_day_and_every_cause_in_the_end(
    first, standing, outcomes, looks, per_week
):
    asked: list[Asked] = []
    for day in range(60):
        today = first + timedelta(days=day)
        for _ in range(looks[day]):
            remembered = [one for one in asked if (today - one.day).days <= REMEMBERED]
            due = next_training(standing, remembered, today, per_week)
            if isinstance(due, Due):
                assert due.causes
                assert set(due.causes) <= set(standing[due.model])
                became = outcomes[len(asked) % len(outcomes)]
                asked.append(Asked(due.model, frozenset(due.causes), today, became))
    for model, its_causes in standing.items():
        mine = [one for one in asked if one.model == model]
        days = [one.day for one in mine]
        assert len(days) == len(set(days))
        for day in days:
            assert sum(day <= other < day + timedelta(days=7) for other in days) <= per_week
        for cause in its_causes:
            times = [first, *(one.day for one in mine if cause in one.causes)]
            waits = [(b - a).days for a, b in pairwise(times)]
            waits.append((first + timedelta(days=59) - times[-1]).days)
            assert max(waits) <= LONGEST_WAIT
        for earlier, later in pairwise(mine):
            if earlier.is_finished:
                again = session_after(earlier.day, 5)
                assert later.day >= again or not set(later.causes) & earlier.causes


def decided(*by: str, model: str = "lstm") -> pd.DataFrame:
    """Decisions one after the other, the last one on Thursday."""
    noon = pd.Timestamp(THURSDAY, tz="UTC") + timedelta(hours=12)
    hours = [noon - timedelta(hours=ago) for ago in reversed(range(len(by)))]
    return pd.DataFrame({"model": model, "decided_at": hours, "by": by})


@pytest.mark.parametrize(
    ("today", "is_left"), [("02-08", True), ("02-18", True), ("02-19", False), ("02-20", False)]
)
def test_the_age_of_what_a_person_let_serve_counts_from_the_fifth_session_on(today, is_left):
    """Of Thursday these are 9, 14, 15, 16 and Monday the 19th."""
    left = left_by_hand(decided("rule", "person"), date.fromisoformat(f"2024-{today}"))
    assert left == (
        {
            "lstm": "lstm: a person decided on 2024-02-08 who serves, so its age counts from"
            " 2024-02-19 on"
        }
        if is_left
        else {}
    )


def test_only_the_last_decision_about_a_model_counts():
    both = pd.concat([decided("person", "rule"), decided("rule", "person", model="random_forest")])
    assert set(left_by_hand(both, THURSDAY)) == {"random_forest"}
    assert set(left_by_hand(both[::-1], THURSDAY)) == {"random_forest"}
    assert left_by_hand(None, THURSDAY) == left_by_hand(both[:0], THURSDAY) == {}
