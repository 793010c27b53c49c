"""`/models`: some tickers at once, as people type them; also under `/api/models`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import RootModel

from asset_predict_dagster.predictions.symbols import normalised
from asset_predict_dagster.service.answers import (
    answered,
    current,
    number,
    paper_of,
    said_of,
    serving,
)
from asset_predict_dagster.service.errors import ApiError
from asset_predict_dagster.service.launching import Launcher, Launches
from asset_predict_dagster.service.runs import RETRAIN, TRAININGS, Wanted, Which
from asset_predict_dagster.service.schemas.common import BODY, refusals
from asset_predict_dagster.service.schemas.models import (
    Checked,
    Measured,
    NotPredicted,
    Predicted,
    PredictedSymbols,
    RetrainAsked,
    Retrained,
    SymbolMetrics,
    SymbolsAsked,
    Variation,
)
from asset_predict_dagster.service.security import KEY_OR_NONE, check_key, require_key
from asset_predict_dagster.service.snapshot import Snapshot, Version
from asset_predict_dagster.tables import FEATURES

router = APIRouter(tags=["models"])

PREFERRED = ("lstm", "random_forest")
"""Nothing in a request says which model: the first of these that has a champion."""

CHECKED = "asset_predict/checked"
"""Tag of a training that a check asked for: the version of `features` it was asked for at."""


@router.post(
    "/check",
    response_model=list[Checked],
    responses=refusals(*BODY),
    openapi_extra=KEY_OR_NONE,
)
async def check(
    request: Request,
    asked: SymbolsAsked,
    launch: Launches,
    now: Annotated[Snapshot, Depends(current)],
) -> Response:
    """Whether a model serves that knows of each ticker.

    Where none serves at all, and one of the tickers is known, a training is queued, once: with the
    key if there is one, and not again for the same features if it fails.
    """
    checked = [_checked(now, symbol) for symbol in asked.symbols]
    known = [now.papers.get(normalised(symbol)) is not None for symbol in asked.symbols]
    trained = {*now.versions, *now.hindsight}
    if any(known) and trained.isdisjoint(PREFERRED):
        said = await _train_once(request, launch, now)
        checked = [
            one.model_copy(update={"message": said}) if is_known else one
            for one, is_known in zip(checked, known, strict=True)
        ]
    return answered(RootModel[list[Checked]](checked))


@router.post(
    "/retrain",
    response_model=Retrained,
    responses=refusals(*BODY, 401, 404, 409),
    dependencies=[Depends(require_key)],
)
async def retrain(
    asked: RetrainAsked, launch: Launches, now: Annotated[Snapshot, Depends(current)]
) -> Response:
    """Train the models again, which serve all tickers; the better ones serve from then on."""
    ticker = paper_of(now, asked.symbol).ticker
    run_id = await launch.start(Wanted(RETRAIN))
    said = f"the models, which {ticker} shares with all tickers, are queued to be trained again"
    return answered(Retrained(message=said, run_id=run_id))


async def _train_once(request: Request, launch: Launcher, now: Snapshot) -> str:
    """Queue the first training unless it is queued or was tried; what to tell who asks."""
    try:
        check_key(request)
    except ApiError as refusal:
        if refusal.status != 401:
            raise
        return "no model serves yet; with the key in X-API-Key a training would be queued"
    tried = {CHECKED: f"features-{now.state.versions[FEATURES.name]}"}
    try:
        under_way = await launch.unfinished(*TRAININGS)
        if under_way is None and (before := await launch.latest(Which(tags=tried))) is not None:
            said = f"the training that was queued for it {before.status}"
            return f"no model serves yet; {said}; POST /models/retrain tries again"
        if under_way is None:
            await launch.start(Wanted(RETRAIN, tags=tried))
    except ApiError as refusal:
        if refusal.status not in (409, 503):
            raise
        if refusal.status == 503:
            return f"no model serves yet, and none can be trained: {refusal.message}"
    return "no model serves yet; a training is queued"


def _checked(now: Snapshot, symbol: str) -> Checked:
    try:
        version = serving(now, PREFERRED)
        said_of(now, version, paper_of(now, symbol).ticker)
    except ApiError as refusal:
        # A paper that is refused today has a model all the same.
        exists = refusal.status == 422
        return Checked(symbol=symbol, model_exists=exists, message=refusal.message)
    words = f"{version.model} {version.version} serves, {version.status}"
    return Checked(symbol=symbol, model_exists=True, message=words)


@router.post("/metrics", response_model=list[Measured], responses=refusals(*BODY))
async def metrics(asked: SymbolsAsked, now: Annotated[Snapshot, Depends(current)]) -> Response:
    """How far off the model was on each ticker out of sample, beside 'tomorrow = today'."""
    version = serving(now, PREFERRED)
    return answered(RootModel[list[Measured]]([_measured(now, version, s) for s in asked.symbols]))


def _measured(now: Snapshot, version: Version, symbol: str) -> Measured:
    try:
        ticker = paper_of(now, symbol).ticker
    except ApiError as refusal:
        return Measured(symbol=symbol, metrics=None, error=_in_words(refusal))
    found = version.figures.get(ticker)
    if found is None:
        said = f"not_measured: {ticker} has no forecast out of sample by this version"
        return Measured(symbol=symbol, metrics=None, error=said)
    return Measured(
        symbol=symbol,
        metrics=SymbolMetrics(
            mae=number(found.mae),
            rmse=number(found.rmse),
            mape=number(100 * found.mape),
            r2=number(found.r2),
            naive_mae=number(found.naive_mae),
            naive_rmse=number(found.naive_rmse),
            naive_mape=number(100 * found.naive_mape),
            naive_r2=number(found.naive_r2),
            last_data_date=found.last_session,
            n_forecasts=found.n,
            training_duration=version.training_seconds,
            training_data_size=version.n_training_rows,
            validation_data_size=version.n_validation_rows,
            model=version.model,
            model_version=version.version,
        ),
        error=None,
    )


@router.post("/predict", response_model=PredictedSymbols, responses=refusals(*BODY))
async def predict(asked: SymbolsAsked, now: Annotated[Snapshot, Depends(current)]) -> Response:
    """The next session's price of each ticker; of one that is not forecast, why."""
    version = serving(now, PREFERRED)
    return answered(
        PredictedSymbols(predictions={s: _predicted(now, version, s) for s in asked.symbols})
    )


def _predicted(now: Snapshot, version: Version, symbol: str) -> Predicted | NotPredicted:
    try:
        said = said_of(now, version, paper_of(now, symbol).ticker)
    except ApiError as refusal:
        return NotPredicted(status="failed", error=_in_words(refusal))
    change = float(said.expected_returns[0])
    # A key that programs do not know stays away where there is nothing to beware of.
    beware = {"reason": said.reason} if said.reason else {}
    return Predicted(
        predicted_price=said.last_close * (1 + change),
        status="success",
        variation=Variation(
            status="positive" if change >= 0 else "negative", percentage=round(100 * change, 4)
        ),
        **beware,
    )


def _in_words(refusal: ApiError) -> str:
    return f"{refusal.code}: {refusal.message}"
