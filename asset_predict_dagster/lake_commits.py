"""How rows get into a Delta table: one commit each, with our notes, and what may go wrong."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import date

import pyarrow as pa
from deltalake import DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import (
    CommitFailedError,
    DeltaError,
    DeltaProtocolError,
    SchemaMismatchError,
)
from deltalake.writer.properties import ColumnProperties

from asset_predict_dagster.errors import LakeDownError, TableError, WriteConflictError
from asset_predict_dagster.lake_log import KEEP_LOG, TABLE_PROPERTIES, Notes
from asset_predict_dagster.tables import Table


def commit(
    uri: str,
    table: Table,
    content: pa.Table,
    notes: Notes,
    onto: DeltaTable | None = None,
    **options,
) -> None:
    """Write `content` to the table at `uri`; `options` as `write_deltalake` has them.

    `onto` is the version that the rows were computed from: a commit since then that touched what
    this one replaces is a conflict. Without, it is the one that is current when writing begins.

    Raises
    ------
    CommitFailedError
        If another writer was faster; what that means, the caller knows.
    LakeDownError
        If the table cannot be written.
    TableError
        If the rows are not of its form.
    """
    with _writing(uri, table):
        write_deltalake(
            onto or uri,
            content,
            partition_by=list(table.partition_by) or None,
            configuration=TABLE_PROPERTIES,
            writer_properties=writer_properties(table),
            commit_properties=notes.as_properties(),
            post_commithook_properties=KEEP_LOG,
            **options,
        )


def insert(
    stored: DeltaTable,
    uri: str,
    table: Table,
    fresh: pa.Table,
    notes: Notes,
    days: tuple[date, date] | None = None,
) -> None:
    """Add the rows of `fresh` whose key the table does not hold; raises as `commit` does.

    `days` are the first and the last session of `fresh`, where a session is part of the key: what
    is stored of other sessions is then not read. Columns that the table was made before join it in
    the same commit.
    """
    names = {field.name for field in stored.schema().fields}
    match = " AND ".join(f"{_stored(name, names, table)} = fresh.{name}" for name in table.key)
    if days:
        first, last = (f"CAST('{day}' AS DATE)" for day in days)
        match = f"stored.session >= {first} AND stored.session <= {last} AND {match}"
    with _writing(uri, table):
        (
            stored.merge(
                fresh,
                match,
                source_alias="fresh",
                target_alias="stored",
                # Where no column joins, the schema stays out of the commit, and of others' way.
                merge_schema=not names.issuperset(table.column_names),
                commit_properties=notes.as_properties(),
                post_commithook_properties=KEEP_LOG,
            )
            .when_not_matched_insert_all()
            .execute()
        )


def _stored(name: str, names: Collection[str], table: Table) -> str:
    """In Delta's SQL: what a stored row says of a column, rows of an earlier program included."""
    if name not in table.defaults:
        return f"stored.{name}"
    default = str(table.defaults[name])
    return f"coalesce(stored.{name}, {default})" if name in names else default


@contextmanager
def as_the_only_writer(table: Table) -> Iterator[None]:
    """A commit that loses against another one is refused by name."""
    try:
        yield
    except CommitFailedError as error:
        raise WriteConflictError(
            f"table '{table.name}' was written by another run at the same moment; run again"
        ) from error


def writer_properties(table: Table) -> WriterProperties:
    """How its rows become Parquet."""
    # Dictionaries pay for texts and cost four times the writing time on floats.
    texts = [column.name for column in table.columns if pa.types.is_string(column.type)]
    return WriterProperties(
        compression="ZSTD",
        compression_level=1,
        default_column_properties=ColumnProperties(dictionary_enabled=False),
        column_properties={name: ColumnProperties(dictionary_enabled=True) for name in texts},
    )


@contextmanager
def _writing(uri: str, table: Table) -> Iterator[None]:
    try:
        yield
    except CommitFailedError:
        raise
    except (OSError, DeltaError) as error:
        # Both say that our rows or the table are not what they should be: no outage.
        is_ours = isinstance(error, (DeltaProtocolError, SchemaMismatchError))
        raise (TableError if is_ours else LakeDownError)(
            f"table '{table.name}' cannot be written to {uri.removesuffix(f'/{table.name}')}:"
            f" {' '.join(str(error).split())};"
            " check ASSET_PREDICT_LAKE and ASSET_PREDICT_DATA"
        ) from error
