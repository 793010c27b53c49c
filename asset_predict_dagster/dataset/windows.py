"""Windows: the recent past of a row, as row numbers first and as values one batch at a time.

A million windows of 32 sessions would fill 15 GB; their row numbers are small, and the values
of one batch are gathered when they are needed.
"""

import numpy as np

from asset_predict_dagster.errors import SettingsError

ABSENT = -1
"""Row number of a session on which the ticker has no row: halted, or not listed yet."""


def window_index(
    ticker_codes: np.ndarray,
    session_codes: np.ndarray,
    rows: np.ndarray,
    lookback: int,
    longest_gap: int | None = None,
) -> np.ndarray:
    """Row numbers of each row's ticker on the last `lookback` sessions, its own one included.

    The steps are sessions of the market, not rows of the ticker: after a halt a window holds a
    gap where the halt was, so that one step is always one session. After a halt longer than
    `longest_gap` nothing before it is in the window.

    Parameters
    ----------
    ticker_codes, session_codes
        Shape (n_rows,), integers, as in `Samples`: in (ticker, session) order, no pair twice.
    rows
        The rows that want a window: a boolean mask of shape (n_rows,) or n row numbers.
    lookback
        Steps of a window, in sessions; at least 1.
    longest_gap
        Sessions in a row without the ticker that a window may reach back over; None: any number.

    Returns
    -------
    Shape (n, lookback), int64, oldest session first; the last column is the row itself.
    `ABSENT` where the ticker has no row.

    Raises
    ------
    SettingsError
        If `lookback` is below 1, or `longest_gap` below 0.

    Examples
    --------
    One ticker that was halted on session 2:

    >>> window_index(np.array([0, 0, 0]), np.array([0, 1, 3]), np.array([1, 2]), lookback=3)
    array([[-1,  0,  1],
           [ 1, -1,  2]])
    >>> window_index(np.array([0, 0, 0]), np.array([0, 1, 3]), np.array([2]), 3, longest_gap=0)
    array([[-1, -1,  2]])
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
    index = row_at[ticker_codes[chosen, None], steps]
    if longest_gap is None:
        return index
    stretch = stretch_codes(ticker_codes, session_codes, longest_gap)
    return np.where(stretch[index] == stretch[chosen, None], index, ABSENT)


def one_window(
    ticker_codes: np.ndarray,
    session_codes: np.ndarray,
    row: int,
    lookback: int,
    longest_gap: int | None = None,
) -> tuple[int, np.ndarray]:
    """The window of one row without a search: its first row, and the step of each row up to `row`.

    Rows of a ticker follow each other, so a window is a slice of them, spread over its steps. The
    parameters are those of `window_index`, which says the same of many rows.

    >>> one_window(np.array([0, 0, 0]), np.array([0, 1, 3]), 2, lookback=3)
    (1, array([0, 2]))
    """
    first = row - lookback + 1
    if (
        first >= 0
        and ticker_codes[first] == ticker_codes[row]
        and session_codes[row] - session_codes[first] == lookback - 1
    ):  # as many rows as sessions leave no gap
        return first, np.arange(lookback)
    first = max(first, 0)
    ago = session_codes[row] - session_codes[first : row + 1]
    is_near = (ticker_codes[first : row + 1] == ticker_codes[row]) & (ago < lookback)
    start = int(is_near.argmax())  # the last of the rows are near, and none before them
    n_absent = ago[start] + 1 - (row + 1 - first - start)
    if longest_gap is not None and n_absent > longest_gap:
        breaks = np.flatnonzero(ago[start:-1] - ago[start + 1 :] > longest_gap + 1)
        if len(breaks):
            start += int(breaks[-1]) + 1
    return first + start, lookback - 1 - ago[start:]


def stretch_codes(
    ticker_codes: np.ndarray, session_codes: np.ndarray, longest_gap: int
) -> np.ndarray:
    """Number of the stretch each row is in: rows of one ticker without a long gap between them.

    Shape (n_rows,), int64; it counts up from 0, in the order of the rows. A stretch ends before
    a gap of more than `longest_gap` sessions without the ticker, and where the ticker ends.

    >>> stretch_codes(np.array([0, 0, 0, 1]), np.array([0, 2, 5, 6]), longest_gap=1).tolist()
    [0, 0, 1, 2]
    """
    if longest_gap < 0:
        raise SettingsError(f"longest_gap must be at least 0 sessions; found {longest_gap}")
    is_new = (np.diff(ticker_codes) != 0) | (np.diff(session_codes) > longest_gap + 1)
    return np.cumsum(np.r_[False, is_new][: len(ticker_codes)])


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
