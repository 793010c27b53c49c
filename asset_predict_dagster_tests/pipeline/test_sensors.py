"""A model that age, drift or lost skill has worn out is trained again, once; a fresh one is not."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.pipeline.sensors import retrain_stale_models
from asset_predict_dagster.tables import CHAMPIONS, MODEL_HEALTH
from asset_predict_dagster_tests.pipeline.conftest import Workplace, new_workplace


class MovedClock(Clock):
    """A clock that a test has set."""

    at: str

    def now(self) -> datetime:
        return datetime.fromisoformat(self.at)


@dataclass
class Watch:
    """The sensor looking at one workplace at a given time."""

    place: Workplace

    def at(self, now: datetime) -> dg.RunRequest | dg.SkipReason:
        settings = self.place.settings
        with dg.build_sensor_context(
            instance=self.place.instance,
            resources={
                "lake": LakeTables(root=settings.lake_root),
                "clock": MovedClock(at=now.isoformat()),
                "models": Models(
                    database="",
                    bundles="",
                    presets="",
                    checkpoints="",
                    seed=0,
                    stale_after_days=15,
                    expires_after_days=60,
                ),
            },
        ) as context:
            return retrain_stale_models(context)


@pytest.fixture(scope="module")
def trained_at(finished: Workplace) -> datetime:
    """When the older of the two models was trained."""
    return finished.lake.read(CHAMPIONS)["trained_at"].min().to_pydatetime()


def test_a_fresh_model_is_left_alone(finished: Workplace, trained_at: datetime):
    skipped = Watch(finished).at(trained_at + timedelta(days=14, hours=23))
    assert isinstance(skipped, dg.SkipReason)
    assert "random_forest was trained 14 days ago; stale from 15" in skipped.skip_message


def test_a_stale_model_requests_a_training_with_the_reason(
    finished: Workplace, trained_at: datetime
):
    request = Watch(finished).at(trained_at + timedelta(days=15, minutes=5))
    assert isinstance(request, dg.RunRequest)
    assert "was trained 15 days ago" in request.tags["asset_predict/reason"]
    assert "stale" in request.run_key


def test_the_same_day_never_asks_twice_and_the_next_day_asks_again(
    finished: Workplace, trained_at: datetime
):
    """Dagster runs one run per key: equal keys are one request."""
    stale = (trained_at + timedelta(days=20)).replace(hour=1)
    morning, evening, tomorrow = (
        Watch(finished).at(stale + timedelta(hours=hours)).run_key for hours in (0, 20, 24)
    )
    assert morning == evening != tomorrow


@pytest.mark.parametrize("job", ["retrain", "complete_pipeline"])
def test_an_unfinished_training_is_waited_for(
    finished: Workplace, trained_at: datetime, tmp_path, job: str
):
    busy = Workplace(finished.settings, dg.DagsterInstance.local_temp(str(tmp_path)))
    busy.instance.add_run(dg.DagsterRun(job_name=job, status=dg.DagsterRunStatus.STARTED))
    skipped = Watch(busy).at(trained_at + timedelta(days=20))
    assert isinstance(skipped, dg.SkipReason)
    assert "is not finished" in skipped.skip_message


def test_a_daily_prediction_is_not_waited_for(finished: Workplace, trained_at: datetime, tmp_path):
    busy = Workplace(finished.settings, dg.DagsterInstance.local_temp(str(tmp_path)))
    busy.instance.add_run(
        dg.DagsterRun(job_name="daily_prediction", status=dg.DagsterRunStatus.STARTED)
    )
    assert isinstance(Watch(busy).at(trained_at + timedelta(days=20)), dg.RunRequest)


def test_a_missing_model_is_asked_for_as_soon_as_there_are_features(finished: Workplace, tmp_path):
    place = new_workplace(tmp_path)
    now = datetime(2021, 1, 4, 9, tzinfo=UTC)
    nothing_yet = Watch(place).at(now)
    assert isinstance(nothing_yet, dg.SkipReason)
    assert "run complete_pipeline" in nothing_yet.skip_message

    place.lake.write(FEATURES, finished.lake.read(FEATURES).tail(10))
    request = Watch(place).at(now)
    assert isinstance(request, dg.RunRequest)
    assert request.tags["asset_predict/reason"] == (
        "random_forest has no champion; lstm has no champion"
    )


def test_it_runs_by_default():
    assert retrain_stale_models.default_status == dg.DefaultSensorStatus.RUNNING


# What the table model_health says of drift and skill


@pytest.fixture
def told(finished: Workplace, trained_at: datetime, tmp_path) -> Callable[..., Watch]:
    """A workplace whose table says these causes of the LSTM; its runs are its own."""

    def tell(causes: str, **changes: object) -> Watch:
        place = new_workplace(tmp_path)
        place.lake.write(FEATURES, finished.lake.read(FEATURES).tail(10))
        place.lake.write(CHAMPIONS, finished.lake.read(CHAMPIONS))
        health = finished.lake.read(MODEL_HEALTH)
        is_lstm = health["model"] == "lstm"
        for name, value in {"causes": causes, "reason": f"because {causes}", **changes}.items():
            health.loc[is_lstm, name] = value
        place.lake.write(MODEL_HEALTH, health)
        return Watch(place)

    return tell


def ran(watch: Watch, request: dg.RunRequest, status: dg.DagsterRunStatus) -> None:
    """What the daemon makes of a request, and what became of it."""
    run = dg.DagsterRun(job_name="retrain", tags=dict(request.tags), status=status)
    watch.place.instance.add_run(run)


def asks(watch: Watch, now: datetime) -> str:
    """The run key's causes; empty if nothing is asked for."""
    answer = watch.at(now)
    return answer.tags["asset_predict/causes"] if isinstance(answer, dg.RunRequest) else ""


FINISHED, FAILED = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("cause", ["drifting", "losing_skill"])
def test_an_alarm_of_the_serving_version_requests_a_training(told, trained_at: datetime, cause):
    now = trained_at + timedelta(days=1)
    request = told(cause).at(now)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == f"retrain-lstm-{cause}-{now.date()}"
    assert request.tags["asset_predict/reason"] == f"because {cause}"


def test_an_alarm_of_a_version_that_no_longer_serves_is_over(told, trained_at: datetime):
    assert asks(told("drifting", model_version="0"), trained_at + timedelta(days=1)) == ""


def test_what_training_cannot_mend_is_not_asked_of_it(told, trained_at: datetime):
    assert asks(told("broken"), trained_at + timedelta(days=1)) == ""


def test_age_is_reckoned_by_the_clock_and_not_by_what_was_told(told, trained_at: datetime):
    watch = told("stale")
    assert asks(watch, trained_at + timedelta(days=1)) == ""
    assert asks(watch, trained_at + timedelta(days=16)) == "random_forest-stale,lstm-stale"


def test_a_table_of_an_earlier_program_says_nothing_and_age_still_counts(
    told, trained_at: datetime
):
    watch = told("drifting")
    old = [column for column in MODEL_HEALTH.columns if column.name != "causes"]
    health = watch.place.lake.read(MODEL_HEALTH).drop(columns="causes")
    watch.place.lake.write(replace(MODEL_HEALTH, columns=tuple(old)), health)
    assert asks(watch, trained_at + timedelta(days=1)) == ""
    assert asks(watch, trained_at + timedelta(days=16)) == "random_forest-stale,lstm-stale"


@pytest.mark.parametrize("status", [FINISHED, FAILED])
def test_a_cause_is_asked_for_once_a_day_whatever_became_of_it(
    told, trained_at: datetime, status: dg.DagsterRunStatus
):
    watch, morning = told("drifting"), (trained_at + timedelta(days=1)).replace(hour=1)
    ran(watch, watch.at(morning), status)
    evening = watch.at(morning + timedelta(hours=20))
    assert isinstance(evening, dg.SkipReason)
    assert evening.skip_message == "lstm-drifting: asked for today"


def test_a_cause_that_joins_later_in_the_day_is_asked_for_alone(told, trained_at: datetime):
    watch, morning = told("drifting"), (trained_at + timedelta(days=1)).replace(hour=1)
    ran(watch, watch.at(morning), FAILED)
    health = watch.place.lake.read(MODEL_HEALTH)
    health.loc[health["model"] == "lstm", "causes"] = "losing_skill,drifting"
    watch.place.lake.write(MODEL_HEALTH, health)
    assert asks(watch, morning + timedelta(hours=2)) == "lstm-losing_skill"


def days_on_which_it_asks(watch: Watch, first: datetime, n_days: int, became) -> list[str]:
    asked = []
    for ago in range(n_days):
        now = first + timedelta(days=ago)
        answer = watch.at(now)
        if isinstance(answer, dg.RunRequest):
            asked.append(str(now.date()))
            ran(watch, answer, became)
    return asked


CHAMPIONS_DAY = datetime(2024, 2, 8, 12, tzinfo=UTC)
"""A Thursday; Carnival is on Monday and Tuesday, and Ash Wednesday is a session."""


def as_if_trained_on(watch: Watch, day: datetime) -> Watch:
    champions = watch.place.lake.read(CHAMPIONS).assign(trained_at=day)
    watch.place.lake.write(CHAMPIONS, champions)
    return watch


def test_an_alarm_that_a_finished_training_left_standing_waits_for_five_sessions(told):
    watch = as_if_trained_on(told("drifting"), CHAMPIONS_DAY)
    # Sessions after the 8th: 9, 14, 15, 16, 19; after the 19th: 20, 21, 22, 23 and no further day.
    asked = days_on_which_it_asks(watch, CHAMPIONS_DAY, n_days=14, became=FINISHED)
    assert asked == ["2024-02-08", "2024-02-19"]


def test_a_training_that_failed_is_asked_for_again_the_next_day(told):
    watch = as_if_trained_on(told("drifting"), CHAMPIONS_DAY)
    asked = days_on_which_it_asks(watch, CHAMPIONS_DAY, n_days=4, became=FAILED)
    assert asked == ["2024-02-08", "2024-02-09", "2024-02-10", "2024-02-11"]


def test_a_model_that_stays_stale_after_its_training_waits_as_well(told):
    watch = as_if_trained_on(told(""), CHAMPIONS_DAY - timedelta(days=15))
    asked = days_on_which_it_asks(watch, CHAMPIONS_DAY, n_days=14, became=FINISHED)
    assert asked == ["2024-02-08", "2024-02-19"]


def test_the_wait_of_one_cause_holds_back_no_other(told):
    watch = as_if_trained_on(told("drifting"), CHAMPIONS_DAY - timedelta(days=14))
    ran(watch, watch.at(CHAMPIONS_DAY), FINISHED)
    tomorrow = CHAMPIONS_DAY + timedelta(days=1)
    assert asks(watch, tomorrow) == "random_forest-stale,lstm-stale"
