"""`/asset` and `/assets`: quotes, indicators and the list of tickers."""

import math
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from asset_predict_dagster.predictions.symbols import MAX_LENGTH
from asset_predict_dagster.service.answers import answered, current, number, paper_of
from asset_predict_dagster.service.errors import ApiError
from asset_predict_dagster.service.schemas.assets import (
    Asset,
    AssetAnswer,
    AssetsAnswer,
    HistoryAnswer,
    HistoryRow,
    Pagination,
)
from asset_predict_dagster.service.schemas.common import QUERY, refusals
from asset_predict_dagster.service.snapshot import HISTORY, HISTORY_COLUMNS, Snapshot

router = APIRouter(tags=["assets"])

LEAST_SEARCHED = 3
_MISSING = {"average"}
"""Columns of the history that the source may not say."""

Ticker = Annotated[str, Path(min_length=1, max_length=MAX_LENGTH, examples=["PETR4"])]


@router.get("/asset/{ticker}", response_model=AssetAnswer, responses=refusals(404, 422))
async def asset(ticker: Ticker, now: Annotated[Snapshot, Depends(current)]) -> Response:
    """The latest quote of one ticker, and the indicators at its close."""
    paper = paper_of(now, ticker)
    return answered(
        AssetAnswer(ticker=paper.ticker, company=paper.company, data=dict(paper.latest))
    )


@router.get(
    "/asset/{ticker}/history", response_model=HistoryAnswer, responses=refusals(*QUERY, 404)
)
async def history(
    ticker: Ticker,
    now: Annotated[Snapshot, Depends(current)],
    days: Annotated[int, Query(ge=1, le=HISTORY, description="sessions")] = 52,
) -> Response:
    """The last sessions in which one ticker traded, of the last 252, the earliest first."""
    paper = paper_of(now, ticker)
    rows = [
        HistoryRow(
            session=session,
            **{
                name: number(value) if name in _MISSING else value
                for name, value in zip(HISTORY_COLUMNS, row, strict=True)
            },
        )
        for session, row in zip(paper.sessions[-days:], paper.history[-days:].tolist(), strict=True)
    ]
    return answered(HistoryAnswer(ticker=paper.ticker, days=days, history=rows))


@router.get("/assets", response_model=AssetsAnswer, responses=refusals(*QUERY))
async def assets(
    now: Annotated[Snapshot, Depends(current)],
    search: Annotated[str, Query(max_length=50, description="part of a ticker or company")] = "",
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """The tickers that were quoted in the last 63 sessions, a page at a time."""
    wanted = search.strip().upper()
    if 0 < len(wanted) < LEAST_SEARCHED:
        raise ApiError(
            422,
            "out_of_range",
            f"search needs {LEAST_SEARCHED} letters; found {len(wanted)}",
            {"field": "search"},
        )
    found = [
        paper
        for paper in now.papers.values()
        if wanted in paper.ticker or wanted in paper.company.upper()
    ]
    n_pages = math.ceil(len(found) / page_size)
    first = (page - 1) * page_size
    return answered(
        AssetsAnswer(
            assets=[
                Asset(ticker=paper.ticker, company=paper.company)
                for paper in found[first : first + page_size]
            ],
            pagination=Pagination(
                page=page,
                page_size=page_size,
                total_count=len(found),
                total_pages=n_pages,
                has_next=page < n_pages,
                has_prev=1 < page <= n_pages + 1,
            ),
            search_term=wanted or None,
        )
    )
