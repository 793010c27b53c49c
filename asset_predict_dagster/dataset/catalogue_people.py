"""The features that no model sees: those that people and charts expect by name."""

import talib

from asset_predict_dagster.dataset import indicators as of
from asset_predict_dagster.dataset.catalogue_models import Feature
from asset_predict_dagster.dataset.trailing import trailing_mean

INDEX_BRL = "R$ of the ticker's first session"


def _shown(name: str, formula: str, unit: str, warm_up: int, compute: of.Recipe) -> Feature:
    """A feature of one ticker that no model sees."""
    return Feature(name, formula, unit, warm_up, compute, for_models=False)


FOR_PEOPLE = (
    _shown("returns", "close[t] / close[t-1] - 1", "fraction", 1, of.growth(1)),
    _shown("daily_return", "(close - open) / open", "fraction", 0, lambda bars: bars.daily_return),
    _shown(
        "rolling_volatility_5",
        "sample standard deviation (n - 1) of daily_return over 5 sessions",
        "fraction, per session",
        4,
        of.sample_deviation_of_daily_return,
    ),
    _shown("price_momentum_5", "close[t] / close[t-5] - 1", "fraction", 5, of.growth(5)),
    _shown("moving_avg_10", "mean of 10 closes", INDEX_BRL, 9, of.simple_average(10)),
    *(
        _shown(f"sma_{n}", f"mean of {n} closes", INDEX_BRL, n - 1, of.simple_average(n))
        for n in (20, 50, 200)
    ),
    *(
        _shown(
            f"ema_{n}",
            f"TA-Lib EMA({n}) of the close: starts as the mean of the first {n}",
            INDEX_BRL,
            n - 1,
            lambda bars, n=n: talib.EMA(bars.close, n),
        )
        for n in (12, 26)
    ),
    _shown(
        "macd",
        "TA-Lib MACD(12, 26, 9) line: EMA of 12 - EMA of 26, both started at the 26th close",
        INDEX_BRL,
        33,
        lambda bars: bars.macd[0],
    ),
    _shown("macd_signal", "EMA of 9 of macd", INDEX_BRL, 33, lambda bars: bars.macd[1]),
    _shown("macd_hist", "macd - macd_signal", INDEX_BRL, 33, lambda bars: bars.macd[2]),
    _shown(
        "bollinger_upper",
        "TA-Lib BBANDS(20, 2): mean of 20 closes + 2 population standard deviations",
        INDEX_BRL,
        19,
        lambda bars: bars.bollinger[0],
    ),
    _shown("bollinger_middle", "mean of 20 closes", INDEX_BRL, 19, lambda bars: bars.bollinger[1]),
    _shown(
        "bollinger_lower",
        "TA-Lib BBANDS(20, 2): mean of 20 closes - 2 population standard deviations",
        INDEX_BRL,
        19,
        lambda bars: bars.bollinger[2],
    ),
    _shown("atr_14", "TA-Lib ATR(14)", INDEX_BRL, 14, lambda bars: bars.atr_14),
    _shown(
        "high_breakout_20",
        "1 if no high of the last 20 sessions is above today's, else 0",
        "0 or 1",
        19,
        of.high_breakout,
    ),
    _shown(
        "volume_change",
        "traded value[t] / traded value[t-1] - 1; missing after a session without one",
        "fraction",
        1,
        of.traded_value_change,
    ),
    _shown(
        "avg_volume_10",
        "mean of 10 traded values",
        "R$ a session",
        9,
        lambda bars: trailing_mean(bars.traded_value_brl, 10),
    ),
    _shown(
        "best_buy_sell_spread",
        "best ask - best bid as quoted; missing without both",
        "R$ per share",
        0,
        lambda bars: bars.best_ask - bars.best_bid,
    ),
    _shown(
        "close_to_best_buy",
        "(close - best bid) / best bid as quoted; missing without one",
        "fraction",
        0,
        of.close_to_best_bid,
    ),
    _shown(
        "market_type_NM",
        "1 if ESPECI says NM (Novo Mercado), else 0; missing where it is empty",
        "0 or 1",
        0,
        lambda bars: bars.is_novo_mercado,
    ),
    _shown(
        "asset_type_ON",
        "1 if ESPECI begins with ON (common share), else 0; missing where it is empty",
        "0 or 1",
        0,
        lambda bars: bars.is_common,
    ),
    _shown("day_of_week", "weekday of t, Monday 0", "0-6", 0, lambda bars: bars.weekday),
)
