"""A table that somebody else keeps in DuckDB, read in the dictionary's columns and types."""

import re

import duckdb

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.tables import DAY, NUMBER, TEXT, WHOLE, Column, Table

B3_NONE = {
    "forward_days": "NULL",
    "currency": "'R$'",
    "average": "NULL",
    "best_bid": "0",
    "best_ask": "0",
    "trades": "NULL",
    "strike_price": "0",
    "strike_indexer": "'0'",
    "expiry": "NULL",
    "strike_points": "0",
    "isin": "''",
    "distribution_number": "0",
}
"""What stands for a column the table lacks, and for a value it misses: B3's own way to say that
there is none. Every other column is needed: to guess a market, a section of the bulletin or a
quotation factor would be to make up what decides over prices."""

EVENT_NONE = {"source": "'duckdb'", "confidence": "1", "evidence": "NULL", "disputed": "NULL"}

_INTEGERS = "U?(TINYINT|SMALLINT|INTEGER|BIGINT)"
_TYPES = {
    TEXT: ("VARCHAR", r"VARCHAR|ENUM\(.*\)"),
    WHOLE: ("BIGINT", _INTEGERS),
    NUMBER: ("DOUBLE", rf"FLOAT|DOUBLE|DECIMAL\(.*\)|{_INTEGERS}"),
    DAY: ("DATE", "DATE|TIMESTAMP(_S|_MS|_NS)?"),
}
"""Type of the dictionary → DuckDB's name of it, and the types that can be cast to it unharmed."""


def columns_of(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, str] | None:
    """The table's columns with DuckDB's types, names in small letters; None: no such table."""
    found = connection.execute(
        "SELECT lower(column_name), data_type FROM information_schema.columns"
        " WHERE table_catalog = current_database() AND table_schema = current_schema()"
        " AND lower(table_name) = ?",
        [table.name],
    ).fetchall()
    return dict(found) or None


def select(
    database: str,
    table: Table,
    columns: tuple[Column, ...],
    none: dict[str, str],
    present: dict[str, str],
) -> str:
    """A query for the rows of a table, in the dictionary's columns and types.

    Parameters
    ----------
    database
        Its name, for messages.
    none
        Column → SQL of what stands for it where the table lacks it, and for its NULL.
    present
        What `columns_of` says of the table.

    Raises
    ------
    MarketFileError
        If a column is missing that nothing stands for, or is of a type that a cast would harm.
    """
    place = f"concat_ws(' ', {', '.join(name for name in table.key if name in present)})"
    terms = []
    for column in columns:
        kind, accepted = _TYPES[column.type]
        found = present.get(column.name)
        if found is None and column.name not in none:
            raise MarketFileError(
                f"{database}, {table.name}: a column {column.name} ({kind}) was expected,"
                f" {', '.join(present)} found; add it"
            )
        if found is not None and not re.fullmatch(accepted, found):
            raise MarketFileError(
                f"{database}, {table.name}, column {column.name}: {kind} was expected,"
                f" {found} found; cast it"
            )
        terms.append(f"{_value(column, kind, found, none, place)} AS {column.name}")
    return f"SELECT {', '.join(terms)} FROM {table.name}"


def _value(column: Column, kind: str, found: str | None, none: dict[str, str], place: str) -> str:
    """The column as an expression of the dictionary's type.

    It fails, naming the row by `place`, on a NULL that nothing stands for and on a time of day,
    which a cast would cut off without a word.
    """
    if found is None:
        return f"CAST({none[column.name]} AS {kind})"
    stored = f'"{column.name}"'
    value = f"CAST({stored} AS {kind})"
    if found.startswith("TIMESTAMP"):
        refusal = f"error(concat('column {column.name}: a day was expected, ', {stored}, ' found'))"
        value = f"CASE WHEN {stored} <> {value} THEN {refusal} ELSE {value} END"
    if column.name in none:
        return f"coalesce({value}, CAST({none[column.name]} AS {kind}))"
    if column.required and column.type != NUMBER:
        refusal = f"error(concat('column {column.name}: NULL found at ', {place}))"
        return f"CASE WHEN {stored} IS NULL THEN {refusal} ELSE {value} END"
    return value
