"""The LSTM as a learner; torch is imported when it fits."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTIONS, Samples
from asset_predict_dagster.dataset.scaling import CLIP, RobustScaling
from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.base import Trained
from asset_predict_dagster.models.lstm_settings import LstmSettings

if TYPE_CHECKING:
    from asset_predict_dagster.models.lstm_checkpoint import Checkpoint


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
        learning_rate, seconds_left, is_taken_up`. The time left reckons with every epoch: stopping
        early is not foreseen. An epoch that a killed training had done is reported where it is
        the last of its network, with `is_taken_up`.
    checkpoint
        A path, which `.fit` and `.refit` are added to. Every epoch is put away there, and a
        training that was killed goes on from it when the same is asked for again: equal to the
        bit, on the same machine. A fit that is complete stays there while its refit goes on, and
        both until `forget`. Trainings at once that share it work as if they did not, but only the
        one that wrote last is taken up.
    """

    name = "lstm"

    def __init__(
        self,
        feature_names: tuple[str, ...],
        settings: LstmSettings | None = None,
        report: Callable[[dict[str, Any]], None] | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        self.feature_names = tuple(feature_names)
        self.knobs = settings or LstmSettings()
        self.settings: dict[str, Any] = self.knobs.model_dump()
        self.lookback = self.knobs.lookback
        self.report = report
        self.checkpoint = checkpoint
        self._written: list[Checkpoint] = []

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

    def forget(self) -> None:
        """Remove the checkpoints: whatever was to be done with the fit and the refit is done."""
        for checkpoint in self._written:
            checkpoint.remove()
        self._written.clear()

    def _train(
        self,
        samples: Samples,
        train: np.ndarray,
        validation: np.ndarray,
        rates: list[list[float]] | None,
    ) -> Trained:
        from asset_predict_dagster.models.lstm import forecast, save_networks
        from asset_predict_dagster.models.lstm_checkpoint import Checkpoint, training_key
        from asset_predict_dagster.models.lstm_device import find_device
        from asset_predict_dagster.models.lstm_graph import lstm_graph
        from asset_predict_dagster.models.lstm_panel import lay_out
        from asset_predict_dagster.models.lstm_training import train_networks

        knobs = self.knobs
        device = find_device(knobs.device, knobs.precision)
        self._refuse_too_little(samples, train)
        padding = max(knobs.block_length, 2 * self.lookback)
        panel = lay_out(
            *(samples, self.feature_names, train, validation),
            *(padding, knobs.longest_gap, knobs.horizons),
        )
        checkpoint = None
        if self.checkpoint is not None:
            key = training_key(panel, knobs, rates, device)
            part = "fit" if rates is None else "refit"
            path = self.checkpoint.with_name(f"{self.checkpoint.name}.{part}")
            checkpoint = Checkpoint(path, key)
            self._written.append(checkpoint)
        networks, curves = train_networks(panel, knobs, rates, device, self.report, checkpoint)
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
            native_forecast=lambda windows: forecast(networks, windows),
            curves=curves,
            scaling=RobustScaling(panel.scaling.centre.numpy(), panel.scaling.scale.numpy()),
        )

    def _refuse_too_little(self, samples: Samples, train: np.ndarray) -> None:
        n_sessions = len(np.unique(samples.session_codes[train]))
        if n_sessions < self.knobs.block_length:
            raise TrainingError(
                f"lstm: one sequence is {self.knobs.block_length} sessions and only {n_sessions}"
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
    is_taken_up = epoch.get("is_taken_up", False)
    left = "" if is_taken_up else f", at most {epoch['seconds_left']:.0f} s left"
    return (
        f"{'refit' if is_refit else 'fit'}, seed {epoch['seed']}"
        f" {'taken up from ' if is_taken_up else ''}epoch {epoch['epoch']}/{epoch['epochs']}:"
        f" loss {epoch['train_loss']:.4f},"
        + ("" if is_refit else f" validation {epoch['validation_loss']:.4f},")
        + f" learning rate {epoch['learning_rate']:.2g}{left}"
    )


def _rates_until_best(curves: pd.DataFrame) -> list[list[float]]:
    """Learning rate of each epoch up to the best one, per seed."""
    return [
        curve["learning_rate"].tolist()[: int(curve["is_best"].to_numpy().argmax()) + 1]
        for _, curve in curves.groupby("seed", sort=True)
    ]
