"""What `/api/b3` is asked and answers."""

from datetime import date, datetime
from typing import Literal

from pydantic import ConfigDict, Field

from asset_predict_dagster.service.schemas.common import (
    Answer,
    CheckedTables,
    LatencyAnswer,
    LegacyAsked,
    ModelType,
    Symbol,
)

Action = Literal["buy", "hold", "sell"]


class PredictAsked(LegacyAsked):
    """The next session of one ticker."""

    ticker: Symbol
    model_type: ModelType = "rf"

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"ticker": "PETR4", "model_type": "rf"}},
    )


class PredictAnswer(Answer):
    """What the champion says at the close of `session` of `target_session`."""

    status: Literal["success"] = "success"
    ticker: str
    predictions: list[Action] = Field(description="the likeliest action, alone in its list")
    prediction_probabilities: list[list[float]] = Field(
        description="calibrated, one row: in the order of `class_labels`"
    )
    class_labels: list[Action]
    predicted_price: float = Field(description="R$ per share")
    last_price: float = Field(description="close of `session`, R$ per share")
    price_low: float = Field(description="lower end of the 90 % interval, R$ per share")
    price_high: float = Field(description="upper end of the 90 % interval, R$ per share")
    expected_return: float = Field(description="fraction, last close to `target_session`'s")
    session: date = Field(description="at whose close this was known")
    target_session: date = Field(description="the next session of B3 that has not closed")
    reason: str = Field(description="what to beware of: `out_of_distribution`; empty if nothing")
    feature_importance: dict[str, float] = Field(
        description="rise of the log-loss on validation without the feature, nats; the largest"
        " first; empty if it was not measured"
    )
    features_used: list[str]
    model_type: str
    model_version: str
    model_status: Literal["proven", "unproven"] = Field(
        description="whether the model has shown skill out of sample"
    )
    model_source: Literal["champion", "predecessor"] = Field(
        description="`predecessor`: the champion cannot be opened, or knows of later sessions"
    )
    ignored: list[str] = Field([], description="keys of the request that do nothing")


class RunAnswer(Answer):
    """How the last run is getting on; poll until `status` is `completed` or `failed`."""

    status: Literal["idle", "running", "completed", "failed"]
    error: str | None = Field(description="why it failed; null otherwise")
    run_id: str | None
    job: str | None = Field(description="the job, or what the run was asked for by this API")


class PipelineState(Answer):
    """Which stages have been made."""

    has_raw_data: bool
    has_processed_data: bool
    has_split_data: bool
    has_trained_model: bool


class ServedModel(Answer):
    """One champion."""

    version: str
    status: Literal["proven", "unproven"]
    trained_at: datetime
    training_end: date


class StatusAnswer(RunAnswer):
    """The last run of any job, and what is served."""

    pipeline_state: PipelineState
    model_loaded: bool
    models: dict[str, ServedModel]
    data_reachable: bool
    data_session: date | None = Field(description="last closed session with quotes")
    sessions_late: int = Field(description="sessions that have closed since")
    problem: str | None = Field(
        description="why an older state is served, or a version is passed over; null if neither"
    )
    checks: CheckedTables
    prediction_latency_ms: LatencyAnswer
