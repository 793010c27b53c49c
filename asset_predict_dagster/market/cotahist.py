"""A COTAHIST file: B3's historical quotes, read whole or refused whole.

B3 publishes one file per year, month and day. Each opens with a header, closes with a trailer
that counts its records, and writes quotes in between, 245 characters each.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import MarketFileError, SettingsError
from asset_predict_dagster.market.cotahist_bytes import RecordBlock, record_blocks
from asset_predict_dagster.market.cotahist_columns import QuoteColumns, is_date, parse_date
from asset_predict_dagster.market.cotahist_layout import (
    ENCODING,
    FIELDS,
    HEADER_FIELDS,
    MARKET_TYPE,
    QUOTE,
    TRAILER,
    TRAILER_FIELDS,
    Field,
)
from asset_predict_dagster.market.cotahist_name import Kind, Period, period_of

SPOT = ("010",)
"""The market type of trades in standard lots, paid and delivered at once."""

_SESSION = next(field for field in FIELDS if field.name == "session")


@dataclass(frozen=True)
class CotahistFile:
    """What one file says.

    Attributes
    ----------
    path
        The file.
    kind
        What its name says it covers: a year, a month or a day.
    generated_on
        The day B3 made it, from the header.
    n_quotes
        Quotes in the file, of every market; the trailer promises as many.
    n_kept
        Rows of `records`: the quotes of the markets asked for.
    records
        One row per quote in file order, columns as `cotahist_layout.FIELDS`. Text is `str`
        without padding (codes keep their leading zeros), integers int64, prices and volume
        float64 in R$ as quoted (per `quotation_factor` papers), days datetime64[us]. Missing:
        `expiry` NaT where B3 writes 99991231; `forward_days` (Int64) where B3 leaves it blank.
    """

    path: Path
    kind: Kind
    generated_on: date
    n_quotes: int
    n_kept: int
    records: pd.DataFrame


def read_cotahist(path: Path, markets: Collection[str] | None = SPOT) -> CotahistFile:
    """Read a COTAHIST file, checking every promise it makes.

    Of quotes that `markets` leaves out only the length, the type and the count are checked: they
    are dropped before anything is decoded. Memory follows the quotes kept, not the file.

    Parameters
    ----------
    path
        Named as B3 names it: COTAHIST_A2019, COTAHIST_M012019 or COTAHIST_D02012019, ending in
        .TXT or .ZIP, in any case. The name inside a ZIP may differ.
    markets
        Market types (TPMERC) to keep, three digits each; None keeps every market.

    Raises
    ------
    MarketFileError
        If the file is missing or breaks its own promise anywhere.
    """
    path = Path(path)
    wanted = None if markets is None else _market_codes(markets)
    period = period_of(path)
    envelope = _Envelope(path, period)
    columns = QuoteColumns(path)
    for block in record_blocks(path):
        quotes = envelope.quotes_in(block)
        rows, lines = quotes.rows, quotes.first_line + np.arange(len(quotes.rows))
        if wanted is not None:
            kept = np.flatnonzero(_is_of_market(rows, wanted))
            rows, lines = rows[kept], lines[kept]
        columns.add(lines, rows)
    envelope.check_count()
    records = columns.to_frame()
    _check_sessions(records["session"].to_numpy(), period, columns)
    return CotahistFile(
        path=path,
        kind=period.kind,
        generated_on=envelope.generated_on,
        n_quotes=envelope.n_quotes,
        n_kept=len(records),
        records=records,
    )


class _Envelope:
    """The header and the trailer of a file, checked while its records pass by."""

    def __init__(self, path: Path, period: Period) -> None:
        self._path = path
        self._period = period
        self._trailer: str | None = None
        self._n_records = 0
        self.n_quotes = 0
        self.generated_on = date.min

    def quotes_in(self, block: RecordBlock) -> RecordBlock:
        """The block without the file's header and trailer: quotes and nothing else."""
        first_line, rows = block.first_line, block.rows
        if self._trailer is not None:
            raise self._refusal(first_line, "nothing behind the trailer was expected, more was")
        self._n_records += len(rows)
        if first_line == 1:
            self._check_header(bytes(rows[0]).decode(ENCODING))
            first_line, rows = 2, rows[1:]
        is_quote = (rows[:, 0] == ord(QUOTE[0])) & (rows[:, 1] == ord(QUOTE[1]))
        if not is_quote.all():
            at = int(is_quote.argmin())
            record = bytes(rows[at]).decode(ENCODING)
            if not record.startswith(TRAILER):
                raise self._refusal(
                    first_line + at, f"a quote (type 01) was expected, type {record[:2]!r}"
                )
            if at != len(rows) - 1:
                raise self._refusal(
                    first_line + at + 1, "nothing behind the trailer was expected, more was"
                )
            self._trailer, rows = record, rows[:at]
        self.n_quotes += len(rows)
        return RecordBlock(first_line, rows)

    def check_count(self) -> None:
        """At the end of the file: is there a trailer, and did its count arrive?"""
        if self._trailer is None:
            raise self._refusal(
                self._n_records, "the last record must be a trailer (type 99), another was"
            )
        if not self._trailer.startswith(TRAILER + "COTAHIST"):
            raise self._refusal(
                self._n_records, f"a trailer '99COTAHIST' was expected, {self._trailer[:10]!r}"
            )
        promised = _value(TRAILER_FIELDS, "n_records", self._trailer)
        if not (promised.isascii() and promised.isdigit()):
            raise self._refusal(
                self._n_records, f"a count of 11 digits was expected in the trailer, {promised!r}"
            )
        if int(promised) != self._n_records:
            raise MarketFileError(
                f"{self._path}, line {self._n_records:,}: the trailer promises {int(promised):,}"
                f" records but the file has {self._n_records:,}; download it again"
            )

    def _check_header(self, header: str) -> None:
        name = _value(HEADER_FIELDS, "file_name", header).rstrip()
        expected = f"COTAHIST.{self._period.first.year:04d}"
        if name != expected:
            raise self._refusal(1, f"the file's name asks for {expected!r} in the header, {name!r}")
        day = _value(HEADER_FIELDS, "generated_on", header)
        if not (day.isascii() and day.isdigit() and is_date(day)):
            raise self._refusal(1, f"a generation date AAAAMMDD was expected, {day!r}")
        self.generated_on = parse_date(day)

    def _refusal(self, line: int, expected: str) -> MarketFileError:
        return MarketFileError(f"{self._path}, line {line:,}: {expected} found; download it again")


def _value(fields: tuple[Field, ...], name: str, record: str) -> str:
    """One field's characters."""
    return next(record[field.span] for field in fields if field.name == name)


def _market_codes(markets: Collection[str]) -> list[bytes]:
    if isinstance(markets, str) or not all(re.fullmatch(r"[0-9]{3}", code) for code in markets):
        raise SettingsError(
            f"markets={markets!r}: codes of three digits were expected, such as ('010', '020');"
            " None reads every market"
        )
    return [code.encode() for code in sorted(set(markets))]


def _is_of_market(rows: np.ndarray, wanted: list[bytes]) -> np.ndarray:
    """Which records are of one of the markets, shape (n_records,)."""
    code = rows[:, MARKET_TYPE.span]
    is_wanted = np.zeros(len(rows), dtype=bool)
    for first, second, third in wanted:
        is_wanted |= (code[:, 2] == third) & (code[:, 1] == second) & (code[:, 0] == first)
    return is_wanted


def _check_sessions(sessions: np.ndarray, period: Period, columns: QuoteColumns) -> None:
    """Every session lies within the days the file's name promises."""
    is_outside = (sessions < np.datetime64(period.first)) | (sessions > np.datetime64(period.last))
    if is_outside.any():
        row = int(is_outside.argmax())
        expected = f"a session from {period.first} to {period.last}, as the file's name says,"
        raise columns.refusal(row, _SESSION, expected, str(sessions[row].astype("datetime64[D]")))
