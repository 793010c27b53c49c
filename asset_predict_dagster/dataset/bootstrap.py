"""Intervals by circular block bootstrap over sessions.

Forecasts of one session share its market, and neighbouring sessions share its mood, so neither
rows nor single sessions are independent; blocks of sessions nearly are. The last session is
followed by the first, so that each is drawn equally often.

Of few sessions an interval is too narrow: measured on independent ones, "95 %" holds the truth
90 % of the time on 60 sessions, 92 % on 100, 94 % on 400.

Source: Politis and Romano (1992), "A circular block-resampling procedure for stationary data".
"""

from collections.abc import Callable

import numpy as np

BLOCK = 21
"""Sessions in a block: a month."""

MIN_BLOCKS = 12
"""Of a shorter history blocks are shorter: three blocks of 20 covered 74 % where 95 was said."""

N_RESAMPLES = 1000
LEVEL = 0.95


def block_weights(
    n_sessions: int, seed: int, n_resamples: int = N_RESAMPLES, block: int = BLOCK
) -> np.ndarray:
    """How often each session occurs in each resample; shape (n_resamples, n_sessions).

    Each resample strings together whole blocks drawn with replacement, cut to n_sessions.

    Parameters
    ----------
    block
        Sessions in a block, at most: a month of them; fewer where not every session is there.
    """
    block = max(1, min(block, n_sessions // MIN_BLOCKS))
    n_blocks = -(-n_sessions // block)
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, n_sessions, size=(n_resamples, n_blocks))
    drawn = (starts[:, :, None] + np.arange(block)) % n_sessions
    drawn = drawn.reshape(n_resamples, -1)[:, :n_sessions]
    weights = np.zeros((n_resamples, n_sessions))
    np.add.at(weights, (np.arange(n_resamples)[:, None], drawn), 1.0)
    return weights


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
    values = statistic(np.einsum("rs,sk->rk", weights, sums))
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return float("nan"), float("nan")
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
