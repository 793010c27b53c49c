"""What the schemas of all families share."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from asset_predict_dagster.predictions.symbols import MAX_LENGTH

MOST_SYMBOLS = 50

Symbol = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LENGTH)]
"""A code as people type it: PETR4, petr4, PETR4.SA."""

ModelType = Literal["rf", "random_forest", "lstm", "lstm_mtl"]

MODELS = {
    "rf": "random_forest",
    "random_forest": "random_forest",
    "lstm": "lstm",
    "lstm_mtl": "lstm",
}
"""Model type as clients say it → registered name."""


class Asked(BaseModel):
    """A request: what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch(cls, value: object) -> object:
        # pydantic takes True for 1, and no request has a switch in its body.
        if isinstance(value, bool):
            raise PydanticCustomError("switch", "should not be a switch")
        return value


class LegacyAsked(Asked):
    """A request that takes the keys of earlier systems; they do nothing, and the answer says so."""

    model_dir: str | None = Field(None, description="does nothing", max_length=200)
    model_path: str | None = Field(None, description="does nothing", max_length=200)
    price_col: str | None = Field(None, description="does nothing", max_length=200)

    @property
    def ignored(self) -> list[str]:
        """The keys that were sent and do nothing."""
        return [name for name in LegacyAsked.model_fields if name in self.model_fields_set]


class Answer(BaseModel):
    """An answer; a number that is missing is null."""

    model_config = ConfigDict(ser_json_inf_nan="null", populate_by_name=True)


class CheckedTables(Answer):
    """What Dagster's checks say of the newest tables that forecasts are made from."""

    status: Literal["passed", "failed", "under_way", "unknown"] = Field(
        description="failed, under_way: the tables before go on being served; unknown: Dagster"
        " cannot be asked, and what there is is served"
    )
    failed: list[str] = Field(description="`quotes: name of the check`")


class LatencyAnswer(Answer):
    """Of the last predictions of this process, milliseconds."""

    p50: float | None
    p99: float | None
    n: int


class ErrorAnswer(Answer):
    """Every refusal."""

    status: Literal["error"] = "error"
    error: str = Field(description="a code that programs can rely on")
    message: str = Field(description="for people")
    details: dict[str, Any] = {}

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "status": "error",
                "error": "unknown_ticker",
                "message": "there is no paper PETR5",
                "details": {"ticker": "PETR5", "suggestions": ["PETR3", "PETR4"]},
            }
        }
    )


BODY = (400, 408, 413, 422)
"""What a route may answer that reads a body; a POST without one still takes the time to read it."""

QUERY = (400, 422)
"""What a route may answer that reads its path or query."""


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: what it may answer besides, all of one shape."""
    always = (403, 429, 500, 503)
    return {
        status: {"model": ErrorAnswer, "description": _WORDS[status]}
        for status in sorted({*always, *statuses})
    }


_WORDS = {
    400: "malformed",
    401: "no key",
    403: "wrong key, or a client, host or origin that is not served",
    404: "unknown ticker, version or task",
    408: "the body did not come",
    409: "a run of that kind is queued or under way already",
    413: "the body is too large",
    422: "out of range, or the ticker or the model is refused: `error` is the reason",
    429: "too many requests",
    500: "a defect, or the run that was waited for failed",
    503: "starting, no data, no model, or something that cannot be reached",
}
