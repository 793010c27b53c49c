"""Looking things up in the snapshot, and refusing what is not there in the API's own words."""

import math
from collections.abc import Sequence
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel

from asset_predict_dagster.predictions.due import MOST_LATE
from asset_predict_dagster.predictions.symbols import normalised
from asset_predict_dagster.service.errors import ApiError
from asset_predict_dagster.service.schemas.common import CheckedTables
from asset_predict_dagster.service.schemas.steps import Started
from asset_predict_dagster.service.snapshot import Paper, Said, Snapshot, Version

_REASONS = {
    "stale_quote": "it did not trade in the last session",
    "illiquid": "it trades too little to be forecast honestly",
    "model_expired": "the model is too old to be asked",
    "asset_class": "papers of its kind are not forecast",
}


async def current(request: Request) -> Snapshot:
    """A dependency: the snapshot that the request is answered from, to its end."""
    refresher = request.app.state.refresher
    if refresher.snapshot is not None:
        return refresher.snapshot
    if refresher.problem:
        raise ApiError(
            503,
            "lake_unreachable",
            "the tables or the models cannot be read; the server's log says why",
        )
    if refresher.held:
        raise ApiError(
            503, "checks_failed", f"{refresher.held}; mend the tables, Dagster's UI shows the rows"
        )
    raise ApiError(503, "starting", "the server is reading its data", {"retry_after": 1})


def answered(answer: BaseModel, status: int = 200) -> Response:
    """The answer as JSON, keys that nobody set left out."""
    content = answer.model_dump_json(by_alias=True, exclude_unset=True)
    return Response(content, status, media_type="application/json")


def with_ignored(answer: BaseModel, ignored: Sequence[str]) -> BaseModel:
    """The answer, with the keys of the request that did nothing if there were any."""
    return answer.model_copy(update={"ignored": list(ignored)}) if ignored else answer


def goes_on(run_id: str, kind: type[Started] = Started, **more: Any) -> Response:
    """The answer to who does not wait for a run, or waited for long."""
    said = "the run goes on; ask /api/b3/status how it is getting on"
    return answered(kind(status="success", message=said, run_id=run_id, **more), 202)


def paper_of(snapshot: Snapshot, symbol: str) -> Paper:
    """The paper of a code as people type it.

    Raises
    ------
    ApiError
        503 before there are quotes; 404 with near names if there is no such paper.
    """
    if not snapshot.papers:
        raise ApiError(
            503, "no_data", "there are no quotes and features yet; run the job complete_pipeline"
        )
    ticker = normalised(symbol)
    paper = snapshot.papers.get(ticker)
    if paper is None:
        near = snapshot.names.near(ticker)
        meant = f"; near it: {', '.join(near)}" if near else ""
        raise ApiError(
            404,
            "unknown_ticker",
            f"there is no paper {ticker} in the last 63 sessions{meant}",
            {"ticker": ticker, "reason": "unknown_ticker", "suggestions": near},
        )
    return paper


def serving(snapshot: Snapshot, models: Sequence[str]) -> Version:
    """The champion of the first of some models that has one, or who answers for it.

    Raises
    ------
    ApiError
        503 if none has; 422 if what it says would be hindsight.
    """
    for model in models:
        if model in snapshot.versions:
            return snapshot.versions[model]
    for model in models:
        if model in snapshot.hindsight:
            told = {"model": model, "reason": "hindsight", "session": str(snapshot.session)}
            raise ApiError(422, "hindsight", snapshot.hindsight[model], told)
    raise ApiError(
        503,
        "no_model",
        f"no version of {' or '.join(models)} serves yet; run the job complete_pipeline or retrain",
        {"models": list(models)},
    )


def said_of(snapshot: Snapshot, version: Version, ticker: str) -> Said:
    """What a version says of a ticker that is forecast: prices of the sessions to come.

    Raises
    ------
    ApiError
        422 with the reason if the ticker is refused, or if the quotes are older than five sessions.
    """
    if snapshot.is_too_late:
        raise _late(snapshot, f"with more than {MOST_LATE} nothing is predicted", {})
    said = version.said[ticker]
    if said.is_refused:
        why = _REASONS.get(said.reason, "the model gives no forecast of it")
        raise ApiError(
            422,
            said.reason,
            f"{ticker} is not forecast at the close of {snapshot.session}: {why}",
            {
                "ticker": ticker,
                "reason": said.reason,
                "session": str(snapshot.session),
                "last_price": said.last_close,
            },
        )
    return said


def action_of(snapshot: Snapshot, version: Version, ticker: str) -> Said:
    """As `said_of`, where its action is of the next session.

    Raises
    ------
    ApiError
        As `said_of`, and 422 if the quotes are late: the action is of a session that is over. The
        price of the next session is in the details.
    """
    said = said_of(snapshot, version, ticker)
    if snapshot.sessions_late:
        raise _late(
            snapshot,
            "what is known of the next one is its price alone, which POST /api/v1/predict says too",
            {
                "ticker": ticker,
                "target_session": str(snapshot.targets[0]),
                "last_price": said.last_close,
                "predicted_price": said.predicted_prices[0],
                "price_low": float(said.price_lows[0]),
                "price_high": float(said.price_highs[0]),
            },
        )
    return said


def _late(snapshot: Snapshot, so: str, details: dict[str, Any]) -> ApiError:
    late = snapshot.sessions_late
    closed = "1 session has" if late == 1 else f"{late} sessions have"
    return ApiError(
        422,
        "late_data",
        f"the newest quotes are of {snapshot.session}, and {closed} closed since; {so}",
        {
            **details,
            "reason": "late_data",
            "session": str(snapshot.session),
            "sessions_late": late,
        },
    )


def problem_of(request: Request) -> str | None:
    """Why what is served is not all that the lake has now, in words; None if it is."""
    refresher = request.app.state.refresher
    now: Snapshot | None = refresher.snapshot
    silent = (*now.passed_over, *now.hindsight.values()) if now else ()
    return "; ".join(filter(None, (refresher.held, refresher.problem, *silent))) or None


def checks_of(request: Request) -> CheckedTables:
    """What Dagster knows of the newest tables that forecasts are made from."""
    seen = request.app.state.refresher.checks
    return CheckedTables(status=seen.status, failed=list(seen.failed))


def number(value: float) -> float | None:
    """The number, or None where it is missing."""
    return value if math.isfinite(value) else None
