"""Windows: the recent past of a row, as row numbers first and as values one batch at a time.

A million windows of 32 sessions would fill 15 GB; their row numbers are small, and the values
of one batch are gathered when they are needed.
"""

import numpy as np

from asset_predict_dagster.errors import SettingsError

ABSENT = -1
"""Row number of a session on which the ticker has no row: halted, or not listed yet."""


def window_index(
    ticker_codes: np.ndarray, session_codes: np.ndarray, rows: np.ndarray, lookback: int
) -> np.ndarray:
    """Row numbers of each row's ticker on the last `lookback` sessions, its own one included.

    The steps are sessions of the market, not rows of the ticker: after a halt a window holds a
    gap where the halt was, so that one step is always one session.

    Parameters
    ----------
    ticker_codes, session_codes
        Shape (n_rows,), integers, as in `Samples`; a (ticker, session) pair occurs once.
    rows
        The rows that want a window: a boolean mask of shape (n_rows,) or n row numbers.
    lookback
        Steps of a window, in sessions; at least 1.

    Returns
    -------
    Shape (n, lookback), int64, oldest session first; the last column is the row itself.
    `ABSENT` where the ticker has no row.

    Raises
    ------
    SettingsError
        If `lookback` is below 1.

    Examples
    --------
    One ticker that was halted on session 2:

    >>> window_index(np.array([0, 0, 0]), np.array([0, 1, 3]), np.array([1, 2]), lookback=3)
    array([[-1,  0,  1],
           [ 1, -1,  2]])
    """
    if lookback < 1:
        raise SettingsError(f"lookback must be at least 1 session; found {lookback}")
    numbers = np.arange(len(ticker_codes))
    chosen = numbers[rows]
    if len(chosen) == 0:
        return np.empty((0, lookback), dtype=np.int64)

    # Sessions move right by lookback - 1, which leaves empty ones before the first.
    shift = lookback - 1
    n_sessions = int(session_codes.max()) + 1 + shift
    row_at = np.full((int(ticker_codes.max()) + 1, n_sessions), ABSENT, dtype=np.int64)
    row_at[ticker_codes, session_codes + shift] = numbers

    steps = session_codes[chosen, None] + np.arange(lookback)  # (n, lookback)
    return row_at[ticker_codes[chosen, None], steps]


def gather(features: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Values of one batch of windows.

    Parameters
    ----------
    features
        Shape (n_rows, n_features), float32.
    index
        Shape (n, lookback), from `window_index`.

    Returns
    -------
    Shape (n, lookback, n_features), float32. Missing features stay NaN; an absent session is a
    step of NaN.
    """
    windows = features[index].astype(np.float32, copy=False)
    windows[index == ABSENT] = np.nan
    return windows
