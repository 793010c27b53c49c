"""Quotes of a few papers, with prices so round that a backtest can be worked out by hand."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from asset_predict_dagster.market.sessions import all_sessions

FIRST = np.datetime64("2024-01-02")
SESSIONS = pd.DatetimeIndex(all_sessions()[np.searchsorted(all_sessions(), FIRST) :][:200]).as_unit(
    "us"
)
"""Of B3, from 2 January 2024."""


def quotes_at(averages: Mapping[str, Sequence[float | None]], **columns: object) -> pd.DataFrame:
    """Ticker → its average price in each session from 2 January 2024; None = it does not trade.

    Every price of a session is its average, and R$ 1 billion is traded, but for `columns`.
    """
    rows = [
        {"ticker": ticker, "session": SESSIONS[place], "average": float(price)}
        for ticker, prices in averages.items()
        for place, price in enumerate(prices)
        if price is not None
    ]
    quotes = pd.DataFrame(rows)
    for name in ("high", "low", "close", "adjusted_close"):
        quotes[name] = quotes["average"]
    return quotes.assign(best_bid=np.nan, best_ask=np.nan, volume_brl=1e9).assign(**columns)


def scores_at(scores: Mapping[str, Sequence[float | None]]) -> pd.DataFrame:
    """Ticker → its score in each session from 2 January 2024; None = it is not scored."""
    return pd.DataFrame(
        [
            {"session": SESSIONS[place], "ticker": ticker, "score": float(score)}
            for ticker, of_sessions in scores.items()
            for place, score in enumerate(of_sessions)
            if score is not None
        ]
    )


def random_market(
    seed: int, n_tickers: int = 6, n_sessions: int = 40, halted: float = 0.1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Quotes with halts, and scores of papers that traded; prices vary by 3 % a session."""
    rng = np.random.default_rng(seed)
    prices = 20 * np.exp(np.cumsum(rng.normal(0, 0.03, (n_sessions, n_tickers)), axis=0))
    is_traded = rng.random((n_sessions, n_tickers)) >= halted
    is_traded[0] = True
    names = [f"ZZ{chr(65 + place)}A3" for place in range(n_tickers)]
    quotes = quotes_at(
        {
            name: [p if t else None for p, t in zip(prices[:, i], is_traded[:, i], strict=True)]
            for i, name in enumerate(names)
        }
    )
    quotes["volume_brl"] = rng.uniform(1e5, 1e7, len(quotes))
    spread = rng.uniform(0, 0.01, len(quotes))
    quotes["best_bid"] = quotes["close"] * (1 - spread)
    quotes["best_ask"] = quotes["close"] * (1 + spread)
    scores = quotes[["session", "ticker"]].assign(score=rng.integers(0, 5, len(quotes)) / 4)
    return quotes, scores[rng.random(len(scores)) < 0.9]
