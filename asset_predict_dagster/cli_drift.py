"""The command `drift`: does the market look like it did."""

from typing import Annotated, Any

import typer
from rich.console import Console

from asset_predict_dagster.cli_json import print_json, records
from asset_predict_dagster.cli_options import AsJson, as_usage
from asset_predict_dagster.cli_runs import waiting
from asset_predict_dagster.cli_tables import plain_console, text_table
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.predictions.asked import codes_of
from asset_predict_dagster.predictions.drift_asked import drift_asked, side_of
from asset_predict_dagster.predictions.drift_finding import Drift, as_answer
from asset_predict_dagster.settings import load_settings

app = typer.Typer()

_SHOWN = 12


def _side(text: str | None) -> str | None:
    with as_usage():
        side_of(text)
    return text


@app.command()
def drift(
    reference: Annotated[
        str | None,
        typer.Option(
            callback=_side,
            metavar="WHICH",
            show_default="the five years before",
            help="A version of features, or a period: 3, 2018, 2018H1, 2018-01-01..2018-03-31.",
        ),
    ] = None,
    current: Annotated[
        str | None,
        typer.Option(
            callback=_side,
            metavar="WHICH",
            show_default="the last 63 sessions",
            help="What is held against it, named alike.",
        ),
    ] = None,
    tickers: Annotated[
        list[str] | None,
        typer.Option(show_default="all", help="PETR4,VALE3; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold one period, or version of features, against another.

    Example: asset-predict drift --reference 2018..2019 --current 2020H1

    What counts is how far windows of the reference itself stray: an unchanged market passes the
    customary PSI of .2 in more than half of all windows. Of two versions, what came in the second
    is held against the first.
    """
    lake = Lake(load_settings().lake_root)
    codes = codes_of(tickers) if tickers else None
    with waiting("comparing"):
        found = drift_asked(lake, side_of(reference), side_of(current), codes)
    if as_json:
        print_json(_document(found))
    else:
        _print_drift(plain_console(), found)


def _document(found: Drift) -> dict[str, Any]:
    columns = found.columns.drop(columns="alarm_since")
    return {**as_answer(found), "reason": found.reason, "columns": records(columns)}


def _print_drift(console: Console, found: Drift) -> None:
    rows = found.columns
    first = rows.iloc[0]
    console.print(
        f"{first['current_first']:%Y-%m-%d} to {first['current_last']:%Y-%m-%d} held against"
        f" {first['reference_first']:%Y-%m-%d} to {first['reference_last']:%Y-%m-%d}"
    )
    table = text_table(
        "", left=("column",), right=("PSI", "usual to", "KS", "usual to", "severity")
    )
    for row in rows.head(_SHOWN).itertuples():
        table.add_row(
            row.column,
            f"{row.psi:.3f}",
            f"{row.psi_threshold:.3f}",
            f"{row.ks:.3f}",
            f"{row.ks_threshold:.3f}",
            f"{row.severity:.2f}",
        )
    console.print(table)
    if len(rows) > _SHOWN:
        console.print(f"and {len(rows) - _SHOWN} columns that are less unlike; --json has them")
    if found.has_drift:
        console.print(f"Drift: {', '.join(found.drifted)}")
    else:
        console.print("No drift: no column is beyond what windows of the reference reach.")
