"""`/api/b3`: one model family for all tickers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from asset_predict_dagster.service.answers import (
    action_of,
    answered,
    checks_of,
    current,
    paper_of,
    problem_of,
    serving,
)
from asset_predict_dagster.service.runs import PIPELINES, TRAININGS, RunSeen
from asset_predict_dagster.service.schemas.b3 import (
    PipelineState,
    PredictAnswer,
    PredictAsked,
    RunAnswer,
    ServedModel,
    StatusAnswer,
)
from asset_predict_dagster.service.schemas.common import BODY, MODELS, LatencyAnswer, refusals
from asset_predict_dagster.service.snapshot import Snapshot
from asset_predict_dagster.tables import ACTION_NAMES

router = APIRouter(prefix="/api/b3", tags=["b3"])

_SOURCES = {True: "champion", False: "predecessor"}


@router.post("/predict", response_model=PredictAnswer, responses=refusals(*BODY, 404))
async def predict(asked: PredictAsked, now: Annotated[Snapshot, Depends(current)]) -> Response:
    """What the champion says of the next session of one ticker."""
    paper = paper_of(now, asked.ticker)
    version = serving(now, [MODELS[asked.model_type]])
    said = action_of(now, version, paper.ticker)
    answer = PredictAnswer(
        status="success",
        ticker=paper.ticker,
        predictions=[said.action],
        prediction_probabilities=[list(said.probabilities)],
        class_labels=list(ACTION_NAMES),
        predicted_price=said.predicted_prices[0],
        last_price=said.last_close,
        price_low=said.price_lows[0],
        price_high=said.price_highs[0],
        expected_return=said.expected_returns[0],
        session=now.session,
        target_session=now.targets[0],
        reason=said.reason,
        feature_importance=dict(version.importance),
        features_used=list(version.feature_names),
        model_type=version.model,
        model_version=version.version,
        model_status=version.status,
        model_source=_SOURCES[version.is_champion],
    )
    if asked.ignored:
        answer.ignored = asked.ignored
    return answered(answer)


@router.get("/training-status", response_model=RunAnswer, responses=refusals())
async def training_status(request: Request) -> Response:
    """How the last training is getting on."""
    return answered(_told(await request.app.state.launcher.latest(*TRAININGS)))


@router.get("/pipeline-status", response_model=RunAnswer, responses=refusals())
async def pipeline_status(request: Request) -> Response:
    """How the last complete pipeline is getting on."""
    return answered(_told(await request.app.state.launcher.latest(*PIPELINES)))


@router.get("/status", response_model=StatusAnswer, responses=refusals())
async def status(request: Request) -> Response:
    """The last run of any job, which stages have been made, and what is served."""
    state = request.app.state
    run = _told(await state.launcher.latest())
    now: Snapshot | None = state.refresher.snapshot
    has = now.has if now else {}
    return answered(
        StatusAnswer(
            **run.model_dump(),
            pipeline_state=PipelineState(
                has_raw_data=has.get("raw", False),
                has_processed_data=has.get("processed", False),
                has_split_data=has.get("split", False),
                has_trained_model=has.get("trained", False),
            ),
            model_loaded=bool(now and now.versions),
            models={
                name: ServedModel(
                    version=one.version,
                    status=one.status,
                    trained_at=one.trained_at,
                    training_end=one.training_end,
                )
                for name, one in (now.versions if now else {}).items()
            },
            data_reachable=now is not None and not state.refresher.problem,
            data_session=now.session if now else None,
            sessions_late=now.sessions_late if now else 0,
            problem=problem_of(request),
            checks=checks_of(request),
            prediction_latency_ms=LatencyAnswer(**state.latency.quantiles()),
        )
    )


def _told(run: RunSeen | None) -> RunAnswer:
    if run is None:
        return RunAnswer(status="idle", error=None, run_id=None, job=None)
    # To who polls, what waits is as good as under way.
    status = "running" if run.status == "queued" else run.status
    return RunAnswer(status=status, error=run.error, run_id=run.run_id, job=run.job)
