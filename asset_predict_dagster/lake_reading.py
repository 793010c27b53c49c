"""Reading the lake: tables, their parts and versions. The only file that knows where they live.

Writing is `lake.py`'s; everybody opens a `Lake`, which does both.
"""

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from functools import reduce
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from asset_predict_dagster.errors import MissingTableError, TableError
from asset_predict_dagster.lake_parts import column_of_parts, filled_up, names_of_parts, noted_parts
from asset_predict_dagster.table_content import sorted_by_key, to_pandas, with_defaults
from asset_predict_dagster.tables import Table

Where = Mapping[str, Collection[Any]]
"""Column → the values that are wanted of it."""


class LakeReader:
    """The Delta tables under one root, a local folder or an object-store URI.

    `on_read` is told the name and version of every table whose rows are read.
    """

    def __init__(self, root: str | Path, on_read: Callable[[str, int], None] | None = None):
        self.root = str(root).rstrip("/")
        self._on_read = on_read
        if "://" not in self.root and set("[]%") & set(self.root):
            # delta-rs takes a path for an address, and these for its punctuation.
            raise TableError(
                f"the lake cannot be in {self.root}: a folder whose name has '[', ']' or '%';"
                " choose another ASSET_PREDICT_LAKE or ASSET_PREDICT_DATA"
            )

    def exists(self, table: Table) -> bool:
        """Whether the table has been made."""
        return DeltaTable.is_deltatable(self._uri(table.name))

    def version(self, table: Table) -> int | None:
        """The current version; None if the table has not been made."""
        return self.delta(table.name).version() if self.exists(table) else None

    def read(
        self,
        table: Table,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        where: Where | None = None,
    ) -> pd.DataFrame:
        """The table, or some of its columns, or the rows of some values, sorted by its key.

        Days come back as datetime64[us] at midnight, missing numbers as NaN, missing texts as
        missing. An earlier `version` may be asked for. Of `where`, column → the values that are
        wanted, what a table is partitioned by costs nothing of the other partitions. A column with
        a default says that in rows of an earlier program.

        Raises
        ------
        MissingTableError
            If the stage that makes it has not run yet.
        TableError
            If the stored table lacks one of the columns and there is no default, never had that
            version, or has it no longer.
        """
        wanted = list(columns or table.column_names)
        keyed = list(dict.fromkeys([*wanted, *table.key]))
        return to_pandas(self._sorted(table, keyed, version, where).select(wanted))

    def distinct(
        self, table: Table, columns: Sequence[str], where: Where | None = None
    ) -> pd.DataFrame:
        """What some columns say together in the rows, each once and sorted by them; as `read`."""
        found = self._stored(table, columns, where=where).group_by(list(columns)).aggregate([])
        return to_pandas(found.sort_by([(name, "ascending") for name in columns]))

    def read_if_made(self, table: Table, where: Where | None = None) -> pd.DataFrame | None:
        """The table, or None before the stage that makes it has run.

        For who adds to its rows: a column that the dictionary has got since, and that may be
        missing, is missing in them.
        """
        if not self.exists(table):
            return None
        return to_pandas(filled_up(self._there(table, where), table))

    def parts(self, table: Table, version: int | None = None) -> dict[str, str | None]:
        """The parts of a table that is replaced by parts, and the recipe each was made by.

        None stands for a part without a recipe. Empty before the table is made.
        """
        if not self.exists(table):
            return {}
        stored = self.delta(table.name, version)
        names, noted = names_of_parts(stored, column_of_parts(table)), noted_parts(stored)
        return {name: noted[name].recipe if name in noted else None for name in names}

    def arrow(self, table: Table, where: Where | None = None) -> pa.Table:
        """The current table as Arrow, or the rows of some values, sorted by its key.

        With the dictionary's columns and types: one that the table was made before, and that may
        be missing, is missing.
        """
        return filled_up(self._there(table, where), table).cast(table.schema)

    def delta(self, name: str, version: int | None = None) -> DeltaTable:
        """The Delta table of that name itself, for what looks at versions and files.

        Raises
        ------
        MissingTableError
            If there is none.
        TableError
            If it cannot be opened, or its log does not know that version.
        """
        try:
            return DeltaTable(self._uri(name), version=version)
        except TableNotFoundError as error:
            if DeltaTable.is_deltatable(self._uri(name)):
                raise self._no_version(name, version, error) from error
            raise MissingTableError(
                f"table '{name}' has not been made yet in {self.root};"
                f" materialise the asset '{name}', or run the job complete_pipeline"
            ) from None
        except DeltaError as error:
            raise self._no_version(name, version, error) from error

    def _uri(self, name: str) -> str:
        return f"{self.root}/{name}"

    def _no_version(self, name: str, version: int | None, error: Exception) -> TableError:
        if version is None:
            return TableError(f"table '{name}' cannot be opened in {self.root}: {error}")
        return TableError(
            f"version {version} of table '{name}' cannot be opened in {self.root}: it never was, or"
            f" has been cleaned up; `asset-predict versions {name}` lists those there are"
        )

    def _sorted(
        self,
        table: Table,
        columns: Sequence[str],
        version: int | None = None,
        where: Where | None = None,
    ) -> pa.Table:
        return sorted_by_key(self._stored(table, columns, version, where=where), table)

    def _there(self, table: Table, where: Where | None) -> pa.Table:
        """The columns that are there, and those that have to be."""
        names = {field.name for field in self.delta(table.name).schema().fields}
        there = [c.name for c in table.columns if c.required or c.name in names]
        return self._sorted(table, there, where=where)

    def _stored(
        self,
        table: Table,
        columns: Sequence[str],
        version: int | None = None,
        days: tuple[date, date] | None = None,
        where: Where | None = None,
    ) -> pa.Table:
        """Rows as they are stored, those of the sessions from the first to the last of `days`."""
        where = where or {}
        defaulted = [name for name in where if name in table.defaults]
        stored = self.delta(table.name, version)
        rows = _with_columns_since(stored.to_pyarrow_dataset(), table)
        lacking = [name for name in columns if name not in rows.schema.names]
        if lacking:
            raise TableError(
                f"table '{table.name}' in {self.root} has no columns {lacking}; if `tables.py`"
                f" lists them, materialise the asset '{table.name}' again"
            )
        try:
            read = list(dict.fromkeys([*columns, *defaulted]))
            content = with_defaults(rows.to_table(read, _wanted(table, days, where)), table)
        except FileNotFoundError:
            raise TableError(
                f"version {stored.version()} of table '{table.name}' can no longer be read in"
                f" {self.root}: its files were cleaned up; choose a version that `list_versions`"
                " calls readable"
            ) from None
        if self._on_read is not None:
            self._on_read(table.name, stored.version())
        for name in defaulted:
            wanted = pa.array(sorted(where[name]), content[name].type)
            content = content.filter(pc.is_in(content[name], wanted))
        return content.select(list(columns))


def _with_columns_since(rows: ds.Dataset, table: Table) -> ds.Dataset:
    """With the columns that the table was made before and that have a default, as missing ones."""
    schema = rows.schema
    for name in table.defaults:
        if name not in schema.names:
            schema = schema.append(table.schema.field(name))
    return rows if schema is rows.schema else rows.replace_schema(schema)


def _wanted(table: Table, days: tuple[date, date] | None, where: Where) -> ds.Expression | None:
    """The rows that are wanted, as far as all files can tell; None stands for all.

    What an earlier program's file says of a column it has not, Delta takes for a contradiction.
    """
    conditions = []
    for name, values in where.items():
        if name in table.defaults:
            continue
        column, type_of = pc.field(name), table.schema.field(name).type
        if pa.types.is_string(type_of) and name not in table.partition_by:
            # What delta-rs knows of a file's texts are string views, which pyarrow 25 compares with
            # no string; of a cast column it asks nothing.
            column = column.cast(type_of)
        conditions.append(column.isin(pa.array(sorted(values), type_of)))
    if days:
        session = pc.field("session")
        conditions.append((session >= pa.scalar(days[0])) & (session <= pa.scalar(days[1])))
    return reduce(operator.and_, conditions) if conditions else None
