"""What `/models` is asked and answers."""

from datetime import date
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from asset_predict_dagster.service.schemas.common import MOST_SYMBOLS, Answer, Asked, Symbol


class SymbolsAsked(Asked):
    """Some tickers, 50 at most."""

    symbols: Annotated[list[Symbol], Field(min_length=1, max_length=MOST_SYMBOLS)]

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"symbols": ["PETR4", "vale3.sa"]}}
    )


class Checked(Answer):
    """Whether a ticker can be asked about."""

    symbol: str = Field(description="as it was sent")
    model_exists: bool
    message: str


class SymbolMetrics(Answer):
    """Errors of the next session's price, out of sample, beside those of 'tomorrow = today'."""

    mae: float | None = Field(alias="MAE", description="R$ per share")
    rmse: float | None = Field(alias="RMSE", description="R$ per share")
    mape: float | None = Field(alias="MAPE", description="per cent")
    r2: float | None = Field(alias="R²")
    naive_mae: float | None = Field(alias="naive_MAE")
    naive_rmse: float | None = Field(alias="naive_RMSE")
    naive_mape: float | None = Field(alias="naive_MAPE")
    naive_r2: float | None = Field(alias="naive_R²")
    last_data_date: date | None = Field(description="last session that was measured")
    n_forecasts: int
    training_duration: float | None = Field(
        description="seconds that the training of the version took, the refit that serves included"
    )
    training_data_size: int | None = Field(
        description="rows of all tickers that taught the bundle these errors are of; what serves"
        " was fitted again, on later rows too. null if its card is lost"
    )
    validation_data_size: int | None = Field(
        description="rows of all tickers that calibrated that bundle; null if its card is lost"
    )
    model: str
    model_version: str


class Measured(Answer):
    """One ticker; of one that has no figures, why."""

    symbol: str
    metrics: SymbolMetrics | None
    error: str | None = None


class Variation(Answer):
    """Expected change of the price: its sign in a word, and in per cent with its sign."""

    status: Literal["positive", "negative"]
    percentage: float


class Predicted(Answer):
    """One ticker that is forecast."""

    predicted_price: float = Field(description="R$ per share, at the next session's close")
    status: Literal["success"] = "success"
    variation: Variation
    reason: str = Field(
        "", description="what to beware of, such as `late_data`; left out if nothing"
    )


class NotPredicted(Answer):
    """One ticker that is not."""

    status: Literal["failed"] = "failed"
    error: str = Field(description="the reason's code, and the reason in words")


class PredictedSymbols(Answer):
    """Each symbol as it was sent."""

    predictions: dict[str, Predicted | NotPredicted]


class RetrainAsked(Asked):
    """One ticker."""

    symbol: Symbol

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"symbol": "PETR4"}})


class Retrained(Answer):
    """A training that waits for its turn."""

    message: str
    run_id: str
