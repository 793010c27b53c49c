"""The full catalogue of features for 400 tickers × 20 years, beside its pandas groupby twin."""

import numpy as np
import pandas as pd
import pyarrow as pa

from asset_predict_dagster.dataset.features import CATALOGUE, compute_features
from asset_predict_dagster.tables import QUOTES
from asset_predict_dagster_tests.dataset.feature_oracle import features_by_groupby
from benchmarks.timing import cpu_seconds, peak_megabytes_of_process

N_TICKERS, N_SESSIONS = 400, 5_040


def panel() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Quotes with every column of the table, and a universe that every ticker is in."""
    random = np.random.default_rng(0)
    shape = (N_TICKERS, N_SESSIONS)
    sessions = np.busday_offset("2004-01-02", np.arange(N_SESSIONS)).astype("M8[us]")
    close = 20 * np.exp(random.normal(0, 0.02, shape).cumsum(axis=1)).ravel()
    open_ = close * np.exp(random.normal(0, 0.01, close.size))
    high, low = np.maximum(open_, close) * 1.008, np.minimum(open_, close) * 0.992
    known = {
        "ticker": np.repeat([f"T{number:03d}3" for number in range(N_TICKERS)], N_SESSIONS),
        "session": np.tile(sessions, N_TICKERS),
        "specification": "ON      NM",
        "volume_brl": np.exp(random.normal(15, 1, close.size)),
        "best_bid": close * np.exp(-random.uniform(0, 0.01, close.size)),
        "best_ask": close * np.exp(random.uniform(0, 0.01, close.size)),
    }
    for name, price in {"open": open_, "high": high, "low": low, "close": close}.items():
        known |= {name: price, f"adjusted_{name}": price}
    rest = {
        column.name: "unread" if column.type == pa.string() else 1
        for column in QUOTES.columns
        if column.name not in known
    }
    quotes = pd.DataFrame(known | rest)[QUOTES.column_names]
    return quotes, pd.DataFrame({"in_universe": np.ones(len(quotes), dtype=bool)})


def run() -> str:
    quotes, universe = panel()
    ours, pandas = cpu_seconds(
        lambda: compute_features(quotes, universe), lambda: features_by_groupby(quotes, universe)
    )
    made = "from benchmarks.features import *; tables = panel()"
    before = peak_megabytes_of_process(made)
    peak = peak_megabytes_of_process(f"{made}; compute_features(*tables)")
    return (
        f"features: {len(CATALOGUE)} columns of {len(quotes):,} rows: {ours:.2f} CPU s, pandas"
        f" groupby {pandas:.1f}: {pandas / ours:.1f} times as long; peak memory of a fresh process"
        f" {peak:,.0f} MB, {before:,.0f} of them imports and the panel"
    )


if __name__ == "__main__":
    print(run())
