"""A small market as the lake's tables: random walks, everything in the universe."""

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.labels import compute_labels
from asset_predict_dagster.dataset.splits import temporal_split, usable_sessions
from asset_predict_dagster.market.sessions import all_sessions

TICKERS = ("PETR4", "VALE3", "WEGE3", "TINY3")
FIRST = "2015-01-02"


def small_tables(n_sessions: int = 480, n_short: int = 10) -> tuple[pd.DataFrame, ...]:
    """quotes, universe, features, labels and folds; TINY3 has its last `n_short` sessions alone."""
    random = np.random.default_rng(1)
    calendar = all_sessions()
    days = calendar[calendar >= np.datetime64(FIRST)][:n_sessions].astype("datetime64[us]")
    parts = []
    for ticker in TICKERS:
        own = days[-n_short:] if ticker == "TINY3" else days
        price = 10 * np.exp(np.cumsum(0.02 * random.standard_normal(len(own))))
        parts.append(
            pd.DataFrame({"ticker": ticker, "session": own, "close": price}).assign(
                adjusted_close=price
            )
        )
    quotes = pd.concat(sorted(parts, key=lambda part: part["ticker"][0]), ignore_index=True)
    keys = quotes[["ticker", "session"]]
    universe = keys.assign(in_universe=(quotes["ticker"] != "TINY3").to_numpy(), reason="")
    features = keys.assign(
        volatility_21d=0.02,
        log_return_5d=random.standard_normal(len(quotes)),
        rsi_14=50.0,
        macd=0.0,
        volume_change=0.0,
        price_momentum_5=0.0,
    )
    labels = compute_labels(quotes, universe, features)
    folds = temporal_split(usable_sessions(labels, universe))
    return quotes, universe, features, labels, folds
