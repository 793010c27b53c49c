"""Corporate actions: splits, groupings, bonuses and dividends, one row per event.

They are read from a `corporate_actions.csv` beside the market files: columns `ticker, ex_date,
kind, amount_brl` and, for events that change the number of shares, `factor`.
"""

import warnings
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.tables import ACTION_KINDS, CORPORATE_ACTIONS

FILE_NAME = "corporate_actions.csv"
_NEEDED = ("ticker", "ex_date", "kind", "amount_brl")


def read_corporate_actions(folder: Path, last: date) -> pd.DataFrame:
    """The events of a folder's `corporate_actions.csv` up to `last`; none if it has no such file.

    Key: (ticker, ex_date, kind). Columns and units: `tables.CORPORATE_ACTIONS`. Two dividends of
    one ticker and day are one row with their sum.

    Raises
    ------
    MarketFileError
        Naming the file, the line and what is wrong with it.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _DTYPES.items()})
    try:
        events = _read_csv(path)
    except (UnicodeDecodeError, *_NOT_CSV) as error:
        raise MarketFileError(f"{path}: cannot be read as CSV: {error}") from None
    missing = [name for name in _NEEDED if name not in events]
    if missing:
        raise MarketFileError(
            f"{path}: columns {missing} are missing; the first line should name"
            f" {', '.join((*_NEEDED, 'factor'))}"
        )
    if "factor" not in events:
        events["factor"] = float("nan")
    events["ex_date"] = pd.to_datetime(events["ex_date"], format="%Y-%m-%d", errors="coerce")
    for column in ("amount_brl", "factor"):
        events[column] = _numbers(path, events[column])
    _refuse_impossible(path, events)
    events = events[events["ex_date"] <= pd.Timestamp(last)]
    summed = events.groupby(list(CORPORATE_ACTIONS.key), as_index=False).agg(
        amount_brl=("amount_brl", lambda amounts: amounts.sum(min_count=1)),
        factor=("factor", lambda factors: factors.prod(min_count=1)),
    )
    return summed[CORPORATE_ACTIONS.column_names].astype(_DTYPES)


_DTYPES = {
    "ticker": "str",
    "ex_date": "datetime64[us]",
    "kind": "str",
    "amount_brl": "float64",
    "factor": "float64",
}


_NOT_CSV = (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError)


def _read_csv(path: Path) -> pd.DataFrame:
    """The lines that are not blank; row i stands in line i + 2."""
    texts = {"ticker": str, "ex_date": str, "kind": str}
    with warnings.catch_warnings():
        # Of a first line with a value too many, pandas would drop the value and only warn.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        events = pd.read_csv(path, dtype=texts, index_col=False, skip_blank_lines=False)
    return events.dropna(how="all")


def _numbers(path: Path, column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    unreadable = ~np.isfinite(numbers) & column.notna()
    if unreadable.any():
        line = int(unreadable.idxmax())
        raise MarketFileError(
            f"{path}: line {line + 2}, {column.name}: expected a number, found {column.loc[line]!r}"
        )
    return numbers.astype("float64")


def _refuse_impossible(path: Path, events: pd.DataFrame) -> None:
    is_cash = events["kind"] == "cash_dividend"
    rules = (
        (events["ticker"].isna(), "the ticker is missing"),
        (events["ex_date"].isna(), "ex_date is not a date written as 2024-12-31"),
        (~events["kind"].isin(ACTION_KINDS), f"kind is none of {', '.join(ACTION_KINDS)}"),
        (is_cash & ~(events["amount_brl"] > 0), "a dividend needs an amount_brl above zero"),
        (~is_cash & ~(events["factor"] > 0), "a share event needs a factor above zero"),
    )
    for broken, reason in rules:
        if broken.any():
            line = int(broken.idxmax())
            raise MarketFileError(
                f"{path}: line {line + 2}: {reason}: {events.loc[line].to_dict()}"
            )
