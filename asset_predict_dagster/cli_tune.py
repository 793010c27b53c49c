"""The command `tune`: settings of one model tried on purged folds; the best become a preset."""

from dataclasses import asdict
from typing import Annotated

import typer

from asset_predict_dagster.cli_json import print_json
from asset_predict_dagster.cli_options import NOT_KEPT, AsJson, ModelName
from asset_predict_dagster.cli_starting import starting_dagster
from asset_predict_dagster.cli_tables import plain_console, text_table
from asset_predict_dagster.settings import load_settings

app = typer.Typer()


@app.command()
def tune(
    model: ModelName,
    trials: Annotated[
        int, typer.Option(min=1, help="Trials that the study shall have in the end.")
    ] = 50,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=1, show_default="none", help="Seconds after which no further trial begins."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Search the settings of one model; the best become a preset.

    Example: asset-predict tune --model lstm --trials 100

    Then: asset-predict train --model lstm --preset lstm

    The default is tried first. A study that has trials already goes on from there. Nothing of the
    test is looked at.
    """
    settings = load_settings()
    with starting_dagster():
        from asset_predict_dagster.training_runs import run_tuning
    tuned = run_tuning(settings, model, trials, timeout)
    if as_json:
        print_json({**asdict(tuned), "run_id": tuned.run_id if tuned.is_kept else None})
        return
    console = plain_console()
    console.print(
        f"{model}: {tuned.n_trials:,} trials in this study, {tuned.n_trials_ever:,} ever."
        f" {tuned.verdict}"
    )
    table = text_table(f"Preset {tuned.preset}", left=("setting",), right=("value",))
    for name, value in tuned.settings.items():
        table.add_row(name, f"{value:g}" if isinstance(value, float) else str(value))
    console.print(table)
    console.print(f"asset-predict train --model {model} --preset {tuned.preset}    trains with it")
    console.print(f"Dagster's UI shows it as run {tuned.run_id}" if tuned.is_kept else NOT_KEPT)
