"""The price grid: last prices on B3's calendar × tickers, looked at from the rows of `quotes`.

Steps ahead are sessions of the exchange, not of the ticker. Where it did not trade its last
price stands: while it is halted, and for good once it is delisted. A label cannot tell the two
apart, and must not try: whether a paper trades again is known only after the label's span. So
there is one rule for both: a span with a trade in it ends at the last price, a span without any
has no return.
"""

import numpy as np
import pandas as pd

from asset_predict_dagster.market.sessions import sessions_between


class PriceGrid:
    """Adjusted closes by session and ticker.

    Attributes
    ----------
    calendar
        Shape (n_sessions,), datetime64[D]: B3's sessions from the first quote to the last, and
        every session with a quote.
    row, column
        Shape (n_rows,): where each row of `quotes` lies in `traded`.
    traded
        Shape (n_sessions, n_tickers), bool.
    """

    def __init__(self, quotes: pd.DataFrame):
        sessions = quotes["session"].to_numpy().astype("datetime64[D]")
        calendar = sessions_between(sessions.min().astype(object), sessions.max().astype(object))
        self.calendar = np.union1d(calendar, sessions)
        tickers, self.column = np.unique(quotes["ticker"].to_numpy(dtype=str), return_inverse=True)
        self.row = np.searchsorted(self.calendar, sessions)
        close = np.full((len(self.calendar), len(tickers)), np.nan)
        close[self.row, self.column] = quotes["adjusted_close"].to_numpy()
        self.traded = np.isfinite(close)
        self._last_price = pd.DataFrame(close).ffill().to_numpy()
        self._trades_so_far = self.traded.cumsum(axis=0)

    def returns(self, entry: int, exit_: int) -> np.ndarray:
        """last price at t+exit / last price at t+entry - 1, per row of `quotes`.

        Missing where t+exit is past the data, and without a trade after t+entry up to t+exit.
        """
        inside, start, end = self._span(entry, exit_)
        result = np.full(len(self.row), np.nan)
        result[inside] = self._last_price[end] / self._last_price[start] - 1
        trades = self._trades_so_far[end] - self._trades_so_far[start]
        result[np.flatnonzero(inside)[trades == 0]] = np.nan
        return result

    def did_not_trade(self, ahead: int) -> pd.Series:
        """Whether the ticker had no trade at t+ahead; missing past the data."""
        inside, _, end = self._span(0, ahead)
        result = pd.Series(pd.NA, index=range(len(self.row)), dtype="boolean")
        result[inside] = ~self.traded[end]
        return result

    def session_ahead(self, ahead: np.ndarray) -> np.ndarray:
        """The session t+ahead, missing past the data; both of shape (n_rows,), datetime64[us]."""
        inside = self.row + ahead < len(self.calendar)
        result = np.full(len(self.row), np.datetime64("NaT"), dtype="datetime64[us]")
        result[inside] = self.calendar[(self.row + ahead)[inside]]
        return result

    def _span(self, entry: int, exit_: int):
        inside = self.row + exit_ < len(self.calendar)
        rows, columns = self.row[inside], self.column[inside]
        return inside, (rows + entry, columns), (rows + exit_, columns)
