"""The command `leaks`: does anything in the lake know of the future?"""

import json
from typing import Annotated

import typer
from rich.console import Console

from asset_predict_dagster.cli_tables import plain_console, text_table
from asset_predict_dagster.dataset.leak_audit import Audit
from asset_predict_dagster.dataset.leak_report import leak_report
from asset_predict_dagster.dataset.leaks import HOWS
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.settings import load_settings

app = typer.Typer()


@app.command()
def leaks(
    n: Annotated[int, typer.Option("--cuts", min=1, help="How many sessions to test at.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show what knows of the future; exit code 1 if anything does.

    Tested are features, labels, folds and the rows that models are served.
    """
    settings = load_settings()
    report = leak_report(Lake(settings.lake_root), settings.asset_classes, n)
    if as_json:
        print(_leaks_as_json(report))
    else:
        _print_leaks(plain_console(), report)
    if len(report.leaks):
        raise typer.Exit(1)


def _leaks_as_json(report: Audit) -> str:
    days = {name: report.leaks[name].dt.strftime("%Y-%m-%d") for name in ("cut", "row_session")}
    tables = {"tested": report.tested, "leaks": report.leaks.assign(**days)}
    content = {name: json.loads(table.to_json(orient="records")) for name, table in tables.items()}
    return json.dumps({"cuts": [f"{cut:%Y-%m-%d}" for cut in report.cuts], **content}, indent=2)


def _print_leaks(console: Console, report: Audit) -> None:
    n_leaks = report.leaks["column"].str.split(".").str[0].value_counts()
    tested = text_table(
        "Does anything know of the future?", left=("stage",), right=("columns", "values", "leaks")
    )
    for row in report.tested.itertuples():
        leaky = n_leaks.get(row.stage, 0)
        tested.add_row(row.stage, f"{row.n_columns:,}", f"{row.n_values:,}", f"{leaky:,}")
    console.print()
    console.print(tested)
    console.print("Values up to a session, made anew without what came after it and with")
    console.print("something else after it, at the close of:")
    console.print(", ".join(f"{cut:%Y-%m-%d}" for cut in report.cuts))
    if report.leaks.empty:
        console.print("Nothing does.")
        return
    found = text_table("Leaks", left=("how", "cut", "column"), right=("rows",))
    found.columns[2].no_wrap, found.columns[2].overflow = False, "fold"
    for row in report.leaks.itertuples():
        found.add_row(row.how, f"{row.cut:%Y-%m-%d}", row.column, f"{row.n_rows:,}")
    console.print()
    console.print(found)
    for how in report.leaks["how"].unique():
        console.print(f"{how}: {HOWS[how]}")
