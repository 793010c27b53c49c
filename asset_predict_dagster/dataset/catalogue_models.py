"""The features of one ticker that models see, each declared once."""

from dataclasses import dataclass

import numpy as np
import talib

from asset_predict_dagster.dataset import indicators as of


@dataclass(frozen=True)
class Feature:
    """One column of `features`.

    `warm_up` is the number of the ticker's own earlier sessions that the value needs; it is
    missing before. A feature of the market counts the market's sessions, each of which needs a
    member of the universe. `compute` is given for features of one ticker; ranks name the feature
    they rank in `rank_of`; features of the market have neither. Models may see those that are
    `for_models`.
    """

    name: str
    formula: str
    unit: str
    warm_up: int
    compute: of.Recipe | None = None
    rank_of: str = ""
    for_models: bool = True


OF_A_TICKER = (
    *(
        Feature(f"log_return_{n}d", f"ln(close[t] / close[t-{n}])", "log", n, of.log_return(n))
        for n in (1, 5, 21, 63, 126, 252)
    ),
    *(
        Feature(
            f"volatility_{n}d",
            f"population standard deviation of log_return_1d over {n} sessions",
            "log, per session",
            n,
            of.volatility(n),
        )
        for n in (21, 63)
    ),
    Feature(
        "parkinson_volatility_21d",
        "root of the mean of 21 of ln(high / low)² / (4 ln 2) (Parkinson 1980)",
        "log, per session",
        20,
        of.parkinson_volatility,
    ),
    Feature("overnight_gap", "ln(open[t] / close[t-1])", "log", 1, of.overnight_gap),
    Feature(
        "intraday_return",
        "ln(close / open)",
        "log",
        0,
        lambda bars: np.log(bars.close / bars.open),
    ),
    Feature(
        "close_location",
        "(close - low) / (high - low) - 1/2; missing if high = low",
        "fraction",
        0,
        of.close_location,
    ),
    Feature(
        "rsi_14",
        "TA-Lib RSI(14); missing until a close has moved",
        "0-100",
        14,
        of.rsi,
    ),
    Feature(
        "macd_over_close",
        "TA-Lib MACD(12, 26, 9) line / close",
        "fraction",
        33,
        lambda bars: bars.macd[0] / bars.close,
    ),
    Feature(
        "macd_hist_over_close",
        "TA-Lib MACD(12, 26, 9) histogram / close",
        "fraction",
        33,
        lambda bars: bars.macd[2] / bars.close,
    ),
    Feature(
        "bollinger_position_20",
        "(close - mean of 20) / (2 population standard deviations of 20); missing on a flat price",
        "band widths",
        19,
        of.bollinger_position,
    ),
    Feature(
        "atr_14_over_close",
        "TA-Lib ATR(14) / close",
        "fraction",
        14,
        lambda bars: bars.atr_14 / bars.close,
    ),
    Feature(
        "stochastic_14",
        "100 (close - lowest low of 14) / (highest high of 14 - lowest low of 14): fast %K; missing"
        " without a range",
        "0-100",
        13,
        of.stochastic,
    ),
    Feature(
        "adx_14",
        "TA-Lib ADX(14), whose ties are decided by rounding; missing, where TA-Lib says 0, until"
        " a high or a low has moved",
        "0-100",
        27,
        of.adx,
    ),
    Feature(
        "cci_20",
        "TA-Lib CCI(20); missing if the typical price (high + low + close) / 3 stood still",
        "1.5 % of a mean deviation",
        19,
        of.cci,
    ),
    Feature(
        "mfi_14",
        "100 × traded value of those of 14 sessions in which the typical price rose / of those in"
        " which it moved: TA-Lib MFI(14) with traded value as money flow; missing if none moved",
        "0-100",
        14,
        of.mfi,
    ),
    *(
        Feature(
            f"distance_to_sma_{n}",
            f"close / mean of {n} closes - 1",
            "fraction",
            n - 1,
            of.distance_to_sma(n),
        )
        for n in (20, 50, 200)
    ),
    Feature(
        "distance_to_high_252d",
        "ln(close / highest of 252 highs)",
        "log",
        251,
        lambda bars: np.log(bars.close / talib.MAX(bars.high, 252)),
    ),
    Feature(
        "distance_to_low_252d",
        "ln(close / lowest of 252 lows)",
        "log",
        251,
        lambda bars: np.log(bars.close / talib.MIN(bars.low, 252)),
    ),
    Feature(
        "bid_ask_spread",
        "(best ask - best bid) / their mean, to 1e-9; missing without both, or if they cross",
        "fraction",
        0,
        of.relative_spread,
    ),
    Feature(
        "traded_value_surprise_1d",
        "ln(traded value) - its mean of 21",
        "log",
        20,
        of.traded_value_surprise,
    ),
    Feature(
        "traded_value_trend_21d",
        "mean of 21 of ln(traded value) - its mean of 126",
        "log",
        125,
        of.traded_value_trend,
    ),
    Feature(
        "illiquidity_21d",
        "ln of the mean of 21 of |log_return_1d| / traded value in millions (Amihud 2002)",
        "log",
        21,
        of.illiquidity,
    ),
    Feature(
        "max_return_21d",
        "largest log_return_1d of 21",
        "log",
        21,
        lambda bars: talib.MAX(bars.log_return_1d, 21),
    ),
    Feature(
        "min_return_21d",
        "smallest log_return_1d of 21",
        "log",
        21,
        lambda bars: talib.MIN(bars.log_return_1d, 21),
    ),
    Feature(
        "beta_126d",
        "covariance of log_return_1d with market_return_1d / variance of market_return_1d, over"
        " 126 of the ticker's sessions; missing if one of them had no universe",
        "ratio",
        126,
        of.beta,
    ),
)
