"""What is met is met once, and what is left to be met is found without meeting all of it again."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.predictions.outcomes import meet_outcomes, not_met_yet
from asset_predict_dagster.tables import OUTCOMES
from asset_predict_dagster_tests.predictions.test_outcomes import SESSIONS, prediction, quotes

KEY = list(OUTCOMES.key)
QUOTED = SESSIONS.to_series()


def said(sessions: list[int], horizons: int = 2, reason: str = "") -> pd.DataFrame:
    return pd.concat(
        [
            prediction("ZZAA3", 10.0, horizon=horizon, session=session, reason=reason)
            for session in sessions
            for horizon in range(1, horizons + 1)
        ],
        ignore_index=True,
    )


def sessions_of(rows: pd.DataFrame) -> list[int]:
    return sorted(SESSIONS.get_indexer(rows["session"].unique()).tolist())


def test_sessions_that_are_met_are_left_alone():
    predictions = said([0, 1, 2])
    met = predictions.loc[predictions["session"] <= SESSIONS[1], "session"]
    assert sessions_of(not_met_yet(predictions, QUOTED, met)) == [2]


def test_a_session_half_met_is_looked_at_again():
    predictions = said([0, 1])
    met = predictions["session"].iloc[:3]  # both horizons of the first, one of the second
    assert sessions_of(not_met_yet(predictions, QUOTED, met)) == [1]


def test_what_is_not_due_or_was_refused_waits_for_nothing():
    predictions = pd.concat([said([0], reason="illiquid"), said([3])], ignore_index=True)
    nothing = predictions["session"].head(0)
    found = not_met_yet(predictions, QUOTED, nothing)
    assert found["target_session"].tolist() == [
        SESSIONS[-1]
    ]  # of two horizons the first alone is due


def test_a_session_that_is_met_is_looked_at_again_when_something_is_said_late_of_it():
    in_time = said([1])
    late = prediction("ZZAA3", 10.0, session=1, horizon=2, late=1, marked="late_data")
    predictions = pd.concat([in_time, late], ignore_index=True)
    assert sessions_of(not_met_yet(predictions, QUOTED, in_time["session"])) == [1]
    assert not_met_yet(predictions, QUOTED, predictions["session"]).empty


def test_what_waits_for_a_file_is_looked_at_when_it_comes():
    predictions = said([1], horizons=1)
    nothing = predictions["session"].head(0)
    assert not_met_yet(predictions, QUOTED.drop(SESSIONS[2]), nothing).empty
    assert sessions_of(not_met_yet(predictions, QUOTED, nothing)) == [1]


@settings(max_examples=40, deadline=None)
@given(
    said_in=st.lists(st.integers(0, 4), unique=True, min_size=1),
    closed=st.lists(st.integers(1, 5), min_size=1, max_size=4).map(sorted),
)
def test_met_day_by_day_the_outcomes_are_those_of_meeting_all_at_once(said_in, closed):
    predictions = said(said_in)
    prices = [10.0, 11.0, 12.0, 11.5, 13.0]
    table = meet_outcomes(predictions.head(0), quotes(ZZAA3=prices))
    for n_sessions in closed:
        market = quotes(ZZAA3=prices[:n_sessions])
        left = not_met_yet(predictions, market["session"], table["session"])
        fresh = meet_outcomes(left, market)
        table = pd.concat([table, fresh]).drop_duplicates(KEY, ignore_index=True)
    whole = meet_outcomes(predictions, market)
    pd.testing.assert_frame_equal(
        table.sort_values(KEY, ignore_index=True), whole.sort_values(KEY, ignore_index=True)
    )
