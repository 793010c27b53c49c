"""Quotes of tickers that trade on every weekday, as far as features read them."""

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.features import compute_features


def quotes_of(
    ticker, close, traded_value=5e6, spread=0.0, open_=None, first="2020-01-01", especi="ON      NM"
):
    """A ticker that trades on every weekday from `first`; high and low are `spread` around.

    It is quoted at twice its adjusted price, with a bid 1 % below the close and an ask 2 % above.
    """
    close = np.asarray(close, dtype=np.float64)
    open_ = close if open_ is None else np.asarray(open_, dtype=np.float64)
    days = np.busday_offset(first, np.arange(len(close)), roll="forward")
    return pd.DataFrame(
        {
            "ticker": ticker,
            "session": days.astype("datetime64[us]"),
            "specification": pd.Series([especi] * len(close), dtype="str"),
            "close": 2 * close,
            "best_bid": 1.98 * close,
            "best_ask": 2.04 * close,
            "adjusted_open": open_,
            "adjusted_high": np.maximum(open_, close) * (1 + spread),
            "adjusted_low": np.minimum(open_, close) * (1 - spread),
            "adjusted_close": close,
            "volume_brl": np.broadcast_to(np.asarray(traded_value, dtype=np.float64), close.shape),
        }
    )


def lively(ticker, n, seed, first="2020-01-01", especi="ON      NM"):
    """n sessions of a ticker whose price, spread and traded value wander."""
    random = np.random.default_rng(seed)
    close = 20 * np.exp(random.normal(0, 0.02, n).cumsum())
    open_ = close * np.exp(random.normal(0, 0.01, n))
    value = np.exp(random.normal(15, 1, n))
    quotes = quotes_of(ticker, close, value, 0.008, open_, first, especi)
    quotes["best_ask"] *= np.exp(random.uniform(0, 0.02, n))
    return quotes


def everyone(quotes):
    return pd.DataFrame({"in_universe": np.ones(len(quotes), dtype=bool)})


def features_of(*quotes):
    table = pd.concat(quotes, ignore_index=True)
    return compute_features(table, everyone(table))
