"""Day after day: each session predicted once, each prediction judged once, none rewritten."""

import shutil
from datetime import date

import pytest

from asset_predict_dagster.tables import CHAMPIONS, OUTCOMES, PREDICTIONS, QUOTES
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace, new_workplace

NEXT_SESSIONS = (date(2021, 1, 4), date(2021, 1, 5))


@pytest.fixture(scope="module")
def two_days_later(finished: Workplace, tmp_path_factory) -> Workplace:
    """A copy of the finished workplace after two more daily runs."""
    folder = tmp_path_factory.mktemp("daily")
    shutil.copytree(finished.settings.data, folder / "data")
    place = new_workplace(folder)
    for session in NEXT_SESSIONS:
        assert place.run("daily_prediction", as_of=session).success
    return place


def test_each_session_is_predicted_by_the_serving_champions(two_days_later: Workplace):
    predictions = two_days_later.lake.read(PREDICTIONS)
    assert sorted(set(predictions["session"].dt.date)) == [AS_OF, *NEXT_SESSIONS]
    assert set(predictions["model_version"]) == {"1"}


def test_yesterdays_predictions_are_not_rewritten(finished: Workplace, two_days_later: Workplace):
    first = finished.lake.read(PREDICTIONS)
    later = two_days_later.lake.read(PREDICTIONS)
    kept = later[later["session"].dt.date == AS_OF].reset_index(drop=True)
    assert kept.equals(first)


def test_each_due_prediction_meets_its_close_once(two_days_later: Workplace):
    outcomes = two_days_later.lake.read(OUTCOMES)
    predictions = two_days_later.lake.read(PREDICTIONS)
    due = predictions[
        (predictions["reason"] == "") & (predictions["target_session"].dt.date <= NEXT_SESSIONS[-1])
    ]
    key = list(OUTCOMES.key)
    assert (
        outcomes[key].sort_values(key).values.tolist() == due[key].sort_values(key).values.tolist()
    )
    assert len(outcomes) > 0


def test_a_realised_price_is_the_close_of_the_target_session(two_days_later: Workplace):
    outcomes = two_days_later.lake.read(OUTCOMES)
    quotes = two_days_later.lake.read(QUOTES)
    closes = quotes.set_index(["ticker", "session"])
    plain = outcomes[
        (outcomes["horizon"] == 1) & (outcomes["session"].dt.date == AS_OF) & ~outcomes["is_halted"]
    ].merge(
        quotes[["ticker", "session", "split_factor", "dividend_factor"]],
        on=["ticker", "session"],
    )
    target = closes.loc[list(zip(plain["ticker"], plain["target_session"], strict=True))]
    no_event = (target["split_factor"].to_numpy() == plain["split_factor"].to_numpy()) & (
        target["dividend_factor"].to_numpy() == plain["dividend_factor"].to_numpy()
    )
    realised = plain["realised_price"].to_numpy()[no_event]
    assert realised == pytest.approx(target["close"].to_numpy()[no_event])
    assert no_event.sum() > 20


def test_a_daily_run_trains_nothing(finished: Workplace, two_days_later: Workplace):
    assert two_days_later.lake.version(CHAMPIONS) == finished.lake.version(CHAMPIONS)


def test_without_a_champion_nothing_is_predicted_and_the_run_says_what_to_do(tmp_path):
    place = new_workplace(tmp_path, as_of=date(2018, 3, 1))
    result = place.run("daily_prediction")
    assert not result.success
    (failure,) = [
        event for event in result.get_step_failure_events() if event.step_key == "predictions"
    ]
    assert "table 'champions' has not been made yet" in failure.step_failure_data.error.message
    assert not place.lake.exists(PREDICTIONS)


def test_a_clock_moved_back_is_not_answered_with_hindsight(finished: Workplace, tmp_path):
    """The champion was trained on what came after that session."""
    shutil.copytree(finished.settings.data, tmp_path / "data")
    place = new_workplace(tmp_path)
    before = len(place.lake.read(PREDICTIONS))
    result = place.run("daily_prediction", as_of=date(2020, 6, 30))
    (failure,) = result.get_step_failure_events()
    assert failure.step_key == "predictions"
    assert "would be hindsight" in failure.step_failure_data.user_failure_data.description
    assert len(place.lake.read(PREDICTIONS)) == before


def test_another_market_does_not_enter_the_same_lake(finished: Workplace, tmp_path):
    shutil.copytree(finished.settings.data, tmp_path / "data")
    place = new_workplace(tmp_path)
    before = place.versions()
    result = place.run(
        "daily_prediction", source="cotahist", cotahist_folder=place.settings.landing
    )
    (failure,) = result.get_step_failure_events()
    assert failure.step_key == "market_records"
    assert "holds prices of a market simulated with seed 42, signal strength 0.3" in (
        failure.step_failure_data.user_failure_data.description
    )
    assert place.versions() == before
