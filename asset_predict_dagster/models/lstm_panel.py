"""What the LSTM reads in training: sequences of sessions, by row number.

A sequence is a piece of a stretch, and a stretch one ticker's sessions without a long gap, so that
in training, as in a window that is served, no memory crosses one. Values stay where they are, in
the samples' own array; those of one batch are gathered and scaled when it is read.

This file imports torch: import it inside functions only.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from asset_predict_dagster.dataset.samples import Samples
from asset_predict_dagster.dataset.scaling import RobustScaling
from asset_predict_dagster.dataset.windows import ABSENT, stretch_codes
from asset_predict_dagster.models.lstm import Scaling


@dataclass(frozen=True)
class Panel:
    """Samples, and where in them each ticker's sessions are.

    Attributes
    ----------
    features, columns
        Shape (n_rows, n_all_features), float32, as in the samples; and the (n_features,)
        positions that are read.
    action, return_ranks
        Shapes (n_rows,) and (n_rows, n_horizons), as in the samples.
    train, validation
        Shape (n_rows,), bool: the rows that teach, and those that judge.
    session, ticker
        Shape (n_rows,): the codes of the samples.
    stretch
        Shape (n_rows + 1,), int32: the stretch each row is in; -1 at the end, where `ABSENT` of
        `row_at` looks.
    row_at
        Shape (n_tickers, n_sessions), int32: the row of each session from `first_session` on,
        `ABSENT` where there is none, and for sessions after the last label.
    scaling
        Of the features that are read, from the rows of `train`.
    """

    features: np.ndarray
    columns: np.ndarray
    action: np.ndarray
    return_ranks: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    session: np.ndarray
    ticker: np.ndarray
    stretch: np.ndarray
    row_at: np.ndarray
    first_session: int
    scaling: Scaling


def lay_out(
    samples: Samples,
    feature_names: tuple[str, ...],
    train: np.ndarray,
    validation: np.ndarray,
    padding: int,
    longest_gap: int,
    n_horizons: int | None = None,
) -> Panel:
    """The panel from `padding` sessions before the first label to as many after the last.

    Rows before the first label enter as past. Rows after the last do not: those sessions are
    empty, and are there only so that a sequence may end beyond it. `padding` is at least the
    length of a sequence, `longest_gap` that of `window_index`; `n_horizons` of the samples'
    horizons are read, all where None.
    """
    codes = samples.session_codes[train | validation]
    origin, last = int(codes.min()) - padding, int(codes.max())
    seen = np.flatnonzero(samples.between(origin, last))
    tickers, sessions = samples.ticker_codes, samples.session_codes
    row_at = np.full((len(samples.tickers), last - origin + 1 + padding), ABSENT, dtype=np.int32)
    row_at[tickers[seen], sessions[seen] - origin] = seen
    stretch = np.full(samples.n_rows + 1, -1, dtype=np.int32)
    stretch[:-1] = stretch_codes(tickers, sessions, longest_gap)
    columns = np.array([samples.feature_names.index(name) for name in feature_names])
    return Panel(
        features=samples.features,
        columns=columns,
        action=samples.action,
        return_ranks=samples.return_ranks[:, :n_horizons],
        train=train,
        validation=validation,
        session=sessions,
        ticker=tickers,
        stretch=stretch,
        row_at=row_at,
        first_session=origin,
        scaling=_scaling(samples.features, columns, train),
    )


def _scaling(features: np.ndarray, columns: np.ndarray, train: np.ndarray) -> Scaling:
    """`RobustScaling`'s, a feature at a time: the training rows of all would be another table."""
    fitted = [RobustScaling.fit(features[train, position][:, None]) for position in columns]
    return Scaling(
        centre=torch.from_numpy(np.concatenate([feature.centre for feature in fitted])),
        scale=torch.from_numpy(np.concatenate([feature.scale for feature in fitted])),
    )


@dataclass(frozen=True)
class Sequences:
    """Pieces of stretches, each of `steps` sessions, of which all but the first `warm_up` count.

    `first_row` is any row of the piece's own that counts, `start` the code of the session it
    begins with; shapes (n,).
    """

    steps: int
    warm_up: int
    first_row: np.ndarray
    start: np.ndarray

    def __len__(self) -> int:
        return len(self.start)


def cut(panel: Panel, rows: np.ndarray, steps: int, warm_up: int, offset: int = 0) -> Sequences:
    """The sequences in which every row of the mask `rows` counts, each once.

    Sessions are dealt into blocks of `steps - warm_up`, the first of them beginning `offset`
    sessions before the first row, and every stretch with a row in a block is a sequence. With
    one session a block, these are the rows' windows.
    """
    numbers = np.flatnonzero(rows)
    first = int(panel.session[numbers].min()) - offset
    block = (panel.session[numbers] - first) // (steps - warm_up)
    # Rows are in (ticker, session) order, so that a sequence's are beside each other.
    is_new = np.r_[True, (np.diff(panel.stretch[numbers]) != 0) | (np.diff(block) != 0)]
    start = first - warm_up + block[is_new] * (steps - warm_up)
    return Sequences(steps, warm_up, numbers[is_new], start)


@dataclass(frozen=True)
class Batch:
    """Some sequences side by side.

    `features` is (steps, n_sequences, n_features), scaled, 0 where there is no row. `counts` is
    (steps - warm_up, n_sequences), bool; `action`, (n,) int64, and `return_ranks`,
    (n, n_horizons), are those of the n rows that count, in its order.
    """

    features: Tensor
    counts: Tensor
    action: Tensor
    return_ranks: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(part.to(device) for part in vars(self).values()))


def read_batch(panel: Panel, rows: np.ndarray, sequences: Sequences, chosen: np.ndarray) -> Batch:
    """The sequences numbered in `chosen`; of the rows, only those of the mask `rows` count."""
    first_row = sequences.first_row[chosen]
    step = np.arange(sequences.steps)[:, None]
    session = sequences.start[chosen] - panel.first_session + step  # (steps, n_sequences)
    index = panel.row_at[panel.ticker[first_row], session]
    is_ours = panel.stretch[index] == panel.stretch[first_row]
    values = panel.features[index]
    if not np.array_equal(panel.columns, np.arange(values.shape[-1])):
        values = values[..., panel.columns]
    values[~is_ours] = np.nan
    features = panel.scaling.apply(torch.from_numpy(values))

    counts = (rows[index] & is_ours)[sequences.warm_up :]
    counted = index[sequences.warm_up :][counts]  # (n,)
    return Batch(
        features,
        torch.from_numpy(counts),
        torch.from_numpy(panel.action[counted].astype(np.int64)),
        torch.from_numpy(panel.return_ranks[counted]),
    )
