"""Sensors: a model that is stale or missing is trained again, once."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.pipeline.jobs import complete_pipeline, retrain
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.predictions.health import model_health
from asset_predict_dagster.tables import CHAMPIONS

_MINUTE = 60
_TRAINING_JOBS = (retrain.name, complete_pipeline.name)

ABANDONED_AFTER = timedelta(hours=4)
"""A run unfinished for so long has lost its process: no training takes hours."""

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.sensor(
    job=retrain,
    minimum_interval_seconds=10 * _MINUTE,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests `retrain` when a model is missing or was trained too long ago.",
)
def retrain_stale_models(
    context: dg.SensorEvaluationContext, lake: LakeTables, models: Models, clock: Clock
) -> dg.RunRequest | dg.SkipReason:
    """At most one request a day, and none while a run that trains is queued or running."""
    training = _unfinished_training(context.instance)
    if training is not None:
        return dg.SkipReason(f"{training.job_name} {training.run_id} is not finished")
    return retrain_request(lake.open(), clock.now(), models.stale_after_days)


def _unfinished_training(instance: dg.DagsterInstance) -> dg.DagsterRun | None:
    # Runs are stamped by the machine's clock, whatever session it is made to believe in.
    alive = dg.RunsFilter(statuses=_UNFINISHED, created_after=datetime.now(UTC) - ABANDONED_AFTER)
    models = {dg.AssetKey(f"{model}_model") for model in MODEL_NAMES}
    for record in instance.get_run_records(alive):
        run = record.dagster_run
        if run.job_name in _TRAINING_JOBS or models & (run.asset_selection or set()):
            return run
    return None


def retrain_request(
    lake: Lake, now: datetime, stale_after_days: int
) -> dg.RunRequest | dg.SkipReason:
    """The request that is due at `now`, or why none is.

    The run key carries the day: Dagster remembers a key for ever, so one day's request is never
    repeated, and a training that failed is asked for again the next day.
    """
    if not lake.exists(FEATURES):
        return dg.SkipReason("there are no features to train on yet: run complete_pipeline")
    known = lake.read_if_made(CHAMPIONS)
    health = model_health(MODEL_NAMES, known, now, stale_after_days)
    due = health[health["verdict"] != "fresh"]
    if due.empty:
        return dg.SkipReason("; ".join(health["reason"]))
    cause = ",".join(f"{row.model}-{row.verdict}" for row in due.itertuples())
    return dg.RunRequest(
        run_key=f"retrain-{cause}-{now.date()}",
        tags={"asset_predict/reason": "; ".join(due["reason"])},
    )
