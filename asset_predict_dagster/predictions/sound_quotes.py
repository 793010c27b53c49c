"""Sound quotes: what a person brings is held against what the table `quotes` promises of itself.

A price that cannot be is forecast like any other, and the answer does not show it.
"""

from typing import Any

import pandas as pd

from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.market.quotes import impossible_prices
from asset_predict_dagster.market.sessions import not_sessions
from asset_predict_dagster.predictions.symbols import normalised
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.table_content import refuse_unsound_keys, to_arrow, to_pandas
from asset_predict_dagster.tables import QUOTES

_CODES = ("ticker", "traded_as")
_ADJUSTED = "adjusted_"
_ROUNDING = 1e-6
"""Of an adjusted price: by how much of it a person's own arithmetic may differ."""


def sound_quotes(given: pd.DataFrame) -> pd.DataFrame:
    """What was given as rows of `tables.QUOTES`, sorted by its key.

    Codes may be typed in any way, and become B3's (`symbols.normalised`). Other columns are left
    out. A missing value is refused where the dictionary does not allow it.

    Raises
    ------
    TableError
        If a column is missing or of another type, or a ticker has a session twice.
    DatasetError
        If there is no row, B3 did not trade on a day, or a value is one that `quotes` never has:
        negative, infinite or missing; a close outside [low, high]; an adjusted price that is not
        price × split_factor × dividend_factor; another code than its own on a ticker's last day.
    """
    if given.empty:
        raise DatasetError("quotes: rows of tables.QUOTES were expected, and there is none")
    known = given[[name for name in QUOTES.column_names if name in given.columns]]
    codes = {name: known[name].map(_code) for name in _CODES if name in known.columns}
    content = to_arrow(QUOTES, known.assign(**codes))
    refuse_unsound_keys(QUOTES, content)
    own = to_pandas(content)
    _refuse_other_days(own)
    _refuse_broken_promises(own)
    _refuse_impossible_prices(own)
    _refuse_other_adjustment(own)
    _refuse_other_codes(own)
    return own


def _code(typed: Any) -> Any:
    return normalised(typed) if isinstance(typed, str) else typed


def _refuse_other_days(own: pd.DataFrame) -> None:
    """A day more would be a session on which everybody else did not trade."""
    strange = not_sessions(own["session"])["day"]
    if len(strange):
        raise DatasetError(
            f"quotes: B3 did not trade on {len(strange):,} of the days given, such as"
            f" {strange.iloc[0]:%Y-%m-%d}; leave those rows out"
        )


def _refuse_broken_promises(own: pd.DataFrame) -> None:
    broken = broken_promises(QUOTES, own)
    if len(broken):
        first = broken.iloc[0]
        _, example, *_ = first["first_rows"].splitlines()
        raise DatasetError(
            f"quotes: '{first['promise']}' was expected, and does not hold in"
            f" {first['n_rows']:,} of {len(own):,} rows, such as {' on '.join(example.split())};"
            " correct them"
        )


def _refuse_impossible_prices(own: pd.DataFrame) -> None:
    wrong = impossible_prices(own)
    if len(wrong):
        row = wrong.iloc[0]
        raise DatasetError(
            f"{_place(row)}: 0 < low ≤ open, close ≤ high was expected, and open {row['open']:g},"
            f" high {row['high']:g}, low {row['low']:g}, close {row['close']:g} found"
            f" ({len(wrong):,} such rows); correct them"
        )


def _refuse_other_adjustment(own: pd.DataFrame) -> None:
    """Returns are read from adjusted prices, and the forecast price stands on the close."""
    factor = own["split_factor"] * own["dividend_factor"]
    for name in QUOTES.column_names:
        part = name.removeprefix(_ADJUSTED)
        if part == name:
            continue
        expected = own[part] * factor
        is_other = (own[name] - expected).abs() > _ROUNDING * expected
        if is_other.any():
            row = own[is_other].iloc[0]
            raise DatasetError(
                f"{_place(row)}: {name} should be {part} × split_factor × dividend_factor,"
                f" {expected[is_other].iloc[0]:g}, and {row[name]:g} was found"
                f" ({is_other.sum():,} such rows); change both together"
            )


def _refuse_other_codes(own: pd.DataFrame) -> None:
    """A forecast goes by the code of the day: under another it would be another paper's."""
    last = own.drop_duplicates("ticker", keep="last")
    wrong = last[last["traded_as"] != last["ticker"]]
    if len(wrong):
        row = wrong.iloc[0]
        raise DatasetError(
            f"{_place(row)}: traded_as should be {row['ticker']} on the last day given, and"
            f" '{row['traded_as']}' was found ({len(wrong):,} such tickers); write the ticker there"
        )


def _place(row: pd.Series) -> str:
    return f"quotes of {row['ticker']} on {row['session']:%Y-%m-%d}"
