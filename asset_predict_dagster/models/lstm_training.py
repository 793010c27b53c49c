"""The training loop of the LSTM, read from top to bottom.

Many-to-many: the network reads sequences of consecutive sessions and answers after each, so one
reading of 64 sessions teaches 48 answers instead of one. The answers of the first steps, given
with hardly any past, do not count. Windowed is the same loop over sequences of which the last
answer alone counts.

This file imports torch: import it inside functions only.
"""

import math
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.lstm import StockLstm
from asset_predict_dagster.models.lstm_checkpoint import Checkpoint
from asset_predict_dagster.models.lstm_device import arithmetic, repeatable
from asset_predict_dagster.models.lstm_losses import focal_loss, inverse_frequency
from asset_predict_dagster.models.lstm_panel import Batch, Panel, cut, read_batch
from asset_predict_dagster.models.lstm_settings import LstmSettings
from asset_predict_dagster.models.lstm_state import NetworkInTraining

Report = Callable[[dict[str, Any]], None]
"""Hears of every epoch: its row of the curves, how many `epochs`, `seconds_left`, and whether it
`is_taken_up`: the last one that a killed training had done, `seconds_left` then unknown (NaN)."""

_VALIDATED_AT_ONCE = 512
"""Sequences of validation rows; any number gives the same loss, this one fits the caches."""


def head_losses(
    network: StockLstm, batch: Batch, class_weights: Tensor, settings: LstmSettings
) -> Tensor:
    """Mean loss of the rows that count, shape (2,): of the action, and of the returns."""
    with arithmetic(batch.features.device, settings.precision):
        logits, scores = network.every_step(batch.features)
    warm_up = len(batch.features) - len(batch.counts)
    logits = logits[warm_up:][batch.counts].float()  # (n, 3)
    scores = scores[warm_up:][batch.counts].float()  # (n, n_horizons)
    action_loss = focal_loss(logits, batch.action, settings.focal_loss_gamma, class_weights)
    return torch.stack([action_loss, nn.functional.huber_loss(scores, batch.return_ranks)])


def train_epoch(training: NetworkInTraining, panel: Panel, class_weights: Tensor) -> float:
    """One pass over the training rows, each counted once; returns the mean loss of a row."""
    settings, generator = training.settings, training.generator
    training.network.train()
    steps, warm_up = settings.block_length, settings.burn_in
    offset = int(torch.randint(steps - warm_up, (), generator=generator))
    sequences = cut(panel, panel.train, steps, warm_up, offset)
    order = torch.randperm(len(sequences), generator=generator)
    total = 0.0
    for chosen in order.split(settings.batch_size):
        batch = read_batch(panel, panel.train, sequences, chosen.numpy()).to(training.device)
        losses = head_losses(training.network, batch, class_weights, settings)
        training.optimiser.zero_grad()
        training.task_weights(losses).backward()
        norm = nn.utils.clip_grad_norm_(training.parameters, settings.gradient_clip_norm)
        loss, gradient = training.task_weights.judged(losses).item(), norm.item()
        if not math.isfinite(loss + gradient):
            raise TrainingError(
                f"lstm: the loss became {loss} and its gradient {gradient};"
                " lower learning_rate, or look for absurd features or labels"
            )
        training.optimiser.step()
        total += loss * len(batch.action)
    return total / int(panel.train.sum())


def mean_validation_loss(training: NetworkInTraining, panel: Panel, class_weights: Tensor) -> float:
    """Mean loss of the validation rows, each read after at least `lookback` sessions.

    Their past is the true one, sessions of the training rows included. It does not depend on the
    mode of training, nor on learned task weights.
    """
    settings = training.settings
    training.network.eval()
    sequences = cut(panel, panel.validation, 2 * settings.lookback, settings.lookback - 1)
    total = 0.0
    with torch.no_grad():
        for chosen in torch.arange(len(sequences)).split(_VALIDATED_AT_ONCE):
            batch = read_batch(panel, panel.validation, sequences, chosen.numpy())
            batch = batch.to(training.device)
            losses = head_losses(training.network, batch, class_weights, settings)
            total += float(training.task_weights.judged(losses)) * len(batch.action)
    loss = total / int(panel.validation.sum())
    if not math.isfinite(loss):
        raise TrainingError(f"lstm: the validation loss became {loss}; lower learning_rate")
    return loss


def train_network(
    training: NetworkInTraining,
    panel: Panel,
    seed: int,
    after_epoch: Callable[[dict[str, Any]], None],
) -> StockLstm:
    """The network at its best epoch; `after_epoch` hears of each one's row of the curve.

    Without replayed rates the validation rows lower the learning rate, stop the training and
    pick the epoch. With them there is nothing to judge by: one epoch per rate, the last kept.
    """
    class_weights = torch.ones(len(ACTIONS))
    if training.settings.oversample:
        class_weights = inverse_frequency(torch.from_numpy(panel.action[panel.train]).long())
    class_weights = class_weights.to(training.device)
    while not training.is_done:
        rate = training.set_rate()
        train_loss = train_epoch(training, panel, class_weights)
        loss = math.nan
        if training.replayed_rates is None:
            loss = mean_validation_loss(training, panel, class_weights)
        row = {
            "seed": seed,
            "epoch": training.epoch + 1,
            "train_loss": train_loss,
            "validation_loss": loss,
            "learning_rate": rate,
        }
        training.close_epoch(row)
        after_epoch(row)
    return training.finish()


def train_networks(
    panel: Panel,
    settings: LstmSettings,
    replayed_rates: list[list[float]] | None,
    device: torch.device,
    report: Report | None = None,
    checkpoint: Checkpoint | None = None,
) -> tuple[list[StockLstm], pd.DataFrame]:
    """One network per seed, and the curves: one row per seed and epoch.

    With a checkpoint it begins where a killed training of the same key left off, and reports, of
    each network, the last epoch that was done and those that are left; the curves tell of all of
    them. The checkpoint stays: one of a training that is complete gives its networks at once.
    """
    states = (checkpoint.read() if checkpoint else None) or []
    planned = [settings.epochs] * settings.n_seeds
    if replayed_rates is not None:
        planned = [len(rates) for rates in replayed_rates]
    clock = _Clock(sum(planned))
    networks: list[StockLstm] = []
    rows: list[dict[str, Any]] = []
    for number in range(settings.n_seeds):
        seed = settings.seed + number
        rates = None if replayed_rates is None else replayed_rates[number]
        with repeatable(seed, settings.threads, device):
            training = NetworkInTraining(panel.scaling, settings, seed, rates, device)
            n_epochs = training.n_epochs
            if number < len(states):
                training.restore(states[number])
                if report is not None:
                    told = {"epochs": n_epochs, "seconds_left": math.nan, "is_taken_up": True}
                    report({**training.curve[-1], **told})
            clock.start(sum(planned[:number]) + training.epoch)

            def after_epoch(
                row: dict[str, Any], number=number, training=training, n_epochs=n_epochs
            ) -> None:
                if checkpoint is not None:
                    states[number:] = [training.state()]
                    checkpoint.write(states)
                if report is not None:
                    left = clock.seconds_left(sum(planned[:number]) + row["epoch"])
                    told = {"epochs": n_epochs, "seconds_left": left, "is_taken_up": False}
                    report({**row, **told})

            networks.append(train_network(training, panel, seed, after_epoch))
        rows += training.curve
    return networks, pd.DataFrame(rows)


class _Clock:
    """How long the epochs left would take at the pace of those since `start` was first called."""

    def __init__(self, n_epochs: int) -> None:
        self.n_epochs = n_epochs
        self.begun: tuple[float, int] | None = None

    def start(self, n_done: int) -> None:
        self.begun = self.begun or (time.perf_counter(), n_done)

    def seconds_left(self, n_done: int) -> float:
        assert self.begun is not None
        since, before = self.begun
        return (time.perf_counter() - since) / (n_done - before) * (self.n_epochs - n_done)
