"""Intervals by circular block bootstrap over sessions.

Forecasts of one session share its market, and neighbouring sessions share its mood, so neither
rows nor single sessions are independent; blocks of sessions nearly are. The last session is
followed by the first, so that each is drawn equally often.

Of few sessions an interval is too narrow: measured on independent ones, "95 %" holds the truth
90 % of the time on 60 sessions, 92 % on 100, 94 % on 400.

Source: Politis and Romano (1992), "A circular block-resampling procedure for stationary data".
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BLOCK = 21
"""Sessions in a block: a month."""

MIN_BLOCKS = 12
"""Of a shorter history blocks are shorter: three blocks of 20 covered 74 % where 95 was said."""

N_RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Resamples:
    """Which blocks of sessions each resample strings together; the last is cut to n_sessions.

    Attributes
    ----------
    starts
        Shape (n_resamples, n_blocks): the session that each block begins with.
    block
        Sessions in a block.
    n_sessions
        Sessions of the history, and of every resample.
    """

    starts: np.ndarray
    block: int
    n_sessions: int

    def totals(self, sums: np.ndarray) -> np.ndarray:
        """Sums over the sessions of every resample, shape (n_resamples, k); `weights() @ sums`.

        Each block is summed once, whoever draws it. The order of the additions is fixed and no
        BLAS is asked, so that the last bit is the same whatever the number of threads.

        Parameters
        ----------
        sums
            Shape (n_sessions, k): what each session adds to each of k sums.
        """
        n_last = self.n_sessions - (self.starts.shape[1] - 1) * self.block
        whole = np.zeros_like(sums, dtype=np.float64)
        for ahead in range(self.block):
            if ahead == n_last:
                cut = whole.copy()
            whole += np.roll(sums, -ahead, axis=0)
        totals = (whole if n_last == self.block else cut)[self.starts[:, -1]]
        for starts in self.starts[:, :-1].T:
            totals += whole[starts]
        return totals

    def weights(self) -> np.ndarray:
        """How often each session occurs in each resample; shape (n_resamples, n_sessions)."""
        n_resamples = len(self.starts)
        drawn = (self.starts[:, :, None] + np.arange(self.block)) % self.n_sessions
        drawn = drawn.reshape(n_resamples, -1)[:, : self.n_sessions]
        weights = np.zeros((n_resamples, self.n_sessions))
        np.add.at(weights, (np.arange(n_resamples)[:, None], drawn), 1.0)
        return weights


def draw_resamples(
    n_sessions: int, seed: int, n_resamples: int = N_RESAMPLES, block: int = BLOCK
) -> Resamples:
    """Resamples of whole blocks drawn with replacement, cut to n_sessions.

    Parameters
    ----------
    block
        Sessions in a block, at most: a month of them; fewer where not every session is there.
    """
    block = max(1, min(block, n_sessions // MIN_BLOCKS))
    n_blocks = -(-n_sessions // block)
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, n_sessions, size=(n_resamples, n_blocks))
    return Resamples(starts, block, n_sessions)


def block_weights(
    n_sessions: int, seed: int, n_resamples: int = N_RESAMPLES, block: int = BLOCK
) -> np.ndarray:
    """`draw_resamples`, as how often each session occurs: shape (n_resamples, n_sessions)."""
    return draw_resamples(n_sessions, seed, n_resamples, block).weights()


def interval(
    sums: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], weights: np.ndarray
) -> tuple[float, float]:
    """The 95 % percentile interval of a statistic of sums over sessions.

    Parameters
    ----------
    sums
        Shape (n_sessions, k): what each session adds to each of k sums.
    statistic
        Maps (..., k) total sums to (...) values.
    weights
        From `block_weights`.

    Returns
    -------
    Lower and upper end; NaN where the statistic is undefined in every resample.
    """
    return percentiles(statistic(np.einsum("rs,sk->rk", weights, sums)))


def percentiles(values: np.ndarray) -> tuple[float, float]:
    """The ends between which 95 % of the values of resamples lie, shape (n_resamples,).

    Values that are not finite are left out; NaN where none is.
    """
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return float("nan"), float("nan")
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)
