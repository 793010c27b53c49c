"""The lake: table name → Delta table. The only file that knows where tables live.

A write replaces the whole table in one atomic commit, and only if its content changed: a
version number therefore means a change. `insert_new` adds rows whose key is not there yet and
never touches the others; `replace_sessions` swaps or drops the records of some sessions.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.writer.properties import ColumnProperties

from asset_predict_dagster.errors import MissingTableError, TableError
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

_DIGEST = "content_digest"
_INSERT_ATTEMPTS = 10


@dataclass(frozen=True)
class Written:
    """What a write did: the version now current, its size, and whether anything changed."""

    version: int
    n_rows: int
    n_bytes: int
    changed: bool


class Lake:
    """The Delta tables under one root, a local folder or an object-store URI."""

    def __init__(self, root: str | Path):
        self.root = str(root).rstrip("/")
        if "://" not in self.root and set("[]%") & set(self.root):
            # delta-rs takes a path for an address, and these for its punctuation.
            raise TableError(
                f"the lake cannot be in {self.root}: a folder whose name has '[', ']' or '%';"
                " choose another ASSET_PREDICT_LAKE or ASSET_PREDICT_DATA"
            )

    def exists(self, table: Table) -> bool:
        """Whether the table has been made."""
        return DeltaTable.is_deltatable(self._uri(table))

    def version(self, table: Table) -> int | None:
        """The current version; None if the table has not been made."""
        return self._open(table).version() if self.exists(table) else None

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
            If the stored table lacks one of the columns, or never had that version.
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

    def write(self, table: Table, frame: pd.DataFrame) -> Written:
        """Replace the table by `frame` in one commit, unless it says the same already.

        Raises
        ------
        TableError
            If a column is missing, unknown or of another type, or the lake cannot be written.
        """
        content = to_arrow(table, frame)
        digest = digest_of(content)
        if self.exists(table) and self._last_digest(table) == digest:
            return self._written(table, changed=False)
        try:
            self._commit(table, content, mode="overwrite", schema_mode="overwrite", digest=digest)
        except CommitFailedError as error:
            raise TableError(
                f"table '{table.name}' was written by another run at the same moment; run again"
            ) from error
        return self._written(table, changed=True)

    def insert_new(self, table: Table, frame: pd.DataFrame) -> Written:
        """Add the rows whose key the table does not hold yet: the first write of a key wins.

        Safe beside other writers: a commit that lost a race is tried again on what the winner
        left.

        Raises
        ------
        TableError
            As `write` does, and if a key is missing or stands twice: what an append-only table
            holds cannot be taken back.
        """
        content = to_arrow(table, frame)
        refuse_unsound_keys(table, content)
        before = self.version(table)
        if before is None:
            # Another writer may create it at this moment, and then it is there.
            with suppress(CommitFailedError):
                self._commit(table, content.slice(0, 0), mode="ignore")
        match = " AND ".join(f"stored.{name} = fresh.{name}" for name in table.key)
        for attempt in range(_INSERT_ATTEMPTS):
            known = self.read(table, columns=table.key)
            fresh = rows_not_in(content, to_arrow_key(table, known), table)
            if fresh.num_rows == 0:
                break
            try:
                with self._writing(table):
                    (
                        self._open(table)
                        .merge(fresh, match, source_alias="fresh", target_alias="stored")
                        .when_not_matched_insert_all()
                        .execute()
                    )
                break
            except CommitFailedError:
                if attempt == _INSERT_ATTEMPTS - 1:
                    raise
        return self._written(table, changed=self.version(table) != before)

    def replace_sessions(
        self, table: Table, frame: pd.DataFrame, emptied: Iterable[date] = ()
    ) -> Written:
        """Swap every record of the sessions in `frame` and drop those of the sessions `emptied`.

        One commit; other sessions stay. The table must be partitioned by `year`.
        """
        content = to_arrow(table, frame)
        days = sorted({*content["session"].to_pylist(), *emptied})
        is_new = not self.exists(table)
        if is_new:
            self._commit(table, content, mode="overwrite")
        elif days:
            years = sorted({day.year for day in days})
            predicate = (
                f"year IN ({', '.join(map(str, years))}) AND session IN ("
                + ", ".join(f"CAST('{day}' AS DATE)" for day in days)
                + ")"
            )
            self._commit(table, content, mode="overwrite", predicate=predicate)
        return self._written(table, changed=is_new or bool(days))

    def _uri(self, table: Table) -> str:
        return f"{self.root}/{table.name}"

    def _open(self, table: Table, version: int | None = None) -> DeltaTable:
        try:
            return DeltaTable(self._uri(table), version=version)
        except TableNotFoundError:
            raise MissingTableError(
                f"table '{table.name}' has not been made yet in {self.root};"
                f" materialise the asset '{table.name}', or run the job complete_pipeline"
            ) from None
        except DeltaError as error:
            which = "" if version is None else f"version {version} of "
            raise TableError(
                f"{which}table '{table.name}' cannot be opened in {self.root}: {error}"
            ) from error

    def _stored(self, table: Table, columns: Sequence[str], version: int | None = None) -> pa.Table:
        stored = self._open(table, version)
        names = {field.name for field in stored.schema().fields}
        lacking = [name for name in columns if name not in names]
        if lacking:
            raise TableError(
                f"table '{table.name}' in {self.root} has no columns {lacking}; if `tables.py`"
                f" lists them, materialise the asset '{table.name}' again"
            )
        return stored.to_pyarrow_table(columns=list(columns))

    def _commit(self, table: Table, content: pa.Table, *, digest: str = "", **options) -> None:
        with self._writing(table):
            write_deltalake(
                self._uri(table),
                content,
                partition_by=list(table.partition_by) or None,
                writer_properties=_writer_properties(table),
                commit_properties=CommitProperties(custom_metadata={_DIGEST: digest}),
                **options,
            )

    @contextmanager
    def _writing(self, table: Table) -> Iterator[None]:
        try:
            yield
        except CommitFailedError:
            raise  # another writer was faster: the caller knows what that means
        except (OSError, DeltaError) as error:
            raise TableError(
                f"table '{table.name}' cannot be written to {self.root}:"
                f" {' '.join(str(error).split())};"
                " check ASSET_PREDICT_LAKE and ASSET_PREDICT_DATA"
            ) from error

    def _last_digest(self, table: Table) -> str | None:
        return self._open(table).history(1)[0].get(_DIGEST)

    def _written(self, table: Table, *, changed: bool) -> Written:
        stored = self._open(table)
        files = pa.table(stored.get_add_actions(flatten=True))
        return Written(
            version=stored.version(),
            n_rows=int(pc.sum(files["num_records"]).as_py() or 0),
            n_bytes=int(pc.sum(files["size_bytes"]).as_py() or 0),
            changed=changed,
        )


def _writer_properties(table: Table) -> WriterProperties:
    # Dictionaries pay for texts and cost four times the writing time on floats.
    texts = [column.name for column in table.columns if pa.types.is_string(column.type)]
    return WriterProperties(
        compression="ZSTD",
        compression_level=1,
        default_column_properties=ColumnProperties(dictionary_enabled=False),
        column_properties={name: ColumnProperties(dictionary_enabled=True) for name in texts},
    )
