"""Renames: a paper that changed its code stays one paper.

They are read from a CSV file with the columns `old_ticker, new_ticker, first_session`. B3 gives a
code that became free to another company later, so a rename concerns the rows before its first
session and no others.
"""

import re
import warnings
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import MarketDataError, MarketFileError
from asset_predict_dagster.market.sessions import all_sessions
from asset_predict_dagster.tables import RENAMES

_DTYPES = {"old_ticker": "str", "new_ticker": "str", "first_session": "datetime64[us]"}
_CODE = re.compile(r"[A-Z0-9]{4}[0-9]{1,2}[A-Z]?")
_NOT_CSV = (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError)


def read_renames(path: Path | None, last: date) -> pd.DataFrame:
    """The changes of code up to `last`, as `tables.RENAMES`; none without a file.

    A change whose first session is still to come is not known yet, though a wrong line is
    refused wherever it stands.

    Raises
    ------
    MarketFileError
        Naming the file, the line and what is wrong with it: no such code, day or session, a
        change listed twice, or a paper that would come back to a code it had.
    """
    if path is None:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _DTYPES.items()})
    renames = _read_csv(path)
    if sorted(renames.columns) != sorted(_DTYPES):
        raise MarketFileError(
            f"{path}: line 1: expected the columns {', '.join(_DTYPES)}, found"
            f" {', '.join(map(str, renames.columns))}; correct it"
        )
    written = renames["first_session"]
    renames["first_session"] = pd.to_datetime(written, format="%Y-%m-%d", errors="coerce")
    _refuse_impossible(path, renames, written)
    _refuse_cycles(path, renames)
    known = renames[renames["first_session"] <= pd.Timestamp(last)]
    in_order = known.sort_values(["first_session", "old_ticker"], ignore_index=True)
    return in_order[RENAMES.column_names].astype(_DTYPES)


def _read_csv(path: Path) -> pd.DataFrame:
    """The lines that are not blank; row i stands in line i + 2."""
    try:
        with warnings.catch_warnings():
            # Of a first line with a value too many, pandas would drop the value and only warn.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            lines = pd.read_csv(path, dtype=str, index_col=False, skip_blank_lines=False)
    except OSError as error:
        raise MarketFileError(
            f"{path} cannot be read: {error.strerror}; ASSET_PREDICT_RENAMES should name a CSV file"
        ) from None
    except (UnicodeDecodeError, *_NOT_CSV) as error:
        raise MarketFileError(f"{path}: cannot be read as CSV: {error}") from None
    return lines.dropna(how="all")


def _refuse_impossible(path: Path, renames: pd.DataFrame, written: pd.Series) -> None:
    first = renames["first_session"]
    calendar = pd.DatetimeIndex(all_sessions().astype("datetime64[us]"))
    # Of days beyond B3's calendar nobody knows yet whether they are sessions.
    is_off = first.notna() & (first <= calendar[-1]) & ~first.isin(calendar)
    rules = (
        (~renames["old_ticker"].map(_is_code), "old_ticker is no code of B3 such as PETR4"),
        (~renames["new_ticker"].map(_is_code), "new_ticker is no code of B3 such as PETR4"),
        (first.isna(), "first_session is not a date written as 2024-12-31"),
        (is_off, "first_session is a day on which B3 does not trade"),
        (renames["old_ticker"] == renames["new_ticker"], "the code stays the same"),
        (renames.duplicated(list(RENAMES.key)), "the code was changed on that day by a line above"),
        (
            renames.duplicated(["new_ticker", "first_session"]),
            "a line above gives the new code to another paper on that day",
        ),
    )
    for broken, reason in rules:
        if broken.any():
            line = int(broken.idxmax())
            found = renames.loc[line].to_dict() | {"first_session": written.loc[line]}
            raise MarketFileError(f"{path}: line {line + 2}: {reason}: {found}")


def _is_code(ticker: object) -> bool:
    return isinstance(ticker, str) and _CODE.fullmatch(ticker) is not None


def _refuse_cycles(path: Path, renames: pd.DataFrame) -> None:
    for row in renames.itertuples():
        codes = _codes_from(renames, row)
        if len(set(codes)) < len(codes):
            raise MarketFileError(
                f"{path}: line {row.Index + 2}: expected a paper that leaves a code for good, found"
                f" {' → '.join(codes)}; correct the lines, or leave the way there and back out"
            )


def _codes_from(renames: pd.DataFrame, rename) -> list[str]:
    """The codes of the paper that `rename` renames, from its old one to the last one known."""
    codes = [rename.old_ticker, rename.new_ticker]
    day = rename.first_session
    while codes[-1] not in codes[:-1]:
        is_next = (renames["old_ticker"] == codes[-1]) & (renames["first_session"] > day)
        if not is_next.any():
            break
        day = renames.loc[is_next, "first_session"].min()
        at_once = is_next & (renames["first_session"] == day)
        codes.append(renames.loc[at_once, "new_ticker"].iloc[0])
    return codes


def under_current_codes(table: pd.DataFrame, renames: pd.DataFrame, day: str) -> pd.DataFrame:
    """The same rows; `ticker` is the paper's code in the last session known.

    A row of an old code before its `first_session` gets the new code, and so on along the chain;
    a row from that session on belongs to whoever has the code since, and keeps it. Once a code
    has changed the rows are sorted by ticker and day anew, so what came sorted stays sorted.

    Events from several places are brought under current codes before they are merged: that one
    lists an event under the old code and another under the new one shows only then.

    Parameters
    ----------
    table
        Rows with a `ticker` that was valid on their `day`. Where the code of the day is needed
        later, another column should hold it, as `traded_as` does in `tables.QUOTES`.
    renames
        Rows of `tables.RENAMES`, as `read_renames` gives them.
    day
        Name of the column with the day of the row: `session` of quotes, `ex_date` of events.

    Raises
    ------
    MarketDataError
        If rows of two codes on one day would have one ticker: the mapping joins what was never
        one paper, or the table lists one paper under both of its codes.
    """
    is_old = table["ticker"].isin(renames["old_ticker"]).to_numpy()
    if not is_old.any():
        return table
    ticker = table["ticker"].to_numpy(dtype=object, copy=True)
    days = table[day].to_numpy()
    by = np.full(len(table), -1)
    positions = pd.Series(np.flatnonzero(is_old)).groupby(ticker[is_old]).indices
    for old, own in renames.sort_values("first_session").groupby("old_ticker"):
        rows = np.flatnonzero(is_old)[positions.get(old, [])]
        # The rename that ends the row's time under the old code: the first one after its day.
        place = np.searchsorted(own["first_session"].to_numpy(), days[rows], side="right")
        rows, place = rows[place < len(own)], place[place < len(own)]
        current = np.array([_codes_from(renames, rename)[-1] for rename in own.itertuples()])
        ticker[rows] = current[place]
        by[rows] = own.index.to_numpy()[place]
    renamed = table.assign(ticker=pd.Series(ticker, index=table.index, dtype="str"))
    _refuse_shared_codes(table["ticker"].to_numpy(), renamed, renames, day, by)
    return renamed.sort_values(["ticker", day], kind="stable", ignore_index=True)


def _refuse_shared_codes(
    codes: np.ndarray, renamed: pd.DataFrame, renames: pd.DataFrame, day: str, by: np.ndarray
) -> None:
    """`by` names the row of `renames` behind each row, -1 where the code stayed."""
    is_concerned = renamed["ticker"].isin(renamed["ticker"].to_numpy()[by >= 0]).to_numpy()
    rows = np.flatnonzero(is_concerned)
    papers = renamed.iloc[rows][["ticker", day]].assign(code=codes[rows], by=by[rows])
    distinct = papers.drop_duplicates(["ticker", day, "code"])
    shared = distinct[distinct.duplicated(["ticker", day], keep=False)]
    if len(shared):
        in_order = shared.sort_values([day, "ticker", "by"])
        first = in_order.iloc[0]
        both = in_order[(in_order["ticker"] == first["ticker"]) & (in_order[day] == first[day])]
        old, new, session = renames.loc[both["by"].max(), RENAMES.column_names]
        raise MarketDataError(
            f"{' and '.join(sorted(both['code']))} have a row each on {first[day]:%Y-%m-%d} and"
            f" would all be {first['ticker']}: several papers, or one listed under several codes;"
            f" correct {old},{new},{session:%Y-%m-%d} in the file that ASSET_PREDICT_RENAMES names,"
            " or the table"
        )
