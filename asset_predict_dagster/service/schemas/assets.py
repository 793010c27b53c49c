"""What `/asset` and `/assets` answer."""

from datetime import date
from typing import Any

from pydantic import Field

from asset_predict_dagster.service.schemas.common import Answer


class AssetAnswer(Answer):
    """The latest quote of one ticker and the indicators at its close."""

    ticker: str
    company: str
    data: dict[str, Any] = Field(
        description="prices in R$ per share as traded; indicators as docs/FEATURES.md says, on the"
        " forward-adjusted price `adjusted_close`; null where something is missing"
    )


class HistoryRow(Answer):
    """One session, prices in R$ per share as traded."""

    session: date
    open: float
    high: float
    low: float
    close: float
    average: float | None
    volume_brl: float
    quantity: float
    adjusted_close: float = Field(
        description="R$ of the ticker's first session, grown by true returns"
    )


class HistoryAnswer(Answer):
    """The last sessions in which the ticker traded, the earliest first."""

    ticker: str
    days: int = Field(description="sessions that were asked for")
    history: list[HistoryRow]


class Asset(Answer):
    """One ticker that was quoted in the last 63 sessions."""

    ticker: str
    company: str


class Pagination(Answer):
    """Where the page stands."""

    page: int
    page_size: int
    total_count: int
    total_pages: int
    has_next: bool
    has_prev: bool


class AssetsAnswer(Answer):
    """One page, sorted by ticker."""

    assets: list[Asset]
    pagination: Pagination
    search_term: str | None
