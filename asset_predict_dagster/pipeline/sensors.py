"""Sensors: a model that age, drift or lost skill has worn out is trained again, once."""

from collections.abc import Iterable
from datetime import date, timedelta

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.errors import BundleError, TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.pipeline.failed_checks import failed_checks
from asset_predict_dagster.pipeline.jobs import complete_pipeline, daily_prediction, retrain
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.pipeline.unfinished import unfinished_run
from asset_predict_dagster.predictions.health import MENDED_BY_TRAINING, model_health
from asset_predict_dagster.predictions.heeded_checks import READ_BY_MODELS
from asset_predict_dagster.predictions.retraining import (
    REMEMBERED,
    Asked,
    NotDue,
    left_by_hand,
    next_training,
)
from asset_predict_dagster.tables import CHAMPIONS, MODEL_HEALTH, PROMOTIONS

_MINUTE = 60
_TRAINING_JOBS = (retrain.name, complete_pipeline.name)
_TRAININGS = tuple(f"{model}_model" for model in MODEL_NAMES)

BY_THE_CLOCK = ("missing", "stale")
TOLD = tuple(cause for cause in MENDED_BY_TRAINING if cause != "stale")

REASON_TAG = "asset_predict/reason"
CAUSES_TAG = "asset_predict/causes"
DAY_TAG = "asset_predict/requested_on"


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

    That nobody serves, and `stale`, are reckoned anew by the clock; the other causes are what the
    table `model_health` said last, if it spoke of the version that serves now. What a person let
    serve is not `stale` for some sessions. What was asked for before is known from the tags of
    runs. The run key carries the causes and the day: Dagster remembers a key for ever.
    """
    training = unfinished_run(context.instance, _TRAINING_JOBS, _TRAININGS)
    if training is not None:
        return dg.SkipReason(f"{training.job_name} {training.run_id} is not finished")
    opened = lake.open()
    if not opened.exists(FEATURES):
        return dg.SkipReason("there are no features to train on yet: run complete_pipeline")
    if failed := failed_checks(context.instance, READ_BY_MODELS):
        return dg.SkipReason(f"checks failed, and are mended first: {', '.join(failed)}")
    now = clock.now()
    today = now.date()
    champions = opened.read_if_made(CHAMPIONS)
    aged = model_health(MODEL_NAMES, champions, now, models.stale_after_days)
    reasons = _reasons(_told_of(champions, opened), TOLD) | _reasons(aged, BY_THE_CLOCK)
    reasons |= _damaged(context.instance, champions, models)
    by_hand = left_by_hand(opened.read_if_made(PROMOTIONS), today)
    left = [why for model, why in by_hand.items() if reasons.pop((model, "stale"), None)]
    if not reasons:
        return dg.SkipReason("; ".join([*aged["reason"], *left]))
    standing = {
        model: [cause for of, cause in reasons if of == model]
        for model in MODEL_NAMES
        if any(of == model for of, _ in reasons)
    }
    due = next_training(standing, _asked(context.instance, today), today, models.retrains_a_week)
    if isinstance(due, NotDue):
        return dg.SkipReason("; ".join([*due.reasons, *left]))
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


def _damaged(
    instance: dg.DagsterInstance, champions: pd.DataFrame | None, models: Models
) -> dict[tuple[str, str], str]:
    """As `_reasons`, of champions whose bundles cannot be opened; looked at only where the last
    daily run failed. Where none can be opened it fails before it tells the health of any."""
    last = instance.get_runs(dg.RunsFilter(job_name=daily_prediction.name), limit=1)
    if champions is None or not last or last[0].status != dg.DagsterRunStatus.FAILURE:
        return {}
    reasons = {}
    for row in champions.itertuples():
        try:
            models.load(row.bundle)
        except BundleError as error:
            reasons[row.model, "missing"] = f"{row.model} cannot be asked: {error}"
    return reasons


def _told_of(champions: pd.DataFrame | None, lake: Lake) -> pd.DataFrame:
    """Rows of `model_health` about the versions that serve."""
    names = ["model", "model_version"]
    try:
        told = lake.read(MODEL_HEALTH, columns=[*names, "causes", "reason"])
    except TableError:
        # Not made yet, or by an earlier program, which told no causes: the next daily run does.
        return pd.DataFrame(columns=[*names, "causes", "reason"])
    return told[:0] if champions is None else told.merge(champions[names], on=names)
