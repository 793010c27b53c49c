"""Dataset versions: what each version of a table is, and which versions it was computed from.

A version is loaded by `Lake.read(table, version=…)`.
"""

from collections.abc import Mapping, Set

import pandas as pd

from asset_predict_dagster.errors import MissingTableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.lake_log import Version, data_files, files_of, sources_text, versions
from asset_predict_dagster.tables import Table

VERSION_COLUMNS = [
    "version",
    "created_at",
    "operation",
    "n_rows",
    "n_bytes",
    "digest",
    "came_from",
    "is_readable",
]


def list_versions(lake: Lake, table: Table) -> pd.DataFrame:
    """Every version of a table, the latest first.

    Returns
    -------
    One row per version: `version`; `created_at`, Delta's commit time, UTC; `operation`, Delta's
    word for what was done (OPTIMIZE rewrites files and changes no row); `n_rows`; `n_bytes` of its
    files; `digest` of its content, missing where the table is not written whole; `came_from`, as
    `raw_quotes 12, corporate_actions 3`, empty where it was computed from no table and missing
    where nobody recorded it; `is_readable`, whether its files are still there.

    Raises
    ------
    MissingTableError
        If the table has not been made.
    """
    stored = lake.delta(table.name)
    present = data_files(files_of(stored)).keys()
    rows = [
        {
            "version": version.number,
            "created_at": version.created_at,
            "operation": version.operation,
            "n_rows": sum(file.n_rows for file in version.files.values()),
            "n_bytes": sum(file.n_bytes for file in version.files.values()),
            "digest": version.notes.digest,
            "came_from": _text(version),
            "is_readable": version.files.keys() <= present,
        }
        for version in versions(stored)
    ]
    return pd.DataFrame(rows[::-1], columns=VERSION_COLUMNS)


def lineage(lake: Lake, table: Table, version: int) -> pd.DataFrame:
    """A version and all that it came from, itself first, then its sources, then theirs.

    Returns
    -------
    One row per table and version: `table`, `version`, `created_at` and `came_from` as in
    `list_versions`; the last two are missing where the log of that table does not know it.

    Raises
    ------
    TableError
        If the table never had that version.
    """
    lake.delta(table.name, version)
    known: dict[str, dict[int, Version]] = {}
    rows = []
    for name, number in _walk(lake, {table.name: {version}}, known):
        found = known[name].get(number)
        rows.append(
            {
                "table": name,
                "version": number,
                "created_at": found.created_at if found else pd.NaT,
                "came_from": _text(found) if found else None,
            }
        )
    return pd.DataFrame(rows)


def with_sources(lake: Lake, wanted: Mapping[str, Set[int]]) -> dict[str, set[int]]:
    """Versions by table name, and with them every version that they came from."""
    closed: dict[str, set[int]] = {}
    for name, number in _walk(lake, wanted, {}):
        closed.setdefault(name, set()).add(number)
    return closed


def _walk(
    lake: Lake, wanted: Mapping[str, Set[int]], known: dict[str, dict[int, Version]]
) -> list[tuple[str, int]]:
    """Breadth first, each once; fills `known` with the logs it looked at."""
    found = [(name, number) for name, numbers in wanted.items() for number in sorted(numbers)]
    seen = set(found)
    for name, number in found:  # grows while it is walked
        if name not in known:
            known[name] = _log(lake, name)
        version = known[name].get(number)
        for source in (version.notes.came_from or {}).items() if version else ():
            if source not in seen:
                seen.add(source)
                found.append(source)
    return found


def _log(lake: Lake, name: str) -> dict[int, Version]:
    try:
        stored = lake.delta(name)
    except MissingTableError:
        return {}
    return {version.number: version for version in versions(stored)}


def _text(version: Version) -> str | None:
    came_from = version.notes.came_from
    return None if came_from is None else sources_text(came_from)
