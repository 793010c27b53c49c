"""Sensors: a model that age, drift or lost skill has worn out is trained again, once."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.errors import TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.pipeline.jobs import complete_pipeline, retrain
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.predictions.health import MENDED_BY_TRAINING, model_health
from asset_predict_dagster.predictions.retraining import REMEMBERED, Asked, NotDue, next_training
from asset_predict_dagster.tables import CHAMPIONS, MODEL_HEALTH

_MINUTE = 60
_TRAINING_JOBS = (retrain.name, complete_pipeline.name)

ABANDONED_AFTER = timedelta(hours=4)
"""A run that began so long ago and has not ended has lost its process: no training takes hours."""

BY_THE_CLOCK = ("missing", "stale")
ALARMS = tuple(cause for cause in MENDED_BY_TRAINING if cause not in BY_THE_CLOCK)

REASON_TAG = "asset_predict/reason"
CAUSES_TAG = "asset_predict/causes"
DAY_TAG = "asset_predict/requested_on"

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
    description="Requests `retrain` for a model that is missing, was trained too long ago, is"
    " drifting or is losing its skill; one model at a time.",
)
def retrain_stale_models(
    context: dg.SensorEvaluationContext, lake: LakeTables, models: Models, clock: Clock
) -> dg.RunRequest | dg.SkipReason:
    """What `next_training` says, and nothing while a run that trains is queued or running.

    `missing` and `stale` are reckoned anew by the clock; `drifting` and `losing_skill` are what the
    table `model_health` said last, if it spoke of the version that serves now. What was asked for
    before is known from the tags of runs. The run key carries the causes and the day: Dagster
    remembers a key for ever.
    """
    training = _unfinished_training(context.instance)
    if training is not None:
        return dg.SkipReason(f"{training.job_name} {training.run_id} is not finished")
    opened = lake.open()
    if not opened.exists(FEATURES):
        return dg.SkipReason("there are no features to train on yet: run complete_pipeline")
    now = clock.now()
    champions = opened.read_if_made(CHAMPIONS)
    aged = model_health(MODEL_NAMES, champions, now, models.stale_after_days)
    reasons = _reasons(aged, BY_THE_CLOCK) | _reasons(_told_of(champions, opened), ALARMS)
    if not reasons:
        return dg.SkipReason("; ".join(aged["reason"]))
    standing = {
        model: [cause for of, cause in reasons if of == model]
        for model in MODEL_NAMES
        if any(of == model for of, _ in reasons)
    }
    today = now.date()
    due = next_training(standing, _asked(context.instance, today), today, models.retrains_a_week)
    if isinstance(due, NotDue):
        return dg.SkipReason("; ".join(due.reasons))
    causes = ",".join(f"{due.model}-{cause}" for cause in due.causes)
    return dg.RunRequest(
        run_key=f"retrain-{causes}-{today}",
        asset_selection=_retrained(context, due.model),
        tags={
            REASON_TAG: "; ".join(dict.fromkeys(reasons[due.model, each] for each in due.causes)),
            CAUSES_TAG: causes,
            DAY_TAG: str(today),
        },
    )


def _retrained(context: dg.SensorEvaluationContext, model: str) -> list[dg.AssetKey]:
    """What `retrain` makes, without the other models' trainings."""
    repository = context.repository_def
    if repository is None:
        raise dg.DagsterInvariantViolationError(
            "retrain_stale_models asks for a part of the job retrain, and was given no definitions"
            " to look it up in; pass build_sensor_context(definitions=...)"
        )
    made = repository.get_job(retrain.name).asset_layer.executable_asset_keys
    return sorted(made - _model_keys(name for name in MODEL_NAMES if name != model))


def _model_keys(models: Iterable[str]) -> set[dg.AssetKey]:
    return {dg.AssetKey(f"{model}_model") for model in models}


def _unfinished_training(instance: dg.DagsterInstance) -> dg.DagsterRun | None:
    """A run that trains what may serve, and waits in the queue or is under way."""
    # Runs are stamped by the machine's clock, whatever session it is made to believe in.
    abandoned = (datetime.now(UTC) - ABANDONED_AFTER).timestamp()
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED)):
        run = record.dagster_run
        begun = record.start_time or record.create_timestamp.timestamp()
        is_queued = run.status == dg.DagsterRunStatus.QUEUED
        if begun < abandoned and not is_queued:
            continue
        if run.job_name in _TRAINING_JOBS or _model_keys(MODEL_NAMES) & (
            run.asset_selection or set()
        ):
            return run
    return None


def _asked(instance: dg.DagsterInstance, today: date) -> list[Asked]:
    """The requests of this sensor that became runs. Earlier ones may name several models."""
    days = [str(today - timedelta(days=ago)) for ago in range(REMEMBERED + 1)]
    runs = instance.get_runs(dg.RunsFilter(job_name=retrain.name, tags={DAY_TAG: days}))
    asked = []
    for run in runs:
        causes: dict[str, set[str]] = {}
        for said in run.tags[CAUSES_TAG].split(","):
            model, _, cause = said.rpartition("-")
            causes.setdefault(model, set()).add(cause)
        day = date.fromisoformat(run.tags[DAY_TAG])
        is_finished = run.status == dg.DagsterRunStatus.SUCCESS
        asked += [Asked(m, frozenset(found), day, is_finished) for m, found in causes.items()]
    return asked


def _reasons(health: pd.DataFrame, wanted: tuple[str, ...]) -> dict[tuple[str, str], str]:
    """Model and cause → reason."""
    return {
        (row.model, cause): row.reason
        for row in health.itertuples()
        for cause in row.causes.split(",")
        if cause in wanted
    }


def _told_of(champions: pd.DataFrame | None, lake: Lake) -> pd.DataFrame:
    """Rows of `model_health` about the versions that serve."""
    names = ["model", "model_version"]
    try:
        told = lake.read(MODEL_HEALTH, columns=[*names, "causes", "reason"])
    except TableError:
        # Not made yet, or by an earlier program, which told no causes: the next daily run does.
        return pd.DataFrame(columns=[*names, "causes", "reason"])
    return told[:0] if champions is None else told.merge(champions[names], on=names)
