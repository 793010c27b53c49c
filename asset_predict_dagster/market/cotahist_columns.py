"""Columns from raw records: digits become numbers and dates, characters become text.

Blocks of records are added one by one; only what a column needs is kept of them. Everything is
done for all records at once: a digit is its character minus "0", a number the dot product of its
digits with the powers of ten, and each distinct text or date is looked at once.
"""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.market.cotahist_layout import ENCODING, FIELDS, Field

_MISSING = -1
"""Stands for B3's "none" among the digits' values, which are never negative."""

_LARGEST_EXACT_FLOAT = 2**53

NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f]|[ÂÃ][\xa0-\xbf]")
"""What no text of B3 holds: control characters, and an Â or Ã before a symbol, which is how a
letter of a file that somebody re-encoded as UTF-8 reads in latin-1."""


class QuoteColumns:
    """The columns of a table of quotes, grown block by block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[np.ndarray] = [np.empty(0, np.int64)]
        self._parts: dict[str, list[np.ndarray]] = {field.name: [] for field in FIELDS}
        self.add(self._lines[0], np.empty((0, FIELDS[-1].last), np.uint8))

    def add(self, lines: np.ndarray, rows: np.ndarray) -> None:
        """Take the records `rows`, shape (n, 245), of the given line numbers, shape (n,)."""
        self._lines.append(lines)
        for field in FIELDS:
            characters = rows[:, field.span]
            if field.kind == "text":
                part = np.ascontiguousarray(characters)
            else:
                part = self._numbers(field, characters, lines)
            self._parts[field.name].append(part)

    def to_frame(self) -> pd.DataFrame:
        """All records as one table, one column per field. The parts are used up."""
        columns = {}
        for field in FIELDS:
            values = np.concatenate(self._parts.pop(field.name))
            columns[field.name] = self._column(field, values)
        return pd.DataFrame(columns, copy=False)

    def refusal(self, row: int, field: Field, expected: str, found: str) -> MarketFileError:
        """The error for one field of one row of the table."""
        line = int(np.concatenate(self._lines)[row])
        return _refusal(self._path, line, field, expected, found)

    def _numbers(self, field: Field, characters: np.ndarray, lines: np.ndarray) -> np.ndarray:
        """The digits' values, int64, exact up to 18 digits; `_MISSING` where B3 writes none."""
        digits = characters - np.uint8(ord("0"))  # below "0" wraps around to above 9
        is_none = None
        if field.none:
            is_none = (characters == np.frombuffer(field.none.encode(), np.uint8)).all(axis=1)
            digits[is_none] = 0
        if digits.max(initial=0) > 9:
            at = int((digits > 9).any(axis=1).argmax())
            found = bytes(characters[at]).decode(ENCODING)
            raise _refusal(self._path, int(lines[at]), field, f"{field.width} digits", found)
        values = digits @ 10 ** np.arange(field.width - 1, -1, -1, dtype=np.int64)
        if is_none is not None:
            values[is_none] = _MISSING
        return values

    def _column(self, field: Field, values: np.ndarray):
        """The values of one field as a column of the table."""
        if field.kind == "text":
            return self._texts(field, values)
        if field.kind == "date":
            return self._dates(field, values)
        if field.kind == "decimal":
            return decimal_values(values, field.decimals)
        if field.none:
            return pd.arrays.IntegerArray(values, values == _MISSING)
        return values

    def _texts(self, field: Field, characters: np.ndarray):
        """Texts without their padding: each distinct one is decoded once."""
        encoded = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(field.width), len(characters), [None, pa.py_buffer(characters)]
        ).dictionary_encode()
        codes = encoded.indices.to_numpy()
        texts = [raw.decode(ENCODING) for raw in encoded.dictionary.to_pylist()]
        self._check_each(
            field, codes, texts, lambda text: not NOT_TEXT.search(text), "latin-1 text (not UTF-8)"
        )
        # Only blanks are padding: rstrip() alone would also take a no-break space.
        return pd.array([text.rstrip(" ") for text in texts], dtype="str").take(codes)

    def _dates(self, field: Field, values: np.ndarray) -> np.ndarray:
        """Days as datetime64[us]; NaT where B3 writes that there is none."""
        codes, distinct = pd.factorize(values)
        digits = [f"{value:0{field.width}d}" for value in distinct.tolist()]
        missing = str(_MISSING).zfill(field.width)
        self._check_each(
            field, codes, digits, lambda text: text == missing or is_date(text), "a day as AAAAMMDD"
        )
        days = [np.datetime64("NaT") if text == missing else parse_date(text) for text in digits]
        return np.array(days, dtype="datetime64[us]")[codes]

    def _check_each(
        self,
        field: Field,
        codes: np.ndarray,
        distinct: list[str],
        is_good: Callable[[str], bool],
        expected: str,
    ) -> None:
        """Refuse the first row whose text, `distinct[code]`, is not good."""
        bad_codes = [code for code, text in enumerate(distinct) if not is_good(text)]
        if bad_codes:
            row = int(np.isin(codes, bad_codes).argmax())
            raise self.refusal(row, field, expected, distinct[codes[row]])


def decimal_values(units: np.ndarray, decimals: int) -> np.ndarray:
    """Whole units (centavos, say) as the float64 nearest to `units / 10**decimals`.

    Examples
    --------
    >>> decimal_values(np.array([3778, 1]), 2).tolist()
    [37.78, 0.01]
    """
    values = units / 10.0**decimals
    for at in np.flatnonzero(units > _LARGEST_EXACT_FLOAT):  # numpy would round these twice
        values[at] = int(units[at]) / 10**decimals
    return values


def parse_date(text: str) -> date:
    """A day written AAAAMMDD.

    Examples
    --------
    >>> parse_date("20160229")
    datetime.date(2016, 2, 29)
    """
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def is_date(text: str) -> bool:
    """Whether AAAAMMDD is a day of the calendar."""
    try:
        parse_date(text)
    except ValueError:
        return False
    return True


def _refusal(path: Path, line: int, field: Field, expected: str, found: str) -> MarketFileError:
    return MarketFileError(
        f"{path}, line {line:,}, positions {field.first}-{field.last} ({field.b3_name}):"
        f" {expected} expected, {found!r} found; download the file again"
    )
