"""Experiments: what a training asks of the market, before any model comes into it.

Which label, which sessions train, validate and test, which tickers and which days. The default is
what the tables `labels` and `folds` hold. A training with any other is scoped: registered, asked
for by version, measured in a window of its own, and never champion.
"""

import hashlib
import json
import re
from datetime import date
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from asset_predict_dagster.dataset.labels import LABEL_WIDTH, LabelDefinition, LabelKind
from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.dataset.splits import EMBARGO, HOLDOUT
from asset_predict_dagster.errors import SettingsError, in_words

_PREDICTS_NOTHING = (
    "signal_cluster is a function of the same day's features: a model that scores 100 % on it has"
    " predicted nothing"
)


class Experiment(BaseModel):
    """The definition of a training; an unknown or impossible one raises `SettingsError`.

    Attributes
    ----------
    horizon
        Sessions ahead at which buy, hold and sell are judged.
    label
        What buy, hold and sell mean; at horizon 1 `triple_barrier` is `forward_return`.
        `signal_cluster` predicts nothing and is there for comparison only.
    label_width
        Trailing volatilities, of the horizon, that a return must exceed to be buy or sell.
    test_size, val_size
        Shares of the sessions with a label that test and validate.
    embargo
        Sessions left out between roles, beyond those that the labels look ahead.
    tickers
        B3's codes to learn from and to forecast, as people type them: petr4, PETR4.SA. None: all
        that are liquid enough. Ranks stay those among the whole market.
    start, end
        First and last day to learn from: as if the data began and ended there. None: as far as
        they go.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    horizon: int = Field(ACTION_HORIZON, ge=1, le=30)
    label: LabelKind = "forward_return"
    label_width: float = Field(LABEL_WIDTH, ge=0, le=10)
    test_size: float = Field(0.2, gt=0, lt=1)
    val_size: float = Field(0.2, gt=0, lt=1)
    embargo: int = Field(EMBARGO, ge=0, le=250)
    tickers: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None

    def __init__(self, **knobs: Any) -> None:
        try:
            super().__init__(**knobs)
        except ValidationError as refused:
            raise SettingsError(f"experiment: {in_words(refused)}") from refused

    @field_validator("tickers", mode="before")
    @classmethod
    def _none_is_all(cls, value: object) -> object:
        return () if value is None else value

    @field_validator("tickers")
    @classmethod
    def _codes_of_b3(cls, tickers: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted({name.strip().upper().removesuffix(".SA") for name in tickers} - {""}))

    @field_validator("start", "end", mode="before")
    @classmethod
    def _a_day(cls, value: object) -> object:
        # pydantic would take a number for seconds since 1970.
        is_text = isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value.strip())
        if not (value is None or isinstance(value, date) or is_text):
            raise PydanticCustomError("day_type", "expected is a day such as 2020-01-31")
        return value.strip() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _no_contradiction(self) -> "Experiment":
        if self.test_size + self.val_size >= 1:
            raise ValueError(
                f"test_size {self.test_size} and val_size {self.val_size} leave no session to train"
            )
        if self.start and self.end and self.start >= self.end:
            raise ValueError(f"start {self.start} should be before end {self.end}")
        return self

    @property
    def definition(self) -> LabelDefinition:
        """What buy, hold and sell mean."""
        return LabelDefinition(self.label, self.horizon, self.label_width)

    @property
    def is_default(self) -> bool:
        """Whether it is what the tables `labels` and `folds` hold."""
        return self == Experiment()

    @property
    def scope(self) -> str:
        """What differs from the default, and what it amounts to, in words; empty for the default.

        >>> Experiment(label="triple_barrier", horizon=5, tickers=("petr4", "VALE3.SA")).scope
        'horizon=5, label=triple_barrier, tickers=PETR4+VALE3'
        """
        default = Experiment()
        said = ", ".join(
            f"{name}={'+'.join(value) if isinstance(value, tuple) else value}"
            for name, value in self
            if value != getattr(default, name)
        )
        return f"{said}; {_PREDICTS_NOTHING}" if self.label == "signal_cluster" else said

    @property
    def window(self) -> str:
        """Name of its split in `folds` and of its forecasts out of sample."""
        if self.is_default:
            return HOLDOUT
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return f"scoped_{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    def as_card(self) -> dict[str, Any]:
        """As JSON-compatible values, with `span`, the sessions after t that a label looks at."""
        return {**self.model_dump(mode="json"), "span": self.definition.span}

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> "Experiment":
        """The experiment of which `as_card` is `card`."""
        return cls(**{name: value for name, value in card.items() if name != "span"})
