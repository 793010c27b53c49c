"""Intervals by moving-block bootstrap over sessions.

Forecasts of one session share its market, and neighbouring sessions share its mood, so neither
rows nor single sessions are independent; blocks of sessions nearly are.

Source: Künsch (1989), "The jackknife and the bootstrap for general stationary observations".
"""

from collections.abc import Callable

import numpy as np

BLOCK = 21
"""Sessions in a block: a month."""

N_RESAMPLES = 1000
LEVEL = 0.95


def block_weights(n_sessions: int, seed: int, n_resamples: int = N_RESAMPLES) -> np.ndarray:
    """How often each session occurs in each resample; shape (n_resamples, n_sessions).

    Each resample strings together whole blocks drawn with replacement, cut to n_sessions.
    """
    block = min(BLOCK, n_sessions)
    n_blocks = -(-n_sessions // block)
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, n_sessions - block + 1, size=(n_resamples, n_blocks))
    drawn = (starts[:, :, None] + np.arange(block)).reshape(n_resamples, -1)[:, :n_sessions]
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
    values = statistic(weights @ sums)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return float("nan"), float("nan")
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
