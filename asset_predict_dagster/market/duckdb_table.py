"""A table in DuckDB as a source: `raw_quotes` of a local database file, or of one in MotherDuck.

Each calendar month is a batch, and its digest is reckoned inside DuckDB: a new session costs the
reading of its month, and an unchanged history costs one query. A month that has lost sessions loses
them in the lake as well; one that is gone altogether stays there.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import date, timedelta

import duckdb
import pandas as pd
from pydantic import SecretStr

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.market.corporate_actions import (
    no_events,
    one_row_per_event,
    refuse_impossible,
)
from asset_predict_dagster.market.cotahist import SPOT
from asset_predict_dagster.market.cotahist_layout import MARKET_TYPES
from asset_predict_dagster.market.duckdb_columns import (
    B3_NONE,
    EVENT_NONE,
    columns_of,
    select,
)
from asset_predict_dagster.market.duckdb_database import DuckDBDatabase
from asset_predict_dagster.market.records import PANDAS_TYPES, RECORD_COLUMNS, as_records
from asset_predict_dagster.market.sources import B3, Batch, Delivery
from asset_predict_dagster.tables import (
    ACTION_SOURCES,
    CORPORATE_ACTIONS,
    INGESTED_FILES,
    RAW_QUOTES,
)

_OTHER_MARKETS = ", ".join(f"'{code}'" for code in MARKET_TYPES if code not in SPOT)


@dataclass(frozen=True)
class DuckDBTable:
    """The table `raw_quotes` of a database, with the columns of `tables.RAW_QUOTES`.

    `source_file` and `year` may be absent and are ignored. Columns for which B3 writes a "none"
    may be absent or hold NULL. A NULL price is delivered as missing, for the caller to reject by
    name; any other NULL refuses the table. The file is open only while a method runs, and
    nothing is ever written to it.

    Attributes
    ----------
    database
        The path of a local file, or `md:name` for MotherDuck.
    token
        MotherDuck's access token; of no use to a local file. It stands in no message.
    """

    database: str
    token: SecretStr | str | None = field(default=None, repr=False)
    _file: DuckDBDatabase = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        token = SecretStr(self.token) if isinstance(self.token, str) else self.token
        object.__setattr__(self, "token", token)
        object.__setattr__(self, "_file", DuckDBDatabase(self.database, token))

    @property
    def origin(self) -> str:
        """Whose prices the table holds: what a table `ingested_files` beside it says, else B3's.

        Raises
        ------
        MarketFileError
            If they are of several origins; and as `batches`.
        """
        with self._file.connected() as connection:
            if "origin" not in (columns_of(connection, INGESTED_FILES) or {}):
                return B3
            found = connection.execute("SELECT DISTINCT origin FROM ingested_files ORDER BY 1")
            origins = [name for (name,) in found.fetchall() if name]
        if len(origins) > 1:
            raise MarketFileError(
                f"{self.database}, ingested_files: prices of one origin were expected,"
                f" {' and '.join(origins)} found; keep them in databases of their own"
            )
        return origins[0] if origins else B3

    def refresh(self, last: date) -> list[str]:
        """Nothing to do: whoever owns the table fills it."""
        return []

    def files(self) -> None:
        return None

    def batches(self) -> list[Batch]:
        """The calendar months that have records, in order, named like 2024-02.

        The digest is of the number of rows and the sum of their hashes: their order says nothing.
        Another version of DuckDB may hash otherwise; every month is then read once more, and
        found to say the same.

        Raises
        ------
        SettingsError
            If the database is not there or cannot be one, or MotherDuck refuses the token.
        SourceDownError
            If it is locked by a writer, or MotherDuck cannot be reached.
        MarketFileError
            If there is no such table or nothing in it, a column is missing or of a wrong type, a
            value that B3 always writes is NULL, or a day has a time of day.
        """
        names = ", ".join(column.name for column in RECORD_COLUMNS)
        with self._file.connected() as connection:
            records = self._records(connection)
            months = connection.execute(
                "SELECT strftime(session, '%Y-%m') AS month, count(*),"
                " CAST(sum(CAST(content AS HUGEINT)) AS VARCHAR)"
                f" FROM (SELECT session, hash({names}) AS content FROM ({records}))"
                " GROUP BY month ORDER BY month"
            ).fetchall()
        if not months:
            raise MarketFileError(f"{self.database}: the table raw_quotes is empty; fill it")
        return [Batch(month, _digest(count, total)) for month, count, total in months]

    def read(self, batch: Batch) -> Delivery:
        """The spot records of one month, and those of markets unknown to B3's layout.

        `line` is the row's number when all of the month are sorted by key, then by the rest.

        Raises
        ------
        MarketFileError
            As `batches`.
        """
        first = date.fromisoformat(f"{batch.name}-01")
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        names = [column.name for column in RECORD_COLUMNS]
        order = [*RAW_QUOTES.key, *(name for name in names if name not in RAW_QUOTES.key)]
        with self._file.connected() as connection:
            month = (
                f"SELECT * FROM ({self._records(connection)})"
                f" WHERE session BETWEEN DATE '{first}' AND DATE '{last}'"
            )
            [(n_quotes, n_filtered, generated_on)] = connection.execute(
                f"SELECT count(*), count_if(market_type IN ({_OTHER_MARKETS})), max(session)"
                f" FROM ({month})"
            ).fetchall()
            records = connection.sql(
                f"SELECT * FROM (SELECT *, row_number() OVER (ORDER BY {', '.join(order)}) AS line"
                f" FROM ({month})) WHERE market_type NOT IN ({_OTHER_MARKETS}) ORDER BY line"
            ).to_arrow_table()
        if n_quotes == 0:
            raise MarketFileError(
                f"{self.database}, raw_quotes: records of {batch.name} were expected, none found:"
                " the table changed while it was read; run again"
            )
        return Delivery(
            kind="monthly",
            generated_on=generated_on,
            n_quotes=n_quotes,
            n_filtered=n_filtered,
            records=as_records(records),
            first=first,
            last=last,
        )

    def corporate_actions(self, last: date) -> pd.DataFrame:
        """The events of a table `corporate_actions` up to `last`; none if there is no such table.

        Columns and units: `tables.CORPORATE_ACTIONS`. Absent or NULL, `source` is "duckdb" and
        `confidence` 1; `evidence` and `disputed` may be absent.

        Raises
        ------
        MarketFileError
            If a row says what cannot be; and as `batches`.
        """
        with self._file.connected() as connection:
            present = columns_of(connection, CORPORATE_ACTIONS)
            if present is None:
                return no_events()
            query = select(
                self.database, CORPORATE_ACTIONS, CORPORATE_ACTIONS.columns, EVENT_NONE, present
            )
            order = ", ".join(CORPORATE_ACTIONS.key)
            content = connection.sql(f"{query} ORDER BY {order}").to_arrow_table()
        where = f"{self.database}, corporate_actions"
        events = content.to_pandas(date_as_object=False).astype(
            {column.name: PANDAS_TYPES[column.type] for column in CORPORATE_ACTIONS.columns}
        )
        refuse_impossible(where, events)
        strange = ~events["source"].isin(ACTION_SOURCES) | ~events["confidence"].between(0, 1)
        if strange.any():
            raise MarketFileError(
                f"{where}: a source of {', '.join(ACTION_SOURCES)} and a confidence from 0 to 1"
                f" were expected, {events.loc[strange.idxmax()].to_dict()} found; correct it"
            )
        return one_row_per_event(events, last)

    def _records(self, connection: duckdb.DuckDBPyConnection) -> str:
        """A query for every record, whatever the market, in the dictionary's columns and types."""
        present = columns_of(connection, RAW_QUOTES)
        if present is None:
            raise MarketFileError(
                f"{self.database}: a table raw_quotes was expected, there is none; make one with"
                " the columns that `tables.RAW_QUOTES` lists"
            )
        return select(self.database, RAW_QUOTES, RECORD_COLUMNS, B3_NONE, present)


def _digest(count: int, total: str) -> str:
    return hashlib.blake2b(f"{count} {total}".encode(), digest_size=16).hexdigest()
