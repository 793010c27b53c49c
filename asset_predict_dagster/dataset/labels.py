"""Labels: what happened after t. Nothing up to t decides one alone; the tail is missing.

Returns step along B3's calendar, not along a ticker's own sessions: t+1 is the next session of
the exchange. A ticker that did not trade there keeps its last price; with no trade at all in
the span the label is missing, and so is every label whose span reaches past the data.
"""

from datetime import date

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.features import gaussian_rank
from asset_predict_dagster.dataset.samples import ACTION_HORIZON, HORIZONS
from asset_predict_dagster.market.sessions import session_after, sessions_between
from asset_predict_dagster.tables import LABELS

LABEL_WIDTH = 0.5
"""Trailing volatilities that a return must exceed to be a buy or a sell."""

SPAN = 1 + max(HORIZONS)
"""Sessions after t that the labels of row t look at: entry at t+1, the last exit at t+1+5."""


def compute_labels(
    quotes: pd.DataFrame, universe: pd.DataFrame, volatility_21d: np.ndarray
) -> pd.DataFrame:
    """One row per row of `quotes`. Key: (ticker, session). Columns: `tables.LABELS`.

    Parameters
    ----------
    quotes, universe
        Rows of `tables.QUOTES` and `tables.UNIVERSE` with the same keys in the same order.
    volatility_21d
        Shape (n_rows,), the feature of that name: the width of hold scales with it. The action
        is missing where it is missing or zero.
    """
    grid = _PriceGrid(quotes)
    table = quotes[["ticker", "session"]].reset_index(drop=True).copy()
    for h in HORIZONS:
        table[f"realised_return_{h}d"] = grid.returns(entry=0, exit_=h)
        tradable = grid.returns(entry=1, exit_=1 + h)
        table[f"realised_return_tradable_{h}d"] = tradable
        ranked = np.where(universe["in_universe"], tradable, np.nan)
        table[f"return_rank_{h}d"] = gaussian_rank(ranked, table["session"])
    forward = table[f"realised_return_{ACTION_HORIZON}d"].to_numpy()
    table["action"] = actions(forward, np.asarray(volatility_21d, dtype=np.float64))
    table["is_halted"] = grid.did_not_trade(1)
    table["span_end"] = grid.session_ahead(SPAN)
    return table[LABELS.column_names]


def actions(
    forward_return: np.ndarray, volatility: np.ndarray, width: float = LABEL_WIDTH
) -> pd.Series:
    """Buy, hold or sell in hindsight; missing where the return or the volatility is.

        buy if return > width × volatility, sell if return < -width × volatility, else hold

    >>> actions(np.array([0.02, 0.004, -0.02, np.nan]), np.full(4, 0.02)).tolist()
    ['buy', 'hold', 'sell', nan]
    """
    threshold = width * np.where(volatility > 0, volatility, np.nan)
    named = pd.Series(
        np.select(
            [forward_return > threshold, forward_return < -threshold],
            ["buy", "sell"],
            default="hold",
        ),
        dtype="str",
    )
    return named.where(np.isfinite(forward_return) & np.isfinite(threshold))


def learned_until(training_end: date) -> date:
    """The last session that a model trained on rows up to `training_end` knows something of."""
    return session_after(training_end, SPAN)


class _PriceGrid:
    """Adjusted closes on B3's calendar × tickers, looked at from the rows of `quotes`."""

    def __init__(self, quotes: pd.DataFrame):
        sessions = quotes["session"].to_numpy().astype("datetime64[D]")
        calendar = sessions_between(sessions.min().astype(object), sessions.max().astype(object))
        self.calendar = np.union1d(calendar, sessions)
        tickers, self.column = np.unique(quotes["ticker"].to_numpy(dtype=str), return_inverse=True)
        self.row = np.searchsorted(self.calendar, sessions)
        shape = (len(self.calendar), len(tickers))
        close = np.full(shape, np.nan)
        close[self.row, self.column] = quotes["adjusted_close"].to_numpy()
        self.traded = np.isfinite(close)
        self.last_price = pd.DataFrame(close).ffill().to_numpy()
        self.trades_so_far = self.traded.cumsum(axis=0)

    def returns(self, entry: int, exit_: int) -> np.ndarray:
        """last price at t+exit / last price at t+entry - 1, per row; see the module's rules."""
        inside, start, end = self._span(entry, exit_)
        result = np.full(len(self.row), np.nan)
        result[inside] = self.last_price[end] / self.last_price[start] - 1
        trades = self.trades_so_far[end] - self.trades_so_far[start]
        result[np.flatnonzero(inside)[trades == 0]] = np.nan
        return result

    def did_not_trade(self, ahead: int) -> pd.Series:
        """Whether the ticker had no trade at t+ahead; missing past the data."""
        inside, _, end = self._span(0, ahead)
        result = pd.Series(pd.NA, index=range(len(self.row)), dtype="boolean")
        result[inside] = ~self.traded[end]
        return result

    def session_ahead(self, ahead: int) -> pd.Series:
        """The session t+ahead; missing past the data."""
        inside, _, end = self._span(0, ahead)
        result = np.full(len(self.row), np.datetime64("NaT"), dtype="datetime64[us]")
        result[inside] = self.calendar[end[0]]
        return pd.Series(result)

    def _span(self, entry: int, exit_: int):
        inside = self.row + exit_ < len(self.calendar)
        rows, columns = self.row[inside], self.column[inside]
        return inside, (rows + entry, columns), (rows + exit_, columns)
