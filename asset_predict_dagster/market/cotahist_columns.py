"""Columns from raw records: digits become numbers and dates, characters become text.

Records are added block by block and decoded many at a time, whole fields at once: eight digits
are one 64-bit word, and neighbours are joined within it. The least and the greatest character at
each position tell beforehand whether all is well, what is zero and what is the same throughout.
"""

import re
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.market.cotahist_growth import MISSING, GrowingArray, GrowingColumn
from asset_predict_dagster.market.cotahist_layout import ENCODING, FIELDS, RECORD_LENGTH, Field

BATCH_RECORDS = 2**13
"""Records decoded at a time: 2 MB, of which a processor's cache holds most."""

_LARGEST_EXACT_FLOAT = 2**53

NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f]|[ÂÃ][\xa0-\xbf]")
"""What no text of B3 holds: control characters, and an Â or Ã before a symbol, which is how a
letter of a file that somebody re-encoded as UTF-8 reads in latin-1."""

_IS_DIGIT = np.zeros(RECORD_LENGTH, dtype=bool)
"""The positions of the fields that are written in digits."""
for _field in FIELDS:
    _IS_DIGIT[_field.span] = _field.kind != "text"


class QuoteColumns:
    """The columns of a table of quotes, grown block by block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._n_waiting = 0
        self._n_decoded = 0
        self._columns = {field.name: GrowingColumn(field) for field in FIELDS}
        self._lines = GrowingArray(np.int64)

    def __len__(self) -> int:
        return self._n_decoded + self._n_waiting

    def add(self, lines: np.ndarray, rows: np.ndarray) -> None:
        """Take the records `rows`, shape (n, 245), of the given line numbers, shape (n,)."""
        self._waiting.append((lines, rows))
        self._n_waiting += len(rows)
        if self._n_waiting >= BATCH_RECORDS:
            self._decode()

    def to_frame(self) -> pd.DataFrame:
        """The records added since the last call: a column per field, then `line`."""
        self._decode()
        self._n_decoded = 0
        columns = {name: column.taken() for name, column in self._columns.items()}
        return pd.DataFrame(columns | {"line": self._lines.taken()}, copy=False)

    def _decode(self) -> None:
        """Make columns of the records that wait, all at once."""
        if not self._n_waiting:
            return
        lines = np.concatenate([lines for lines, _ in self._waiting])
        rows = np.concatenate([rows for _, rows in self._waiting])
        self._waiting.clear()
        self._n_waiting = 0
        self._n_decoded += len(rows)
        batch = _Batch(self._path, lines, rows)
        self._lines.extend(lines)
        for field in FIELDS:
            self._columns[field.name].extend(batch.column(field))


class _Batch:
    """Records decoded together; those with something else than digits in a number are refused."""

    def __init__(self, path: Path, lines: np.ndarray, rows: np.ndarray) -> None:
        self._path = path
        self._lines = lines
        self._rows = rows
        self._least = rows.min(axis=0)
        self._greatest = rows.max(axis=0)
        self._is_none: dict[str, np.ndarray] = {}
        is_odd = _IS_DIGIT & ((self._least < ord("0")) | (self._greatest > ord("9")))
        if is_odd.any():
            for field in FIELDS:
                if is_odd[field.span].any():
                    self._is_none[field.name] = self._none_among_digits(field)

    def column(self, field: Field) -> np.ndarray | pa.Array:
        """The values of one field, shape (n_records,); `MISSING` or NaT where B3 writes none."""
        least, greatest = self._least[field.span], self._greatest[field.span]
        if field.kind == "text":
            is_same = bool((least == greatest).all())
            rows = self._rows[:1] if is_same else self._rows
            is_plain = least.min() >= ord(" ") and greatest.max() <= ord("~")
            texts = _plain_texts(field, rows) if is_plain else self._texts(field, rows)
            return pa.repeat(texts[0], len(self._rows)) if is_same else texts
        if field.kind == "date":
            return self._dates(field)
        values = _numbers(field, self._rows, greatest)
        if field.name in self._is_none:
            values[self._is_none[field.name]] = MISSING
        return decimal_values(values, field.decimals) if field.kind == "decimal" else values

    def _none_among_digits(self, field: Field) -> np.ndarray:
        """Which records say that there is no value; all others must have digits throughout."""
        characters = self._rows[:, field.span]
        is_none = np.zeros(len(characters), dtype=bool)
        if field.none:
            is_none = _throughout(characters == np.frombuffer(field.none.encode(), np.uint8))
        is_number = _throughout((characters >= ord("0")) & (characters <= ord("9")))
        self._check(field, is_number | is_none, f"{field.width} digits")
        return is_none

    def _dates(self, field: Field) -> np.ndarray:
        """Days as datetime64[us]; NaT where B3 writes that there is none."""
        codes, distinct = pd.factorize(_eight_characters(self._rows, field.last))
        texts = [int(word).to_bytes(8, "little").decode(ENCODING) for word in distinct]
        days = [None if text == field.none else parse_date(text) for text in texts]
        is_good = np.array(
            [text == field.none or day is not None for text, day in zip(texts, days, strict=True)]
        )
        self._check(field, is_good[codes], "a day as AAAAMMDD")
        return np.array(days, dtype="datetime64[us]")[codes]

    def _texts(self, field: Field, rows: np.ndarray) -> pa.Array:
        """Texts that need a look at each: every distinct one is decoded once."""
        characters = np.ascontiguousarray(rows[:, field.span])
        encoded = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(field.width), len(rows), [None, pa.py_buffer(characters)]
        ).dictionary_encode()
        texts = [raw.decode(ENCODING) for raw in encoded.dictionary.to_pylist()]
        is_good = np.array([not NOT_TEXT.search(text) for text in texts])
        self._check(field, is_good[encoded.indices.to_numpy()], "latin-1 text (not UTF-8)")
        # Only blanks are padding: rstrip() alone would also take a no-break space.
        trimmed = pa.array([text.rstrip(" ") for text in texts], pa.large_string())
        return trimmed.take(encoded.indices)

    def _check(self, field: Field, is_good: np.ndarray, expected: str) -> None:
        """Refuse the file for the first record whose field is not good."""
        if not is_good.all():
            at = int(is_good.argmin())
            found = bytes(self._rows[at, field.span]).decode(ENCODING)
            raise MarketFileError(
                f"{self._path}, line {self._lines[at]:,}, positions {field.first}-{field.last}"
                f" ({field.b3_name}): {expected} expected, {found!r} found;"
                " download the file again"
            )


def _throughout(is_so: np.ndarray) -> np.ndarray:
    """`is_so.all(axis=1)`, which is slow where rows are many and columns few."""
    return np.logical_and.reduce(list(is_so.T))


def _plain_texts(field: Field, rows: np.ndarray) -> pa.Array:
    """Printable ASCII without its padding: the bytes in the file are those in memory."""
    characters = np.ascontiguousarray(rows[:, field.span])
    starts = np.arange(0, characters.size + 1, field.width, dtype=np.int64)
    padded = pa.LargeStringArray.from_buffers(
        len(rows), pa.py_buffer(starts), pa.py_buffer(characters)
    )
    return pc.ascii_rtrim(padded, " ")  # pyright: ignore[reportAttributeAccessIssue]


def _numbers(field: Field, rows: np.ndarray, greatest: np.ndarray) -> np.ndarray:
    """The digits' values, int64, exact up to 18 digits.

    Digits that are zero in every record are left out: most of a price's thirteen.
    """
    is_needed = greatest > ord("0")
    if not is_needed.any():
        return np.zeros(len(rows), np.int64)
    first = field.first + int(is_needed.argmax())
    values = _values_of_words(_eight_characters(rows, field.last), field.last - first + 1)
    for n_behind in range(8, field.last - first + 1, 8):
        last = field.last - n_behind
        words = _eight_characters(rows, last)
        values += _values_of_words(words, last - first + 1) * 10**n_behind
    return values


def _eight_characters(rows: np.ndarray, last: int) -> np.ndarray:
    """The characters up to position `last` of each record as a word, the first one lowest."""
    return rows[:, last - 8 : last].view("<u8")[:, 0].copy()


def _values_of_words(words: np.ndarray, n_digits: int) -> np.ndarray:
    """The numbers, int64, that the last `n_digits` characters spell. The words are used up.

    The first digit stands in the lowest byte: times ten, plus the byte above it, makes a number
    of two digits; two of those make one of four; two of those one of eight.
    """
    n_others = max(8 - n_digits, 0)
    words &= np.uint64(int.from_bytes(b"\0" * n_others + b"\x0f" * (8 - n_others), "little"))
    for lane, bits, scale in (("<u2", 8, 10), ("<u4", 16, 100), ("<u8", 32, 10_000)):
        lanes = words.view(lane)
        above = lanes >> bits
        lanes *= scale
        lanes += above
        lanes &= 2**bits - 1
    return words.view("<i8")


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


@lru_cache(maxsize=2**12)  # the same days come again in every batch
def parse_date(text: str) -> date | None:
    """A day written AAAAMMDD; None if the calendar has no such day.

    Examples
    --------
    >>> parse_date("20160229"), parse_date("20170229")
    (datetime.date(2016, 2, 29), None)
    """
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None
