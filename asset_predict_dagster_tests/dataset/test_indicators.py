"""Each feature of one ticker is what its formula says, written out as plain loops."""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest
import talib

from asset_predict_dagster.dataset.features import CATALOGUE, compute_features
from asset_predict_dagster_tests.dataset.hand_made_bars import (
    everyone,
    lively,
)

OF_A_TICKER = [feature for feature in CATALOGUE if feature.compute is not None]

Past = dict[str, list]
"""What one ticker did up to t: open, high, low, close, value, bid, ask, quoted, market, session,
especi; the last entry is t."""


def log_return(past: Past, n: int, ago: int = 0) -> float:
    closes = past["close"][: len(past["close"]) - ago]
    return math.log(closes[-1] / closes[-1 - n])


def daily_returns(past: Past, n: int) -> list[float]:
    return [log_return(past, 1, ago) for ago in reversed(range(n))]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def deviation(values: list[float]) -> float:
    return math.sqrt(mean([(value - mean(values)) ** 2 for value in values]))


def moving_average(past: Past, n: int) -> float:
    return mean(past["close"][-n:])


def exponential_average(values: list[float], n: int) -> list[float]:
    """From the nth value on: the mean of the first n, then 2 / (n + 1) of each new one."""
    averages = [mean(values[:n])]
    for value in values[n:]:
        averages.append(averages[-1] + 2 / (n + 1) * (value - averages[-1]))
    return averages


def macd(past: Past) -> tuple[float, float, float]:
    """Both averages start at the 26th close: the fast one with the mean of the last 12 by then."""
    fast, slow = exponential_average(past["close"][14:], 12), exponential_average(past["close"], 26)
    lines = [one - other for one, other in zip(fast, slow, strict=True)]
    signal = exponential_average(lines, 9)[-1]
    return lines[-1], signal, lines[-1] - signal


def band(past: Past) -> tuple[float, float]:
    return moving_average(past, 20), 2 * deviation(past["close"][-20:])


def typical_prices(past: Past) -> list[float]:
    return [sum(bar) / 3 for bar in zip(past["high"], past["low"], past["close"], strict=True)]


def commodity_channel(past: Past) -> float:
    typical = typical_prices(past)[-20:]
    middle = mean(typical)
    return (typical[-1] - middle) / (0.015 * mean([abs(price - middle) for price in typical]))


def money_flow(past: Past) -> float:
    typical = typical_prices(past)
    rising = falling = 0.0
    for t in range(len(typical) - 14, len(typical)):
        if typical[t] > typical[t - 1]:
            rising += past["value"][t]
        elif typical[t] < typical[t - 1]:
            falling += past["value"][t]
    return 100 * rising / (rising + falling)


def place_in_range(past: Past, n: int) -> float:
    highest, lowest = max(past["high"][-n:]), min(past["low"][-n:])
    return (past["close"][-1] - lowest) / (highest - lowest)


def parkinson(past: Past) -> float:
    ranges = zip(past["high"][-21:], past["low"][-21:], strict=True)
    return math.sqrt(mean([math.log(high / low) ** 2 for high, low in ranges]) / math.log(16))


def mean_log_value(past: Past, n: int) -> float:
    return mean([math.log(value) for value in past["value"][-n:]])


def illiquidity(past: Past) -> float:
    values = past["value"][-21:]
    moved = zip(daily_returns(past, 21), values, strict=True)
    return math.log(mean([abs(change) / (value / 1_000_000) for change, value in moved]))


def beta(past: Past) -> float:
    own, market = daily_returns(past, 126), past["market"][-126:]
    pairs = list(zip(own, market, strict=True))
    covariance = mean([(x - mean(own)) * (y - mean(market)) for x, y in pairs])
    return covariance / deviation(market) ** 2


def session_return(past: Past, ago: int = 0) -> float:
    return past["close"][-1 - ago] / past["open"][-1 - ago] - 1


def last_of(indicator: Callable, past: Past, columns: str, *periods: int) -> float:
    """TA-Lib's value at t, when nothing after t exists."""
    return indicator(*(np.array(past[name]) for name in columns.split()), *periods)[-1]


def atr(past: Past) -> float:
    return last_of(talib.ATR, past, "high low close", 14)


BY_HAND: dict[str, Callable[[Past], float]] = {
    **{f"log_return_{n}d": lambda past, n=n: log_return(past, n) for n in (1, 5, 21, 63, 126, 252)},
    "volatility_21d": lambda past: deviation(daily_returns(past, 21)),
    "volatility_63d": lambda past: deviation(daily_returns(past, 63)),
    "parkinson_volatility_21d": parkinson,
    "overnight_gap": lambda past: math.log(past["open"][-1] / past["close"][-2]),
    "intraday_return": lambda past: math.log(past["close"][-1] / past["open"][-1]),
    "close_location": lambda past: place_in_range(past, 1) - 0.5,
    "rsi_14": lambda past: last_of(talib.RSI, past, "close", 14),
    "macd_over_close": lambda past: macd(past)[0] / past["close"][-1],
    "macd_hist_over_close": lambda past: macd(past)[2] / past["close"][-1],
    "bollinger_position_20": lambda past: (past["close"][-1] - band(past)[0]) / band(past)[1],
    "atr_14_over_close": lambda past: atr(past) / past["close"][-1],
    "stochastic_14": lambda past: 100 * place_in_range(past, 14),
    "adx_14": lambda past: last_of(talib.ADX, past, "high low close", 14),
    "cci_20": commodity_channel,
    "mfi_14": money_flow,
    **{
        f"distance_to_sma_{n}": lambda past, n=n: past["close"][-1] / moving_average(past, n) - 1
        for n in (20, 50, 200)
    },
    "distance_to_high_252d": lambda past: math.log(past["close"][-1] / max(past["high"][-252:])),
    "distance_to_low_252d": lambda past: math.log(past["close"][-1] / min(past["low"][-252:])),
    "bid_ask_spread": lambda past: (
        2 * (past["ask"][-1] - past["bid"][-1]) / (past["ask"][-1] + past["bid"][-1])
    ),
    "traded_value_surprise_1d": lambda past: math.log(past["value"][-1]) - mean_log_value(past, 21),
    "traded_value_trend_21d": lambda past: mean_log_value(past, 21) - mean_log_value(past, 126),
    "illiquidity_21d": illiquidity,
    "max_return_21d": lambda past: max(daily_returns(past, 21)),
    "min_return_21d": lambda past: min(daily_returns(past, 21)),
    "beta_126d": beta,
    "returns": lambda past: past["close"][-1] / past["close"][-2] - 1,
    "daily_return": session_return,
    "rolling_volatility_5": lambda past: (
        deviation([session_return(past, ago) for ago in range(5)]) * math.sqrt(5 / 4)
    ),
    "price_momentum_5": lambda past: past["close"][-1] / past["close"][-6] - 1,
    "moving_avg_10": lambda past: moving_average(past, 10),
    **{f"sma_{n}": lambda past, n=n: moving_average(past, n) for n in (20, 50, 200)},
    **{f"ema_{n}": lambda past, n=n: exponential_average(past["close"], n)[-1] for n in (12, 26)},
    "macd": lambda past: macd(past)[0],
    "macd_signal": lambda past: macd(past)[1],
    "macd_hist": lambda past: macd(past)[2],
    "bollinger_upper": lambda past: sum(band(past)),
    "bollinger_middle": lambda past: band(past)[0],
    "bollinger_lower": lambda past: band(past)[0] - band(past)[1],
    "atr_14": atr,
    "high_breakout_20": lambda past: float(past["high"][-1] == max(past["high"][-20:])),
    "volume_change": lambda past: past["value"][-1] / past["value"][-2] - 1,
    "avg_volume_10": lambda past: mean(past["value"][-10:]),
    "best_buy_sell_spread": lambda past: past["ask"][-1] - past["bid"][-1],
    "close_to_best_buy": lambda past: (past["quoted"][-1] - past["bid"][-1]) / past["bid"][-1],
    "market_type_NM": lambda past: float("NM" in past["especi"][-1].split()),
    "asset_type_ON": lambda past: float(past["especi"][-1].split()[0] == "ON"),
    "day_of_week": lambda past: float(past["session"][-1].weekday()),
}


@cache
def three_tickers():
    table = pd.concat(
        [
            lively("AAAA3", 300, 1),
            lively("BBBB4", 280, 2, especi="PN  ED  N1"),
            lively("CCCC3", 290, 3, especi="ON"),
        ],
        ignore_index=True,
    )
    return table, compute_features(table, everyone(table))


NAMES = {
    "value": "volume_brl",
    "bid": "best_bid",
    "ask": "best_ask",
    "quoted": "close",
    "session": "session",
    "especi": "specification",
    **{name: f"adjusted_{name}" for name in ("open", "high", "low", "close")},
}


@pytest.mark.parametrize("feature", OF_A_TICKER, ids=lambda feature: feature.name)
def test_a_feature_of_a_ticker_is_its_formula_and_missing_exactly_in_its_warm_up(feature):
    quotes, features = three_tickers()
    for ticker, rows in quotes.groupby("ticker"):
        of_ticker = features[features["ticker"] == ticker]
        found = of_ticker[feature.name].to_numpy()
        history = {name: rows[column].tolist() for name, column in NAMES.items()}
        history["market"] = of_ticker["market_return_1d"].tolist()
        assert np.isnan(found[: feature.warm_up]).all()
        for t in range(feature.warm_up, len(rows)):
            past = {name: values[: t + 1] for name, values in history.items()}
            expected = BY_HAND[feature.name](past)
            assert found[t] == pytest.approx(expected, rel=1e-6, abs=1e-7), f"{ticker} {t}"
        assert np.isfinite(found[feature.warm_up :]).all()


def test_every_feature_of_a_ticker_is_written_by_hand_here():
    assert set(BY_HAND) == {feature.name for feature in OF_A_TICKER}


def test_macd_is_the_difference_of_the_averages_once_their_starts_are_forgotten():
    """TA-Lib starts its fast average at the 26th close, `ema_12` starts at the 12th."""
    _, features = three_tickers()
    difference = features["ema_12"] - features["ema_26"]
    np.testing.assert_allclose(features["macd"][150:300], difference[150:300], atol=1e-5)
    assert abs(features["macd"][33] - difference[33]) > 1e-3
