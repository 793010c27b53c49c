"""What trainings of one ticker are asked and answer."""

from datetime import date
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from asset_predict_dagster.service.schemas.common import Answer, Asked, Symbol


class TaskAsked(Asked):
    """One ticker, the days to learn from, and the network."""

    ticker: Symbol
    start_date: date
    end_date: date
    lookback: Annotated[int, Field(ge=5, le=200, description="sessions of a window")] = 60
    hidden_size: Annotated[int, Field(ge=16, le=512)] = 64
    num_layers: Annotated[int, Field(ge=1, le=5)] = 2
    epochs: Annotated[int, Field(ge=1, le=1000)] = 50
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 0.001

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"ticker": "PETR4", "start_date": "2015-01-02", "end_date": "2024-12-30"}
        },
    )


class TaskQueued(Answer):
    """A training that waits for its turn."""

    task_id: str
    status: Literal["queued"] = "queued"
    message: str


class TaskAnswer(Answer):
    """How it is getting on; poll until `status` is `completed` or `failed`."""

    task_id: str
    status: Literal["queued", "running", "completed", "failed"]
    ticker: str
    model_version: str | None = Field(
        description="once it is completed: what `/api/v1/predict` takes as `model_version`"
    )
    error: str | None = Field(description="why it failed; null otherwise")
