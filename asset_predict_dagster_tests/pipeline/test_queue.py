"""One training at a time, and the predictions never wait behind it.

The instance is that of `dagster.yaml`; what the daemon would take from the queue is asked of the
daemon's own code.
"""

from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.instance_for_test import instance_for_test
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import (
    QueuedRunCoordinatorDaemon,
)

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.pipeline.models import TRAINING_POOL
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster_tests.pipeline.test_sensors import origin_of

INSTANCE = Path(__file__).parents[2] / "dagster.yaml"


class Queue:
    """Runs that wait or are under way on one instance."""

    def __init__(self, instance: dg.DagsterInstance, definitions: dg.Definitions):
        self.instance, self.definitions = instance, definitions
        self.daemon = QueuedRunCoordinatorDaemon(interval_seconds=1)
        self.names: dict[str, str] = {}

    def add(self, job: str, half_year: str = "", status=dg.DagsterRunStatus.QUEUED) -> None:
        """With the tags of its job, as schedules, sensors, backfills and people start it."""
        definition = self.definitions.resolve_job_def(job)
        partition = {"dagster/partition": half_year} if half_year else {}
        run = self.instance.create_run_for_job(
            definition,
            status=status,
            remote_job_origin=origin_of(job),
            tags={**definition.run_tags, **partition},
        )
        self.names[run.run_id] = half_year or job

    def next(self) -> list[str]:
        """What the daemon starts now, in its order."""
        config = self.instance.get_concurrency_config()
        runs = self.daemon._get_runs_to_dequeue(self.instance, config, fixed_iteration_time=None)
        return [self.names[run.run_id] for run in runs]


@pytest.fixture
def queue(tmp_path):
    definitions = build_definitions(load_settings(data=tmp_path / "data"))
    config = yaml.safe_load(INSTANCE.read_text())
    with instance_for_test(temp_dir=str(tmp_path), overrides=config) as instance:
        yield Queue(instance, definitions)


def test_a_backfill_takes_one_half_year_at_a_time_from_the_first_look_on(queue: Queue):
    """Dagster makes the limit of a pool when it first sees a run of it wait; by then they go."""
    for half_year in ("2018H1", "2018H2", "2019H1"):
        queue.add("walk_forward", half_year)
    assert queue.next() == ["2018H1"]
    assert queue.next() == ["2018H1"]


def test_a_daily_run_is_started_while_one_trains_and_many_wait_to(queue: Queue):
    queue.add("complete_pipeline", status=dg.DagsterRunStatus.STARTED)
    for half_year in ("2018H1", "2018H2"):
        queue.add("walk_forward", half_year)
    queue.add("retrain")
    assert queue.next() == []
    queue.instance.delete_run(next(iter(queue.names)))
    queue.add("retrain", status=dg.DagsterRunStatus.STARTED)
    queue.add("daily_prediction")
    assert queue.next() == ["daily_prediction"]


def test_predictions_go_first_and_what_may_serve_goes_before_experiments(queue: Queue):
    for job in ("walk_forward", "backtest", "retrain", "daily_prediction"):
        queue.add(job, "2018H1" if job == "walk_forward" else "")
    assert queue.next() == ["daily_prediction", "retrain"]


def test_what_a_person_trains_alone_holds_back_the_next_one(queue: Queue):
    """Its run has no tag of a job; the pool counts it."""
    everything = queue.definitions.resolve_implicit_global_asset_job_def()
    chosen = frozenset({dg.AssetKey("lstm_model")})
    queue.instance.create_run_for_job(
        everything.get_subset(asset_selection=set(chosen)),
        asset_selection=chosen,
        status=dg.DagsterRunStatus.STARTED,
    )
    queue.add("retrain")
    queue.next()  # from here on Dagster knows the pool's limit
    assert queue.next() == []


def test_every_job_that_trains_carries_the_tag_that_is_limited(tmp_path):
    (limited,) = yaml.safe_load(INSTANCE.read_text())["concurrency"]["runs"][
        "tag_concurrency_limits"
    ]
    repository = build_definitions(load_settings(data=tmp_path)).get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    trains = {
        job.name
        for job in jobs
        if any(TRAINING_POOL in node.definition.pools for node in job.nodes)
    }
    assert trains == {
        "retrain",
        "complete_pipeline",
        "walk_forward",
        "tune",
        "backtest",
        "reproduce",
    }
    assert trains == {job.name for job in jobs if limited["key"] in job.run_tags}
    assert limited["limit"] == 1
