"""Every knob of the LSTM, with its range; no torch in here."""

from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from asset_predict_dagster.dataset.samples import HORIZONS
from asset_predict_dagster.errors import SettingsError, in_words

LEAST_LOSS_WEIGHT = 1e-3
"""A head that counts for less would hardly be trained, and forecast all the same."""


class LstmSettings(BaseModel):
    """Every knob of the LSTM; an unknown or impossible one raises `SettingsError`.

    Attributes
    ----------
    lookback
        Sessions of a window when the network is served.
    longest_gap
        A window does not reach back over more sessions in a row without the ticker, neither in
        training nor when served: what was known before a long halt is no recent past.
    units, num_layers
        Size of the memory, and layers of it.
    dropout
        Share of the memory's outputs hidden in training.
    horizons
        The return head answers for 1, 2... this many sessions ahead. A list `1, 2...` will do.
    training_mode
        `many_to_many`: a sequence is `block_sessions` of one ticker, answered after each session
        but the first `burn_in`. `windowed`: a sequence is the window of one row, answered after
        its last session, as when served; several times the work for the same rows.
    block_sessions
        Sessions of a sequence, many-to-many; None: twice the lookback, which puts the mean length
        of the past in training near that in serving.
    batch_size
        Sequences per step of the optimiser. A windowed step hears so many rows; a many-to-many
        one up to `block_sessions - burn_in` times as many.
    epochs
        Passes over the training rows, at most.
    learning_rate, weight_decay
        Of AdamW.
    gradient_clip_norm
        A longer gradient is shortened to this.
    loss_weight_action, loss_weight_return
        What each head's loss counts. The action's is near 1, the return's near .4. Neither may
        be 0: both heads forecast, so both are trained.
    task_weighting
        `fixed`: as given. `uncertainty`: learned beside the network, from there. Validation is
        always judged by the weights given, or a network could do well by its weights alone.
    focal_loss_gamma
        0 is the cross-entropy. Above 0 easy rows count less and the probabilities come out too
        timid, until the bundle's calibration has put them right.
    oversample
        Every action counts alike, as if rows of rare ones were drawn more often: their loss of
        the action is weighted by inverse frequency, which is that drawing's mean without its
        repeated rows (single rows cannot be drawn from a block anyway). Probabilities of rare
        actions come out too high, until calibrated.
    early_stopping_patience, early_stopping_min_delta
        Stop after so many epochs without a validation loss lower by this share of the best.
    schedule
        Of the learning rate. `plateau`: after more than `scheduler_patience` epochs without such
        progress it is multiplied by `scheduler_factor`. `cosine`: half in the first epoch, then
        along a half wave from `learning_rate`, planned for all `epochs`. Whoever gives
        `scheduler_patience` or `scheduler_factor` and no schedule gets the plateau, which alone
        reads them.
    scheduler_patience, scheduler_factor
        Of the plateau. Beside a cosine that was asked for they are refused, unless they are the
        defaults, as in a card.
    min_learning_rate
        No schedule goes below it. Where it is not given and `learning_rate` is lower than the
        default, it is `learning_rate`.
    n_seeds
        Networks that differ by their seed alone; their mean answers. Three found a tenth more
        of a weak planted signal than one.
    seed
        Of the first network; the next ones count up.
    device
        `auto` is CUDA where there is one, else the CPU.
    precision
        `bfloat16`: products inside the memory and the heads in 16 bits, where the device has
        them, sums and weights in 32. What is served stays float32.
    threads
        Of torch. Two that contend are slower than one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    lookback: int = Field(32, ge=5, le=200)
    longest_gap: int = Field(10, ge=0, le=512)
    units: int = Field(32, ge=1, le=512)
    num_layers: int = Field(1, ge=1, le=5)
    dropout: float = Field(0.2, ge=0, lt=1)
    horizons: int = Field(len(HORIZONS), ge=1, le=len(HORIZONS))
    training_mode: Literal["many_to_many", "windowed"] = "many_to_many"
    block_sessions: int | None = Field(None, ge=2, le=1_000)
    batch_size: int = Field(192, ge=1, le=65_536)
    epochs: int = Field(12, ge=1, le=1_000)
    learning_rate: float = Field(5e-3, gt=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0, lt=1)
    gradient_clip_norm: float = Field(1.0, gt=0)
    loss_weight_action: float = Field(1.0, ge=LEAST_LOSS_WEIGHT, le=1_000)
    loss_weight_return: float = Field(0.3, ge=LEAST_LOSS_WEIGHT, le=1_000)
    task_weighting: Literal["fixed", "uncertainty"] = "fixed"
    focal_loss_gamma: float = Field(0.0, ge=0, le=5)
    oversample: bool = False
    early_stopping_patience: int = Field(12, ge=1)
    early_stopping_min_delta: float = Field(1e-4, ge=0, lt=1)
    schedule: Literal["plateau", "cosine"] = "cosine"
    scheduler_patience: int = Field(1, ge=0)
    scheduler_factor: float = Field(0.5, gt=0, lt=1)
    min_learning_rate: float = Field(1e-4, ge=0, lt=1)
    n_seeds: int = Field(3, ge=1, le=20)
    seed: int = Field(42, ge=0, lt=2**32)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    threads: int = Field(1, ge=1, le=256)

    def __init__(self, **knobs: Any) -> None:
        try:
            super().__init__(**knobs)
        except ValidationError as refused:
            raise SettingsError(f"lstm: {in_words(refused)}") from refused

    @field_validator("horizons", mode="before")
    @classmethod
    def _as_many_as_listed(cls, given: Any) -> Any:
        """A list of horizons is how many there are; one with a hole cannot be had."""
        if not isinstance(given, (list, tuple)):
            return given
        if list(given) != list(range(1, len(given) + 1)):
            raise ValueError("must be 1, 2... without a hole")
        return len(given)

    @field_validator("loss_weight_action", "loss_weight_return", mode="wrap")
    @classmethod
    def _no_head_is_left_untrained(cls, given: Any, read: ValidatorFunctionWrapHandler) -> float:
        try:
            return read(given)
        except ValidationError as refused:
            if refused.errors()[0]["type"] != "greater_than_equal":
                raise
            raise ValueError(
                f"must be at least {LEAST_LOSS_WEIGHT}: a head without weight is never trained,"
                " and what it says would be published as a forecast"
            ) from refused

    @model_validator(mode="after")
    def _fill_in(self) -> "LstmSettings":
        """What was not given follows what was, where the default would contradict it."""
        implied: dict[str, Any] = {}
        if "schedule" not in self.model_fields_set and self._of_the_plateau_given():
            implied["schedule"] = "plateau"
        if "min_learning_rate" not in self.model_fields_set:
            implied["min_learning_rate"] = min(self.min_learning_rate, self.learning_rate)
        for name, value in implied.items():
            object.__setattr__(self, name, value)  # nobody has seen the frozen settings yet
        return self

    @model_validator(mode="after")
    def _no_contradiction(self) -> "LstmSettings":
        idle = [
            name
            for name in self._of_the_plateau_given()
            if getattr(self, name) != type(self).model_fields[name].default
        ]
        if self.schedule == "cosine" and idle:
            raise ValueError(
                f"schedule cosine does not read {' and '.join(idle)}; choose schedule plateau, or"
                " leave them out"
            )
        if self.min_learning_rate > self.learning_rate:
            raise ValueError(
                f"min_learning_rate {self.min_learning_rate:g} is above learning_rate"
                f" {self.learning_rate:g}; lower it, or leave it out"
            )
        if self.training_mode == "windowed" and self.block_sessions is not None:
            raise ValueError("block_sessions is for many_to_many; a windowed sequence is lookback")
        if self.block_length < self.lookback:
            raise ValueError("block_sessions is below lookback, which training would never see")
        return self

    def _of_the_plateau_given(self) -> list[str]:
        of_the_plateau = ("scheduler_patience", "scheduler_factor")
        return [name for name in of_the_plateau if name in self.model_fields_set]

    @property
    def block_length(self) -> int:
        """Sessions of a training sequence."""
        if self.training_mode == "windowed":
            return self.lookback
        return self.block_sessions or 2 * self.lookback

    @property
    def burn_in(self) -> int:
        """First steps of a training sequence that do not count: they have too little past."""
        return self.lookback - 1 if self.training_mode == "windowed" else self.lookback // 2
