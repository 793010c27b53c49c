"""A model that is stale or missing is trained again, once; a fresh one is left alone."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.pipeline.sensors import retrain_stale_models
from asset_predict_dagster.tables import CHAMPIONS
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
