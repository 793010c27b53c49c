"""Versions of the tables as a person reads them, 80 columns wide."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd
from rich.console import Console

from asset_predict_dagster.cli_tables import plain_console, text_table
from asset_predict_dagster.dataset_clean_up import OLDER_THAN
from asset_predict_dagster.dataset_comparison import Comparison
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.settings import Settings
from asset_predict_dagster.tables import Table

if TYPE_CHECKING:
    from asset_predict_dagster.runs import Cleaned, Limits

_WORDS = {
    "version": "models",
    "run": "MLflow runs",
    "artefacts": "MLflow artefacts",
    "bundle": "bundles",
    "checkpoint": "checkpoints",
}
_MB = 1e6
_FEW = 5
_SHOWN_VALUES = 10
_VALUE_WIDTH = 14


def print_versions(lake: Lake, table: Table, listed: pd.DataFrame, n_versions: int) -> None:
    """As `list_versions` found them, of `n_versions` in all."""
    shown = text_table(
        f"Versions of {table.name} in {lake.root}", left=(), right=("version", "when (UTC)")
    )
    for name in ("rows", "MB"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("came from", overflow="fold")
    shown.add_column("readable", no_wrap=True)
    for row in listed.itertuples():
        shown.add_row(
            str(row.version),
            _when(row.created_at),
            f"{row.n_rows:,}",
            _mb(row.n_bytes),
            _sources(row.came_from),
            "yes" if row.is_readable else "no",
        )
    console = plain_console()
    console.print(shown)
    if len(listed) < n_versions:
        console.print(
            f"{n_versions - len(listed):,} earlier: --last {n_versions} lists them as well"
        )


def print_lineage(lake: Lake, table: Table, version: int, traced: pd.DataFrame) -> None:
    """As `lineage` found it."""
    shown = text_table(
        f"What version {version} of {table.name} in {lake.root} came from", left=("table",)
    )
    shown.add_column("version", justify="right", no_wrap=True)
    shown.add_column("when (UTC)", no_wrap=True)
    shown.add_column("came from", overflow="fold")
    for row in traced.itertuples():
        is_known = pd.notna(row.created_at)
        shown.add_row(
            row.table,
            str(row.version),
            _when(row.created_at) if is_known else "not in the log",
            _sources(row.came_from) if is_known else "",
        )
    plain_console().print(shown)


def print_comparison(lake: Lake, table: Table, old: int, new: int, found: Comparison) -> None:
    """As `compare_versions` found it: counts, then columns, then the first rows."""
    console = plain_console()
    console.print(f"{table.name} in {lake.root}: version {old}, then version {new}", soft_wrap=True)
    if found.says_the_same:
        console.print(f"They say the same: {found.n_same:,} rows.")
    else:
        console.print(
            f"{found.n_added:,} rows added, {found.n_removed:,} removed, {found.n_changed:,}"
            f" changed, {found.n_same:,} the same"
        )
    for names, version in ((found.only_in_old, old), (found.only_in_new, new)):
        if names:
            console.print(f"Only in version {version}: {', '.join(names)}")
    _print_columns(console, "Columns that changed", found.columns)
    _print_columns(console, "Columns that may differ between equal runs", found.volatile)
    _print_values(console, table, found.first_changed)
    _print_keys(console, table, "added", found.first_added, found.n_added)
    _print_keys(console, table, "removed", found.first_removed, found.n_removed)


def _print_columns(console: Console, title: str, columns: pd.DataFrame) -> None:
    changed = columns[columns["n_changed"] > 0]
    if changed.empty:
        return
    shown = text_table(title, left=("column",), right=("rows changed", "largest change"))
    for row in changed.itertuples():
        shown.add_row(
            row.column,
            f"{row.n_changed:,}",
            "" if pd.isna(row.largest_change) else _text(row.largest_change),
        )
    console.print()
    console.print(shown)


def _print_values(console: Console, table: Table, changed: pd.DataFrame) -> None:
    if changed.empty:
        return
    shown = text_table("The first changed values", left=(), right=())
    shown.add_column(" ".join(table.key), overflow="fold")
    shown.add_column("column", overflow="fold")
    for name in ("old", "new"):
        shown.add_column(name, justify="right", overflow="fold", max_width=_VALUE_WIDTH)
    for _, row in changed.head(_SHOWN_VALUES).iterrows():
        shown.add_row(_key(row, table), row["column"], _text(row["old"]), _text(row["new"]))
    console.print()
    console.print(shown)


def _print_keys(console: Console, table: Table, what: str, rows: pd.DataFrame, n: int) -> None:
    if rows.empty:
        return
    console.print()
    console.print(f"The first {what} ({', '.join(table.key)})")
    for _, row in rows.head(_FEW).iterrows():
        console.print(f"  {_key(row, table)}")
    if n > _FEW:
        console.print(f"  and {n - _FEW:,} more")


def print_cleaned(
    settings: Settings, limits: "Limits", cleaned: "Cleaned", tables: pd.DataFrame, dry_run: bool
) -> None:
    """As `housekeeping` did it; `tables` with `versions_dropped` as numbers."""
    console = plain_console()
    _print_dropped_versions(console, settings.lake_root, tables, dry_run)
    _print_dropped(console, settings, cleaned, dry_run)
    freed = _mb(cleaned.n_bytes)
    console.print(
        f"{freed} MB {'would be ' if dry_run else ''}freed in {settings.data}", soft_wrap=True
    )
    console.print(
        f"Kept: the last {limits.versions} of each table, the"
        f" {sum(map(len, cleaned.referenced.values())):,} versions that models refer to and all"
        " that these came from, and what was current within the last"
        f" {OLDER_THAN / timedelta(hours=1):g} hours; of each model those that serve or served and"
        f" the last {limits.models} others; {limits.days} days of logs and of runs that nothing"
        " needs."
    )


def _print_dropped_versions(
    console: Console, lake_root: str, tables: pd.DataFrame, dry_run: bool
) -> None:
    touched = tables[(tables["files_removed"] > 0) | (tables["files_merged"] > 0)]
    if touched.empty:
        return
    shown = text_table(f"{_verb(dry_run)} in {lake_root}", left=("table",))
    shown.add_column("versions", overflow="fold")
    for name in ("files", "MB", "small files merged"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in touched.itertuples():
        shown.add_row(
            row.table,
            _ranges(row.versions_dropped),
            f"{row.files_removed:,}",
            _mb(row.bytes_freed),
            f"{row.files_merged:,}",
        )
    console.print(shown)
    console.print()


def _print_dropped(console: Console, settings: Settings, cleaned: "Cleaned", dry_run: bool) -> None:
    """Everything but the tables: how many of each kind, and which where a person knows them."""
    shown = text_table(f"{_verb(dry_run)} in {settings.data}", left=("what",))
    shown.add_column("which", overflow="fold")
    for name in ("number", "MB"):
        shown.add_column(name, justify="right", no_wrap=True)
    for what, rows in cleaned.models.groupby("what", sort=False):
        which = ", ".join(rows["name"]) if what in ("version", "checkpoint") else ""
        shown.add_row(_WORDS[str(what)], which, f"{len(rows):,}", _mb(rows["n_bytes"].sum()))
    for job, rows in cleaned.runs.groupby("job"):
        shown.add_row("records of runs", str(job), f"{len(rows):,}", "")
    if len(cleaned.logs):
        days = cleaned.logs["file"].str.removesuffix(".jsonl")
        which = f"{days.iloc[0]} to {days.iloc[-1]}"
        shown.add_row("logs", which, f"{len(days):,}", _mb(cleaned.logs["n_bytes"].sum()))
    if shown.row_count:
        console.print(shown)
        console.print()


def _verb(dry_run: bool) -> str:
    return "Would go" if dry_run else "Dropped"


def _key(row: pd.Series, table: Table) -> str:
    return " ".join(_text(row[name]) for name in table.key)


def _sources(came_from: str | None) -> str:
    """One source a line."""
    if came_from is None or pd.isna(came_from):
        return "not recorded"
    return came_from.replace(", ", "\n") or "no table"


def _mb(n_bytes: float) -> str:
    return "<0.01" if 0 < n_bytes < 0.005 * _MB else f"{n_bytes / _MB:,.2f}"


def _when(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"


def _text(value: object) -> str:
    """One value of a table, short."""
    if pd.isna(value):
        return "missing"
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}" if value == value.normalize() else f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _ranges(numbers: Iterable[int]) -> str:
    """Numbers as people write them.

    >>> _ranges([0, 1, 2, 5, 7, 8])
    '0-2, 5, 7-8'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
