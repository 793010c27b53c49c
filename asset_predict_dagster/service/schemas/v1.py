"""What `/api/v1` is asked and answers."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from asset_predict_dagster.service.schemas.common import (
    Answer,
    Asked,
    CheckedTables,
    LatencyAnswer,
    Symbol,
)

ModelVersion = Annotated[
    str, StringConstraints(pattern=r"^(?:(?:lstm|random_forest):)?(?:v?[0-9]{1,9}|champion)$")
]
TableVersion = Annotated[str, StringConstraints(pattern=r"^v?[0-9]{1,9}$")]


class PathAsked(Asked):
    """The next sessions of one ticker."""

    ticker: Symbol
    model_version: ModelVersion | None = Field(
        None,
        description="`3`, `v3` or `lstm:3` of the LSTM, `random_forest:3` of the forest, whether or"
        " not one serves; `champion`, or nothing said: the LSTM's champion, or the forest's where"
        " the LSTM has none",
    )
    days_ahead: Annotated[int, Field(ge=1, le=30, description="sessions")] = 5

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"ticker": "PETR4", "days_ahead": 5}}
    )


class PathPoint(Answer):
    """One session ahead. Beyond five the expected return stays, and the interval widens."""

    session: date
    predicted_price: float = Field(description="R$ per share")
    price_low: float = Field(description="lower end of the 90 % interval")
    price_high: float = Field(description="upper end of the 90 % interval")
    expected_return: float = Field(description="fraction, from the last close")


class PathAnswer(Answer):
    """One point a session; fewer than were asked for where the newest quotes are late."""

    ticker: str
    predictions: list[PathPoint]
    generated_at: datetime = Field(description="when the forecasts were made")
    model_version: str = Field(description="`lstm:3`")
    model_status: Literal["proven", "unproven"]
    reason: str = Field(description="what to beware of, such as `late_data`; empty if nothing")


class DriftAsked(Asked):
    """One ticker's inputs, in two versions of the table `features`."""

    ticker: Symbol
    reference_version: TableVersion | None = Field(
        None,
        description="version of `features` whose sessions are the reference; the production one if"
        " nothing is said",
    )
    production_version: TableVersion | None = Field(
        None,
        description="version whose sessions after those of the reference, 63 at least, are"
        " compared with it; the current one if nothing is said",
    )

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"ticker": "PETR4"}})


class DriftAnswer(Answer):
    """A score is how unlike a feature is: 1 is where the alarm begins."""

    has_drift: bool
    drifted_features: list[str]
    drift_scores: dict[str, float | None]
    recommendation: Literal["retrain", "ok"]


class HealthModel(Answer):
    """One champion."""

    version: str
    status: Literal["proven", "unproven"]


class HealthAnswer(Answer):
    """For a load balancer the status code; for people the rest."""

    status: Literal["ok", "degraded"] = Field(
        description="degraded: late quotes, a version that cannot be opened, no model, a failed"
        " check, or an older state than the lake's"
    )
    version: str
    timestamp: datetime
    problem: str | None
    data_session: date | None = Field(description="last closed session with quotes")
    sessions_late: int
    snapshot_age_seconds: float
    checks: CheckedTables
    prediction_latency_ms: LatencyAnswer
    models: dict[str, HealthModel]
