"""Write a COTAHIST file: the inverse of the reader, driven by the same layout.

The simulated market and the tests make their files with it. The same records always give the
same bytes, and a file is either there whole or not at all.
"""

import os
import zipfile
from datetime import date
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.market.cotahist_columns import NOT_TEXT
from asset_predict_dagster.market.cotahist_layout import (
    ENCODING,
    FIELDS,
    HEADER,
    ORIGIN,
    QUOTE,
    RECORD_LENGTH,
    TRAILER,
    TRAILER_FIELDS,
    Field,
)
from asset_predict_dagster.market.cotahist_name import Period, period_of

_LINE_END = b"\r\n"
_BLANK, _ZERO = ord(" "), ord("0")

# A ZIP stamps its members; the earliest stamp it knows keeps equal records equal bytes.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_FAST = 1


def write_cotahist(records: pd.DataFrame, path: Path, generated_on: date) -> None:
    """Write the records, in their order, as B3 would: `read_cotahist` gives them back.

    Parameters
    ----------
    records
        One row per quote, columns and units as `cotahist_layout.FIELDS`; `record_type` may be
        left out and further columns, such as the reader's `line`, are ignored. Prices are
        rounded to the field's decimals by the caller. Missing values only where the layout
        knows a "none": `expiry`, `forward_days`.
    path
        Named as B3 names its files, .TXT or .ZIP; replaced if it exists.
    generated_on
        The day that the header says the file was made.

    Raises
    ------
    MarketFileError
        If a value does not fit its field or the file's name; nothing is written then.
    """
    path = Path(path)
    period = period_of(path)
    if "record_type" not in records.columns:
        records = records.assign(record_type=QUOTE)
    missing = [field.name for field in FIELDS if field.name not in records.columns]
    if missing:
        raise MarketFileError(f"{path}: the table lacks {', '.join(missing)}; add them")
    columns = {field.name: pd.Series(records[field.name]) for field in FIELDS}
    _check_promises(columns, path, period)

    stride = RECORD_LENGTH + len(_LINE_END)
    lines = np.full((len(records) + 2, stride), _BLANK, dtype=np.uint8)
    lines[:, RECORD_LENGTH:] = np.frombuffer(_LINE_END, np.uint8)
    ends = {
        "file_name": f"COTAHIST.{period.first.year:04d}",
        "origin": ORIGIN,
        "generated_on": _date_digits(generated_on),
        "n_records": f"{len(lines):0{TRAILER_FIELDS[-1].width}d}",
    }
    _put(lines[0], TRAILER_FIELDS[:-1], {"record_type": HEADER} | ends)
    _put(lines[-1], TRAILER_FIELDS, {"record_type": TRAILER} | ends)
    for field in FIELDS:
        lines[1:-1, field.span] = _characters(field, columns[field.name], path)
    _replace(path, lines.tobytes())


def _put(line: np.ndarray, fields: tuple[Field, ...], values: dict[str, str]) -> None:
    """Fill the header or the trailer."""
    for field in fields:
        text = values[field.name].ljust(field.width).encode(ENCODING)
        line[field.span] = np.frombuffer(text, np.uint8)


def _check_promises(columns: dict[str, pd.Series], path: Path, period: Period) -> None:
    """Refuse records that have no place in a file of this name."""
    record_types, sessions = columns["record_type"], columns["session"]
    is_other = (record_types != QUOTE).to_numpy(dtype=bool, na_value=True)
    if is_other.any():
        raise _refusal(path, FIELDS[0], record_types, is_other, f"{QUOTE!r}")
    days = _days(FIELDS[1], sessions, path)
    is_outside = (days < np.datetime64(period.first)) | (days > np.datetime64(period.last))
    if is_outside.any():
        expected = f"a day from {period.first} to {period.last}, as the file's name says"
        raise _refusal(path, FIELDS[1], sessions, is_outside, expected)


def _characters(field: Field, values: pd.Series, path: Path) -> np.ndarray:
    """The characters of one field of every record, shape (n_records, width), uint8."""
    if field.kind == "text":
        return _text_characters(field, values, path)
    is_none = values.isna().to_numpy()
    if is_none.any() and not field.none:
        raise _refusal(path, field, values, is_none, "a value")
    if field.kind == "date":
        days = _days(field, values, path)
        codes, distinct = pd.factorize(days)  # missing days have code -1
        digits = [_date_digits(day) for day in distinct.astype("datetime64[D]").tolist()]
        characters = _fixed_width([*digits, field.none or "0" * field.width], field.width)[codes]
    else:
        units = _units(field, values, is_none, path)
        powers = 10 ** np.arange(field.width - 1, -1, -1, dtype=np.int64)
        characters = (units[:, None] // powers % 10 + _ZERO).astype(np.uint8)
    if field.none:
        characters[is_none] = np.frombuffer(field.none.encode(), np.uint8)
    return characters


def _text_characters(field: Field, values: pd.Series, path: Path) -> np.ndarray:
    """Texts padded with blanks; each distinct one is encoded once."""
    codes, distinct = pd.factorize(values.to_numpy(dtype=object))
    is_good = np.array([_fits(text, field.width) for text in distinct] + [False])
    if not is_good[codes].all():
        expected = f"latin-1 text of at most {field.width} characters"
        raise _refusal(path, field, values, ~is_good[codes], expected)
    return _fixed_width([text.ljust(field.width) for text in distinct], field.width)[codes]


def _fits(text: object, width: int) -> bool:
    """Whether B3's file can hold the text."""
    if not isinstance(text, str) or len(text) > width or NOT_TEXT.search(text):
        return False
    return all(ord(character) < 256 for character in text)


def _fixed_width(texts: list[str], width: int) -> np.ndarray:
    """Texts of equal width as characters, shape (n_texts, width), uint8."""
    return np.frombuffer("".join(texts).encode(ENCODING), np.uint8).reshape(-1, width)


def _units(field: Field, values: pd.Series, is_none: np.ndarray, path: Path) -> np.ndarray:
    """Values in the field's last decimal (centavos, say), int64; 0 where missing."""
    if not pd.api.types.is_numeric_dtype(values.dtype) or values.dtype == bool:
        raise MarketFileError(
            f"{path}: numbers were expected in {field.name} but its type is {values.dtype};"
            " convert the column"
        )
    limit = 10**field.width
    if pd.api.types.is_integer_dtype(values.dtype):
        whole = values.to_numpy(dtype=np.int64, na_value=0)
        # Checked before scaling: a number out of range could overflow into it.
        units = np.where((whole >= 0) & (whole < limit), whole, -1) * 10**field.decimals
        is_good = (units >= 0) & (units < limit)
    else:
        amounts = np.where(is_none, 0.0, values.to_numpy(dtype=np.float64, na_value=np.nan))
        scaled = np.rint(amounts * 10.0**field.decimals)
        is_good = (scaled >= 0) & (scaled < limit) & (scaled / 10.0**field.decimals == amounts)
        units = np.where(is_good, scaled, 0).astype(np.int64)
    if not is_good.all():
        whole_digits = field.width - field.decimals
        expected = f"a number of at most {whole_digits} digits and {field.decimals} decimals"
        raise _refusal(path, field, values, ~is_good, expected)
    return units


def _days(field: Field, values: pd.Series, path: Path) -> np.ndarray:
    """Days as datetime64[D]; a time of day or a time zone has no place in the file."""
    if values.dtype.kind != "M" or isinstance(values.dtype, pd.DatetimeTZDtype):
        raise MarketFileError(
            f"{path}: datetime64 without time zone was expected in {field.name} but its type is"
            f" {values.dtype}; convert the column"
        )
    moments = values.to_numpy()
    days = moments.astype("datetime64[D]")
    is_between_days = (days != moments) & ~np.isnat(moments)
    if is_between_days.any():
        raise _refusal(path, field, values, is_between_days, "a day without a time")
    return days


def _date_digits(day: date) -> str:
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"


def _refusal(
    path: Path, field: Field, values: pd.Series, is_bad: np.ndarray, expected: str
) -> MarketFileError:
    row = int(is_bad.argmax())
    value = values.iloc[row]
    shown = repr(value) if isinstance(value, str) else str(value)
    return MarketFileError(
        f"{path}: {field.name} of row {row:,} is {shown}, but {field.b3_name} holds"
        f" {expected}; correct the table"
    )


def _replace(path: Path, text: bytes) -> None:
    """Put the file in its place in one step, so that nobody ever reads half of it."""
    if path.suffix.upper() == ".ZIP":
        packed = BytesIO()
        member = zipfile.ZipInfo(f"{path.stem}.TXT", date_time=_ZIP_EPOCH)
        member.create_system = 3  # the same bytes on every system
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(member, text, zipfile.ZIP_DEFLATED, compresslevel=_FAST)
        text = packed.getvalue()
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        beside.write_bytes(text)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
