"""One network while it is trained: everything that changes from epoch to epoch, so that a training
can be put away after any of them and taken up again to the bit.

This file imports torch: import it inside functions only.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from asset_predict_dagster.models.lstm import Scaling, StockLstm
from asset_predict_dagster.models.lstm_device import random_states, restore_random_states
from asset_predict_dagster.models.lstm_losses import TaskWeights
from asset_predict_dagster.models.lstm_settings import LstmSettings


class NetworkInTraining:
    """A network, what moves its weights, and what is known of its epochs so far.

    Parameters
    ----------
    replayed_rates
        The learning rate of each epoch, where an earlier fit chose them; None where validation is
        there to choose.

    Attributes
    ----------
    curve
        One dict per epoch.
    best_epoch, best_weights
        The epoch that validation liked best, 0 before there is one, and its weights.
    """

    def __init__(
        self,
        scaling: Scaling,
        settings: LstmSettings,
        seed: int,
        replayed_rates: list[float] | None,
        device: torch.device,
    ) -> None:
        self.settings = settings
        self.device = device
        self.replayed_rates = replayed_rates
        self.n_epochs = settings.epochs if replayed_rates is None else len(replayed_rates)
        self.generator = torch.Generator().manual_seed(seed)
        self.network = StockLstm(
            scaling, settings.units, settings.num_layers, settings.dropout, settings.horizons
        ).to(device)
        self.task_weights = TaskWeights(settings).to(device)
        self.parameters = [*self.network.parameters(), *self.task_weights.parameters()]
        groups = [{"params": list(self.network.parameters())}]
        if list(self.task_weights.parameters()):
            groups.append({"params": list(self.task_weights.parameters()), "weight_decay": 0.0})
        self.optimiser = torch.optim.AdamW(
            groups, lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.plateau = ReduceLROnPlateau(
            self.optimiser,
            factor=settings.scheduler_factor,
            patience=settings.scheduler_patience,
            threshold=settings.early_stopping_min_delta,
            min_lr=settings.min_learning_rate,
        )
        self.curve: list[dict[str, Any]] = []
        self.best_loss, self.best_epoch = math.inf, 0
        self.best_weights: dict[str, Tensor] = {}

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.curve)

    @property
    def is_done(self) -> bool:
        """Whether every epoch was had, or validation has lost its patience."""
        without_progress = self.epoch - self.best_epoch
        is_stopped = without_progress >= self.settings.early_stopping_patience
        return self.epoch >= self.n_epochs or (self.replayed_rates is None and is_stopped)

    def set_rate(self) -> float:
        """Set the learning rate of the epoch to come, and return it."""
        rate = float(self.optimiser.param_groups[0]["lr"])  # the plateau's, if nothing else says
        if self.replayed_rates is not None:
            rate = self.replayed_rates[self.epoch]
        elif self.settings.schedule == "cosine":
            rate = cosine_rate(self.epoch, self.settings)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        return rate

    def close_epoch(self, row: dict[str, Any]) -> None:
        """Note an epoch; by its `validation_loss` the rate falls and the best is remembered."""
        self.curve.append(row)
        if self.replayed_rates is not None:
            return
        loss = row["validation_loss"]
        if self.settings.schedule == "plateau":
            self.plateau.step(loss)
        if loss < self.best_loss * (1 - self.settings.early_stopping_min_delta):
            self.best_loss, self.best_epoch = loss, self.epoch
            self.best_weights = {k: v.clone() for k, v in self.network.state_dict().items()}

    def finish(self) -> StockLstm:
        """The network of the best epoch, or of the last where nothing judged them."""
        if self.replayed_rates is None:
            self.network.load_state_dict(self.best_weights)
        else:
            self.best_epoch = self.n_epochs
        self.curve = [{**row, "is_best": row["epoch"] == self.best_epoch} for row in self.curve]
        return self.network.eval().cpu()

    def state(self) -> dict[str, Any]:
        """Everything of above that changes, as plain values and tensors."""
        return {
            "network": self.network.state_dict(),
            "task_weights": self.task_weights.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "plateau": self.plateau.state_dict(),
            "curve": self.curve,
            "best": [self.best_loss, self.best_epoch],
            "best_weights": self.best_weights,
            "generator": self.generator.get_state(),
            "random_states": random_states(self.device),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        self.network.load_state_dict(state["network"])
        self.task_weights.load_state_dict(state["task_weights"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.plateau.load_state_dict(state["plateau"])
        self.curve = state["curve"]
        self.best_loss, self.best_epoch = state["best"]
        self.best_weights = state["best_weights"]
        self.generator.set_state(state["generator"])
        restore_random_states(state["random_states"], self.device)


def cosine_rate(epoch: int, settings: LstmSettings) -> float:
    """Learning rate after so many epochs: half of it in the first, then half a wave downwards.

    >>> knobs = LstmSettings(schedule="cosine", epochs=4, learning_rate=0.1, min_learning_rate=0)
    >>> [round(cosine_rate(epoch, knobs), 4) for epoch in range(4)]
    [0.05, 0.0854, 0.05, 0.0146]
    """
    # In the first epoch Adam does not know yet how large gradients are.
    wave = (1 + math.cos(math.pi * epoch / settings.epochs)) / 2 if epoch else 0.5
    return max(settings.learning_rate * wave, settings.min_learning_rate)
