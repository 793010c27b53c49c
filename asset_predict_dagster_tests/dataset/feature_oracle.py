"""The catalogue a second time, in pandas: groupby, rolling, ewm and rank, over the whole table.

An oracle for the first, and what it is timed against in `benchmarks/features.py`; so it is written
as one would for speed: one grouped call for all columns that share a window, no `apply`. It knows
the catalogue's formulas and nothing of its code. Rows are sorted by ticker and session.
"""

import numpy as np
import pandas as pd
from scipy.special import ndtri


class Tickers:
    """Columns of a table, looked at ticker by ticker."""

    def __init__(self, ticker: pd.Series):
        self.codes = pd.factorize(ticker)[0]
        self.number = pd.Series(self.codes).groupby(self.codes, sort=False).cumcount()

    def ago(self, values: pd.Series | pd.DataFrame, n: int = 1):
        return values.groupby(self.codes, sort=False).shift(n)

    def trailing(self, n: int, statistic: str, given: dict[str, pd.Series], **more):
        """One grouped rolling call for all the columns `given`; `more` goes to the statistic."""
        windows = pd.DataFrame(given).groupby(self.codes, sort=False).rolling(n)
        return getattr(windows, statistic)(**more).reset_index(drop=True)

    def smoothed(self, values: pd.Series, weight: float, first: int, seed: pd.Series) -> pd.Series:
        """y[t] = (1 - weight) y[t-1] + weight x[t], begun with the `seed` of a ticker's `first`.

        A missing x leaves y as it was.
        """
        begun = values.where(self.number > first, seed.where(self.number == first))
        groups = begun.groupby(self.codes, sort=False)
        return groups.ewm(alpha=weight, adjust=False, ignore_na=True).mean().reset_index(drop=True)

    def wilder(self, values: pd.Series, n: int, first: int) -> pd.Series:
        """Wilder's mean, begun at `first` with the plain mean of the n values up to there."""
        seed = self.trailing(n, "sum", {"x": values.fillna(0)})["x"] / n
        return self.smoothed(values, 1 / n, first, seed)

    def ema(self, values: pd.Series, n: int, first: int) -> pd.Series:
        """TA-Lib's EMA, begun at `first` with the plain mean of the n values up to there."""
        seed = self.trailing(n, "mean", {"x": values})["x"]
        return self.smoothed(values, 2 / (n + 1), first, seed)


def features_by_groupby(quotes: pd.DataFrame, universe: pd.DataFrame) -> pd.DataFrame:
    """All columns of the catalogue, float32, one row per row of `quotes`."""
    quotes = quotes.reset_index(drop=True)
    own = Tickers(quotes["ticker"])
    session = pd.factorize(quotes["session"], sort=True)[0]
    is_member = universe["in_universe"].reset_index(drop=True)
    open_, high, low, close = (quotes[f"adjusted_{x}"] for x in ("open", "high", "low", "close"))
    f: dict[str, pd.Series] = {}

    log_close = np.log(close)
    past = {n: own.ago(log_close, n) for n in (1, 5, 21, 63, 126, 252)}
    for n, then in past.items():
        f[f"log_return_{n}d"] = log_close - then
    moved = f["log_return_1d"]
    market = of_the_market(moved, f["log_return_21d"], session, is_member)
    index = market["market_return_1d"].take(session).reset_index(drop=True)

    value = quotes["volume_brl"]
    some_value = value.where(value > 0)
    log_value = np.log(some_value)
    f["daily_return"] = (close - open_) / open_
    price_impact = moved.abs() / (some_value / 1e6)

    for n in (21, 63):
        f[f"volatility_{n}d"] = own.trailing(n, "std", {"x": moved}, ddof=0)["x"]
    f["rolling_volatility_5"] = own.trailing(5, "std", {"x": f["daily_return"]})["x"]
    deviation = own.trailing(20, "std", {"x": close}, ddof=0)["x"]
    ten = own.trailing(10, "mean", {"close": close, "value": value})
    twenty = own.trailing(20, "mean", {"close": close, "typical": (high + low + close) / 3})
    of_21 = own.trailing(
        21,
        "mean",
        {"log_value": log_value, "impact": price_impact, "range": np.log(high / low) ** 2},
    )
    of_126 = own.trailing(
        126,
        "mean",
        {"value": log_value, "both": moved * index, "own": moved, "index": index, "sq": index**2},
    )
    sma = {20: twenty["close"]} | {
        n: own.trailing(n, "mean", {"close": close})["close"] for n in (50, 200)
    }
    highest = {n: own.trailing(n, "max", {"x": high})["x"] for n in (14, 20, 252)}
    lowest = {n: own.trailing(n, "min", {"x": low})["x"] for n in (14, 252)}

    f["parkinson_volatility_21d"] = np.sqrt(of_21["range"] / (4 * np.log(2)))
    f["overnight_gap"] = np.log(open_) - past[1]
    f["intraday_return"] = np.log(close / open_)
    f["close_location"] = (close - low) / (high - low).where(high > low) - 0.5
    f["rsi_14"] = rsi(own, close)
    fast, slow = (own.ema(close.where(own.number > 25 - n), n, 25) for n in (12, 26))
    line = fast - slow
    f["macd_signal"] = own.ema(line, 9, 33)
    f["macd"] = line.where(own.number >= 33)
    f["macd_hist"] = f["macd"] - f["macd_signal"]
    f["macd_over_close"], f["macd_hist_over_close"] = f["macd"] / close, f["macd_hist"] / close
    wide = deviation > 0.5e-6 * sma[20]
    f["bollinger_position_20"] = (close - sma[20]) / (2 * deviation).where(wide)
    close_before, high_before, low_before = (
        own.ago(pd.DataFrame({1: close, 2: high, 3: low})).to_numpy().T
    )
    true_range = pd.Series(np.maximum(high, close_before) - np.minimum(low, close_before))
    f["atr_14"] = own.wilder(true_range, 14, 14)
    f["atr_14_over_close"] = f["atr_14"] / close
    reach = highest[14] - lowest[14]
    f["stochastic_14"] = 100 * (close - lowest[14]) / reach.where(reach > 0)
    f["adx_14"] = adx(own, high - high_before, low_before - low, true_range)
    f["cci_20"] = cci(own, (high + low + close) / 3, twenty["typical"])
    f["mfi_14"] = mfi(own, (high + low + close) / 3, value)
    for n in (20, 50, 200):
        f[f"distance_to_sma_{n}"] = close / sma[n] - 1
    f["distance_to_high_252d"] = np.log(close / highest[252])
    f["distance_to_low_252d"] = np.log(close / lowest[252])
    bid, ask = quotes["best_bid"], quotes["best_ask"]
    f["bid_ask_spread"] = ((ask - bid) / ((ask + bid) / 2)).where(ask >= bid)
    f["traded_value_surprise_1d"] = log_value - of_21["log_value"]
    f["traded_value_trend_21d"] = of_21["log_value"] - of_126["value"]
    f["illiquidity_21d"] = np.log(of_21["impact"].where(of_21["impact"] > 0))
    f["max_return_21d"] = own.trailing(21, "max", {"x": moved})["x"]
    f["min_return_21d"] = own.trailing(21, "min", {"x": moved})["x"]
    variance = of_126["sq"] - of_126["index"] ** 2
    covariance = of_126["both"] - of_126["own"] * of_126["index"]
    f["beta_126d"] = covariance / variance.where(variance > 1e-12 * of_126["sq"])

    f["returns"] = close / close_before - 1
    f["price_momentum_5"] = close / own.ago(close, 5) - 1
    f["moving_avg_10"], f["avg_volume_10"] = ten["close"], ten["value"]
    f |= {f"sma_{n}": mean for n, mean in sma.items()}
    f["ema_12"], f["ema_26"] = own.ema(close, 12, 11), slow
    f["bollinger_middle"] = sma[20]
    f["bollinger_upper"], f["bollinger_lower"] = sma[20] + 2 * deviation, sma[20] - 2 * deviation
    f["high_breakout_20"] = (high >= highest[20]).astype(float).where(highest[20].notna())
    f["volume_change"] = value / own.ago(some_value) - 1
    f["best_buy_sell_spread"], f["close_to_best_buy"] = ask - bid, quotes["close"] / bid - 1
    especi = quotes["specification"]
    says = especi.str.strip().fillna("") != ""
    f["market_type_NM"] = especi.str.contains(r"\bNM\b").astype(float).where(says)
    f["asset_type_ON"] = especi.str.contains(r"^ON\b").astype(float).where(says)
    f["day_of_week"] = quotes["session"].dt.day_of_week

    ranked = pd.DataFrame({name: f[name].where(is_member) for name in RANKED})
    by_session = ranked.groupby(session, sort=False)
    ranks = ndtri((by_session.rank() - 0.5) / by_session.transform("count"))
    by_row = market.take(session).reset_index(drop=True)
    table = pd.concat([pd.DataFrame(f), by_row, ranks.add_prefix("rank_")], axis=1)
    return table.astype(np.float32)


RANKED = [
    *(f"log_return_{n}d" for n in (1, 5, 21, 63, 126, 252)),
    *(f"volatility_{n}d" for n in (21, 63)),
    *("overnight_gap", "intraday_return", "bid_ask_spread", "beta_126d", "illiquidity_21d"),
    *(f"distance_to_{x}" for x in ("sma_20", "sma_50", "sma_200", "high_252d", "low_252d")),
    *("traded_value_surprise_1d", "traded_value_trend_21d", "max_return_21d", "min_return_21d"),
]


def of_the_market(moved, moved_21d, session, is_member) -> pd.DataFrame:
    rose = (moved_21d > 0).astype(float).where(moved_21d.notna())
    members = pd.DataFrame({"moved": moved.where(is_member), "rose": rose.where(is_member)})
    by_session = members.groupby(session)
    mean, spread = by_session.mean(), by_session["moved"].std(ddof=0)
    of_21 = mean["moved"].rolling(21)
    return pd.DataFrame(
        {
            "market_return_1d": mean["moved"],
            "market_return_21d": of_21.sum(),
            "market_breadth_21d": mean["rose"],
            "market_dispersion_21d": spread.rolling(21).mean(),
            "market_volatility_21d": of_21.std(ddof=0),
        }
    )


def rsi(own: Tickers, close: pd.Series) -> pd.Series:
    change = close - own.ago(close)
    gain = own.wilder(change.clip(lower=0), 14, 14)
    loss = own.wilder((-change).clip(lower=0), 14, 14)
    return 100 * gain / (gain + loss).where(gain + loss > 0)


def adx(own: Tickers, rise: pd.Series, fall: pd.Series, true_range: pd.Series) -> pd.Series:
    def sum_of_13(moves: pd.Series) -> pd.Series:
        seed = own.trailing(13, "sum", {"x": moves})["x"] / 14
        return own.smoothed(moves, 1 / 14, 13, seed)

    up = sum_of_13(rise.where((rise > 0) & (rise > fall), 0.0).where(rise.notna()))
    down = sum_of_13(fall.where((fall > 0) & (fall > rise), 0.0).where(fall.notna()))
    both = (up + down).where((up + down > 0) & (sum_of_13(true_range) > 0))
    strength = (100 * (up - down).abs() / both).where(own.number >= 14)
    smoothed = own.wilder(strength, 14, 27)
    return smoothed.where(smoothed > 0)


def cci(own: Tickers, typical: pd.Series, mean: pd.Series) -> pd.Series:
    past = [typical, *(own.ago(typical, n) for n in range(1, 20))]
    deviation = sum(((then - mean).abs() for then in past), start=0.0 * mean) / 20
    # The mean of twenty equal prices may differ from them by rounding.
    return (typical - mean) / (0.015 * deviation.where(deviation > 1e-12 * mean))


def mfi(own: Tickers, typical: pd.Series, value: pd.Series) -> pd.Series:
    move = typical - own.ago(typical)
    known = value.where(move.notna())
    flows = own.trailing(
        14,
        "sum",
        {
            "up": known.where((move > 1e-9 * typical) | move.isna(), 0.0),
            "down": known.where((move < -1e-9 * typical) | move.isna(), 0.0),
        },
    )
    total = flows["up"] + flows["down"]
    return 100 * flows["up"] / total.where(total > 0)
