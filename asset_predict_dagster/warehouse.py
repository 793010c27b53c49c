"""The published database: every table of the lake in one DuckDB file for people and BI.

It is built beside and put in place in one step, so a reader that holds the old one open keeps
a whole one.
"""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import duckdb

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.lake_parts import part_column
from asset_predict_dagster.market.adjustment import BACK_ADJUSTED
from asset_predict_dagster.tables import QUOTES, Table

BACK_ADJUSTED_VIEW = "quotes_back_adjusted"
_BACK_ADJUSTED_ROW = (
    "one ticker in one session: prices for charts, in shares of the ticker's last session, so that"
    " its last close is the last quote. The next event rewrites them all: never learn from them"
)


def publish(
    connection: duckdb.DuckDBPyConnection, lake: Lake, tables: Iterable[Table], target: Path
) -> dict[str, int]:
    """Write the tables that exist to `target`, schema `main`; returns rows by table name.

    Each table and column carries its meaning and unit as a comment. With `quotes` comes the view
    `quotes_back_adjusted`, the same as `market.adjustment.back_adjusted`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".publishing-", dir=target.parent) as beside:
        file = Path(beside) / target.name
        connection.execute(f"ATTACH '{_quoted(str(file))}' AS published")
        try:
            counts = {
                table.name: _copy(connection, lake, table) for table in tables if lake.exists(table)
            }
            if QUOTES.name in counts:
                _add_back_adjusted_view(connection)
        finally:
            connection.execute("DETACH published")
        # The log of a writer that died belongs to the old file; DuckDB would not open the new one.
        target.with_name(f"{target.name}.wal").unlink(missing_ok=True)
        os.replace(file, target)
    return counts


def _copy(connection: duckdb.DuckDBPyConnection, lake: Lake, table: Table) -> int:
    name = f"published.main.{table.name}"
    n_rows = 0
    # Of a table of parts one is in memory at a time: together they can be more than it holds.
    column = part_column(table)
    parts = [{column: [part]} for part in lake.parts(table)] if column else []
    for place, where in enumerate(parts or [None]):
        content = lake.arrow(table, where=where)
        n_rows += content.num_rows
        connection.register("content", content)
        verb = f"INSERT INTO {name}" if place else f"CREATE TABLE {name} AS"
        connection.execute(f"{verb} SELECT * FROM content")
        connection.unregister("content")
    connection.execute(f"COMMENT ON TABLE {name} IS '{_quoted(table.row)}'")
    for column in table.columns:
        meaning = f"{column.meaning} [{column.unit}]" if column.unit else column.meaning
        connection.execute(f"COMMENT ON COLUMN {name}.\"{column.name}\" IS '{_quoted(meaning)}'")
    return n_rows


def _add_back_adjusted_view(connection: duckdb.DuckDBPyConnection) -> None:
    view = f"published.main.{BACK_ADJUSTED_VIEW}"
    prices = ", ".join(f'"{name}" * (factor / last_factor) AS "{name}"' for name in BACK_ADJUSTED)
    # Names without the database's: whoever opens the file gives it one of their own.
    connection.execute(
        f"""
        CREATE VIEW {view} AS
        SELECT ticker, session, {prices}
        FROM (SELECT *, split_factor * dividend_factor AS factor FROM main.quotes)
        JOIN (
            SELECT ticker, arg_max(split_factor * dividend_factor, session) AS last_factor
            FROM main.quotes GROUP BY ticker
        ) USING (ticker)
        """
    )
    connection.execute(f"COMMENT ON VIEW {view} IS '{_quoted(_BACK_ADJUSTED_ROW)}'")
    meanings = {column.name: column.meaning for column in QUOTES.columns}
    for name in BACK_ADJUSTED:
        meaning = f"{meanings[name]}, back-adjusted [R$ per share of the ticker's last session]"
        connection.execute(f"COMMENT ON COLUMN {view}.\"{name}\" IS '{_quoted(meaning)}'")
    for name in ("ticker", "session"):
        connection.execute(f"COMMENT ON COLUMN {view}.{name} IS '{_quoted(meanings[name])}'")


def _quoted(text: str) -> str:
    return text.replace("'", "''")
