"""What the LSTM reads in training: samples laid out by session and stretch, and blocks of them.

A stretch is one ticker's sessions without a long gap, so that in training, as in a window that
is served, no memory crosses one.

This file imports torch: import it inside functions only.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from asset_predict_dagster.dataset.samples import Samples
from asset_predict_dagster.dataset.windows import stretch_codes
from asset_predict_dagster.models.lstm import Scaling


@dataclass(frozen=True)
class Panel:
    """Samples laid out by session and stretch, so that a block is a slice.

    Only stretches with a row of `train` or `validation` are here.

    Attributes
    ----------
    features
        Shape (n_sessions, n_stretches, n_features), float32, scaled; 0 where there is no row.
    action
        Shape (n_sessions, n_stretches), int64. Only rows of `train` and `validation` are filled:
        the labels of other rows are not here to be read.
    return_ranks
        Shape (n_sessions, n_stretches, n_horizons), float32; filled likewise.
    train, validation
        Shape (n_sessions, n_stretches), bool: the rows that teach, and those that judge.
    scaling
        Of the features, from the rows of `train`.
    """

    features: Tensor
    action: Tensor
    return_ranks: Tensor
    train: Tensor
    validation: Tensor
    scaling: Scaling


def lay_out(
    samples: Samples,
    feature_names: tuple[str, ...],
    train: np.ndarray,
    validation: np.ndarray,
    padding: int,
    longest_gap: int,
) -> Panel:
    """The panel from `padding` sessions before the first label to as many after the last.

    Rows before the first label enter as past. Rows after the last do not: those sessions are
    empty, and are there only so that the last block is as long as the others. `longest_gap` is
    that of `window_index`.
    """
    features = samples.columns(feature_names)
    scaling = Scaling.of(features[train])
    labelled = train | validation
    origin = int(samples.session_codes[labelled].min()) - padding
    last = int(samples.session_codes[labelled].max())
    stretch = stretch_codes(samples.ticker_codes, samples.session_codes, longest_gap)
    laid_out = np.unique(stretch[labelled])
    shape = (last - origin + 1 + padding, len(laid_out))

    def place(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return samples.session_codes[rows] - origin, np.searchsorted(laid_out, stretch[rows])

    seen = samples.between(origin, last) & np.isin(stretch, laid_out)
    values = torch.zeros((*shape, len(feature_names)))
    values[place(seen)] = scaling.apply(torch.from_numpy(features[seen]))
    action = torch.zeros(shape, dtype=torch.int64)
    action[place(labelled)] = torch.from_numpy(samples.action[labelled].astype(np.int64))
    return_ranks = torch.zeros((*shape, samples.return_ranks.shape[1]))
    return_ranks[place(labelled)] = torch.from_numpy(samples.return_ranks[labelled])
    is_train, is_validation = torch.zeros((2, *shape), dtype=torch.bool)
    is_train[place(train)] = True
    is_validation[place(validation)] = True
    return Panel(values, action, return_ranks, is_train, is_validation, scaling)


def block_starts(rows: Tensor, steps: int, warm_up: int, offset: int) -> list[int]:
    """First sessions of blocks whose counted steps meet every session with a row, once each.

    A block of `steps` sessions counts all but its first `warm_up`. The first block counts from
    `offset` sessions before the first row; `offset` is below `steps - warm_up`.
    """
    sessions = rows.any(dim=1).nonzero()
    first, last = int(sessions[0]), int(sessions[-1])
    return list(range(first - offset - warm_up, last - warm_up + 1, steps - warm_up))


@dataclass(frozen=True)
class Batch:
    """Some blocks side by side: one sequence per block and stretch with a row that counts.

    `features` is (steps, n_sequences, n_features); the others cover the counted steps only,
    (steps - warm_up, n_sequences, ...).
    """

    features: Tensor
    counts: Tensor
    action: Tensor
    return_ranks: Tensor


def read_batch(panel: Panel, rows: Tensor, starts: list[int], steps: int, warm_up: int) -> Batch:
    """The blocks that begin at `starts`; of the rows, only those of `rows` count."""
    pieces = []
    for start in starts:
        whole = slice(start, start + steps)
        counted = slice(start + warm_up, start + steps)
        stretches = rows[counted].any(dim=0)
        pieces.append(
            (
                panel.features[whole, stretches],
                rows[counted, stretches],
                panel.action[counted, stretches],
                panel.return_ranks[counted, stretches],
            )
        )
    return Batch(*(torch.cat(parts, dim=1) for parts in zip(*pieces, strict=True)))
