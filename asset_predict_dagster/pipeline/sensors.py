"""Sensors: a model that is stale or missing is trained again, once."""

from datetime import datetime

import dagster as dg

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.pipeline.evaluation import MODEL_NAMES
from asset_predict_dagster.pipeline.jobs import retrain
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.predictions.health import model_health
from asset_predict_dagster.tables import CHAMPIONS

_MINUTE = 60
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
    """At most one request a day, and none while a `retrain` is queued or running."""
    unfinished = context.instance.get_run_records(
        dg.RunsFilter(job_name=retrain.name, statuses=_UNFINISHED), limit=1
    )
    if unfinished:
        return dg.SkipReason(f"retrain {unfinished[0].dagster_run.run_id} is not finished")
    return retrain_request(lake.open(), clock.now(), models.stale_after_days)


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
