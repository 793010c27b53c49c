"""`/api/b3`, one stage at a time: each route runs the assets of its stage and says what came of it.

A route waits up to two minutes for its run; with `?wait=false`, or beyond, it answers 202 and the
run goes on. Whatever a request leaves for the next one stands in the tags of its run.
"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from asset_predict_dagster.registry.registered import Registered, last_trained
from asset_predict_dagster.service.answers import answered, goes_on, with_ignored
from asset_predict_dagster.service.child import DECIDED, EVALUATED, LOADED, PREPROCESSED, SPLIT
from asset_predict_dagster.service.errors import ApiError
from asset_predict_dagster.service.launching import Launcher, Launches
from asset_predict_dagster.service.runs import CLEARS, PIPELINE, RETRAIN, TRAININGS, Wanted
from asset_predict_dagster.service.schemas.common import BODY, MODELS, refusals
from asset_predict_dagster.service.schemas.steps import (
    ClearAnswer,
    ClearStarted,
    EvaluateAnswer,
    Loaded,
    ModelAsked,
    Preprocessed,
    RefusedFile,
    SaveAnswer,
    SaveAsked,
    SplitAnswer,
    SplitAsked,
    Started,
    UpdateAnswer,
)
from asset_predict_dagster.service.security import require_key
from asset_predict_dagster.service.training import SIZE_TAG, SIZES, split_of

router = APIRouter(prefix="/api/b3", tags=["b3 pipeline"], dependencies=[Depends(require_key)])
scheduled = APIRouter(prefix="/scheduled", tags=["scheduled"], dependencies=[Depends(require_key)])

_STAGES = {
    200: {"description": "the stage is made"},
    202: {"model": Started, "description": "it goes on"},
}
_LAUNCHES = refusals(*BODY, 401, 409)

Wait = Annotated[bool, Query(description="false: answer at once, and let the run go on")]


@router.post("/load-data", response_model=Loaded, responses={**_LAUNCHES, **_STAGES})
async def load_data(launch: Launches, wait: Wait = True) -> Response:
    """New market files, and the quotes that are made of them."""
    assets = await launch.assets(("raw", "quotes"), PIPELINE)
    run_id = await launch.start(Wanted(kind="load_data", assets=assets))
    if not (wait and await launch.ended(run_id)):
        return goes_on(run_id)
    found = await launch.look(LOADED)
    refused = await launch.refused_files(run_id)
    answer = Loaded(
        status="success",
        message=_brought(found["date_range"], refused),
        data_shape=found["data_shape"],
        columns=found["columns"],
        run_id=run_id,
        **_left_out(refused),
    )
    return answered(answer)


@router.post("/preprocess-data", response_model=Preprocessed, responses={**_LAUNCHES, **_STAGES})
async def preprocess_data(launch: Launches, wait: Wait = True) -> Response:
    """Features and labels of the quotes that are there."""
    assets = await launch.assets(("features", "labels"), PIPELINE)
    run_id = await launch.start(Wanted(kind="preprocess_data", assets=assets))
    if not (wait and await launch.ended(run_id)):
        return goes_on(run_id)
    found = await launch.look(PREPROCESSED)
    said = "features look back, targets look ahead; the last sessions have no target yet"
    return answered(Preprocessed(status="success", message=said, run_id=run_id, **found))


@router.post("/split-data", response_model=SplitAnswer, responses={**_LAUNCHES, **_STAGES})
async def split_data(asked: SplitAsked, launch: Launches, wait: Wait = True) -> Response:
    """Which sessions train, validate and test, in this order, with a gap between them."""
    sizes = {name: getattr(asked, name) for name in SIZES}
    if sum(sizes.values()) >= 1:
        raise ApiError(
            422, "out_of_range", "test_size and val_size leave no session to train", sizes
        )
    model = MODELS[asked.model_type]
    run_id = await launch.start(
        Wanted(
            kind=split_of(model),
            assets=await launch.assets(("dataset",), RETRAIN),
            tags={SIZE_TAG.format(name): str(share) for name, share in sizes.items()},
        )
    )
    if not (wait and await launch.ended(run_id)):
        return goes_on(run_id)
    found = await launch.look(SPLIT, asked.test_size, asked.val_size)
    said = "sessions in order, apart by what the labels look ahead and five more"
    answer = SplitAnswer(status="success", message=said, run_id=run_id, **found)
    return answered(with_ignored(answer, asked.ignored))


@router.post("/evaluate-model", response_model=EvaluateAnswer, responses={**_LAUNCHES, **_STAGES})
async def evaluate_model(
    request: Request, asked: ModelAsked, launch: Launches, wait: Wait = True
) -> Response:
    """How good the version is that was trained last, on sessions that it has not seen."""
    model = MODELS[asked.model_type]
    version = await _last_trained(request, launch, model)
    assets = await launch.assets(("evaluation",), RETRAIN)
    run_id = await launch.start(Wanted(kind="evaluate_model", assets=assets))
    if not (wait and await launch.ended(run_id)):
        return goes_on(run_id)
    found = await launch.look(EVALUATED, version)
    if found is None:
        raise _not_evaluated(version)
    is_drawn = found.pop("is_holdout")
    answer = EvaluateAnswer(
        status="success",
        model_type=model,
        model_version=version.version,
        evaluation={name: found.pop(name) for name in ("validation", "test")},
        visualization_path="reports/evaluation.html" if is_drawn else None,
        run_id=run_id,
        **found,
    )
    return answered(with_ignored(answer, asked.ignored))


@router.post("/save-model", response_model=SaveAnswer, responses={**_LAUNCHES, **_STAGES})
async def save_model(
    request: Request, asked: SaveAsked, launch: Launches, wait: Wait = True
) -> Response:
    """Let the version that was trained last serve, if the rule of promotion says so.

    A scoped version is registered already, and never serves.
    """
    model = MODELS[asked.model_type]
    version = await _last_trained(request, launch, model)
    place = {"model_path": f"bundles/{version.bundle}", "version": version.version}
    if version.scope:
        said = f"registered and to be asked for by its number; it never serves: {version.scope}"
        answer = SaveAnswer(
            status="success",
            message=said,
            decision="scoped",
            serving_version=None,
            run_id=None,
            **place,
        )
        return answered(with_ignored(answer, asked.ignored))
    if await launch.look(EVALUATED, version) is None:
        raise _not_evaluated(version)
    assets = await launch.assets(("registry",), RETRAIN)
    run_id = await launch.start(Wanted(kind="save_model", assets=assets))
    if not (wait and await launch.ended(run_id)):
        return goes_on(run_id)
    found = await launch.look(DECIDED, model)
    answer = SaveAnswer(
        status="success",
        message=found["reason"],
        decision=found["decision"],
        serving_version=found["model_version"] or None,
        run_id=run_id,
        **place,
    )
    return answered(with_ignored(answer, asked.ignored))


@router.post(
    "/clear-state",
    response_model=ClearAnswer,
    responses={**_LAUNCHES, **_STAGES, 202: {"model": ClearStarted, "description": "it goes on"}},
)
async def clear_state(launch: Launches, wait: Wait = True) -> Response:
    """Forget what is not promoted: trainings that wait or were broken off, splits, last runs.

    Champions, raw data, every registered version and the history of runs stay.
    """
    # Only once the run is taken: a request that is refused has cancelled nothing.
    run_id = await launch.start(Wanted(CLEARS))
    cancelled = await launch.cancel_queued(TRAININGS[-1])
    if not (wait and await launch.ended(run_id)):
        return goes_on(run_id, ClearStarted, cancelled=cancelled)
    said = "what was split and trained without being promoted is forgotten; champions and data stay"
    return answered(ClearAnswer(status="success", message=said, cancelled=cancelled, run_id=run_id))


@scheduled.post("/b3-data-update", response_model=UpdateAnswer, responses={**_LAUNCHES, **_STAGES})
async def update_data(launch: Launches, wait: Wait = True) -> Response:
    """New market files to quotes and features; the predictions of them are the schedule's."""
    assets = await launch.assets(("raw", "quotes", "features"), PIPELINE)
    run_id = await launch.start(Wanted(kind="b3_data_update", assets=assets))
    if not (wait and await launch.ended(run_id)):
        return goes_on(run_id)
    found = await launch.look(LOADED)
    statistics = {"total_records": found["data_shape"][0], "date_range": found["date_range"]}
    refused = await launch.refused_files(run_id)
    answer = UpdateAnswer(
        status="success",
        message=_brought(found["date_range"], refused),
        statistics=statistics,
        run_id=run_id,
        **_left_out(refused),
    )
    return answered(answer)


def _brought(date_range: list[str], refused: list[dict[str, str]] | None) -> str:
    said = f"quotes from {date_range[0]} to {date_range[1]}"
    return f"{said}; left out: {', '.join(one['file'] for one in refused)}" if refused else said


def _left_out(refused: list[dict[str, str]] | None) -> dict[str, list[RefusedFile]]:
    return {} if refused is None else {"refused_files": [RefusedFile(**one) for one in refused]}


async def _last_trained(request: Request, launch: Launcher, model: str) -> Registered:
    """The version that was trained last, since the state was cleared."""
    database = request.app.state.settings.registry_database
    found = await run_in_threadpool(last_trained, database, model)
    cleared = await launch.cleared_at()
    if found is None or datetime.fromisoformat(found.trained_at).timestamp() < cleared:
        raise ApiError(
            422,
            "nothing_trained",
            f"no version of {model} has been trained"
            f"{' since the state was cleared' if found else ''}; POST /api/b3/train-model first",
            {"model": model},
        )
    return found


def _not_evaluated(version: Registered) -> ApiError:
    return ApiError(
        422,
        "not_evaluated",
        f"{version.model} {version.version} has no figures yet; POST /api/b3/evaluate-model first",
        {"model": version.model, "version": version.version},
    )
