"""The LSTM as a learner: its settings, and the protocol; torch is imported when it fits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from asset_predict_dagster.dataset.samples import ACTIONS, Samples
from asset_predict_dagster.errors import SettingsError, TrainingError
from asset_predict_dagster.models.base import Trained


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
    epochs
        Passes over the training rows, at most.
    learning_rate, weight_decay
        Of AdamW.
    gradient_clip_norm
        A longer gradient is shortened to this.
    loss_weight_action, loss_weight_return
        What each head's loss counts. The action's is near 1, the return's near .4.
    focal_loss_gamma
        0 is the cross-entropy. Above 0 easy rows count less and the probabilities come out too
        timid, until the bundle's calibration has put them right.
    balance_classes
        Rare actions count more. Their probabilities come out too high, until calibrated.
    early_stopping_patience, early_stopping_min_delta
        Stop after so many epochs without a validation loss lower by this share of the best.
    scheduler_patience, scheduler_factor, min_learning_rate
        After more than so many epochs without such progress the learning rate is multiplied by
        the factor, never below the minimum.
    block_sessions
        Consecutive sessions read at once in training; None: twice the lookback, which puts the
        mean length of the past in training near that in serving.
    blocks_per_batch
        Blocks, each of all tickers, per step of the optimiser.
    n_seeds
        Networks that differ by their seed alone; their mean answers. Three found a tenth more
        of a weak planted signal than one.
    seed
        Of the first network; the next ones count up.
    threads
        Of torch. Two that contend are slower than one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # A window of one session would be a graph of another shape: see `base.ONNX_INPUT`.
    lookback: int = Field(32, ge=2, le=512)
    longest_gap: int = Field(10, ge=0, le=512)
    units: int = Field(32, ge=1, le=512)
    num_layers: int = Field(1, ge=1, le=5)
    dropout: float = Field(0.2, ge=0, lt=1)
    epochs: int = Field(12, ge=1, le=1_000)
    learning_rate: float = Field(5e-3, gt=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0, lt=1)
    gradient_clip_norm: float = Field(1.0, gt=0)
    loss_weight_action: float = Field(1.0, ge=0)
    loss_weight_return: float = Field(0.3, ge=0)
    focal_loss_gamma: float = Field(2.0, ge=0, le=5)
    balance_classes: bool = True
    early_stopping_patience: int = Field(4, ge=1)
    early_stopping_min_delta: float = Field(1e-4, ge=0, lt=1)
    scheduler_patience: int = Field(1, ge=0)
    scheduler_factor: float = Field(0.5, gt=0, lt=1)
    min_learning_rate: float = Field(1e-4, ge=0, lt=1)
    block_sessions: int | None = Field(None, ge=2)
    blocks_per_batch: int = Field(3, ge=1)
    n_seeds: int = Field(3, ge=1, le=20)
    seed: int = Field(42, ge=0, lt=2**32)
    threads: int = Field(1, ge=1)

    def __init__(self, **knobs: Any) -> None:
        try:
            super().__init__(**knobs)
        except ValidationError as refused:
            raise SettingsError(f"lstm: {refused}") from refused

    @model_validator(mode="after")
    def _no_contradiction(self) -> "LstmSettings":
        if self.loss_weight_action == self.loss_weight_return == 0:
            raise ValueError("loss_weight_action and loss_weight_return are both 0")
        if self.min_learning_rate > self.learning_rate:
            raise ValueError("min_learning_rate is above learning_rate")
        if self.block_length < self.lookback:
            raise ValueError("block_sessions is below lookback, which training would never see")
        return self

    @property
    def block_length(self) -> int:
        """Sessions of a training block."""
        return self.block_sessions or 2 * self.lookback

    @property
    def burn_in(self) -> int:
        """First steps of a training block that do not count: they have too little past."""
        return self.lookback // 2


class LstmLearner:
    """Fits the LSTM; the protocol is `base.Learner`.

    Parameters
    ----------
    feature_names
        The columns of `Samples.features` it reads, in order.
    settings
        Defaults where None.
    report
        Called after every epoch with `seed, epoch, epochs, train_loss, validation_loss,
        learning_rate, seconds_left`. The last reckons with every epoch: stopping early is not
        foreseen.
    """

    name = "lstm"

    def __init__(
        self,
        feature_names: tuple[str, ...],
        settings: LstmSettings | None = None,
        report: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.feature_names = tuple(feature_names)
        self.knobs = settings or LstmSettings()
        self.settings: dict[str, Any] = self.knobs.model_dump()
        self.lookback = self.knobs.lookback
        self.report = report

    def fit(self, samples: Samples, train: np.ndarray, validation: np.ndarray) -> Trained:
        """Fit on the rows of `train`; `validation` sets the learning rates and the epoch."""
        if not validation.any():
            raise TrainingError("lstm: no validation rows, so nothing can say when to stop")
        return self._train(samples, train, validation, rates=None)

    def refit(self, samples: Samples, rows: np.ndarray, chosen: dict[str, Any]) -> Trained:
        """Fit on all of `rows`, with the learning rate of every epoch that `fit` kept."""
        rates = chosen["learning_rates"]
        if len(rates) != self.knobs.n_seeds:
            raise TrainingError(
                f"lstm: n_seeds is {self.knobs.n_seeds}, but the earlier fit chose learning"
                f" rates for {len(rates)}; refit with the settings of that fit"
            )
        return self._train(samples, rows, np.zeros_like(rows), rates)

    def _train(
        self,
        samples: Samples,
        train: np.ndarray,
        validation: np.ndarray,
        rates: list[list[float]] | None,
    ) -> Trained:
        from asset_predict_dagster.dataset.scaling import CLIP
        from asset_predict_dagster.models.lstm import save_networks
        from asset_predict_dagster.models.lstm_graph import lstm_graph
        from asset_predict_dagster.models.lstm_panel import lay_out
        from asset_predict_dagster.models.lstm_training import train_networks

        self._refuse_too_little(samples, train)
        padding = max(self.knobs.block_length, 2 * self.lookback)
        panel = lay_out(
            samples, self.feature_names, train, validation, padding, self.knobs.longest_gap
        )
        networks, curves = train_networks(panel, self.knobs, rates, self.report)
        weights = [
            {name: tensor.numpy() for name, tensor in network.state_dict().items()}
            for network in networks
        ]
        facts = {"feature_names": list(self.feature_names), "settings": self.settings}
        return Trained(
            native_name="model.pt",
            native=save_networks(networks, facts),
            onnx=lstm_graph(weights, self.lookback, CLIP),
            chosen={"learning_rates": _rates_until_best(curves)},
            curves=curves,
        )

    def _refuse_too_little(self, samples: Samples, train: np.ndarray) -> None:
        n_sessions = len(np.unique(samples.session_codes[train]))
        if n_sessions < self.knobs.block_length:
            raise TrainingError(
                f"lstm: one block is {self.knobs.block_length} sessions and only {n_sessions}"
                " have labelled rows; train on more sessions, or lower lookback"
            )
        n_actions = len(np.unique(samples.action[train]))
        if n_actions < 2:
            raise TrainingError(
                f"lstm: {int(train.sum()):,} rows to learn from hold {n_actions} of the"
                f" {len(ACTIONS)} actions; at least 2 are needed. Check the labels, or train"
                " on more sessions"
            )


def describe_epoch(epoch: dict[str, Any]) -> str:
    """One reported epoch in words; a refit has no validation loss.

    >>> describe_epoch({"seed": 42, "epoch": 2, "epochs": 5, "train_loss": 0.61,
    ...     "validation_loss": float("nan"), "learning_rate": 0.005, "seconds_left": 3.2})
    'refit, seed 42 epoch 2/5: loss 0.6100, learning rate 0.005, at most 3 s left'
    """
    is_refit = np.isnan(epoch["validation_loss"])
    return (
        f"{'refit' if is_refit else 'fit'}, seed {epoch['seed']}"
        f" epoch {epoch['epoch']}/{epoch['epochs']}: loss {epoch['train_loss']:.4f},"
        + ("" if is_refit else f" validation {epoch['validation_loss']:.4f},")
        + f" learning rate {epoch['learning_rate']:.2g}, at most {epoch['seconds_left']:.0f} s left"
    )


def _rates_until_best(curves: pd.DataFrame) -> list[list[float]]:
    """Learning rate of each epoch up to the best one, per seed."""
    return [
        curve["learning_rate"].tolist()[: int(curve["is_best"].to_numpy().argmax()) + 1]
        for _, curve in curves.groupby("seed", sort=True)
    ]
