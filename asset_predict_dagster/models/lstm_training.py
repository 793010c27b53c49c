"""The training loop of the LSTM, read from top to bottom.

Many-to-many: the network reads a block of consecutive sessions and answers after each, so one
reading of 64 sessions teaches 48 answers instead of one. The answers of the first steps, given
with hardly any past, do not count.

This file imports torch: import it inside functions only.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.lstm import StockLstm
from asset_predict_dagster.models.lstm_learner import LstmSettings
from asset_predict_dagster.models.lstm_panel import Batch, Panel, block_starts, read_batch

Report = Callable[[dict[str, Any]], None]
"""Hears of every epoch: its row of the curves, how many `epochs`, and `seconds_left`."""


def inverse_frequency(action: Tensor) -> Tensor:
    """Weight of each class, shape (3,), such that every class that occurs counts alike.

    The rows' mean weight is 1; a class that never occurs weighs 1.
    """
    counts = torch.bincount(action, minlength=len(ACTIONS)).float()
    n_classes = (counts > 0).sum()
    return torch.where(counts > 0, len(action) / (n_classes * counts.clamp(min=1)), 1.0)


def focal_loss(logits: Tensor, action: Tensor, gamma: float, class_weights: Tensor) -> Tensor:
    """Mean of `-weight (1 - p)^gamma log p`, with p the probability of what happened.

    `logits` is (n, 3), `action` (n,). With gamma 0 and weights 1 it is the cross-entropy.

    References
    ----------
    Lin et al. (2017), Focal Loss for Dense Object Detection, equation 5.
    """
    log_p = logits.log_softmax(dim=-1).gather(1, action[:, None]).squeeze(1)  # (n,)
    return -(class_weights[action] * (1 - log_p.exp()) ** gamma * log_p).mean()


def batch_loss(
    network: StockLstm, batch: Batch, class_weights: Tensor, settings: LstmSettings
) -> Tensor:
    """Weighted sum of both heads' losses over the rows that count."""
    logits, scores = network.every_step(batch.features)
    warm_up = len(batch.features) - len(batch.counts)
    logits = logits[warm_up:][batch.counts]  # (n, 3)
    scores = scores[warm_up:][batch.counts]  # (n, n_horizons)
    action_loss = focal_loss(
        logits, batch.action[batch.counts], settings.focal_loss_gamma, class_weights
    )
    return_loss = nn.functional.huber_loss(scores, batch.return_ranks[batch.counts])
    return settings.loss_weight_action * action_loss + settings.loss_weight_return * return_loss


def train_epoch(
    network: StockLstm,
    optimiser: torch.optim.Optimizer,
    panel: Panel,
    class_weights: Tensor,
    settings: LstmSettings,
    generator: torch.Generator,
) -> float:
    """One pass over the training rows, each counted once; returns the mean loss of a row."""
    network.train()
    steps, warm_up = settings.block_length, settings.burn_in
    offset = int(torch.randint(steps - warm_up, (), generator=generator))
    starts = block_starts(panel.train, steps, warm_up, offset)
    order = torch.randperm(len(starts), generator=generator).tolist()
    total, n_rows = 0.0, 0
    for first in range(0, len(order), settings.blocks_per_batch):
        chosen = [starts[place] for place in order[first : first + settings.blocks_per_batch]]
        batch = read_batch(panel, panel.train, chosen, steps, warm_up)
        n_batch = int(batch.counts.sum())
        if n_batch == 0:
            continue
        loss = batch_loss(network, batch, class_weights, settings)
        optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip_norm)
        batch_mean, gradient = loss.item(), norm.item()
        if not math.isfinite(batch_mean + gradient):
            raise TrainingError(
                f"lstm: the loss became {batch_mean} and its gradient {gradient};"
                " lower learning_rate, or look for absurd features or labels"
            )
        optimiser.step()
        total += batch_mean * n_batch
        n_rows += n_batch
    return total / n_rows


def mean_validation_loss(
    network: StockLstm, panel: Panel, class_weights: Tensor, settings: LstmSettings
) -> float:
    """Mean loss of the validation rows, each read after at least `lookback` sessions.

    Their past is the true one, sessions of the training rows included.
    """
    network.eval()
    steps, warm_up = 2 * settings.lookback, settings.lookback - 1
    starts = block_starts(panel.validation, steps, warm_up, offset=0)
    total, n_rows = 0.0, 0
    with torch.no_grad():
        for first in range(0, len(starts), settings.blocks_per_batch):
            chosen = starts[first : first + settings.blocks_per_batch]
            batch = read_batch(panel, panel.validation, chosen, steps, warm_up)
            n_batch = int(batch.counts.sum())
            if n_batch == 0:
                continue
            total += float(batch_loss(network, batch, class_weights, settings)) * n_batch
            n_rows += n_batch
    loss = total / n_rows
    if not math.isfinite(loss):
        raise TrainingError(f"lstm: the validation loss became {loss}; lower learning_rate")
    return loss


def train_network(
    panel: Panel,
    settings: LstmSettings,
    seed: int,
    replayed_rates: list[float] | None,
    report: Callable[[dict[str, Any]], None],
) -> tuple[StockLstm, list[dict[str, Any]]]:
    """One network at its best epoch, and one dict per epoch.

    Without `replayed_rates` the validation rows lower the learning rate, stop the training and
    pick the epoch. With them there is nothing to judge by: one epoch per rate, the last kept.
    """
    generator = torch.Generator().manual_seed(seed)
    network = StockLstm(
        panel.scaling,
        settings.units,
        settings.num_layers,
        settings.dropout,
        n_horizons=panel.return_ranks.shape[-1],
    )
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    scheduler = ReduceLROnPlateau(
        optimiser,
        factor=settings.scheduler_factor,
        patience=settings.scheduler_patience,
        threshold=settings.early_stopping_min_delta,
        min_lr=settings.min_learning_rate,
    )
    ones = torch.ones(len(ACTIONS))
    balanced = inverse_frequency(panel.action[panel.train])
    class_weights = balanced if settings.balance_classes else ones

    curve: list[dict[str, Any]] = []
    best_loss, best_epoch = math.inf, 0
    best_weights: dict[str, Tensor] = {}
    n_epochs = settings.epochs if replayed_rates is None else len(replayed_rates)
    for epoch in range(1, n_epochs + 1):
        if replayed_rates is not None:
            optimiser.param_groups[0]["lr"] = replayed_rates[epoch - 1]
        rate = float(optimiser.param_groups[0]["lr"])
        train_loss = train_epoch(network, optimiser, panel, class_weights, settings, generator)
        loss = math.nan
        if replayed_rates is None:
            loss = mean_validation_loss(network, panel, class_weights, settings)
            scheduler.step(loss)
            if loss < best_loss * (1 - settings.early_stopping_min_delta):
                best_loss, best_epoch = loss, epoch
                best_weights = {k: v.clone() for k, v in network.state_dict().items()}
        row = {
            "seed": seed,
            "epoch": epoch,
            "train_loss": train_loss,
            "validation_loss": loss,
            "learning_rate": rate,
        }
        curve.append(row)
        report(row)
        if replayed_rates is None and epoch - best_epoch >= settings.early_stopping_patience:
            break

    if replayed_rates is None:
        network.load_state_dict(best_weights)
    else:
        best_epoch = n_epochs
    for row in curve:
        row["is_best"] = row["epoch"] == best_epoch
    return network.eval(), curve


def train_networks(
    panel: Panel,
    settings: LstmSettings,
    replayed_rates: list[list[float]] | None,
    report: Report | None,
) -> tuple[list[StockLstm], pd.DataFrame]:
    """One network per seed, and the curves: one row per seed and epoch."""
    started = time.perf_counter()
    networks: list[StockLstm] = []
    rows: list[dict[str, Any]] = []
    for number in range(settings.n_seeds):
        seed = settings.seed + number
        rates = None if replayed_rates is None else replayed_rates[number]
        n_epochs = settings.epochs if rates is None else len(rates)

        def tell(row: dict[str, Any], number: int = number, n_epochs: int = n_epochs) -> None:
            if report is None:
                return
            done = number + row["epoch"] / n_epochs
            seconds = (time.perf_counter() - started) * (settings.n_seeds / done - 1)
            report({**row, "epochs": n_epochs, "seconds_left": seconds})

        with repeatable(seed, settings.threads):
            network, curve = train_network(panel, settings, seed, rates, tell)
        networks.append(network)
        rows += curve
    return networks, pd.DataFrame(rows)


@contextmanager
def repeatable(seed: int, threads: int) -> Iterator[None]:
    """Torch as a function of its seed, put back afterwards as it was found.

    Initial weights and dropout draw from torch's global generator, which is therefore forked.
    """
    threads_before = torch.get_num_threads()
    strict_before = torch.are_deterministic_algorithms_enabled()
    warn_before = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.use_deterministic_algorithms(strict_before, warn_only=warn_before)
        torch.set_num_threads(threads_before)
