"""Features: what was known at the close of t, as a catalogue of declared recipes.

Every feature is declared once, with its formula, unit and warm-up, and is computed from the
sessions up to t alone. Three kinds:

- of one ticker: computed on its own sessions, TA-Lib's definitions where it has one;
- of the market: one number a session, the same for every ticker;
- ranks: the place of a ticker's value among the universe of its session.

All are scale-free: none changes when a price is quoted in another currency or per another lot.
Those of traded value compare it with its own past; `illiquidity_21d` alone is per million of R$.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import talib
from scipy.special import ndtri

from asset_predict_dagster.dataset.indicators import (
    Bars,
    bollinger_position,
    close_location,
    illiquidity,
    log_return,
    overnight_gap,
    traded_value_surprise,
    traded_value_trend,
    volatility,
)
from asset_predict_dagster.tables import FEATURES, Column, Table, widen


@dataclass(frozen=True)
class Feature:
    """One column of `features`.

    `warm_up` is the number of the ticker's own earlier sessions that the value needs; it is
    missing before. A feature of the market counts the market's sessions, each of which needs a
    member of the universe. `compute` is given for features of one ticker; ranks name the feature
    they rank in `rank_of`; features of the market have neither.
    """

    name: str
    formula: str
    unit: str
    warm_up: int
    compute: Callable[[Bars], np.ndarray] | None = None
    rank_of: str = ""


_RETURN_SPANS = (1, 5, 21, 63, 126, 252)

_OF_A_TICKER = (
    *(
        Feature(f"log_return_{n}d", f"ln(close[t] / close[t-{n}])", "log", n, log_return(n))
        for n in _RETURN_SPANS
    ),
    *(
        Feature(
            f"volatility_{n}d",
            f"population standard deviation of log_return_1d over {n} sessions",
            "log, per session",
            n,
            volatility(n),
        )
        for n in (21, 63)
    ),
    Feature(
        "overnight_gap",
        "ln(open[t] / close[t-1])",
        "log",
        1,
        overnight_gap,
    ),
    Feature(
        "intraday_return",
        "ln(close / open)",
        "log",
        0,
        lambda bars: np.log(bars["close"] / bars["open"]),
    ),
    Feature(
        "close_location",
        "(close - low) / (high - low) - 1/2; missing if high = low",
        "fraction",
        0,
        close_location,
    ),
    Feature("rsi_14", "TA-Lib RSI(14)", "0-100", 14, lambda bars: talib.RSI(bars["close"], 14)),
    Feature(
        "macd_hist_over_close",
        "TA-Lib MACD(12, 26, 9) histogram / close",
        "fraction",
        33,
        lambda bars: talib.MACD(bars["close"], 12, 26, 9)[2] / bars["close"],
    ),
    Feature(
        "bollinger_position_20",
        "(close - mean of 20) / (2 standard deviations of 20); missing on a flat price",
        "band widths",
        19,
        bollinger_position,
    ),
    Feature(
        "atr_14_over_close",
        "TA-Lib ATR(14) / close",
        "fraction",
        14,
        lambda bars: talib.ATR(bars["high"], bars["low"], bars["close"], 14) / bars["close"],
    ),
    Feature(
        "adx_14",
        "TA-Lib ADX(14)",
        "0-100",
        27,
        lambda bars: talib.ADX(bars["high"], bars["low"], bars["close"], 14),
    ),
    Feature(
        "distance_to_sma_200",
        "close / mean of 200 closes - 1",
        "fraction",
        199,
        lambda bars: bars["close"] / talib.SMA(bars["close"], 200) - 1,
    ),
    Feature(
        "distance_to_high_252d",
        "ln(close / highest of 252 highs)",
        "log",
        251,
        lambda bars: np.log(bars["close"] / talib.MAX(bars["high"], 252)),
    ),
    Feature(
        "traded_value_surprise_1d",
        "ln(traded value) - its mean of 21",
        "log",
        20,
        traded_value_surprise,
    ),
    Feature(
        "traded_value_trend_21d",
        "mean of 21 of ln(traded value) - its mean of 126",
        "log",
        125,
        traded_value_trend,
    ),
    Feature(
        "illiquidity_21d",
        "ln of the mean of 21 of |log_return_1d| / traded value in millions (Amihud 2002)",
        "log",
        21,
        illiquidity,
    ),
    Feature(
        "max_return_21d",
        "largest log_return_1d of 21",
        "log",
        21,
        lambda bars: talib.MAX(log_return(1)(bars), 21),
    ),
)

_OF_THE_MARKET = (
    Feature("market_return_1d", "mean of log_return_1d over the universe", "log", 1),
    Feature("market_return_21d", "sum of 21 of market_return_1d", "log", 21),
    Feature(
        "market_volatility_21d",
        "population standard deviation of market_return_1d over 21 sessions",
        "log, per session",
        21,
    ),
)

_RANKED = (
    "log_return_1d",
    "log_return_5d",
    "log_return_21d",
    "log_return_126d",
    "log_return_252d",
    "volatility_63d",
    "intraday_return",
    "distance_to_high_252d",
    "traded_value_surprise_1d",
    "traded_value_trend_21d",
)

_RANKS = tuple(
    Feature(
        f"rank_{feature.name}",
        f"Gaussian rank of {feature.name} among the session's universe; missing outside it",
        "standard normal quantile",
        feature.warm_up,
        rank_of=feature.name,
    )
    for feature in _OF_A_TICKER
    if feature.name in _RANKED
)

CATALOGUE: tuple[Feature, ...] = (*_OF_A_TICKER, *_OF_THE_MARKET, *_RANKS)
"""Every feature, in the order of the columns."""

FEATURE_NAMES = tuple(feature.name for feature in CATALOGUE)

TABLE: Table = widen(
    FEATURES,
    (
        Column(feature.name, pa.float32(), feature.formula, feature.unit, required=False)
        for feature in CATALOGUE
    ),
)
"""The schema of the table `features`: its key and one column per entry of the catalogue."""


def compute_features(quotes: pd.DataFrame, universe: pd.DataFrame) -> pd.DataFrame:
    """One row per row of `quotes`. Key: (ticker, session). Columns: the catalogue, float32.

    Missing where the warm-up is not over, where a formula divides by nothing, and, for ranks,
    outside the universe. Row t uses rows up to t alone.

    Parameters
    ----------
    quotes, universe
        Rows of `tables.QUOTES` and `tables.UNIVERSE` with the same keys in the same order.
    """
    table = quotes[["ticker", "session"]].copy()
    values = _features_of_tickers(quotes)
    is_member = universe["in_universe"].to_numpy()
    values |= _features_of_the_market(table["session"], values["log_return_1d"], is_member)
    for feature in _RANKS:
        ranked = np.where(is_member, values[feature.rank_of], np.nan)
        values[feature.name] = gaussian_rank(ranked, table["session"])
    columns = pd.DataFrame({name: values[name].astype(np.float32) for name in FEATURE_NAMES})
    return pd.concat([table.reset_index(drop=True), columns], axis=1)


def gaussian_rank(values: np.ndarray, session: pd.Series) -> np.ndarray:
    """Standard normal quantile of (rank - 1/2) / n within each session; ties share their mean.

    Missing values stay missing and do not count in n.

    >>> one_day = pd.Series(pd.to_datetime(["2024-01-02"] * 4))
    >>> gaussian_rank(np.array([3.0, 1.0, 2.0, np.nan]), one_day).round(3).tolist()
    [0.967, -0.967, 0.0, nan]
    """
    groups = pd.Series(values).groupby(session.to_numpy())
    return ndtri((groups.rank().to_numpy() - 0.5) / groups.transform("count").to_numpy())


def _features_of_tickers(quotes: pd.DataFrame) -> dict[str, np.ndarray]:
    source = {
        name: quotes[f"adjusted_{name}"].to_numpy() for name in ("open", "high", "low", "close")
    }
    source["traded_value_brl"] = quotes["volume_brl"].to_numpy(dtype=np.float64)
    values = {feature.name: np.full(len(quotes), np.nan) for feature in _OF_A_TICKER}
    for rows in _stretches(quotes["ticker"].to_numpy()):
        bars = {name: column[rows] for name, column in source.items()}
        for feature in _OF_A_TICKER:
            assert feature.compute is not None
            values[feature.name][rows] = _after_warm_up(feature.compute(bars), feature.warm_up)
    return values


def _after_warm_up(values: np.ndarray, warm_up: int) -> np.ndarray:
    values[:warm_up] = np.nan
    return values


def _stretches(tickers: np.ndarray) -> list[slice]:
    """The contiguous rows of each ticker."""
    starts = np.flatnonzero(np.r_[True, tickers[1:] != tickers[:-1]])
    return [slice(a, b) for a, b in zip(starts, np.r_[starts[1:], len(tickers)], strict=True)]


def _features_of_the_market(
    session: pd.Series, log_return_1d: np.ndarray, is_member: np.ndarray
) -> dict[str, np.ndarray]:
    members = pd.Series(np.where(is_member, log_return_1d, np.nan))
    daily = members.groupby(session.to_numpy()).mean()  # one value a session, in order
    market = pd.DataFrame(
        {
            "market_return_1d": daily,
            "market_return_21d": _trailing(daily, 21, np.sum),
            "market_volatility_21d": _trailing(daily, 21, np.std),
        }
    )
    by_row = market.reindex(session.to_numpy())
    return {name: by_row[name].to_numpy() for name in market}


def _trailing(daily: pd.Series, n: int, statistic: Callable) -> np.ndarray:
    result = np.full(len(daily), np.nan)
    if len(daily) >= n:
        windows = np.lib.stride_tricks.sliding_window_view(daily.to_numpy(), n)
        result[n - 1 :] = statistic(windows, axis=1)
    return result
