"""Small COTAHIST files with what a test wants to say, and blanks for the rest."""

from datetime import date
from pathlib import Path

import pandas as pd

from asset_predict_dagster.market.cotahist_layout import FIELDS
from asset_predict_dagster.market.cotahist_writer import write_cotahist

DTYPES = {"text": "str", "integer": "int64", "decimal": "float64", "date": "datetime64[us]"}
PLAIN = {"text": "", "integer": 0, "decimal": 0.0, "date": None}
SPOT = "010"


def record(day: int, close: float, ticker: str = "ZZAA3", market_type: str = SPOT) -> dict:
    """A quote of a day of January 2019: one trade of 100 papers at one price."""
    return {
        **{field.name: PLAIN[field.kind] for field in FIELDS},
        "record_type": "01",
        "session": date(2019, 1, day),
        "bdi_code": "02",
        "ticker": ticker,
        "market_type": market_type,
        "forward_days": None,
        "currency": "R$",
        **dict.fromkeys(("open", "high", "low", "average", "close"), close),
        "trades": 1,
        "quantity": 100,
        "volume_brl": round(100 * close, 2),
        "quotation_factor": 1,
    }


def frame(records: list[dict]) -> pd.DataFrame:
    """Records as the reader's columns and types."""
    dtypes = {field.name: DTYPES[field.kind] for field in FIELDS} | {"forward_days": "Int64"}
    return pd.DataFrame(records, columns=list(dtypes), dtype=object).astype(dtypes)


def put(folder: Path, name: str, records: list[dict], made_on: date = date(2019, 2, 1)) -> Path:
    """A file as B3 would write it."""
    write_cotahist(frame(records), folder / name, made_on)
    return folder / name
