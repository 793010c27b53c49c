"""The lake: table name → Delta table. The only file that knows where tables live.

A write replaces the whole table in one atomic commit, and only if its content changed: a
version number therefore means a change. `insert_new` adds rows whose key is not there yet and
never touches the others; `replace_sessions` swaps or drops the records of some sessions.

Each takes `came_from`, the versions of the tables that the rows were computed from, and records
it with the version it makes. A write that changes nothing makes no version: the one that stays
keeps the sources it was first computed from, and would come out the same from the later ones.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from asset_predict_dagster.errors import MissingTableError, TableError
from asset_predict_dagster.lake_commits import as_the_only_writer, commit, insert
from asset_predict_dagster.lake_log import Notes, Written, last_notes, written
from asset_predict_dagster.table_content import (
    digest_of,
    refuse_unsound_keys,
    rows_not_in,
    sorted_by_key,
    to_arrow,
    to_arrow_key,
    to_pandas,
)
from asset_predict_dagster.tables import Table

_INSERT_ATTEMPTS = 10


class Lake:
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
        self, table: Table, columns: Sequence[str] | None = None, version: int | None = None
    ) -> pd.DataFrame:
        """The table, or some of its columns, sorted by its key.

        Days come back as datetime64[us] at midnight, missing numbers as NaN, missing texts as
        missing. An earlier `version` may be asked for.

        Raises
        ------
        MissingTableError
            If the stage that makes it has not run yet.
        TableError
            If the stored table lacks one of the columns, never had that version, or has it no
            longer.
        """
        wanted = list(columns or table.column_names)
        keyed = list(dict.fromkeys([*wanted, *table.key]))
        stored = sorted_by_key(self._stored(table, keyed, version), table)
        return to_pandas(stored.select(wanted))

    def read_if_made(self, table: Table) -> pd.DataFrame | None:
        """The table, or None before the stage that makes it has run."""
        return self.read(table) if self.exists(table) else None

    def arrow(self, table: Table) -> pa.Table:
        """The current table as Arrow, with the dictionary's types, sorted by its key."""
        stored = self._stored(table, table.column_names)
        return sorted_by_key(stored, table).cast(table.schema)

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

    def write(
        self, table: Table, frame: pd.DataFrame, came_from: Mapping[str, int] | None = None
    ) -> Written:
        """Replace the table by `frame` in one commit, unless it says the same already.

        Raises
        ------
        TableError
            If a column is missing, unknown or of another type, or the lake cannot be written.
        """
        content = to_arrow(table, frame)
        digest = digest_of(content)
        if self.exists(table) and last_notes(self.delta(table.name)).digest == digest:
            return self._written(table, changed=False)
        with as_the_only_writer(table):
            self._commit(
                table,
                content,
                Notes(digest, came_from),
                mode="overwrite",
                schema_mode="overwrite",
            )
        return self._written(table, changed=True)

    def insert_new(
        self, table: Table, frame: pd.DataFrame, came_from: Mapping[str, int] | None = None
    ) -> Written:
        """Add the rows whose key the table does not hold yet: the first write of a key wins.

        Safe beside other writers: a commit that lost a race is tried again on what the winner
        left. `came_from` is said of the rows added; earlier ones have their own version's.

        Raises
        ------
        TableError
            As `write` does, and if a key is missing or stands twice: what an append-only table
            holds cannot be taken back.
        """
        content = to_arrow(table, frame)
        refuse_unsound_keys(table, content)
        notes = Notes(came_from=came_from)
        before = self.version(table)
        if before is None:
            # Another writer may create it at this moment, and then it is there.
            with suppress(CommitFailedError):
                self._commit(table, content.slice(0, 0), notes, mode="ignore")
        if content.num_rows == 0:
            return self._written(table, changed=before is None)
        days = _days(content) if "session" in table.key else None
        for attempt in range(_INSERT_ATTEMPTS):
            # A day of rows is compared with the rows of its own sessions, not with years of them.
            known = to_pandas(self._stored(table, table.key, days=days))
            fresh = rows_not_in(content, to_arrow_key(table, known), table)
            if fresh.num_rows == 0:
                break
            try:
                insert(self.delta(table.name), self._uri(table.name), table, fresh, notes, days)
                break
            except CommitFailedError:
                if attempt == _INSERT_ATTEMPTS - 1:
                    raise
        return self._written(table, changed=self.version(table) != before)

    def replace_sessions(
        self,
        table: Table,
        frame: pd.DataFrame,
        emptied: Iterable[date] = (),
        came_from: Mapping[str, int] | None = None,
    ) -> Written:
        """Swap every record of the sessions in `frame` and drop those of the sessions `emptied`.

        One commit; other sessions stay. The table must be partitioned by `year`. Sessions that
        were not there cost their own size: only files that hold a swapped one are written again.
        """
        content = to_arrow(table, frame)
        notes = Notes(came_from=came_from)
        days = sorted({*content["session"].to_pylist(), *emptied})
        is_new = not self.exists(table)
        with as_the_only_writer(table):
            if is_new:
                self._commit(table, content, notes, mode="overwrite")
            elif days:
                years = sorted({day.year for day in days})
                predicate = (
                    f"year IN ({', '.join(map(str, years))}) AND session IN ("
                    + ", ".join(f"CAST('{day}' AS DATE)" for day in days)
                    + ")"
                )
                self._commit(table, content, notes, mode="overwrite", predicate=predicate)
        return self._written(table, changed=is_new or bool(days))

    def _uri(self, name: str) -> str:
        return f"{self.root}/{name}"

    def _no_version(self, name: str, version: int | None, error: Exception) -> TableError:
        if version is None:
            return TableError(f"table '{name}' cannot be opened in {self.root}: {error}")
        return TableError(
            f"version {version} of table '{name}' cannot be opened in {self.root}: it never was, or"
            f" has been cleaned up; `asset-predict versions {name}` lists those there are"
        )

    def _stored(
        self,
        table: Table,
        columns: Sequence[str],
        version: int | None = None,
        days: tuple[date, date] | None = None,
    ) -> pa.Table:
        """Rows as they are stored, those of the sessions from the first to the last of `days`."""
        stored = self.delta(table.name, version)
        names = {field.name for field in stored.schema().fields}
        lacking = [name for name in columns if name not in names]
        if lacking:
            raise TableError(
                f"table '{table.name}' in {self.root} has no columns {lacking}; if `tables.py`"
                f" lists them, materialise the asset '{table.name}' again"
            )
        try:
            within = [("session", ">=", days[0]), ("session", "<=", days[1])] if days else None
            content = stored.to_pyarrow_table(columns=list(columns), filters=within)
        except FileNotFoundError:
            raise TableError(
                f"version {stored.version()} of table '{table.name}' can no longer be read in"
                f" {self.root}: its files were cleaned up; choose a version that `list_versions`"
                " calls readable"
            ) from None
        if self._on_read is not None:
            self._on_read(table.name, stored.version())
        return content

    def _commit(self, table: Table, content: pa.Table, notes: Notes, **options) -> None:
        commit(self._uri(table.name), table, content, notes, **options)

    def _written(self, table: Table, *, changed: bool) -> Written:
        return written(self.delta(table.name), changed=changed)


def _days(content: pa.Table) -> tuple[date, date]:
    """The first and the last session of the rows."""
    ends = pc.min_max(content["session"]).as_py()
    return ends["min"], ends["max"]
