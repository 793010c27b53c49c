"""The command `tune`: settings of one model tried on purged folds; the best become a preset."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from asset_predict_dagster.cli_json import print_json
from asset_predict_dagster.cli_options import AsJson, ModelName
from asset_predict_dagster.cli_runs import kept_id, waiting, where_to_see
from asset_predict_dagster.cli_tables import plain_console, text_table
from asset_predict_dagster.settings import load_settings

if TYPE_CHECKING:
    from asset_predict_dagster.training_runs import Tuned

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
    with waiting():
        from asset_predict_dagster.training_runs import run_tuning
    tuned = run_tuning(settings, model, trials, timeout)
    if as_json:
        print_json({**asdict(tuned), "run_id": kept_id(tuned)})
        return
    print_tuned(plain_console(), tuned)


def print_tuned(console: Console, tuned: "Tuned") -> None:
    console.print(
        f"{tuned.model}: {tuned.n_trials:,} trial{'s' * (tuned.n_trials != 1)} in this study,"
        f" {tuned.n_trials_ever:,} ever. {tuned.verdict}"
    )
    if tuned.settings:
        table = text_table(f"Preset {tuned.preset}", left=("setting",), right=("value",))
        for name, value in tuned.settings.items():
            table.add_row(name, f"{value:g}" if isinstance(value, float) else str(value))
        console.print(table)
    else:
        console.print(f"Preset {tuned.preset} is the default settings")
    console.print(f"Next: asset-predict train --model {tuned.model} --preset {tuned.preset}")
    console.print(where_to_see(tuned))
