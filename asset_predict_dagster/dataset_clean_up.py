"""Clean-up: old versions of the lake's tables give back their room, and small files are merged.

What stays: the last versions of each table, every version that somebody refers to, the current
versions, all that these came from, and what was current a moment ago, for somebody may be reading
it. Everything that stays can be loaded. The log stays whole, so that a version that was dropped
is still listed with its digest and its sources.

Delta's own `vacuum` is not used: each call adds two versions to a table whose content did not
change, and a model card that names versions would differ for nothing.
"""

from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd
from deltalake.exceptions import CommitFailedError

from asset_predict_dagster.dataset_versions import with_sources
from asset_predict_dagster.errors import TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.lake_commits import writer_properties
from asset_predict_dagster.lake_log import (
    COMPACTION,
    KEEP_LOG,
    Version,
    data_files,
    files_of,
    last_notes,
    paths,
    versions,
)
from asset_predict_dagster.tables import Table

OLDER_THAN = timedelta(hours=6)
"""Longer than any run takes to read a table, or to commit the files that it has written."""

CROWDED = 10
"""Files beyond one a partition from which merging them pays."""


@dataclass(frozen=True)
class _Plan:
    """What is to go of one table: the versions by number, the files by path, with their bytes."""

    dropped: list[int]
    files: dict[str, int]


def clean_up(
    lake: Lake,
    tables: Iterable[Table],
    keep_versions: int,
    referenced: Mapping[str, Set[int]],
    now: datetime,
    *,
    older_than: timedelta = OLDER_THAN,
    dry_run: bool = False,
) -> pd.DataFrame:
    """Drop old versions of `tables`, those that were made among them.

    Parameters
    ----------
    keep_versions
        How many versions of each table to keep, at least 1. A version that only merged the files
        of another counts as the same.
    referenced
        Table name → versions that somebody refers to (`registry.references`). They stay, and so
        does all that they came from, in every table.
    now
        The time, with its time zone. Delta's commit times and the storage's file times are
        measured against it.
    older_than
        What was current, or written, within this time stays: a reader or writer of this moment
        loses nothing. Zero is for a lake that nobody else uses.
    dry_run
        Say what would go and change nothing. Nothing is merged, either.

    Returns
    -------
    One row per table: `table`, `versions_dropped` (numbers, as `0, 1, 2`), `n_dropped`,
    `files_removed`, `bytes_freed`, `files_merged` (small files made into few, in a version of its
    own that says the same).

    Raises
    ------
    TableError
        If `keep_versions` or `older_than` makes no sense, or a table's log and Delta disagree on
        its files: then nothing of it is removed.
    """
    if keep_versions < 1 or older_than < timedelta(0):
        raise TableError(
            f"clean-up: expected to keep at least 1 version and a time of 0 or more, found"
            f" {keep_versions} and {older_than}; keep more"
        )
    made = [table for table in tables if lake.exists(table)]
    merged = {table.name: 0 if dry_run else _merge_small_files(lake, table) for table in made}
    needed = with_sources(lake, _with_current(lake, made, referenced))
    rows = []
    for table in made:
        plan = _plan(lake, table, keep_versions, needed[table.name], now - older_than)
        if not dry_run:
            folder = files_of(lake.delta(table.name))
            for path in plan.files:
                with suppress(FileNotFoundError):  # another clean-up was faster
                    folder.delete_file(path)
        rows.append(
            {
                "table": table.name,
                "versions_dropped": ", ".join(map(str, plan.dropped)),
                "n_dropped": len(plan.dropped),
                "files_removed": len(plan.files),
                "bytes_freed": sum(plan.files.values()),
                "files_merged": merged[table.name],
            }
        )
    return pd.DataFrame(
        rows,
        columns=[
            "table",
            "versions_dropped",
            "n_dropped",
            "files_removed",
            "bytes_freed",
            "files_merged",
        ],
    )


def _with_current(
    lake: Lake, made: list[Table], referenced: Mapping[str, Set[int]]
) -> dict[str, set[int]]:
    wanted = {name: set(numbers) for name, numbers in referenced.items()}
    for table in made:
        wanted.setdefault(table.name, set()).add(lake.delta(table.name).version())
    return wanted


def _plan(lake: Lake, table: Table, keep_versions: int, needed: Set[int], since: datetime) -> _Plan:
    stored = lake.delta(table.name)
    history = [version for version in versions(stored) if version.number <= stored.version()]
    present = data_files(files_of(stored))
    if paths(stored) != history[-1].files.keys() or not paths(stored) <= present.keys():
        raise TableError(
            f"table '{table.name}' in {lake.root}: its log, Delta and the stored files do not"
            " agree on what the current version holds; nothing of it was cleaned up. Read it, and"
            " if that fails materialise the asset again"
        )
    kept = _last(history, keep_versions) | _current_since(history, since) | needed
    kept_files: set[str] = set()
    for version in history:
        if version.number in kept:
            # As Delta reads them: what it will look for when the version is loaded.
            kept_files |= paths(lake.delta(table.name, version.number))
    # A young file that no version holds may be one that a writer is about to commit.
    files = {
        path: info.size
        for path, info in present.items()
        if path not in kept_files and info.mtime <= since
    }
    dropped = [
        version.number
        for version in history
        if version.files.keys() <= present.keys() and version.files.keys() & files.keys()
    ]
    return _Plan(dropped, files)


def _last(history: list[Version], n: int) -> set[int]:
    """The last n versions that differ; of one and its compaction, the compaction."""
    kept: set[int] = set()
    is_said_later = False
    for version in reversed(history):
        if not is_said_later:
            kept.add(version.number)
        is_said_later = version.operation == COMPACTION
        if len(kept) == n:
            break
    return kept


def _current_since(history: list[Version], since: datetime) -> set[int]:
    """The versions that were current at any time after `since`, and are no longer."""
    ends = [version.created_at for version in history[1:]]
    return {version.number for version, end in zip(history, ends, strict=False) if end > since}


def _merge_small_files(lake: Lake, table: Table) -> int:
    """Merge the files of a crowded table, and say how many it had more than before."""
    stored = lake.delta(table.name)
    before = paths(stored)
    partitions = {path.rpartition("/")[0] for path in before}
    if len(before) - len(partitions) < CROWDED:
        return 0
    try:
        stored.optimize.compact(
            writer_properties=writer_properties(table),
            commit_properties=last_notes(stored).as_properties(),
            post_commithook_properties=KEEP_LOG,
        )
    except CommitFailedError:
        return 0  # somebody is writing to it: the next clean-up finds it as crowded
    return len(before - paths(lake.delta(table.name)))
