"""Parts: a table that is partitioned by a column of its key, replaced part by part.

Each commit notes what the parts it wrote say, by a digest, and the recipe they were made by where
there is one. What a part says today is what the latest commit that names it noted.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from asset_predict_dagster.errors import TableError
from asset_predict_dagster.lake_log import COMPACTION, Notes, notes_of_commits
from asset_predict_dagster.table_content import digest_of, sorted_by_key, with_defaults
from asset_predict_dagster.tables import Table


@dataclass(frozen=True)
class Part:
    """What is noted of one part: a digest of its rows, and what they were made by; or None."""

    digest: str | None = None
    recipe: str | None = None


def part_column(table: Table) -> str | None:
    """The column whose values name the parts of a table; None if it is not replaced by parts.

    It is what the table is partitioned by, where that belongs to its key: a part then holds its
    rows and nobody else's.
    """
    if len(table.partition_by) == 1 and table.partition_by[0] in table.key:
        return table.partition_by[0]
    return None


def column_of_parts(table: Table) -> str:
    """The column whose values name the parts of a table.

    Raises
    ------
    TableError
        If the table is not replaced by parts.
    """
    column = part_column(table)
    if column is None:
        raise TableError(
            f"table '{table.name}' has no parts: it is not partitioned by a column of its key;"
            " write it whole"
        )
    return column


def parts_of(table: Table, content: pa.Table, column: str, recipe: str | None) -> dict[str, Part]:
    """Each part that `content` has rows of, and what is to be noted of it.

    Raises
    ------
    TableError
        If a row belongs to no part.
    """
    if content[column].null_count:
        raise TableError(
            f"table '{table.name}' is replaced by '{column}', which is missing in"
            f" {content[column].null_count:,} rows; name the part that each row belongs to"
        )
    names = sorted(pc.unique(content[column]).to_pylist())
    return {name: Part(digest_of(rows_of(content, column, [name])), recipe) for name in names}


def rows_of(content: pa.Table, column: str, parts: Collection[str]) -> pa.Table:
    """The rows of some parts."""
    wanted = pa.array(sorted(parts), content[column].type)
    is_theirs = pc.is_in(content[column], value_set=wanted)
    return content if pc.all(is_theirs).as_py() else content.filter(is_theirs)


def rows_of_others(content: pa.Table, column: str, parts: Collection[str]) -> pa.Table:
    """The rows of all parts but those."""
    wanted = pa.array(sorted(parts), content[column].type)
    return content.filter(pc.invert(pc.is_in(content[column], value_set=wanted)))


def predicate(column: str, parts: Collection[str]) -> str:
    """In Delta's SQL: the rows of those parts."""
    listed = ", ".join("'" + name.replace("'", "''") + "'" for name in sorted(parts))
    return f"{column} IN ({listed})"


def names_of_parts(stored: DeltaTable, column: str) -> list[str]:
    """The parts that there are, sorted; of a table with partitions no row is read for it."""
    if column in stored.metadata().partition_columns:
        files = pa.table(stored.get_add_actions(flatten=True))
        named = files[f"partition.{column}"] if files.num_rows else pa.array([], pa.string())
    else:
        named = stored.to_pyarrow_table(columns=[column])[column]
    return sorted(pc.unique(named).to_pylist())


def noted_parts(stored: DeltaTable) -> dict[str, Part]:
    """What is noted of each part, back to the last commit that says nothing of parts."""
    found: dict[str, Part] = {}
    for operation, notes in notes_of_commits(stored):
        if operation == COMPACTION:
            continue  # it repeats the notes of the commit before it
        if notes.parts is None:
            break
        for name, (digest, recipe) in notes.parts.items():
            found.setdefault(name, Part(digest, recipe))
    return found


def notes_on(parts: Mapping[str, Part], came_from: Mapping[str, int] | None) -> Notes:
    """The notes of a commit that writes these parts."""
    return Notes(
        came_from=came_from,
        parts={name: (part.digest, part.recipe) for name, part in parts.items()},
    )


def has_its_form(stored: DeltaTable, table: Table) -> bool:
    """Whether it is stored with the partitions and columns that the dictionary gives it."""
    names = {field.name for field in stored.schema().fields}
    is_partitioned = tuple(stored.metadata().partition_columns) == table.partition_by
    return is_partitioned and names == set(table.column_names)


def in_its_form(stored: DeltaTable, table: Table) -> pa.Table:
    """All rows with the dictionary's columns; one that may be missing, where it was not there.

    Raises
    ------
    TableError
        If a column is lacking that every row must have.
    """
    names = {field.name for field in stored.schema().fields}
    content = stored.to_pyarrow_table(
        columns=[name for name in table.column_names if name in names]
    )
    return sorted_by_key(filled_up(content, table), table).cast(table.schema)


def filled_up(content: pa.Table, table: Table) -> pa.Table:
    """With the columns that the dictionary has and `content` lacks: their default, or missing."""
    for column in table.columns:
        if column.name in content.column_names:
            continue
        if column.required and column.default is None:
            raise TableError(
                f"table '{table.name}' has no column '{column.name}', which is never missing;"
                f" materialise the asset '{table.name}' again in a lake of its own"
            )
        content = content.append_column(column.name, pa.nulls(content.num_rows, column.type))
    return with_defaults(content.select(table.column_names), table)
