"""Which rows of a table's files are wanted, and how little is read to find them."""

import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from asset_predict_dagster.tables import TEXT, Table

Where = Mapping[str, Collection[Any]]
"""Column → the values that are wanted of it."""


def chosen(
    rows: ds.Dataset,
    table: Table,
    columns: Sequence[str],
    days: tuple[date, date] | None,
    where: Where,
) -> pa.Table:
    """Some columns of the rows that are wanted, as far as all files can tell.

    Of a column with a default they cannot: what an earlier program's file says of a column it has
    not, Delta takes for a contradiction.

    Parameters
    ----------
    rows
        The dataset of a Delta table.
    days
        The first and the last session that is wanted.
    """
    wanted = [name for name in where if name not in table.defaults]
    texts = [name for name in wanted if _is_text(table, name)]
    by_file = [_is_one_of(table, name, where[name]) for name in wanted if name not in texts]
    if days:
        session = pc.field("session")
        by_file.append((session >= pa.scalar(days[0])) & (session <= pa.scalar(days[1])))
    by_text = [_is_one_of(table, name, where[name]) for name in texts]
    if _can_compare(texts, rows.get_fragments(_all(by_file))):
        return rows.to_table(columns, _all([*by_file, *by_text]))
    read = list(dict.fromkeys([*columns, *texts]))
    found = rows.to_table(read, _all(by_file)).filter(_all(by_text))
    return found.select(columns)


def with_columns_since(rows: ds.Dataset, table: Table) -> ds.Dataset:
    """With the columns that the table was made before and that have a default, as missing ones."""
    schema = rows.schema
    for name in table.defaults:
        if name not in schema.names:
            schema = schema.append(table.schema.field(name))
    return rows if schema is rows.schema else rows.replace_schema(schema)


def _can_compare(texts: Sequence[str], fragments: Iterable[ds.Fragment]) -> bool:
    """Whether the files say of groups of rows what their texts are, in a type Arrow can compare.

    Those that Delta merged rows into do not: there the rows themselves are looked at.
    """
    schemas = (fragment.physical_schema for fragment in fragments if texts)
    return all(
        schema.field(name).type == TEXT
        for schema in schemas
        for name in texts
        if name in schema.names
    )


def _is_text(table: Table, name: str) -> bool:
    return table.schema.field(name).type == TEXT and name not in table.partition_by


def _is_one_of(table: Table, name: str, values: Collection[Any]) -> ds.Expression:
    return pc.field(name).isin(pa.array(sorted(values), table.schema.field(name).type))


def _all(conditions: Sequence[ds.Expression]) -> ds.Expression | None:
    return reduce(operator.and_, conditions) if conditions else None
