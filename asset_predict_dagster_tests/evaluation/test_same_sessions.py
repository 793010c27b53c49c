"""An older version is compared on the sessions of a newer one, if it knows nothing of them."""

from datetime import date

import pandas as pd
import pytest

from asset_predict_dagster.dataset.splits import HOLDOUT, temporal_split
from asset_predict_dagster.evaluation.same_sessions import alike, reason_not_to_test
from asset_predict_dagster.market.sessions import sessions_between
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts

CALENDAR = sessions_between(date(2018, 1, 1), date(2020, 12, 31))
FOLDS = temporal_split(CALENDAR)
FIRST_TEST = FOLDS.loc[FOLDS["role"] == "test", "session"].min().date()


def card(n_between: int, span: int = 6, embargo: int = 5) -> dict:
    """Of a bundle whose validation ended so many sessions before the first test session."""
    before = sessions_between(CALENDAR[0].item(), FIRST_TEST)
    last = before[-2 - n_between]
    return {
        "training_sessions": [str(before[0]), str(before[-2 - n_between - 100])],
        "validation": {"last_session": str(last)},
        "experiment": {"span": span, "embargo": embargo},
    }


def test_a_version_that_ended_a_purge_before_the_test_may_be_tested():
    assert reason_not_to_test(card(11), FOLDS, HOLDOUT) == ""
    assert reason_not_to_test(card(30), FOLDS, HOLDOUT) == ""


@pytest.mark.parametrize("n_between", [10, 0])
def test_a_version_that_came_closer_may_not(n_between):
    said = reason_not_to_test(card(n_between), FOLDS, HOLDOUT)
    assert f"the test begins on {FIRST_TEST}: 11 sessions should lie between" in said


def test_a_version_that_was_calibrated_or_fitted_inside_the_test_may_not():
    known = card(30)
    inside = str(CALENDAR[-1])
    for seen in (
        {"validation": {"last_session": inside}},
        {"training_sessions": [str(CALENDAR[0]), inside]},
    ):
        assert f"sessions up to {inside}" in reason_not_to_test(known | seen, FOLDS, HOLDOUT)


def test_the_purge_is_the_versions_own():
    assert reason_not_to_test(card(11, embargo=6), FOLDS, HOLDOUT)
    assert reason_not_to_test(card(12, embargo=6), FOLDS, HOLDOUT) == ""


@pytest.fixture
def both() -> pd.DataFrame:
    """The forest's first and second version, on the same rows."""
    rows = made_forecasts({("forest", "1"): 0.1, ("forest", "2"): 0.2}, n_sessions=8)
    key = ["window", "model", "model_version", "horizon", "ticker", "session"]
    return rows.sort_values(key, ignore_index=True)


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["model_version"] != "1"]


def test_the_same_rows_of_an_older_version_stand_beside(both):
    found = alike(both, judged(both), ("forest", "1"))
    assert len(found) == 8 * 12
    assert set(found["model_version"]) == {"1"}


def test_a_version_that_was_never_forecast_has_none(both):
    assert alike(judged(both), judged(both), ("forest", "1")).empty
    assert alike(both, judged(both), ("lstm", "1")).empty


@pytest.mark.parametrize("column", ["session", "realised_return", "horizon", "ticker"])
def test_a_version_of_other_rows_or_outcomes_is_left_out_whole(both, column):
    other = both.copy()
    place = other.index[other["model_version"] == "1"][3]
    changed = {"session": pd.Timestamp("2030-01-02"), "ticker": "ZZZZ9"}.get(column, 2)
    other.loc[place, column] = changed
    assert alike(other, judged(other), ("forest", "1")).empty


def test_one_row_less_is_not_the_same(both):
    fewer = both.drop(index=both.index[both["model_version"] == "1"][0])
    assert alike(fewer, judged(fewer), ("forest", "1")).empty
