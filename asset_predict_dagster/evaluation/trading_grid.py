"""The trading grid: at which price each paper could be traded in each session, and what that costs.

Rows are B3's sessions, columns are tickers. Prices are averages of a session, adjusted with the
close's factors; where a paper did not trade, the last one stands.
"""

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.trailing import lagged, trailing_std
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.costs import recorded_half_spread
from asset_predict_dagster.market.sessions import sessions_between

VOLATILITY_WINDOW = 21
"""Sessions of the trailing volatility, as in the feature volatility_21d."""


class TradingGrid:
    """Built once from quotes, and good for every strategy and every forecaster on them.

    Attributes
    ----------
    calendar
        Shape (n_sessions,), datetime64[D]: B3's sessions from the first quote to the last, and
        every session with a quote.
    tickers
        Shape (n_tickers,), str, sorted.
    traded
        Shape (n_sessions, n_tickers), bool: it has a price and a traded value above 0.
    returns
        Shape (n_sessions - 1, n_tickers): average price of a session → of the next one, the last
        price standing where there was no trade, 0 before the first. What a halted paper did comes
        all at once, in the session in which it trades again.
    idle
        Shape as `traded`: sessions since the last trade, 0 where it traded.
    half_spread, traded_value
        Shape as `traded`: from `costs.recorded_half_spread`, and R$; NaN without a trade.
    volatility
        Shape as `traded`: population standard deviation of the last 21 one-session log returns of
        the adjusted close, as known at the close; of the last trade where there was none.
    """

    def __init__(self, quotes: pd.DataFrame):
        if quotes.empty:
            raise DatasetError("a backtest needs quotes and was given none; run `ingest` first")
        days = quotes["session"].to_numpy().astype("datetime64[D]")
        known = sessions_between(days.min().astype(object), days.max().astype(object))
        self.calendar = np.union1d(known, days)
        self._row = np.searchsorted(self.calendar, days)
        self._column, tickers = pd.factorize(quotes["ticker"], sort=True)
        self.tickers = np.asarray(tickers, dtype=str)

        price = average_price(quotes)
        value = quotes["volume_brl"].to_numpy(dtype=np.float64)
        is_trade = (price > 0) & np.isfinite(price) & (value > 0)
        self.traded = self._grid(is_trade.astype(np.float64)) == 1.0
        last_price = _last_known(self._grid(np.where(is_trade, price, np.nan)))
        with np.errstate(invalid="ignore"):
            self.returns = np.nan_to_num(last_price[1:] / last_price[:-1] - 1)
        self.traded_value = self._grid(value)
        self.half_spread = self._grid(recorded_half_spread(quotes))
        self.volatility = _last_known(self._grid(_volatility(quotes)))
        places = np.arange(len(self.calendar))[:, None]
        self.idle = places - np.maximum.accumulate(np.where(self.traded, places, 0), axis=0)

    def place(self, sessions: pd.Series) -> np.ndarray:
        """Place of each session in `calendar`, or -1."""
        days = sessions.to_numpy().astype("datetime64[D]")
        at = np.searchsorted(self.calendar, days)
        inside = at < len(self.calendar)
        inside[inside] = self.calendar[at[inside]] == days[inside]
        return np.where(inside, at, -1)

    def column(self, tickers: pd.Series) -> np.ndarray:
        """Place of each ticker in `tickers`, or -1."""
        return pd.Index(self.tickers).get_indexer(pd.Index(tickers.astype(str)))

    def _grid(self, values: np.ndarray) -> np.ndarray:
        grid = np.full((len(self.calendar), len(self.tickers)), np.nan)
        grid[self._row, self._column] = values
        return grid


def average_price(quotes: pd.DataFrame) -> np.ndarray:
    """What a share cost in each row's session on average, adjusted; shape (n_rows,).

        average × adjusted_close / close,  (high + low + close) / 3 where the average is missing

    Parameters
    ----------
    quotes
        Rows of `tables.QUOTES`. Missing where the close is 0.

    Examples
    --------
    >>> average_price(pd.DataFrame({"average": [10.5, np.nan], "high": [11.0, 12.0],
    ...     "low": [10.0, 9.0], "close": [11.0, 9.0], "adjusted_close": [22.0, 18.0]})).tolist()
    [21.0, 20.0]
    """
    said = quotes["average"].where(quotes["average"] > 0)
    typical = (quotes["high"] + quotes["low"] + quotes["close"]) / 3
    close = quotes["close"].where(quotes["close"] > 0)
    price = said.fillna(typical) * quotes["adjusted_close"] / close
    return price.to_numpy(dtype=np.float64)


def _volatility(quotes: pd.DataFrame) -> np.ndarray:
    """By the feature's formula, over the sessions in which a ticker traded; shape (n_rows,)."""
    result = np.full(len(quotes), np.nan)
    close = quotes["adjusted_close"].to_numpy(dtype=np.float64)
    order = quotes["session"].to_numpy()
    for rows in quotes.groupby("ticker", sort=False, observed=True).indices.values():
        rows = rows[np.argsort(order[rows], kind="stable")]
        with np.errstate(invalid="ignore", divide="ignore"):
            logs = np.log(close[rows])
        result[rows] = trailing_std(lagged(logs, 1, np.subtract), VOLATILITY_WINDOW)
    return result


def _last_known(grid: np.ndarray) -> np.ndarray:
    return pd.DataFrame(grid).ffill().to_numpy()
