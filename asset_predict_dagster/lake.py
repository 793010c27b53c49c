"""The lake: table name → Delta table.

A write replaces the whole table in one atomic commit, and only if its content changed: a
version number therefore means a change. `insert_new` adds rows whose key is not there yet and
never touches the others; `replace_sessions` swaps or drops the records of some sessions;
`replace_parts` swaps the parts of a table that several runs write side by side.

Each takes `came_from`, the versions of the tables that the rows were computed from, and records
it with the version it makes. A write that changes nothing makes no version: the one that stays
keeps the sources it was first computed from, and would come out the same from the later ones.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from asset_predict_dagster.errors import TableError
from asset_predict_dagster.lake_commits import as_the_only_writer, commit, insert
from asset_predict_dagster.lake_log import Notes, Written, last_notes, written
from asset_predict_dagster.lake_parts import (
    column_of_parts,
    has_its_form,
    in_its_form,
    noted_parts,
    notes_on,
    parts_of,
    predicate,
    rows_of,
    rows_of_others,
)
from asset_predict_dagster.lake_reading import LakeReader
from asset_predict_dagster.table_content import (
    digest_of,
    refuse_unsound_keys,
    rows_not_in,
    to_arrow,
    to_arrow_key,
    to_pandas,
)
from asset_predict_dagster.tables import Table

_ATTEMPTS = 10
"""Commits lost to other writers before one gives up: each loss means that another one got on."""


class Lake(LakeReader):
    """The tables under one root, to read and to write."""

    def write(
        self,
        table: Table,
        frame: pd.DataFrame,
        came_from: Mapping[str, int] | None = None,
        *,
        over_others: bool = False,
    ) -> Written:
        """Replace the table by `frame` in one commit, unless it says the same already.

        A commit that loses against another writer's is refused; `over_others`, it is made again,
        and the last one stands.

        Raises
        ------
        TableError
            If a column is missing, unknown or of another type, or the lake cannot be written.
        """
        content = to_arrow(table, frame)
        digest = digest_of(content)
        if over_others and not self.exists(table):
            self._make(table, content, Notes())
        for attempt in range(_ATTEMPTS):
            stored = self.delta(table.name) if self.exists(table) else None
            if stored is not None and last_notes(stored).digest == digest:
                return self._written(table, changed=False)
            is_last = not over_others or attempt == _ATTEMPTS - 1
            with as_the_only_writer(table) if is_last else suppress(CommitFailedError):
                self._overwrite(table, content, Notes(digest, came_from), stored)
                break
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
            self._make(table, content, notes)
        if content.num_rows == 0:
            return self._written(table, changed=before is None)
        days = _days(content) if "session" in table.key else None
        for attempt in range(_ATTEMPTS):
            # A day of rows is compared with the rows of its own sessions, not with years of them.
            known = to_pandas(self._stored(table, table.key, days=days))
            fresh = rows_not_in(content, to_arrow_key(table, known), table)
            if fresh.num_rows == 0:
                break
            try:
                insert(self.delta(table.name), self._uri(table.name), table, fresh, notes, days)
                break
            except CommitFailedError:
                if attempt == _ATTEMPTS - 1:
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
                self._overwrite(table, content, notes, None)
            elif days:
                years = sorted({day.year for day in days})
                predicate = (
                    f"year IN ({', '.join(map(str, years))}) AND session IN ("
                    + ", ".join(f"CAST('{day}' AS DATE)" for day in days)
                    + ")"
                )
                self._commit(table, content, notes, mode="overwrite", predicate=predicate)
        return self._written(table, changed=is_new or bool(days))

    def replace_parts(
        self,
        table: Table,
        frame: pd.DataFrame,
        column: str = "window",
        came_from: Mapping[str, int] | None = None,
        recipe: str | None = None,
    ) -> Written:
        """Swap the parts that `frame` has rows of, in one commit; the other parts stay.

        The table must be partitioned by `column`, and that belong to its key. Parts that say the
        same already are left alone. Safe beside other writers: different parts go side by side,
        of the same part the last write stands. What was stored in another form, without its
        partitions or a column, is carried over whole by the first write.

        Parameters
        ----------
        recipe
            What the rows were made by, as a short text, and noted with them: `parts` tells it. A
            part with the same rows and another recipe is written again.

        Raises
        ------
        TableError
            As `write` does, and if the table has no such parts or a row belongs to none.
        """
        if column != (of_table := column_of_parts(table)):
            raise TableError(
                f"table '{table.name}' is replaced by the parts of '{of_table}', not of '{column}'"
            )
        content = to_arrow(table, frame)
        said = parts_of(table, content, column, recipe)
        is_new = not self.exists(table)
        if is_new:
            self._make(table, content, notes_on({}, came_from))
        for attempt in range(_ATTEMPTS):
            stored = self.delta(table.name)
            known = noted_parts(stored)
            changed = {name: part for name, part in said.items() if known.get(name) != part}
            if not changed:
                return self._written(table, changed=is_new)
            is_last = attempt == _ATTEMPTS - 1
            with as_the_only_writer(table) if is_last else suppress(CommitFailedError):
                if has_its_form(stored, table):
                    self._commit(
                        table,
                        rows_of(content, column, changed),
                        notes_on(changed, came_from),
                        stored,
                        mode="overwrite",
                        predicate=predicate(column, changed),
                    )
                else:
                    others = rows_of_others(in_its_form(stored, table), column, said)
                    kept = parts_of(table, others, column, None)
                    whole = pa.concat_tables([others, content])
                    self._overwrite(table, whole, notes_on(kept | said, came_from), stored)
                break
        return self._written(table, changed=True)

    def _make(self, table: Table, content: pa.Table, notes: Notes) -> None:
        """Make the table, without rows; another writer may do so at this moment, and then it is."""
        with suppress(CommitFailedError):
            self._commit(table, content.slice(0, 0), notes, mode="ignore")

    def _overwrite(
        self, table: Table, content: pa.Table, notes: Notes, stored: DeltaTable | None
    ) -> None:
        """Replace all that is `stored`; None: the table is not there yet."""
        how = {"schema_mode": "overwrite"}
        # Two writers have met where both remove a file. Of an empty table there is none to remove,
        # and only what is replaced by a condition is looked at again.
        if stored is not None and has_its_form(stored, table) and not stored.file_uris():
            how = {"predicate": "true"}
        self._commit(table, content, notes, stored, mode="overwrite", **how)

    def _commit(
        self,
        table: Table,
        content: pa.Table,
        notes: Notes,
        onto: DeltaTable | None = None,
        **options,
    ) -> None:
        commit(self._uri(table.name), table, content, notes, onto, **options)

    def _written(self, table: Table, *, changed: bool) -> Written:
        return written(self.delta(table.name), changed=changed)


def _days(content: pa.Table) -> tuple[date, date]:
    """The first and the last session of the rows."""
    ends = pc.min_max(content["session"]).as_py()
    return ends["min"], ends["max"]
