"""Indicators: arithmetic on one ticker's sessions, from which the catalogue takes its recipes.

Row t of each uses the sessions up to t; missing values say that there were too few.
"""

from collections.abc import Callable

import numpy as np
import talib

Bars = dict[str, np.ndarray]
"""One ticker's sessions in order: adjusted open, high, low, close, and traded_value_brl."""


def log_return(n: int) -> Callable[[Bars], np.ndarray]:
    """ln of the close over the close n sessions before."""

    def compute(bars: Bars) -> np.ndarray:
        log_close = np.log(bars["close"])
        return lagged(log_close, n, lambda now, then: now - then)

    return compute


def lagged(values: np.ndarray, n: int, combine: Callable) -> np.ndarray:
    """combine(values[t], values[t - n]); missing for the first n."""
    result = np.full(len(values), np.nan)
    if len(values) > n:
        result[n:] = combine(values[n:], values[:-n])
    return result


def volatility(n: int) -> Callable[[Bars], np.ndarray]:
    """Population standard deviation of n daily log returns.

    By exact windows: a flat price has exactly none.
    """

    daily = log_return(1)

    def compute(bars: Bars) -> np.ndarray:
        returns = daily(bars)
        result = np.full(len(returns), np.nan)
        if len(returns) > n:
            windows = np.lib.stride_tricks.sliding_window_view(returns[1:], n)
            result[n:] = windows.std(axis=1)
        return result

    return compute


def overnight_gap(bars: Bars) -> np.ndarray:
    """ln of the open over the close of the session before."""
    close_before = lagged(np.log(bars["close"]), 1, lambda _, then: then)
    return np.log(bars["open"]) - close_before


def close_location(bars: Bars) -> np.ndarray:
    """Where in the day's range the close is, from -1/2 to 1/2; missing without a range."""
    spread = bars["high"] - bars["low"]
    place = (bars["close"] - bars["low"]) / np.where(spread > 0, spread, np.nan)
    return place - 0.5


def bollinger_position(bars: Bars) -> np.ndarray:
    """Distance of the close from the mean of 20, in band half-widths; missing on a flat price."""
    _, middle, _ = talib.BBANDS(bars["close"], 20, 2.0, 2.0)
    width = 2.0 * talib.STDDEV(bars["close"], 20, 1.0)
    # TA-Lib's running variance leaves rounding dust on a flat price: below a millionth of the
    # price there is no band to have a position in.
    return (bars["close"] - middle) / np.where(width > 1e-6 * middle, width, np.nan)


def mean(values: np.ndarray, n: int) -> np.ndarray:
    """Mean of the last n values, by exact windows; missing where one of them is."""
    # In TA-Lib's running sum a value that left keeps its rounding there, so
    # that a flat price has some illiquidity, and a missing value is never forgotten.
    result = np.full(len(values), np.nan)
    if len(values) >= n:
        result[n - 1 :] = np.lib.stride_tricks.sliding_window_view(values, n).mean(axis=1)
    return result


def positive(values: np.ndarray) -> np.ndarray:
    """The values above zero; missing where not."""
    return np.where(values > 0, values, np.nan)


def traded_value_surprise(bars: Bars) -> np.ndarray:
    """ln of the traded value over its geometric mean of 21 sessions."""
    log_value = np.log(positive(bars["traded_value_brl"]))
    return log_value - mean(log_value, 21)


def traded_value_trend(bars: Bars) -> np.ndarray:
    """ln of the geometric mean of 21 traded values over that of 126."""
    log_value = np.log(positive(bars["traded_value_brl"]))
    return mean(log_value, 21) - mean(log_value, 126)


def illiquidity(bars: Bars) -> np.ndarray:
    """ln of the mean of 21 of |daily return| per million R$ traded (Amihud 2002)."""
    moved = np.abs(log_return(1)(bars)) / (positive(bars["traded_value_brl"]) / 1e6)
    return np.log(positive(mean(moved, 21)))
