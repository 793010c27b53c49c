"""Importance of features by permutation: how much worse a model forecasts without one.

Any model, as it forecasts: a feature's values change places, and the model answers again. What
it loses is what it drew from that feature and could not draw from the others; of two that say the
same, neither seems to matter.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.bootstrap import BLOCK, block_weights, interval
from asset_predict_dagster.dataset.samples import Samples

Run = Callable[[Samples, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Samples, positions (n,) → calibrated probabilities (n, 3), return scores (n, n_horizons)."""

COLUMNS = (
    "feature",
    "log_loss_increase",
    "log_loss_low",
    "log_loss_high",
    "rank_ic_decrease",
    "rank_ic_low",
    "rank_ic_high",
)

FEWEST_BLOCKS = 5
"""A month is cut shorter where there are fewer of them, or hardly any would change places."""

_SMALLEST_PROBABILITY = 1e-15


def permutation_importance(
    run: Run,
    samples: Samples,
    rows: np.ndarray,
    seed: int,
    *,
    lookback: int = 1,
    features: tuple[str, ...] | None = None,
    n_sessions: int = 60,
    n_repeats: int = 3,
) -> pd.DataFrame:
    """What forecasts lose as each feature's values change places, with 95 % intervals.

    A value goes to another ticker of the same session, of those in the universe or of those
    outside it, in every session alike, so that the past of a window is permuted as well.
    A feature of the market is the same for every ticker: its values change places between the
    sessions that the forecasts read, from the first of `rows` (and what its window looks back on)
    to the last, a month of consecutive ones at a time, so that they stay a plausible course of
    events. Where it is missing it stays missing: a model must not be judged by a market that it
    was fitted on, or by holes that it never meets.

    The intervals are of the sessions (blocks of them, `dataset/bootstrap.py`), each the mean of its
    repeats. A feature that the model does not read has exactly 0; one of mere noise has intervals
    that hold 0, 19 times in 20.

    Parameters
    ----------
    run
        How the model forecasts; missing scores order nothing.
    rows
        Labelled rows that the model was not fitted on: positions, or a boolean mask.
    lookback
        Sessions of a window that the model reads, its own session included.
    features
        Those to permute; None: all of the samples'. Name what the model reads: the rest is 0.
    n_sessions
        Forecast the rows of so many of their sessions, evenly spaced; of fewer, all.
    n_repeats
        Permutations of each feature.

    Returns
    -------
    A row per feature, the one the log-loss needs most first. `log_loss_increase` (nats, of the
    action) and `rank_ic_decrease` (mean over sessions, next tradable return), each with `_low`
    and `_high`. Above 0 the feature helps.
    """
    codes = np.unique(samples.session_codes[rows])
    places = np.linspace(0, len(codes) - 1, min(n_sessions, len(codes))).round().astype(int)
    positions = np.arange(samples.n_rows)[rows]
    asked = positions[np.isin(samples.session_codes[positions], codes[places])]
    judge = _Judge.of(samples, asked)
    before = judge.by_session(*run(samples, asked))

    read = int(codes[0]) - lookback + 1, int(codes[-1])
    shuffles = [_Shuffle.drawn(samples, read, (seed, repeat)) for repeat in range(n_repeats)]
    changed = replace(samples, features=samples.features.copy())
    n_apart = max(1, len(codes) // len(places))
    weights = block_weights(judge.n_sessions, seed, block=-(-BLOCK // n_apart))
    found = []
    for name in samples.feature_names if features is None else features:
        at = samples.feature_names.index(name)
        lost = np.zeros((judge.n_sessions, 2))
        for shuffle in shuffles:
            changed.features[:, at] = shuffle.applied(samples.features[:, at])
            lost += before - judge.by_session(*run(changed, asked))
        changed.features[:, at] = samples.features[:, at]
        found.append((name, *_figures(lost / n_repeats, judge.n_rows, weights)))
    table = pd.DataFrame(found, columns=list(COLUMNS))
    return table.sort_values("log_loss_increase", ascending=False, ignore_index=True)


@dataclass(frozen=True)
class _Shuffle:
    """One permutation: which row a ticker's value is taken from, and how sessions are dealt."""

    session: np.ndarray  # (n_rows,), int: position of the row's session
    first_row: np.ndarray  # (n_sessions,): a row of each session
    row_source: np.ndarray  # (n_rows,)
    is_read: np.ndarray  # (n_sessions,), bool: those that the market's values move between
    seed: tuple[int, int]

    @classmethod
    def drawn(cls, samples: Samples, read: tuple[int, int], seed: tuple[int, int]) -> "_Shuffle":
        """`read` are the codes of the first and the last session that the forecasts read."""
        sessions, first_row, session = np.unique(
            samples.session_codes, return_index=True, return_inverse=True
        )
        # Ranks are missing outside the universe: tickers change places within it.
        place = 2 * session + samples.in_universe
        row_source = np.empty(samples.n_rows, dtype=np.int64)
        drawn = np.lexsort((np.random.default_rng(seed).random(samples.n_rows), place))
        row_source[np.argsort(place, kind="stable")] = drawn
        is_read = (sessions >= read[0]) & (sessions <= read[1])
        return cls(session, first_row, row_source, is_read, seed)

    def applied(self, column: np.ndarray) -> np.ndarray:
        """Values of one feature, shape (n_rows,), in their new places."""
        of_session = column[self.first_row]
        if not np.array_equal(of_session[self.session], column, equal_nan=True):
            return column[self.row_source]
        known = np.flatnonzero(self.is_read & ~np.isnan(of_session))
        # From the seed anew: a feature's places do not depend on which others are asked about.
        order = _months_dealt(len(known), np.random.default_rng((*self.seed, 1)))
        moved = of_session.copy()
        moved[known] = of_session[known[order]]
        return moved[self.session]


def _months_dealt(n_sessions: int, random: np.random.Generator) -> np.ndarray:
    """A permutation of so many sessions that keeps months of them whole; few are dealt in fifths.

    >>> _months_dealt(5, np.random.default_rng(0)).tolist()
    [2, 4, 3, 0, 1]
    """
    length = max(1, min(BLOCK, n_sessions // FEWEST_BLOCKS))
    blocks = np.split(np.arange(n_sessions), np.arange(length, n_sessions, length))
    return np.concatenate([blocks[place] for place in random.permutation(len(blocks))])


@dataclass(frozen=True)
class _Judge:
    """What the rows asked about did, grouped by session."""

    action: np.ndarray
    session: np.ndarray
    outcome: np.ndarray  # centred rank of the next tradable return within its session
    n_rows: np.ndarray  # (n_sessions,)

    @classmethod
    def of(cls, samples: Samples, rows: np.ndarray) -> "_Judge":
        session = np.unique(samples.session_codes[rows], return_inverse=True)[1]
        outcome = _centred_ranks(samples.return_ranks[rows, 0], session)
        return cls(samples.action[rows], session, outcome, np.bincount(session))

    @property
    def n_sessions(self) -> int:
        return len(self.n_rows)

    def by_session(self, probabilities: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Shape (n_sessions, 2): sum of the log-likelihoods of its rows, and its rank IC."""
        happened = probabilities[np.arange(len(self.action)), self.action]
        log = np.log(np.maximum(happened.astype(np.float64), _SMALLEST_PROBABILITY))
        score = _centred_ranks(scores[:, 0], self.session)
        xy, xx, yy = (
            np.bincount(self.session, product)
            for product in (score * self.outcome, score**2, self.outcome**2)
        )
        spread = np.sqrt(xx * yy)
        ic = np.divide(xy, spread, out=np.zeros_like(xy), where=spread > 0)
        return np.column_stack([np.bincount(self.session, log), ic])


def _centred_ranks(values: np.ndarray, session: np.ndarray) -> np.ndarray:
    """Ranks within each session less their mean; 0 where a value is missing."""
    ranks = pd.Series(values).groupby(session).rank()
    return (ranks - ranks.groupby(session).transform("mean")).fillna(0.0).to_numpy()


def _figures(lost: np.ndarray, n_rows: np.ndarray, weights: np.ndarray) -> tuple[float, ...]:
    """Both losses with their intervals, from what each session lost, shape (n_sessions, 2)."""
    figures: tuple[float, ...] = ()
    for column, counts in zip(lost.T, (n_rows, np.ones(len(n_rows))), strict=True):
        sums = np.column_stack([column, counts])
        low, high = interval(sums, _ratio, weights)
        figures = (*figures, float(_ratio(sums.sum(axis=0))), low, high)
    return figures


def _ratio(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]
