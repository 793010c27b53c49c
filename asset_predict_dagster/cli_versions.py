"""Commands about versions: list those of a table, trace them, compare two, clean up."""

import json
import math
from datetime import datetime
from typing import Annotated, Any

import pandas as pd
import typer

from asset_predict_dagster.cli_versions_text import (
    print_cleaned,
    print_comparison,
    print_lineage,
    print_versions,
)
from asset_predict_dagster.dataset_comparison import Comparison, compare_versions
from asset_predict_dagster.dataset_versions import lineage, list_versions
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster.tables import TABLES

app = typer.Typer()

_LARGEST_VERSION = 2**31 - 1


def _known(name: str) -> str:
    if name not in TABLES:
        raise typer.BadParameter(f"there is no table {name!r}; there are {', '.join(TABLES)}.")
    return name


TableName = Annotated[str, typer.Argument(callback=_known, help="Its name, such as quotes.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]


def _version_named(help: str) -> Any:
    return typer.Argument(min=0, max=_LARGEST_VERSION, help=help)


@app.command()
def versions(
    table: TableName,
    lineage_of: Annotated[
        int | None,
        typer.Option(
            "--lineage",
            metavar="V",
            min=0,
            max=_LARGEST_VERSION,
            help="Show what version V came from instead, down to the files' records.",
        ),
    ] = None,
    last: Annotated[
        int, typer.Option("--last", min=1, help="How many to list, the latest first.")
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """List the versions of a table, and what each came from."""
    lake, wanted = Lake(load_settings().lake_root), TABLES[table]
    if lineage_of is not None:
        traced = lineage(lake, wanted, lineage_of)
        if as_json:
            _print_json({"lake": lake.root, "lineage": _records(traced)})
        else:
            print_lineage(lake, wanted, lineage_of, traced)
        return
    listed = list_versions(lake, wanted)
    shown = listed.head(last)
    if as_json:
        _print_json(
            {
                "lake": lake.root,
                "table": table,
                "n_versions": len(listed),
                "versions": _records(shown),
            }
        )
    else:
        print_versions(lake, wanted, shown, len(listed))


@app.command()
def compare(
    table: TableName,
    old: Annotated[int, _version_named("Number of the earlier version.")],
    new: Annotated[int, _version_named("Number of the later version.")],
    as_json: AsJson = False,
) -> None:
    """Show what changed between two versions of a table."""
    lake, wanted = Lake(load_settings().lake_root), TABLES[table]
    found = compare_versions(lake, wanted, old, new)
    if as_json:
        _print_json({"lake": lake.root, "table": table, "old": old, "new": new, **_said(found)})
    else:
        print_comparison(lake, wanted, old, new, found)


@app.command()
def clean(
    keep_versions: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default="ASSET_PREDICT_KEEP_VERSIONS",
            help="How many versions of each table to keep.",
        ),
    ] = None,
    keep_days: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default="ASSET_PREDICT_KEEP_DAYS",
            help="For how many days to keep logs and records of runs.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go and change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Drop what is old: models, table versions, runs, logs.

    What stays: models that serve, served or were trained last; the last versions of each table,
    those that these models were built from, all that they came from, and what was current within
    the last six hours; the runs that made them, the last successful run of each job, and the run
    that last made each table.
    """
    # Dagster takes seconds to import, and the other commands of this file do without.
    from asset_predict_dagster.runs import WAITS, Limits, look_for_unneeded, run_housekeeping

    settings = load_settings()
    limits = Limits(
        keep_versions or settings.keep_versions,
        settings.keep_models,
        keep_days or settings.keep_days,
    )
    run_id = None
    if dry_run:
        cleaned = look_for_unneeded(settings, limits)
    else:
        asked = {"keep_versions": limits.versions, "keep_days": limits.days}
        ran = run_housekeeping(settings, asked)
        cleaned, run_id = ran.told, ran.run_id if ran.is_kept else None
    numbers = [_numbers(text) for text in cleaned.tables["versions_dropped"]]
    tables = cleaned.tables.assign(versions_dropped=numbers)
    if as_json:
        kept = {name: sorted(versions) for name, versions in cleaned.referenced.items()}
        _print_json(
            {
                "lake": settings.lake_root,
                "dry_run": dry_run,
                "keep_versions": limits.versions,
                "keep_models": limits.models,
                "keep_days": limits.days,
                "referenced": kept,
                "models": _records(cleaned.models),
                "tables": _records(tables),
                "runs": _records(cleaned.runs),
                "logs": _records(cleaned.logs),
                "is_training": cleaned.is_training,
                "bytes_freed": cleaned.n_bytes,
                "run_id": run_id,
            }
        )
    else:
        print_cleaned(settings, limits, cleaned, tables, dry_run)
        if cleaned.is_training:
            print(WAITS)
        if run_id is None and not dry_run:
            print("DAGSTER_HOME is not set: Dagster's records of runs were not looked at.")


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(", ") if number]


def _said(found: Comparison) -> dict[str, Any]:
    """A comparison for JSON."""
    counts = {name: getattr(found, f"n_{name}") for name in ("added", "removed", "changed", "same")}
    frames = ("columns", "volatile", "first_added", "first_removed", "first_changed")
    return {
        "says_the_same": found.says_the_same,
        **{f"n_{name}": count for name, count in counts.items()},
        "only_in_old": list(found.only_in_old),
        "only_in_new": list(found.only_in_new),
        **{name: _records(getattr(found, name)) for name in frames},
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows for JSON: instants in ISO 8601, null for what is missing, "inf"."""
    return [{name: _plain(row[name]) for name in row} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return value
    if pd.isna(value):
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    value = value.item() if hasattr(value, "item") else value
    return str(value) if value in (math.inf, -math.inf) else value


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
