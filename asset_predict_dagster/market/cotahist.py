"""A COTAHIST file: B3's historical quotes, read whole or refused whole.

B3 publishes one file per year, month and day. Each opens with a header, closes with a trailer
that counts its records, and writes quotes in between, 245 characters each.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import MarketFileError, SettingsError
from asset_predict_dagster.market.cotahist_bytes import RecordBlock, record_blocks
from asset_predict_dagster.market.cotahist_columns import QuoteColumns, parse_date
from asset_predict_dagster.market.cotahist_layout import (
    ENCODING,
    HEADER_FIELDS,
    MARKET_TYPE,
    MARKET_TYPES,
    QUOTE,
    TRAILER,
    TRAILER_FIELDS,
    Field,
)
from asset_predict_dagster.market.cotahist_name import Kind, Period, period_of

SPOT = ("010",)
"""The market type of trades in standard lots, paid and delivered at once."""

QUOTES_PER_PART = 250_000
"""Some 70 MB of a table."""


@dataclass(frozen=True)
class CotahistFile:
    """What one file, or a part of one, says.

    Attributes
    ----------
    path
        The file.
    kind
        What its name says it covers: a year, a month or a day.
    generated_on
        The day B3 made it, from the header.
    n_quotes
        Quotes in the file, of every market: two less than the records its trailer promises.
    n_filtered
        Those of known markets that were not asked for, counted as they are dropped.
    n_kept
        Rows of `records`: n_filtered + n_kept = n_quotes.
    records
        One row per quote of the markets asked for, or of a market that is not one of
        `cotahist_layout.MARKET_TYPES`; in file order, columns as `cotahist_layout.FIELDS`, then
        `line` (int64), the quote's line in the file, the header's being 1. Text is `str`
        without padding (codes keep their leading zeros), integers int64, prices and volume
        float64 in R$ as quoted (per `quotation_factor` papers), days datetime64[us]. Missing:
        `expiry` NaT where B3 writes 99991231; `forward_days` (Int64) where B3 leaves it blank.
    """

    path: Path
    kind: Kind
    generated_on: date
    n_quotes: int
    n_filtered: int
    n_kept: int
    records: pd.DataFrame


def read_cotahist(path: Path, markets: Collection[str] | None = SPOT) -> CotahistFile:
    """Read a COTAHIST file, checking every promise it makes.

    Of quotes that `markets` leaves out only the length, the type and the count are checked: they
    are dropped before anything is decoded. Memory follows the quotes kept, not the file. What a
    quote says is not judged: one of an unknown market, or of a session that the file's name does
    not promise, is handed on for the caller to reject by name.

    Parameters
    ----------
    path
        Named as B3 names it: COTAHIST_A2019, COTAHIST_M012019 or COTAHIST_D02012019, ending in
        .TXT or .ZIP, in any case. The name inside a ZIP may differ.
    markets
        Market types (TPMERC) to keep, keys of `MARKET_TYPES`; None keeps every market, at some
        280 bytes a quote: `cotahist_parts` reads a year of all markets in bounded memory.

    Raises
    ------
    SettingsError
        If a market is none that B3 knows.
    MarketFileError
        If the file is missing or breaks its own promise anywhere.
    """
    (whole,) = cotahist_parts(path, markets, quotes_per_part=None)
    return whole


def cotahist_parts(
    path: Path,
    markets: Collection[str] | None = None,
    quotes_per_part: int | None = QUOTES_PER_PART,
) -> Iterator[CotahistFile]:
    """Read a COTAHIST file in parts whose tables follow one another, as `read_cotahist` does.

    Each part counts its own quotes; there is at least one, and the last may be empty. A file can
    be refused behind the first parts: what was made of them counts once the last one has come.

    Parameters
    ----------
    quotes_per_part
        Quotes that a part keeps, about; None makes one part of the whole file.
    """
    path = Path(path)
    unwanted = [] if markets is None else _unwanted(markets)
    envelope = _Envelope(path, period_of(path))
    columns = QuoteColumns(path)
    n_quotes = n_filtered = 0

    def part() -> CotahistFile:
        records = columns.to_frame()
        return CotahistFile(
            path=path,
            kind=envelope.period.kind,
            generated_on=envelope.generated_on,
            n_quotes=n_quotes,
            n_filtered=n_filtered,
            n_kept=len(records),
            records=records,
        )

    for block in record_blocks(path):
        quotes = envelope.quotes_in(block)
        rows, lines = quotes.rows, quotes.first_line + np.arange(len(quotes.rows))
        n_quotes += len(rows)
        if unwanted:
            is_dropped = _is_of_market(rows, unwanted)
            n_filtered += int(np.count_nonzero(is_dropped))
            kept = np.flatnonzero(~is_dropped)
            rows, lines = rows[kept], lines[kept]
        columns.add(lines, rows)
        if quotes_per_part and len(columns) >= quotes_per_part:
            yield part()
            n_quotes = n_filtered = 0
    envelope.check_count()
    yield part()


class _Envelope:
    """The header and the trailer of a file, checked while its records pass by."""

    def __init__(self, path: Path, period: Period) -> None:
        self._path = path
        self.period = period
        self._trailer: str | None = None
        self._n_records = 0
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
        expected = f"COTAHIST.{self.period.first.year:04d}"
        if name != expected:
            raise self._refusal(1, f"the file's name asks for {expected!r} in the header, {name!r}")
        day = _value(HEADER_FIELDS, "generated_on", header)
        generated_on = parse_date(day) if day.isascii() and day.isdigit() else None
        if generated_on is None:
            raise self._refusal(1, f"a generation date AAAAMMDD was expected, {day!r}")
        self.generated_on = generated_on

    def _refusal(self, line: int, expected: str) -> MarketFileError:
        return MarketFileError(f"{self._path}, line {line:,}: {expected} found; download it again")


def _value(fields: tuple[Field, ...], name: str, record: str) -> str:
    """One field's characters."""
    return next(record[field.span] for field in fields if field.name == name)


def _unwanted(markets: Collection[str]) -> list[int]:
    """The known markets that were not asked for, as `_is_of_market` takes them."""
    if isinstance(markets, str) or not set(markets) <= set(MARKET_TYPES):
        raise SettingsError(
            f"markets={markets!r}: a collection of {', '.join(MARKET_TYPES)} was expected, such as"
            " ('010', '020'); None reads every market"
        )
    unwanted = [code for code in MARKET_TYPES if code not in markets]
    return [int.from_bytes(code.encode(), "little") for code in unwanted]


def _is_of_market(rows: np.ndarray, markets: list[int]) -> np.ndarray:
    """Which records are of one of the markets, shape (n_records,)."""
    last = MARKET_TYPE.last
    # A word of four characters, then without the one before the three of the code.
    code = rows[:, last - 4 : last].view("<u4")[:, 0] >> 8
    is_of = np.zeros(len(rows), dtype=bool)
    for market in markets:
        is_of |= code == market
    return is_of
