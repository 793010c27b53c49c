"""Commands about versions of the tables: list them, trace them, compare two, clean up."""

import json
import math
from datetime import UTC, datetime
from typing import Annotated, Any

import pandas as pd
import typer

from asset_predict_dagster.cli_versions_text import (
    print_cleaned,
    print_comparison,
    print_lineage,
    print_versions,
)
from asset_predict_dagster.dataset_clean_up import clean_up
from asset_predict_dagster.dataset_comparison import Comparison, compare_versions
from asset_predict_dagster.dataset_versions import lineage, list_versions
from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.registry.references import referenced_versions
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.settings import Settings, load_settings
from asset_predict_dagster.tables import CHAMPIONS, TABLES

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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go and change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Drop old versions of the tables, and merge small files.

    The last versions of each table stay, those that registered models were built from, all that
    these came from, and what was current within the last six hours.
    """
    settings = load_settings()
    lake = Lake(settings.lake_root)
    kept = keep_versions or settings.keep_versions
    referenced = _referenced(settings, lake)
    cleaned = clean_up(lake, TABLES.values(), kept, referenced, datetime.now(UTC), dry_run=dry_run)
    cleaned["versions_dropped"] = [_numbers(text) for text in cleaned["versions_dropped"]]
    if as_json:
        _print_json(
            {
                "lake": lake.root,
                "dry_run": dry_run,
                "keep_versions": kept,
                "referenced": {name: sorted(numbers) for name, numbers in referenced.items()},
                "tables": _records(cleaned),
            }
        )
    else:
        print_cleaned(lake, cleaned, kept, referenced, dry_run)


def _referenced(settings: Settings, lake: Lake) -> dict[str, set[int]]:
    """What the registered models refer to; refused where their registry is evidently elsewhere."""
    referenced: dict[str, set[int]] = {}
    if settings.registry_database.exists():  # opening it would make one
        referenced = referenced_versions(Registry(settings.registry_database), settings.bundles)
    if not referenced and lake.exists(CHAMPIONS):
        raise RegistryError(
            f"the lake {lake.root} has champions but {settings.registry_database} knows no model,"
            " so what they were built from could be dropped; point ASSET_PREDICT_DATA at the folder"
            " of that lake's registry"
        )
    return referenced


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
