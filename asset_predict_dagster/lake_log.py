"""What a Delta table's log says of each version: when, out of what, and in which files.

A commit carries notes of ours beside Delta's own: a digest of the content, where the table is
written whole, or of each part that it wrote, where it is written by parts (`lake_parts.py`), and
the versions of the tables that the rows were computed from. The log is never expired:
delta-rs would drop what is older than 30 days, and with it the versions that models refer to.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties
from deltalake.fs import DeltaStorageHandler

_DIGEST, _CAME_FROM, _PARTS = "content_digest", "came_from", "parts"
_LOG = "_delta_log"
_COMMIT_FILE = re.compile(rf"{_LOG}/(\d{{20}})\.json")

KEEP_LOG = PostCommitHookProperties(cleanup_expired_logs=False)
"""For every commit of ours, also to tables that were made without the property below."""

TABLE_PROPERTIES = {"delta.enableExpiredLogCleanup": "false", "delta.checkpointInterval": "10"}
"""For every table we make, so that other programs keep its log too, and so that a table that was
written every day is opened as quickly as a new one: without a checkpoint each commit is read."""

COMPACTION = "OPTIMIZE"
"""Delta's name of a commit that rewrites files and leaves every row as it was."""


@dataclass(frozen=True)
class Written:
    """What a write did: the version now current, its size, and whether anything changed.

    `came_from` is what that version records as its sources; None if it records none.
    """

    version: int
    n_rows: int
    n_bytes: int
    changed: bool
    came_from: dict[str, int] | None = None


@dataclass(frozen=True)
class Notes:
    """Our notes on a commit; None where it has none.

    `parts` has the digest of each part that it wrote, and the recipe that the part was made by.
    """

    digest: str | None = None
    came_from: Mapping[str, int] | None = None
    parts: Mapping[str, tuple[str, str | None]] | None = None

    def as_properties(self) -> CommitProperties:
        """As Delta takes them."""
        notes: dict[str, Any] = {}
        if self.digest is not None:
            notes[_DIGEST] = self.digest
        if self.came_from is not None:
            notes[_CAME_FROM] = dict(self.came_from)
        if self.parts is not None:
            notes[_PARTS] = {name: list(part) for name, part in self.parts.items()}
        return CommitProperties(custom_metadata=notes)


@dataclass(frozen=True)
class DataFile:
    """The size of one file of a table."""

    n_rows: int
    n_bytes: int


@dataclass(frozen=True)
class Version:
    """One version of a table: its commit, and the files that hold its rows, by path."""

    number: int
    created_at: datetime
    operation: str
    notes: Notes
    files: Mapping[str, DataFile]


def versions(stored: DeltaTable) -> Iterator[Version]:
    """Every version that the log knows, the earliest first, also those whose files are gone.

    Each reads the log's files once; a version of `stored` itself plays no part.
    """
    folder = files_of(stored)
    files: dict[str, DataFile] = {}
    is_first = True
    for path in sorted(info.path for info in folder.get_file_info(_selector(_LOG))):
        found = _COMMIT_FILE.fullmatch(path)
        if found is None:
            continue
        number = int(found.group(1))
        with folder.open_input_stream(path) as file:
            actions = [json.loads(line) for line in file.read().splitlines() if line]
        if is_first and number > 0:
            # A program of before expired what is earlier: a checkpoint holds the files instead.
            files = _active_files(DeltaTable(stored.table_uri, version=number))
        else:
            files = _after(files, actions)
        is_first = False
        info = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
        yield Version(
            number=number,
            created_at=datetime.fromtimestamp(info.get("timestamp", 0) / 1000, UTC),
            operation=info.get("operation", ""),
            notes=_notes(info),
            files=files,
        )


def last_notes(stored: DeltaTable) -> Notes:
    """Our notes on the version that is open."""
    return _notes(stored.history(1)[0])


def notes_of_commits(stored: DeltaTable) -> Iterator[tuple[str, Notes]]:
    """Delta's word for what each commit did, and our notes on it, the latest first."""
    for info in stored.history():
        yield info.get("operation", ""), _notes(info)


def written(stored: DeltaTable, *, changed: bool) -> Written:
    """What to say of a write, looking at the table after it."""
    files = pa.table(stored.get_add_actions(flatten=True))
    came_from = last_notes(stored).came_from
    return Written(
        version=stored.version(),
        n_rows=int(pc.sum(files["num_records"]).as_py() or 0),
        n_bytes=int(pc.sum(files["size_bytes"]).as_py() or 0),
        changed=changed,
        came_from=None if came_from is None else dict(came_from),
    )


def files_of(stored: DeltaTable) -> pyarrow.fs.PyFileSystem:
    """The table's folder, wherever it is; paths are within it."""
    return pyarrow.fs.PyFileSystem(DeltaStorageHandler(stored.table_uri))


def data_files(folder: pyarrow.fs.PyFileSystem) -> dict[str, pyarrow.fs.FileInfo]:
    """What is really stored of a table's rows, by path, whether a version knows it or not."""
    return {
        info.path: info
        for info in folder.get_file_info(_selector(""))
        if info.is_file
        and info.path.endswith(".parquet")
        and not any(part.startswith(("_", ".")) for part in info.path.split("/"))
    }


def paths(stored: DeltaTable) -> set[str]:
    """The paths of the files of the version that is open, as Delta itself reads them."""
    return set(_active_files(stored))


def sources_text(came_from: Mapping[str, int]) -> str:
    """For people: `raw_quotes 12, corporate_actions 3`."""
    return ", ".join(f"{name} {version}" for name, version in came_from.items())


def _selector(folder: str) -> pyarrow.fs.FileSelector:
    return pyarrow.fs.FileSelector(folder, recursive=True)


def _notes(info: Mapping[str, Any]) -> Notes:
    # A digest of nothing is how tables written session by session used to say that they have none.
    parts = info.get(_PARTS)
    return Notes(
        info.get(_DIGEST) or None,
        info.get(_CAME_FROM),
        None if parts is None else {name: (part[0], part[1]) for name, part in parts.items()},
    )


def _active_files(stored: DeltaTable) -> dict[str, DataFile]:
    found = pa.table(stored.get_add_actions(flatten=True))
    return {
        path: DataFile(n_rows or 0, n_bytes)
        for path, n_rows, n_bytes in zip(
            *(found[name].to_pylist() for name in ("path", "num_records", "size_bytes")),
            strict=True,
        )
    }


def _after(files: Mapping[str, DataFile], actions: list[dict[str, Any]]) -> dict[str, DataFile]:
    """The files of a version, from those of the one before it."""
    gone = {action["remove"]["path"] for action in actions if "remove" in action}
    added = {
        action["add"]["path"]: DataFile(
            json.loads(action["add"].get("stats") or "{}").get("numRecords", 0),
            action["add"]["size"],
        )
        for action in actions
        if "add" in action
    }
    return {path: file for path, file in files.items() if path not in gone} | added
