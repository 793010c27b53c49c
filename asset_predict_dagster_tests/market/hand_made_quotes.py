"""Quotes and events of January 2024, written by hand or drawn by hypothesis."""

from datetime import date

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from asset_predict_dagster.market.quotes import clean_quotes
from asset_predict_dagster.tables import RAW_QUOTES

LAST = date(2024, 1, 31)
PRICES = ("open", "high", "low", "average", "close", "best_bid", "best_ask")


def day(of_january: int) -> pd.Timestamp:
    return pd.Timestamp(2024, 1, of_january).as_unit("us")


def raw(of_january: int, close: float, ticker: str = "ZZAA3", **changed) -> dict:
    """A record of a session of January 2024 with one price, but for what is `changed`."""
    return {
        **{column.name: "" for column in RAW_QUOTES.columns},
        **dict.fromkeys(PRICES, close),
        "session": day(of_january),
        "ticker": ticker,
        "market_type": "010",
        "bdi_code": "02",
        "quotation_factor": 1,
        **changed,
    }


def quotes_of(*records: dict) -> pd.DataFrame:
    return clean_quotes(pd.DataFrame(records), LAST)


def traded(closes: dict[int, float], ticker: str = "ZZAA3") -> pd.DataFrame:
    """Quotes of one ticker: day of January 2024 → its close."""
    return quotes_of(*(raw(of_january, close, ticker) for of_january, close in closes.items()))


def events(*rows: tuple[int, str, float], ticker: str = "ZZAA3") -> pd.DataFrame:
    """(day of January 2024, kind, R$ per share or shares after / before)."""
    return pd.DataFrame(
        [
            {
                "ticker": ticker,
                "ex_date": day(of_january),
                "kind": kind,
                "amount_brl": value if kind == "cash_dividend" else np.nan,
                "factor": value if kind in ("split", "grouping", "bonus") else np.nan,
            }
            for of_january, kind, value in rows
        ],
        columns=["ticker", "ex_date", "kind", "amount_brl", "factor"],
    )


SESSIONS = pd.DatetimeIndex(pd.bdate_range("2024-01-02", periods=15)).as_unit("us")
closes = st.integers(1, 100_000).map(lambda centavos: centavos / 100)
histories = st.dictionaries(st.sampled_from([*SESSIONS.day]), closes, min_size=1)
amounts = st.tuples(
    st.integers(1, 31), st.just("cash_dividend"), st.integers(1, 500).map(lambda c: c / 100)
)
share_events = st.tuples(
    st.integers(1, 31),
    st.sampled_from(["split", "grouping", "bonus"]),
    st.sampled_from([0.001, 0.1, 1.03, 1.1, 2.0, 3.0, 10.0]),
)
event_lists = st.lists(amounts | share_events, max_size=8)
