"""Sensors: a model that age, drift or lost skill has worn out is trained again, once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.errors import TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import sessions_between
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.pipeline.jobs import complete_pipeline, retrain
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.predictions.health import MENDED_BY_TRAINING, model_health
from asset_predict_dagster.tables import CHAMPIONS, MODEL_HEALTH

_MINUTE = 60
_TRAINING_JOBS = (retrain.name, complete_pipeline.name)

ABANDONED_AFTER = timedelta(hours=4)
"""A run unfinished for so long has lost its process: no training takes hours."""

BACK_OFF = 5
"""Sessions before a cause that stands after a finished training is worth another one."""

_BACK_OFF_DAYS = 14
"""Five sessions of B3 never take longer."""

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


@dataclass(frozen=True)
class Asked:
    """A request of this sensor that became a run: what for, when, and whether it came to its end.

    `causes` are those of `retrain_request`; `day` is by the clock that the sensor was given.
    """

    causes: frozenset[str]
    day: date
    is_finished: bool


@dg.sensor(
    job=retrain,
    minimum_interval_seconds=10 * _MINUTE,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests `retrain` when a model is missing, was trained too long ago, is drifting"
    " or is losing its skill.",
)
def retrain_stale_models(
    context: dg.SensorEvaluationContext, lake: LakeTables, models: Models, clock: Clock
) -> dg.RunRequest | dg.SkipReason:
    """What `retrain_request` says, and nothing while a run that trains is queued or running."""
    training = _unfinished_training(context.instance)
    if training is not None:
        return dg.SkipReason(f"{training.job_name} {training.run_id} is not finished")
    now = clock.now()
    asked = _asked_lately(context.instance, now.date())
    return retrain_request(lake.open(), now, models.stale_after_days, asked)


def _unfinished_training(instance: dg.DagsterInstance) -> dg.DagsterRun | None:
    # Runs are stamped by the machine's clock, whatever session it is made to believe in.
    alive = dg.RunsFilter(statuses=_UNFINISHED, created_after=datetime.now(UTC) - ABANDONED_AFTER)
    models = {dg.AssetKey(f"{model}_model") for model in MODEL_NAMES}
    for record in instance.get_run_records(alive):
        run = record.dagster_run
        if run.job_name in _TRAINING_JOBS or models & (run.asset_selection or set()):
            return run
    return None


def _asked_lately(instance: dg.DagsterInstance, today: date) -> list[Asked]:
    days = [str(today - timedelta(days=ago)) for ago in range(_BACK_OFF_DAYS + 1)]
    runs = instance.get_runs(dg.RunsFilter(job_name=retrain.name, tags={DAY_TAG: days}))
    return [
        Asked(
            frozenset(run.tags[CAUSES_TAG].split(",")),
            date.fromisoformat(run.tags[DAY_TAG]),
            run.status == dg.DagsterRunStatus.SUCCESS,
        )
        for run in runs
    ]


def retrain_request(
    lake: Lake, now: datetime, stale_after_days: int, asked: Sequence[Asked] = ()
) -> dg.RunRequest | dg.SkipReason:
    """The request that is due at `now`, or why none is.

    A cause is a model and what training mends of it, as `lstm-drifting`. `missing` and `stale` are
    reckoned anew by the clock; `drifting` and `losing_skill` are what the table `model_health` said
    last, if it spoke of the version that serves now. A cause is asked for

    - once a day at most, by the clock's day, whatever became of it;
    - again the next day, if the training failed;
    - again from the fifth session after that day on, if the training came to its end and the
      cause stands nevertheless (the challenger was not promoted, say).

    One request names all causes that are due, and the models are trained together. Its run key
    carries the causes and the day: Dagster remembers a key for ever.

    Parameters
    ----------
    asked
        Earlier requests, those of the last two weeks at least.
    """
    if not lake.exists(FEATURES):
        return dg.SkipReason("there are no features to train on yet: run complete_pipeline")
    champions = lake.read_if_made(CHAMPIONS)
    aged = model_health(MODEL_NAMES, champions, now, stale_after_days)
    standing = _causes(aged, BY_THE_CLOCK) | _causes(_told_of(champions, lake), ALARMS)
    if not standing:
        return dg.SkipReason("; ".join(aged["reason"]))
    waiting = {cause: _waits(cause, now.date(), asked) for cause in standing}
    due = [cause for cause, why in waiting.items() if not why]
    if not due:
        return dg.SkipReason("; ".join(f"{cause}: {why}" for cause, why in waiting.items()))
    return dg.RunRequest(
        run_key=f"retrain-{','.join(due)}-{now.date()}",
        tags={
            REASON_TAG: "; ".join(dict.fromkeys(standing[cause] for cause in due)),
            CAUSES_TAG: ",".join(due),
            DAY_TAG: str(now.date()),
        },
    )


def _causes(health: pd.DataFrame, wanted: tuple[str, ...]) -> dict[str, str]:
    """Model and cause → reason."""
    return {
        f"{row.model}-{cause}": row.reason
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


def _waits(cause: str, today: date, asked: Sequence[Asked]) -> str:
    """Why it is not asked for again yet; empty if it is."""
    mine = [request for request in asked if cause in request.causes]
    if any(request.day == today for request in mine):
        return "asked for today"
    trained = max((request.day for request in mine if request.is_finished), default=today)
    since = trained + timedelta(days=1)
    if trained < today and len(sessions_between(since, today)) < BACK_OFF:
        return f"a training of {trained} has not mended it; asked for {BACK_OFF} sessions later"
    return ""
