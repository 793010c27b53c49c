"""Commands about versions: list those of a table, trace them, compare two, clean up."""

from typing import Annotated, Any

import typer

from asset_predict_dagster.cli_json import print_json, records
from asset_predict_dagster.cli_options import AsJson
from asset_predict_dagster.cli_runs import kept_id, waiting
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
    """List the versions of a table, and what each came from.

    Example: asset-predict versions predictions --lineage 3
    """
    lake, wanted = Lake(load_settings().lake_root), TABLES[table]
    if lineage_of is not None:
        traced = lineage(lake, wanted, lineage_of)
        if as_json:
            print_json({"lake": lake.root, "lineage": records(traced)})
        else:
            print_lineage(lake, wanted, lineage_of, traced)
        return
    listed = list_versions(lake, wanted)
    shown = listed.head(last)
    if as_json:
        print_json(
            {
                "lake": lake.root,
                "table": table,
                "n_versions": len(listed),
                "versions": records(shown),
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
    """Show what changed between two versions of a table.

    Example: asset-predict compare quotes 3 4
    """
    lake, wanted = Lake(load_settings().lake_root), TABLES[table]
    found = compare_versions(lake, wanted, old, new)
    if as_json:
        print_json({"lake": lake.root, "table": table, "old": old, "new": new, **_said(found)})
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

    Example: asset-predict clean --keep-versions 5 --dry-run

    What stays: models that serve, served or were trained last; the last versions of each table,
    those that these models were built from, all that they came from, and what was current within
    the last six hours; the runs that made them, the last successful run of each job, and the run
    that last made each table.
    """
    with waiting():
        from asset_predict_dagster.runs import WAITS, Limits, look_for_unneeded, run_housekeeping

    settings = load_settings()
    limits = Limits(
        keep_versions or settings.keep_versions,
        settings.keep_models,
        keep_days or settings.keep_days,
    )
    run_id = None
    if dry_run:
        with waiting("looking for what is old"):
            cleaned = look_for_unneeded(settings, limits)
    else:
        asked = {"keep_versions": limits.versions, "keep_days": limits.days}
        ran = run_housekeeping(settings, asked)
        cleaned, run_id = ran.told, kept_id(ran)
    numbers = [_numbers(text) for text in cleaned.tables["versions_dropped"]]
    tables = cleaned.tables.assign(versions_dropped=numbers)
    if as_json:
        kept = {name: sorted(versions) for name, versions in cleaned.referenced.items()}
        print_json(
            {
                "lake": settings.lake_root,
                "dry_run": dry_run,
                "keep_versions": limits.versions,
                "keep_models": limits.models,
                "keep_days": limits.days,
                "referenced": kept,
                "models": records(cleaned.models),
                "tables": records(tables),
                "runs": records(cleaned.runs),
                "logs": records(cleaned.logs),
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
        **{name: records(getattr(found, name)) for name in frames},
    }
