"""`/api/v1`: paths of up to thirty sessions, drift, health."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from asset_predict_dagster import __version__
from asset_predict_dagster.service.answers import (
    answered,
    checks_of,
    current,
    number,
    paper_of,
    problem_of,
    said_of,
    serving,
)
from asset_predict_dagster.service.errors import ApiError
from asset_predict_dagster.service.schemas.common import BODY, LatencyAnswer, refusals
from asset_predict_dagster.service.schemas.v1 import (
    DriftAnswer,
    DriftAsked,
    HealthAnswer,
    HealthModel,
    PathAnswer,
    PathAsked,
    PathPoint,
)
from asset_predict_dagster.service.snapshot import Snapshot, Version
from asset_predict_dagster.tables import FEATURES

router = APIRouter(prefix="/api/v1", tags=["v1"])

PREFERRED = ("lstm", "random_forest")


@router.post("/predict", response_model=PathAnswer, responses=refusals(*BODY, 404))
async def predict(
    request: Request, asked: PathAsked, now: Annotated[Snapshot, Depends(current)]
) -> Response:
    """The next sessions of one ticker, one point a session."""
    paper = paper_of(now, asked.ticker)
    version = await _version(request, now, asked.model_version)
    said = said_of(now, version, paper.ticker)
    prices = said.predicted_prices
    points = [
        PathPoint(
            session=now.targets[at],
            predicted_price=prices[at],
            price_low=said.price_lows[at],
            price_high=said.price_highs[at],
            expected_return=said.expected_returns[at],
        )
        for at in range(min(asked.days_ahead, now.days_ahead))
    ]
    return answered(
        PathAnswer(
            ticker=paper.ticker,
            predictions=points,
            generated_at=now.made_at,
            model_version=f"{version.model}:{version.version}",
            model_status=version.status,
            reason=said.reason,
        )
    )


async def _version(request: Request, now: Snapshot, asked: str | None) -> Version:
    """The champion, or the version that was asked for by its number, whoever serves."""
    model, _, number_asked = (asked or "champion").rpartition(":")
    if number_asked == "champion":
        return serving(now, [model] if model else PREFERRED)
    model = model or PREFERRED[0]
    wanted = str(int(number_asked.removeprefix("v")))
    known = now.versions.get(model)
    if known is not None and known.version == wanted:
        return known
    return await request.app.state.others.version(now, model, wanted)


@router.post("/drift/detect", response_model=DriftAnswer, responses=refusals(*BODY, 404))
async def detect_drift(
    request: Request, asked: DriftAsked, now: Annotated[Snapshot, Depends(current)]
) -> Response:
    """Whether one ticker's inputs still look as they did."""
    paper = paper_of(now, asked.ticker)
    serving(now, PREFERRED)
    # What any champion reads, each feature once.
    names = tuple(dict.fromkeys(n for v in now.versions.values() for n in v.feature_names))
    reference, production = (
        None if said is None else int(said.removeprefix("v"))
        for said in (asked.reference_version, asked.production_version)
    )
    if production is None:
        production = now.state.versions[FEATURES.name]
    asked_about = (paper.ticker, names, reference, production, now.session)
    found = await request.app.state.others.drift(now, asked_about)
    scores = {name: number(score) for name, score in found["drift_scores"].items()}
    return answered(DriftAnswer(**{**found, "drift_scores": scores}))


@router.head("/health", include_in_schema=False)
@router.get("/health", response_model=HealthAnswer, responses=refusals())
async def health(request: Request, now: Annotated[Snapshot, Depends(current)]) -> Response:
    """200 where requests are answered, else 503; and what they are answered from."""
    problem = problem_of(request)
    if not now.papers:
        raise ApiError(503, "no_data", "there are no quotes and features yet")
    timestamp = datetime.now(UTC)
    return answered(
        HealthAnswer(
            status="degraded" if problem or now.sessions_late or not now.versions else "ok",
            version=__version__,
            timestamp=timestamp,
            problem=problem,
            data_session=now.session,
            sessions_late=now.sessions_late,
            snapshot_age_seconds=round((timestamp - now.made_at).total_seconds(), 1),
            checks=checks_of(request),
            prediction_latency_ms=LatencyAnswer(**request.app.state.latency.quantiles()),
            models={
                name: HealthModel(version=one.version, status=one.status)
                for name, one in now.versions.items()
            },
        )
    )
