"""A year in an afternoon: schedules and sensors alone keep the predictions true for 250 sessions.

On the way a file is missing, another is corrected, all is down for a week, two trainings fail, the
market's moves double, and the skill is taken away. `pytest -s` prints the diary.
"""

from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.tables import OUTCOMES, PREDICTIONS, QUOTES
from asset_predict_dagster_tests.proofs.year_life import Lived, live_through
from asset_predict_dagster_tests.proofs.year_rules import MODELS, Retrain, expected_retrains
from asset_predict_dagster_tests.proofs.year_world import Year, midnight

pytestmark = pytest.mark.proofs

A_QUARTER = 63


@pytest.fixture(scope="module")
def lived(tmp_path_factory) -> Lived:
    def tell(line: str) -> None:
        print(line, flush=True)

    return live_through(Year(), tmp_path_factory.mktemp("year"), tell)


@pytest.fixture(scope="module")
def predictions(lived: Lived) -> pd.DataFrame:
    """The rows of the year's sessions; `asked` is the session that had closed."""
    rows = lived.lake.read(PREDICTIONS)
    late = rows["sessions_late"].to_numpy()
    place = np.searchsorted(
        sessions_of_the_market(lived), rows["session"].to_numpy("datetime64[D]")
    )
    rows["asked"] = sessions_of_the_market(lived)[place + late]
    return rows[rows["asked"] >= np.datetime64(lived.year.first)]


def sessions_of_the_market(lived: Lived) -> np.ndarray:
    """Every session that was ever published."""
    return np.unique(lived.lake.read(QUOTES, columns=["session"])["session"]).astype(
        "datetime64[D]"
    )


def test_every_session_is_predicted_exactly_once(lived: Lived, predictions: pd.DataFrame):
    assert sorted({day.date() for day in predictions["asked"]}) == lived.year.sessions
    for model in MODELS:
        mine = predictions[predictions["model"] == model]
        assert mine["asked"].nunique() == lived.year.n_sessions
        assert not mine.duplicated(["ticker", "asked", "target_session"]).any()
        # Of one session everything was said in one moment.
        moments = mine.groupby("asked")["created_at"].agg(["min", "max"])
        assert (moments["min"] == moments["max"]).all()


def test_all_is_said_before_the_market_opens_but_after_the_week_of_downtime(
    lived: Lived, predictions: pd.DataFrame
):
    year = lived.year
    said = predictions.groupby("asked")["created_at"].first()
    first, last = (year.session(number) for number in year.downtime)
    for number, session in enumerate(year.sessions[:-1], start=1):
        at = said[pd.Timestamp(session)]
        if first <= session <= last:
            back = midnight(last) + timedelta(days=2)
            assert back <= at < back + timedelta(hours=12)
        elif number == year.missing:
            # A run that is asked for runs at the next look, which is that of the afternoon.
            (asked_at,) = [run.asked_at for run in lived.daemon.runs if run.ran_at == at]
            assert asked_at == midnight(year.session(number + 1)) + timedelta(hours=10)
        else:
            assert at < midnight(session + timedelta(days=1)) + timedelta(hours=10)


def test_the_session_without_a_file_is_answered_from_the_one_before(
    lived: Lived, predictions: pd.DataFrame
):
    year = lived.year
    late = predictions[predictions["sessions_late"] > 0]
    assert {day.date() for day in late["asked"]} == {year.session(year.missing)}
    assert {day.date() for day in late["session"]} == {year.session(year.missing - 1)}
    assert (late["reason"] == "late_data").any()
    assert set(late["reason"]) <= {"late_data", "stale_quote", "illiquid"}


def test_every_due_prediction_is_judged_exactly_once(lived: Lived):
    predictions, outcomes = lived.lake.read(PREDICTIONS), lived.lake.read(OUTCOMES)
    has_numbers = predictions["expected_return"].notna()
    is_over = predictions["target_session"] <= pd.Timestamp(sessions_of_the_market(lived)[-1])
    due = predictions[has_numbers & is_over]
    key = list(OUTCOMES.key)
    assert not outcomes.duplicated(key).any()
    assert len(outcomes) == len(due) > 100_000
    assert len(outcomes.merge(due[key], on=key)) == len(outcomes)


def test_a_judgement_waits_for_the_close_that_it_is_about(lived: Lived):
    """`is_halted` says that a paper did not trade, not that a file had not come yet."""
    outcomes = lived.lake.read(OUTCOMES)
    quotes = lived.lake.read(QUOTES, columns=["ticker", "session"])
    traded = pd.MultiIndex.from_frame(quotes)
    wanted = pd.MultiIndex.from_frame(outcomes[["ticker", "target_session"]])
    assert (wanted.isin(traded) == ~outcomes["is_halted"].to_numpy()).all()


def test_nothing_in_the_ledger_is_rewritten(lived: Lived):
    assert set(lived.rewritten.values()) == {0}
    assert len(lived.rewritten) >= 12


def test_trainings_are_asked_for_when_they_are_due_and_only_then(lived: Lived):
    asked = [retrain_of(run) for run in lived.retrains]
    ended_badly = [not run.is_success for run in lived.retrains]
    for one in asked:
        print(one.day, one.model, ", ".join(one.causes))
    assert asked == expected_retrains(lived.looks, ended_badly)


def retrain_of(run) -> Retrain:
    causes = [said.rpartition("-") for said in run.tags["asset_predict/causes"].split(",")]
    (model,) = {model for model, _, _ in causes}
    day = datetime.fromisoformat(run.tags["asset_predict/requested_on"]).date()
    return Retrain(day, model, tuple(cause for _, _, cause in causes))


def test_two_trainings_fail_and_all_others_end_well(lived: Lived):
    failed = [run for run in lived.daemon.runs if not run.is_success]
    assert [run.job.name for run in failed] == ["retrain", "retrain"]
    assert all("artefacts of a training cannot be written" in run.failure for run in failed)


def test_no_two_trainings_are_ever_in_flight(lived: Lived):
    # A run is in flight from the moment it is asked for to the one at which it has run.
    ends = [(run.asked_at, run.ran_at or run.asked_at) for run in lived.retrains]
    assert all(ended < asked for (_, ended), (asked, _) in pairwise(ends))


@pytest.mark.parametrize("model", MODELS)
def test_the_champion_is_the_one_that_the_rule_gives(
    lived: Lived, predictions: pd.DataFrame, model: str
):
    assert lived.by_table[model] == lived.by_rule[model]
    assert len(lived.by_rule[model]) >= 3
    since = [at for at, _ in lived.by_rule[model]]
    mine = predictions[predictions["model"] == model].groupby("asked").first()
    for row in mine.itertuples():
        place = np.searchsorted(since, row.created_at.to_pydatetime(), side="right") - 1
        assert row.model_version == lived.by_rule[model][place][1]


@pytest.mark.parametrize(("cause", "began"), [("drifting", "drift"), ("losing_skill", "skill")])
def test_what_changed_is_noticed_within_a_quarter(lived: Lived, cause: str, began: str):
    year = lived.year
    number = year.drift_from if began == "drift" else year.skill_until + 1
    since, until = year.session(number), year.session(number + A_QUARTER)
    noticed = [retrain_of(run).day for run in lived.retrains if cause in retrain_of(run).causes]
    print(f"{cause}: {noticed}; {began} changed on {since}")
    assert any(since <= day <= until for day in noticed)
