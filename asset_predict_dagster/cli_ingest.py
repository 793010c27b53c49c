"""The command `ingest`: new market files become quotes, and the features that go with them."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from asset_predict_dagster.cli_json import print_json
from asset_predict_dagster.cli_options import AsJson
from asset_predict_dagster.cli_runs import kept_id, waiting, where_to_see
from asset_predict_dagster.cli_source import (
    AskedSource,
    Download,
    End,
    Folder,
    SourceName,
    Start,
)
from asset_predict_dagster.cli_tables import plain_console

if TYPE_CHECKING:
    from asset_predict_dagster.training_runs import Ingested

app = typer.Typer()


@app.command()
def ingest(
    source: SourceName = None,
    folder: Folder = None,
    start: Start = None,
    end: End = None,
    download: Download = None,
    as_json: AsJson = False,
) -> None:
    """Read new market files into quotes, and make the features anew.

    Example: asset-predict ingest --source cotahist --folder b3 --download

    A file is read once; one that was corrected is read again. It trains and predicts nothing: it is
    the first part of the job daily_prediction.
    """
    settings = AskedSource(source, folder, start, end, download).settings()
    with waiting():
        from asset_predict_dagster.training_runs import run_ingestion
    found = run_ingestion(settings)
    if as_json:
        print_json({**asdict(found), "run_id": kept_id(found)})
        return
    console = plain_console()
    print_ingested(console, found)
    console.print(where_to_see(found))


def print_ingested(console: Console, found: "Ingested") -> None:
    files = f"{found.n_new_files} new file{'s' * (found.n_new_files != 1)}"
    console.print(f"prices: {found.origin}")
    console.print(f"{files}: {found.n_records:,} records written, {found.n_rejected:,} rejected")
    console.print(
        f"quotes: {found.n_quotes:,} of {found.n_tickers:,} tickers, {found.first_session} to"
        f" {found.last_session}"
    )
