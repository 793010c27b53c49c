"""Index levels: the closes of IBOV, from a file that the user names.

B3 publishes them apart from its quotes. IBOV is a total-return index: dividends are reinvested in
it, so its returns may stand beside adjusted ones. Source: B3, Ibovespa methodology.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import MarketFileError

DATE, CLOSE = "Date", "Close"


def read_index_levels(path: Path) -> pd.Series:
    """Close of each session, in points, as the file says; other columns are left alone.

    Parameters
    ----------
    path
        CSV file with the columns `Date` (2024-02-26) and `Close` (above 0), in any order of rows.

    Returns
    -------
    Named `ibov`, indexed by session (datetime64[us]), sorted. No value is missing: a session that
    the file lacks has no row.

    Raises
    ------
    MarketFileError
        If the file is missing, lacks a column, has no row, or has a date that is none, a date
        twice, or a close that is no number above 0.
    """
    if not path.is_file():
        raise MarketFileError(
            f"{path} is missing, and the index's closes were expected there; correct"
            " ASSET_PREDICT_IBOVESPA, or unset it to compare with equal weight alone"
        )
    table = _read(path)
    absent = [name for name in (DATE, CLOSE) if name not in table.columns]
    if absent:
        raise MarketFileError(
            f"{path}: the columns {DATE} and {CLOSE} were expected, and {', '.join(absent)} is not"
            f" among {', '.join(map(str, table.columns))}; give the file a header with both"
        )
    if table.empty:
        raise MarketFileError(f"{path}: no row follows the header; export the index's closes again")
    session = pd.to_datetime(table[DATE], format="%Y-%m-%d", errors="coerce")
    close = pd.to_numeric(table[CLOSE], errors="coerce")
    bad = session.isna() | ~(close > 0) | np.isinf(close)
    if bad.any():
        place = int(np.flatnonzero(bad)[0])
        raise MarketFileError(
            f"{path}, row {place + 1} below the header: a date such as 2024-02-26 and a close above"
            f" 0 were expected, not '{table[DATE].iloc[place]}' and '{table[CLOSE].iloc[place]}';"
            " correct the row or delete it"
        )
    if session.duplicated().any():
        twice = session[session.duplicated()].iloc[0]
        raise MarketFileError(
            f"{path}: one row a session was expected, and {twice:%Y-%m-%d} is there"
            f" {int((session == twice).sum())} times; keep one of them"
        )
    index = pd.DatetimeIndex(session, name="session").as_unit("us")
    return pd.Series(close.to_numpy(dtype=np.float64), index=index, name="ibov").sort_index()


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=str)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise MarketFileError(
            f"{path}: a CSV file with a header was expected and cannot be read as one"
            f" ({str(error).strip()}); export the index's closes again"
        ) from None
