"""Papers: who each ticker is, its latest quote with the indicators, and its last year."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.catalogue import CATALOGUE
from asset_predict_dagster.predictions.served_samples import RECENT_SESSIONS
from asset_predict_dagster.service.snapshot import HISTORY, HISTORY_COLUMNS, Paper

QUOTED = (
    "open",
    "high",
    "low",
    "close",
    "average",
    "best_bid",
    "best_ask",
    "trades",
    "quantity",
    "volume_brl",
    "adjusted_close",
)

INDICATORS = (
    *(feature.name for feature in CATALOGUE if not feature.for_models),
    "rsi_14",
    "stochastic_14",
)
"""What people and charts expect by name; two of them models read as well."""


@dataclass(frozen=True)
class Market:
    """What a snapshot reads of the market, each sorted by ticker, then session.

    `year` are the quotes of the last year; `quotes`, `universe` and `features` have the same keys
    in the same order, those of the sessions that models look at.
    """

    year: pd.DataFrame
    quotes: pd.DataFrame
    universe: pd.DataFrame
    features: pd.DataFrame


def papers_of(market: Market) -> dict[str, Paper]:
    """Ticker → paper, of those that were quoted in the last 63 sessions, sorted.

    An indicator that `features` lacks is left out; a missing value is None.
    """
    quotes, year = market.quotes, market.year
    left_before = np.unique(quotes["session"].to_numpy())[-RECENT_SESSIONS:][0]
    shown = [name for name in INDICATORS if name in market.features.columns]
    latest = quotes[["ticker", "company", "session", *QUOTED]].assign(
        asset_class=market.universe["asset_class"],
        in_universe=market.universe["in_universe"],
        **{name: market.features[name] for name in shown},
    )
    latest = latest.groupby("ticker").tail(1)
    latest = latest[latest["session"] >= left_before]
    dates = year["session"].to_numpy().astype("datetime64[D]").astype(object)
    history = year[list(HISTORY_COLUMNS)].to_numpy(dtype=np.float64)
    tickers = year["ticker"].to_numpy(dtype=object)
    starts = np.searchsorted(tickers, latest["ticker"].to_numpy(dtype=object), side="left")
    ends = np.searchsorted(tickers, latest["ticker"].to_numpy(dtype=object), side="right")
    found = {}
    for row, start, end in zip(latest.to_dict("records"), starts, ends, strict=True):
        kept = slice(max(start, end - HISTORY), end)
        ticker, company = row.pop("ticker"), row.pop("company")
        found[ticker] = Paper(
            ticker=ticker,
            company=company,
            asset_class=row["asset_class"],
            latest={
                **{name: _number(value) for name, value in row.items()},
                "session": row["session"].date(),
            },
            sessions=tuple(dates[kept]),
            history=history[kept].copy(),
        )
    return found


def _number(value: Any) -> Any:
    """The value, None where it is missing: JSON has no NaN."""
    return None if pd.isna(value) else value
