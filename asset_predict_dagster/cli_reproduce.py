"""The command `reproduce`: does a version come out the same again."""

from dataclasses import asdict

import typer

from asset_predict_dagster.cli_json import print_json
from asset_predict_dagster.cli_options import AsJson, ModelName, VersionNumber
from asset_predict_dagster.cli_runs import kept_id, waiting, where_to_see
from asset_predict_dagster.cli_tables import plain_console
from asset_predict_dagster.predictions.versions_asked import opened_registry
from asset_predict_dagster.settings import load_settings

app = typer.Typer()


@app.command()
def reproduce(model: ModelName, version: VersionNumber = None, as_json: AsJson = False) -> None:
    """Train a version again from its card, and compare.

    Example: asset-predict reproduce --model rf --version 3

    The card names the versions of the tables, the settings and the seed. Nothing is registered.
    Exit code 1 if what comes out forecasts something else.
    """
    settings = load_settings()
    opened_registry(settings.registry_database)
    with waiting():
        from asset_predict_dagster.runs import run_reproduction
    asked = None if version is None else str(version)
    ran = run_reproduction(settings, {"model": model, "version": asked})
    known, found = ran.told
    if as_json:
        print_json(
            {
                "model": known.model,
                "version": known.version,
                "is_identical": found.is_identical,
                "is_equal": found.is_equal,
                **asdict(found),
                "run_id": kept_id(ran),
            }
        )
    else:
        console = plain_console()
        console.print(f"{known.model} version {known.version}: {found.words}")
        for name, digests in (("registered", found.registered), ("again", found.again)):
            judged, serving = (digest[:12] for digest in digests)
            console.print(f"{name:<12}judged {judged}   serving {serving}")
        console.print(where_to_see(ran))
    if not (found.is_identical or found.is_equal):
        raise typer.Exit(1)
