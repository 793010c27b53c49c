"""Reading the lake: tables, their parts and versions. The only file that knows where they live.

Writing is `lake.py`'s; everybody opens a `Lake`, which does both.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from asset_predict_dagster.errors import MissingTableError, TableError
from asset_predict_dagster.lake_filters import Where, chosen, with_columns_since
from asset_predict_dagster.lake_parts import column_of_parts, filled_up, names_of_parts, noted_parts
from asset_predict_dagster.table_content import sorted_by_key, to_pandas, with_defaults
from asset_predict_dagster.tables import Table


class LakeReader:
    """The Delta tables under one root, a local folder or an object-store URI.

    `on_read` is told the name and version of every table whose rows are read. `versions` says, by
    the name of a table, which version is read where none is asked for; of others the current one.
    """

    def __init__(
        self,
        root: str | Path,
        on_read: Callable[[str, int], None] | None = None,
        versions: Mapping[str, int] | None = None,
    ):
        self.root = str(root).rstrip("/")
        self._on_read = on_read
        self._versions = versions or {}
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
        self,
        table: Table,
        columns: Sequence[str],
        where: Where | None = None,
        days: tuple[date, date] | None = None,
    ) -> pd.DataFrame:
        """What some columns say together in the rows, each once and sorted by them; as `read`.

        Of `days`, the first and the last session that is wanted, files of others cost nothing.
        """
        stored = self._stored(table, columns, days=days, where=where)
        found = stored.group_by(list(columns)).aggregate([])
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
            # What follows the first line is the engine's own stack.
            said = str(error).partition("\n")[0].rstrip(".")
            return TableError(
                f"table '{name}' cannot be opened in {self.root}: {said}; put its folder back as it"
                " was"
            )
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
        version = self._versions.get(table.name) if version is None else version
        defaulted = [name for name in where if name in table.defaults]
        stored = self.delta(table.name, version)
        rows = with_columns_since(stored.to_pyarrow_dataset(), table)
        lacking = [name for name in columns if name not in rows.schema.names]
        if lacking:
            raise TableError(
                f"table '{table.name}' in {self.root} has no columns {lacking}; if `tables.py`"
                f" lists them, materialise the asset '{table.name}' again"
            )
        try:
            read = list(dict.fromkeys([*columns, *defaulted]))
            content = with_defaults(chosen(rows, table, read, days, where), table)
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
