"""`/models`: some tickers at once, as people type them; also under `/api/models`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import RootModel

from asset_predict_dagster.service.answers import (
    answered,
    current,
    number,
    paper_of,
    said_of,
    serving,
)
from asset_predict_dagster.service.errors import ApiError
from asset_predict_dagster.service.schemas.common import refusals
from asset_predict_dagster.service.schemas.models import (
    Checked,
    Measured,
    NotPredicted,
    Predicted,
    PredictedSymbols,
    SymbolMetrics,
    SymbolsAsked,
    Variation,
)
from asset_predict_dagster.service.snapshot import Snapshot, Version

router = APIRouter(tags=["models"])

PREFERRED = ("lstm", "random_forest")
"""Nothing in a request says which model: the first of these that has a champion."""


@router.post("/check", response_model=list[Checked], responses=refusals())
async def check(asked: SymbolsAsked, now: Annotated[Snapshot, Depends(current)]) -> Response:
    """Whether a model serves that knows of each ticker."""
    return answered(RootModel[list[Checked]]([_checked(now, s) for s in asked.symbols]))


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


@router.post("/metrics", response_model=list[Measured], responses=refusals())
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


@router.post("/predict", response_model=PredictedSymbols, responses=refusals())
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
    change = float(said.expected_returns[now.at(1)])
    return Predicted(
        predicted_price=said.last_close * (1 + change),
        status="success",
        variation=Variation(
            status="positive" if change >= 0 else "negative", percentage=round(100 * change, 4)
        ),
    )


def _in_words(refusal: ApiError) -> str:
    return f"{refusal.code}: {refusal.message}"
