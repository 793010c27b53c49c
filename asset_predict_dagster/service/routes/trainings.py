"""Trainings: of one model, as a step, with all that comes before and after, or of one ticker."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.service.answers import answered, current, paper_of, with_ignored
from asset_predict_dagster.service.errors import ApiError
from asset_predict_dagster.service.launching import Launcher, Launches
from asset_predict_dagster.service.runs import KIND, PIPELINE, RETRAIN, TRAINS, Wanted, Which
from asset_predict_dagster.service.schemas.common import BODY, MODELS, QUERY, refusals
from asset_predict_dagster.service.schemas.steps import TrainAsked, TrainingStarted
from asset_predict_dagster.service.schemas.tasks import TaskAnswer, TaskAsked, TaskQueued
from asset_predict_dagster.service.security import require_key
from asset_predict_dagster.service.snapshot import Snapshot
from asset_predict_dagster.service.training import (
    SIZE_TAG,
    SIZES,
    asked_for,
    run_config,
    split_of,
    with_quotes,
)

router = APIRouter(prefix="/api/b3", tags=["b3 pipeline"], dependencies=[Depends(require_key)])
tasks = APIRouter(prefix="/api/v1", tags=["v1"])

NEVER_SERVES = ("labels", "dataset", "models", "evaluation")
"""Groups of `retrain` that a scoped version needs: nothing after them is about it."""

_LAUNCHES = refusals(*BODY, 401, 404, 409)
TaskId = Annotated[str, Path(max_length=36, pattern="^[0-9a-f-]{36}$")]
_TASK = "v1_train {}"
_TASK_MODEL = "lstm"


@router.post("/train-model", status_code=202, response_model=TrainingStarted, responses=_LAUNCHES)
async def train_model(
    request: Request,
    asked: TrainAsked,
    launch: Launches,
    now: Annotated[Snapshot, Depends(current)],
) -> Response:
    """Train one model on what is there; it serves once it is evaluated, saved and good enough."""
    model, settings = MODELS[asked.model_type], request.app.state.settings
    asked_for(settings, now, model, asked.written)  # refused before Dagster is asked for anything
    written = {**await _split_sizes(launch, model), **asked.written}
    training = asked_for(settings, now, model, written)
    wanted = Wanted(
        kind=f"train_model {model}",
        assets=[f"{model}_model"],
        config=run_config(model, training, written),
        tags={TRAINS: "yes"},
    )
    return await _training(launch, wanted, asked, training)


@router.post(
    "/complete-training", status_code=202, response_model=TrainingStarted, responses=_LAUNCHES
)
async def complete_training(
    request: Request,
    asked: TrainAsked,
    launch: Launches,
    now: Annotated[Snapshot, Depends(current)],
) -> Response:
    """Labels to promotion and predictions, of one model."""
    return await _whole(request, RETRAIN, asked, launch, now)


@router.post(
    "/complete-pipeline", status_code=202, response_model=TrainingStarted, responses=_LAUNCHES
)
async def complete_pipeline(
    request: Request,
    asked: TrainAsked,
    launch: Launches,
    now: Annotated[Snapshot, Depends(current)],
) -> Response:
    """New market files to predictions, one model trained and judged on the way."""
    return await _whole(request, PIPELINE, asked, launch, now)


@tasks.post(
    "/train",
    response_model=TaskQueued,
    responses=_LAUNCHES,
    dependencies=[Depends(require_key)],
)
async def train_ticker(
    request: Request,
    asked: TaskAsked,
    launch: Launches,
    now: Annotated[Snapshot, Depends(current)],
) -> Response:
    """An LSTM of one ticker and some days: a scoped version, to be asked for by its number."""
    ticker = paper_of(now, asked.ticker).ticker
    written = {
        "tickers": [ticker],
        "start": str(asked.start_date),
        "end": str(asked.end_date),
        **asked.model_dump(exclude={"ticker", "start_date", "end_date"}),
    }
    training = asked_for(request.app.state.settings, now, _TASK_MODEL, written)
    with_quotes(now, training)
    run_id = await launch.start(
        Wanted(
            kind=_TASK.format(ticker),
            assets=[f"{_TASK_MODEL}_model"],
            config=run_config(_TASK_MODEL, training, written),
            tags={TRAINS: "yes"},
        )
    )
    said = f"the training is queued; GET /api/v1/train/{run_id} says how it is getting on"
    return answered(TaskQueued(task_id=run_id, status="queued", message=said))


@tasks.get("/train/{task_id}", response_model=TaskAnswer, responses=refusals(*QUERY, 404))
async def task(task_id: TaskId, launch: Launches) -> Response:
    """How a training of one ticker is getting on, and the version that it became."""
    run = await launch.find(task_id)
    ticker = run.tags.get(KIND, "").removeprefix(_TASK.format("")) if run else ""
    if run is None or run.tags.get(KIND) != _TASK.format(ticker):
        raise ApiError(404, "unknown_task", "there is no such task", {"task_id": task_id})
    made = await launch.noted(run.run_id, "model_version") if run.status == "completed" else {}
    version = made.get(f"{_TASK_MODEL}_model")
    return answered(
        TaskAnswer(
            task_id=run.run_id,
            status=run.status,
            ticker=ticker,
            model_version=f"{_TASK_MODEL}:{version}" if version else None,
            error=run.error,
        )
    )


async def _whole(
    request: Request, job: str, asked: TrainAsked, launch: Launcher, now: Snapshot
) -> Response:
    """A whole job, of one model; of a scoped version no more than it needs."""
    model = MODELS[asked.model_type]
    training = asked_for(request.app.state.settings, now, model, asked.written)
    others = tuple(f"{other}_model" for other in MODEL_NAMES if other != model)
    groups: tuple[str, ...] = ()
    if not training.experiment.is_default:
        before = ("raw", "quotes", "features") if job == PIPELINE else ()
        groups = (*before, *NEVER_SERVES)
    wanted = Wanted(
        job,
        assets=await launch.assets(groups, job, without=others),
        config=run_config(model, training, asked.written),
    )
    return await _training(launch, wanted, asked, training)


async def _training(launch: Launcher, wanted: Wanted, asked: TrainAsked, training: Any) -> Response:
    run_id = await launch.start(wanted)
    scope = training.experiment.scope
    answer = TrainingStarted(
        status="success",
        message="the training is queued; ask /api/b3/training-status how it is getting on",
        training_status="running",
        model_type=MODELS[asked.model_type],
        run_id=run_id,
        **({"scoped": scope} if scope else {}),
    )
    return answered(with_ignored(answer, list(training.ignored)), 202)


async def _split_sizes(launch: Launcher, model: str) -> dict[str, float]:
    """The shares that `/split-data` was asked for last, if that was not forgotten."""
    run = await launch.latest(Which.of_kind(split_of(model)))
    if run is None or run.status == "failed":
        return {}
    return {name: float(run.tags[SIZE_TAG.format(name)]) for name in SIZES}
