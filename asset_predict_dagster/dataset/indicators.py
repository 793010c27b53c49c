"""Indicators: arithmetic on one ticker's sessions, from which the catalogue takes its recipes.

Row t of each uses the sessions up to t; missing values say that there were too few, or that the
formula has no answer. TA-Lib's definitions where it has one, the first bars of its recursive ones
included; where it answers 0 for "undefined", ours is missing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import talib

from asset_predict_dagster.dataset.trailing import (
    lagged,
    positive,
    trailing_mean,
    trailing_std,
    trailing_sum,
    trailing_variance,
)

DUST = 1e-9
"""Two prices that differ by less than this share of them differ by rounding alone."""


@dataclass(frozen=True)
class Bars:
    """One ticker's own sessions in order, each attribute of shape (n_sessions,), float64.

    Attributes
    ----------
    open, high, low, close
        Forward-adjusted, so that no split or dividend is a step, and nothing later changes them.
    traded_value_brl
        R$ of the session; 0 if nothing was paid.
    quoted_close, best_bid, best_ask
        R$ per share as quoted that day; bid and ask are missing where there was none.
    weekday
        0 on Monday.
    is_novo_mercado, is_common
        1 or 0 by ESPECI; missing where that is empty.
    market_return_1d
        The feature of that name; missing where the universe was empty.
    """

    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    traded_value_brl: np.ndarray
    quoted_close: np.ndarray
    best_bid: np.ndarray
    best_ask: np.ndarray
    weekday: np.ndarray
    is_novo_mercado: np.ndarray
    is_common: np.ndarray
    market_return_1d: np.ndarray

    @cached_property
    def log_close(self) -> np.ndarray:
        return np.log(self.close)

    @cached_property
    def log_return_1d(self) -> np.ndarray:
        return lagged(self.log_close, 1, np.subtract)

    @cached_property
    def daily_return(self) -> np.ndarray:
        return (self.close - self.open) / self.open

    @cached_property
    def typical_price(self) -> np.ndarray:
        return (self.high + self.low + self.close) / 3

    @cached_property
    def log_traded_value(self) -> np.ndarray:
        return np.log(positive(self.traded_value_brl))

    @cached_property
    def macd(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """TA-Lib's MACD(12, 26, 9): line, signal, histogram."""
        return talib.MACD(self.close, 12, 26, 9)

    @cached_property
    def bollinger(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """TA-Lib's BBANDS(20, 2): upper, middle, lower."""
        return talib.BBANDS(self.close, 20, 2.0, 2.0)

    @cached_property
    def atr_14(self) -> np.ndarray:
        return talib.ATR(self.high, self.low, self.close, 14)


Recipe = Callable[[Bars], np.ndarray]


def log_return(n: int) -> Recipe:
    """ln of the close over the close n sessions before."""
    return lambda bars: lagged(bars.log_close, n, np.subtract)


def growth(n: int) -> Recipe:
    """Close over the close n sessions before, less 1."""
    return lambda bars: lagged(bars.close, n, np.divide) - 1


def volatility(n: int) -> Recipe:
    """Population standard deviation of n daily log returns; a flat price has exactly none."""
    return lambda bars: trailing_std(bars.log_return_1d, n)


def simple_average(n: int) -> Recipe:
    """TA-Lib's SMA of the close."""
    return lambda bars: talib.SMA(bars.close, n)


def distance_to_sma(n: int) -> Recipe:
    """Close over the mean of n closes, less 1."""
    return lambda bars: bars.close / talib.SMA(bars.close, n) - 1


def parkinson_volatility(bars: Bars) -> np.ndarray:
    """Root of the mean of 21 of ln(high / low)² / (4 ln 2) (Parkinson 1980).

    Of an unbiased walk within the session it estimates the volatility with a fifth of the variance
    of the one from closes; it does not see the night.
    """
    ranges = np.log(bars.high / bars.low)
    return np.sqrt(trailing_mean(ranges * ranges, 21) / (4 * np.log(2)))


def overnight_gap(bars: Bars) -> np.ndarray:
    """ln of the open over the close of the session before."""
    close_before = lagged(bars.log_close, 1, lambda _, then: then)
    return np.log(bars.open) - close_before


def close_location(bars: Bars) -> np.ndarray:
    """Where in the day's range the close is, from -1/2 to 1/2; missing without a range."""
    return (bars.close - bars.low) / positive(bars.high - bars.low) - 0.5


def rsi(bars: Bars) -> np.ndarray:
    """TA-Lib's RSI(14); missing, not 0, until a close has moved: nothing has a strength yet."""
    has_moved = np.maximum.accumulate(bars.close) > np.minimum.accumulate(bars.close)
    return np.where(has_moved, talib.RSI(bars.close, 14), np.nan)


def bollinger_position(bars: Bars) -> np.ndarray:
    """Distance of the close from the mean of 20, in band half-widths; missing on a flat price."""
    middle = bars.bollinger[1]
    width = 2.0 * talib.STDDEV(bars.close, 20, 1.0)
    # TA-Lib's running variance leaves rounding dust on a flat price: below a millionth of the
    # price there is no band to have a position in.
    return (bars.close - middle) / np.where(width > 1e-6 * middle, width, np.nan)


def stochastic(bars: Bars) -> np.ndarray:
    """Where in the range of 14 sessions the close is, 0 to 100; missing without a range."""
    lowest = talib.MIN(bars.low, 14)
    return 100 * (bars.close - lowest) / positive(talib.MAX(bars.high, 14) - lowest)


def adx(bars: Bars) -> np.ndarray:
    """TA-Lib's ADX(14); missing, not 0, until a high or a low has moved.

    Where a high rises by as much as a low falls, neither counts: in TA-Lib the last bit of the two
    differences decides whether they are equal, and ours is TA-Lib's.
    """
    return positive(talib.ADX(bars.high, bars.low, bars.close, 14))


def cci(bars: Bars) -> np.ndarray:
    """TA-Lib's CCI(20); missing, not 0, where the typical price did not move."""
    typical = bars.typical_price
    moved = talib.MAX(typical, 20) > talib.MIN(typical, 20)
    return np.where(moved, talib.CCI(bars.high, bars.low, bars.close, 20), np.nan)


def mfi(bars: Bars) -> np.ndarray:
    """Of the traded value that moved the typical price in 14 sessions, the share that raised it.

    TA-Lib's MFI(14) with the traded value as money flow, which is what price times volume stands
    for and which no split changes; missing where no money moved the price.
    """
    typical = bars.typical_price
    move = lagged(typical, 1, np.subtract)
    # Three prices in whole centavos often have yesterday's sum; rounding alone must not say that
    # they rose.
    dust = DUST * typical
    flow = np.where(np.isnan(move), np.nan, bars.traded_value_brl)
    rising = trailing_sum(flow * (move > dust), 14)
    falling = trailing_sum(flow * (move < -dust), 14)
    return 100 * rising / positive(rising + falling)


def relative_spread(bars: Bars) -> np.ndarray:
    """Best ask less best bid, over their mean; missing without both, or where they cross."""
    spread = bars.best_ask - bars.best_bid
    middle = positive((bars.best_ask + bars.best_bid) / 2)
    # One centavo of R$ 10 and two of R$ 20 are one spread: rounding must not rank them.
    return np.round(np.where(spread >= 0, spread, np.nan) / middle, 9)


def close_to_best_bid(bars: Bars) -> np.ndarray:
    """Close over the best bid, less 1, both as quoted."""
    return bars.quoted_close / positive(bars.best_bid) - 1


def traded_value_surprise(bars: Bars) -> np.ndarray:
    """ln of the traded value over its geometric mean of 21 sessions."""
    return bars.log_traded_value - trailing_mean(bars.log_traded_value, 21)


def traded_value_trend(bars: Bars) -> np.ndarray:
    """ln of the geometric mean of 21 traded values over that of 126."""
    return trailing_mean(bars.log_traded_value, 21) - trailing_mean(bars.log_traded_value, 126)


def traded_value_change(bars: Bars) -> np.ndarray:
    """Traded value over that of the session before, less 1; missing where that was nothing."""
    return lagged(bars.traded_value_brl, 1, lambda now, then: now / positive(then)) - 1


def illiquidity(bars: Bars) -> np.ndarray:
    """ln of the mean of 21 of |daily return| per million R$ traded (Amihud 2002)."""
    moved = np.abs(bars.log_return_1d) / (positive(bars.traded_value_brl) / 1e6)
    return np.log(positive(trailing_mean(moved, 21)))


def beta(bars: Bars) -> np.ndarray:
    """Covariance of the daily return with the market's over the market's variance, 126 sessions.

    Missing where the market's return of one of them is, or where it never varied.
    """
    own, market = bars.log_return_1d, bars.market_return_1d
    together = trailing_mean(own * market, 126)
    covariance = together - trailing_mean(own, 126) * trailing_mean(market, 126)
    return covariance / positive(trailing_variance(market, 126))


def sample_deviation_of_daily_return(bars: Bars) -> np.ndarray:
    """Sample standard deviation (n - 1) of five daily_return."""
    return trailing_std(bars.daily_return, 5) * np.sqrt(5 / 4)


def high_breakout(bars: Bars) -> np.ndarray:
    """1 where no high of the last 20 sessions is above today's, else 0."""
    highest = talib.MAX(bars.high, 20)
    return np.where(np.isnan(highest), np.nan, bars.high >= highest)
