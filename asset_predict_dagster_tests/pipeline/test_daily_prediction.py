"""Day after day: each session predicted once, each prediction judged once, none rewritten."""

import shutil
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pandas as pd
import pytest

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.market.sessions import TIME_ZONE
from asset_predict_dagster.market.simulated import SimulatedMarket
from asset_predict_dagster.market.simulated_folder import SimulatedFolder
from asset_predict_dagster.pipeline.resources import Clock
from asset_predict_dagster.predictions.ledger import asked_sessions
from asset_predict_dagster.tables import (
    CHAMPIONS,
    INGESTED_FILES,
    INGESTED_SESSIONS,
    OUTCOMES,
    PREDICTIONS,
    QUOTES,
    RAW_QUOTES,
    REJECTED_RECORDS,
)
from asset_predict_dagster_tests.pipeline.conftest import (
    AS_OF,
    STRONG,
    Workplace,
    new_workplace,
)

NEXT_SESSIONS = (date(2021, 1, 4), date(2021, 1, 5))


def copied(place: Workplace, folder: Path) -> Workplace:
    shutil.copytree(place.settings.data, folder / "data")
    return new_workplace(folder)


@pytest.fixture(scope="module")
def two_days_later(finished: Workplace, tmp_path_factory) -> Workplace:
    """A copy of the finished workplace after two more daily runs."""
    place = copied(finished, tmp_path_factory.mktemp("daily"))
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


def test_a_week_of_downtime_is_caught_up_with_session_by_session(
    finished: Workplace, two_days_later: Workplace, tmp_path
):
    """Run once, two sessions later: the ledger is that of two runs, but for when it was written."""
    place = copied(finished, tmp_path)
    assert place.run("daily_prediction", as_of=NEXT_SESSIONS[-1]).success
    found, expected = (
        each.lake.read(PREDICTIONS).drop(columns="created_at") for each in (place, two_days_later)
    )
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert place.lake.read(OUTCOMES).equals(two_days_later.lake.read(OUTCOMES))


class At(Clock):
    """A clock that stands still, in São Paulo."""

    moment: str

    def now(self) -> datetime:
        return datetime.fromisoformat(self.moment).replace(tzinfo=ZoneInfo(TIME_ZONE))


class Silent(SimulatedFolder):
    """A market that publishes nothing more."""

    def refresh(self, last: date) -> list[str]:
        return []


def predicted_at(place: Workplace, moment: str, *, looks: bool = True) -> dict[str, str]:
    """What the asset says when it is made at that moment from the quotes that there are.

    `looks`: in a run that asks the source for files as well, in vain.
    """
    job = build_definitions(place.settings, clock=At(moment=moment))
    read = [RAW_QUOTES, INGESTED_FILES, INGESTED_SESSIONS, REJECTED_RECORDS] if looks else []
    result = job.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=place.instance,
        asset_selection=[dg.AssetKey(table.name) for table in [*read, PREDICTIONS]],
        resources={
            "market": Silent(place.settings.landing, market=SimulatedMarket(42, STRONG)),
        },
    )
    (event,) = result.asset_materializations_for_node("predictions")
    return {name: value.value for name, value in event.metadata.items()}


def test_a_late_file_is_waited_for_and_then_its_session_answered_without_it(
    finished: Workplace, tmp_path
):
    """The file of Monday 4 January is not there on Tuesday; it comes on Wednesday."""
    monday, tuesday = NEXT_SESSIONS
    place = copied(finished, tmp_path)
    before = len(place.lake.read(PREDICTIONS))

    told = predicted_at(place, "2021-01-05 09:59")
    assert told["awaited"] == "2021-01-04, until 2021-01-05 10:00 in São Paulo"
    assert told["predicted"].startswith("nothing")
    assert len(place.lake.read(PREDICTIONS)) == before

    # A retraining does not look whether the file has come.
    told = predicted_at(place, "2021-01-05 10:00", looks=False)
    assert told["left_to_daily_prediction"] == "2021-01-04"
    assert len(place.lake.read(PREDICTIONS)) == before

    told = predicted_at(place, "2021-01-05 10:00")
    assert (told["predicted"], told["late"]) == ("2021-01-04", "2021-01-04")
    assert asked_sessions(place.lake) == [AS_OF, monday]
    late = place.lake.read(PREDICTIONS, where={"sessions_late": [1]})
    assert set(late["session"].dt.date) == {AS_OF}
    assert late["target_session"].min().date() == tuesday
    assert "late_data" in set(late["reason"])

    # Both files come: Monday has been answered, Tuesday has not.
    assert place.run("daily_prediction", as_of=tuesday).success
    assert asked_sessions(place.lake) == [AS_OF, monday, tuesday]
    predictions, outcomes = place.lake.read(PREDICTIONS), place.lake.read(OUTCOMES)
    assert sorted(set(predictions["session"].dt.date)) == [AS_OF, tuesday]
    due = predictions[
        predictions["expected_return"].notna() & (predictions["target_session"].dt.date <= tuesday)
    ]
    key = list(OUTCOMES.key)
    assert outcomes[key].values.tolist() == due.sort_values(key)[key].values.tolist()
    assert set(outcomes["sessions_late"]) == {0, 1}


def test_a_day_without_news_writes_nothing(two_days_later: Workplace):
    version = two_days_later.lake.version(PREDICTIONS)
    told = predicted_at(two_days_later, "2021-01-06 03:00")
    assert told["predicted"].startswith("nothing")
    assert two_days_later.lake.version(PREDICTIONS) == version


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
    place = copied(finished, tmp_path)
    before = len(place.lake.read(PREDICTIONS))
    result = place.run("daily_prediction", as_of=date(2020, 6, 30))
    (failure,) = result.get_step_failure_events()
    assert failure.step_key == "predictions"
    assert "would be hindsight" in failure.step_failure_data.user_failure_data.description
    assert len(place.lake.read(PREDICTIONS)) == before


def test_another_market_does_not_enter_the_same_lake(finished: Workplace, tmp_path):
    place = copied(finished, tmp_path)
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
