"""The command `leaks`: does anything in the lake know of the future?"""

import json
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer
from rich.console import Console

from asset_predict_dagster.cli_runs import waiting
from asset_predict_dagster.cli_tables import plain_console, text_table
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.settings import load_settings

if TYPE_CHECKING:
    from asset_predict_dagster.dataset.leak_audit import Audit

app = typer.Typer()


@app.command()
def leaks(
    n: Annotated[int, typer.Option("--cuts", min=1, help="How many sessions to test at.")] = 12,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show what knows of the future; exit code 1 if anything does.

    Example: asset-predict leaks --cuts 24

    At each of some sessions, the cuts, everything is made anew from B3's records, without what
    came after it and with something else after it. Then the stored tables are compared with what
    their records make, and folds, scalings and served rows are tested.

    A cut sees only what reaches across it: a feature that looks one session ahead differs in the
    rows of the cut itself, and a leak in rows that no cut is near is not found. The last session
    but one is always a cut; another number of cuts draws others.
    """
    # Half a second, which the other commands need not wait.
    from asset_predict_dagster.dataset.leak_report import leak_report
    from asset_predict_dagster.models.lstm_settings import LstmSettings
    from asset_predict_dagster.predictions.served_samples import served_samples

    settings = load_settings()
    lstm = LstmSettings()
    with waiting("making everything anew, as it was known then"):
        report = leak_report(
            Lake(settings.lake_root),
            settings.asset_classes,
            n,
            served_samples,
            lstm.lookback,
            lstm.longest_gap,
        )
    if as_json:
        print(_leaks_as_json(report))
    else:
        _print_leaks(plain_console(), report)
    if len(report.leaks):
        raise typer.Exit(1)


def _leaks_as_json(report: "Audit") -> str:
    days = {name: report.leaks[name].dt.strftime("%Y-%m-%d") for name in ("cut", "row_session")}
    tables = {"tested": report.tested, "leaks": report.leaks.assign(**days)}
    content = {name: json.loads(table.to_json(orient="records")) for name, table in tables.items()}
    return json.dumps({"cuts": [f"{cut:%Y-%m-%d}" for cut in report.cuts], **content}, indent=2)


def _print_leaks(console: Console, report: "Audit") -> None:
    from asset_predict_dagster.dataset.leak_report import leaky_columns
    from asset_predict_dagster.dataset.leaks import HOWS

    leaky = leaky_columns(report)
    tested = text_table(
        "Does anything know of the future?",
        left=("stage",),
        right=("columns", "leaky", "rows at cuts", "values"),
    )
    for row in report.tested.itertuples():
        at_cuts = f"{row.n_cut_rows:,}" if row.n_cuts else "whole"
        counts = (f"{row.n_columns:,}", f"{leaky[row.stage]:,}", at_cuts, f"{row.n_values:,}")
        tested.add_row(row.stage, *counts)
    console.print()
    console.print(tested)
    console.print(f"Cut at the close of {_days(report.cuts)}.")
    console.print("A look one session ahead can differ in no row but those at cuts. What is tested")
    console.print("whole is compared in all its rows.")
    if report.leaks.empty:
        console.print(f"Nothing found at these {len(report.cuts)} sessions.")
        return
    found = text_table("Leaks", left=("how", "column"), right=("times", "first cut", "rows"))
    found.columns[1].no_wrap, found.columns[1].overflow = False, "fold"
    for (how, column), rows in report.leaks.groupby(["how", "column"], sort=False):
        first = f"{rows['cut'].min():%Y-%m-%d}"
        found.add_row(how, column, f"{len(rows):,}", first, f"{rows['n_rows'].max():,}")
    console.print()
    console.print(found)
    for how in report.leaks["how"].unique():
        console.print(f"{how}: {HOWS[how]}")


def _days(cuts: list[pd.Timestamp]) -> str:
    return ", ".join(f"{cut:%Y-%m-%d}" for cut in cuts)
