"""Commands about who serves: list the versions, let another one serve, go back."""

from datetime import timedelta
from typing import Annotated

import typer

from asset_predict_dagster.cli_champions_text import document, print_versions, said_of
from asset_predict_dagster.cli_json import print_json
from asset_predict_dagster.cli_options import AsJson, ModelName, one_model
from asset_predict_dagster.cli_runs import kept_id, waiting, where_to_see
from asset_predict_dagster.cli_tables import plain_console
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.predictions.versions_asked import opened_registry
from asset_predict_dagster.registry.decisions import LoggedDecision
from asset_predict_dagster.settings import Settings, load_settings
from asset_predict_dagster.tables import EVALUATION

app = typer.Typer()


def _model_called(name: str | None) -> str | None:
    return None if name is None else one_model(name)


Why = Annotated[str, typer.Option("--why", help="A sentence for the log of decisions.")]


@app.command()
def promote(
    model: ModelName,
    version: Annotated[
        int, typer.Option("--version", min=1, help="Number of the version that shall serve.")
    ],
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Let a version serve from now on, proven or not.

    Example: asset-predict promote --model rf --version 3 --why "4 misses thin days"

    Predictions that were made stay as they are. The next training is judged against this version.
    """
    _move(model, str(version), why, as_json)


@app.command()
def rollback(model: ModelName, why: Why = "", as_json: AsJson = False) -> None:
    """Go back to the champion before; twice is one further back.

    Example: asset-predict rollback --model lstm

    What serves now is not promoted again by itself; a version trained later may be.
    """
    _move(model, None, why, as_json)


@app.command()
def models(
    model: Annotated[
        str | None,
        typer.Option(
            "--model", callback=_model_called, show_default="all", help="rf, lstm, or a full name."
        ),
    ] = None,
    last: Annotated[
        int, typer.Option("--last", min=1, help="How many to list of each, the latest first.")
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """List the versions of the models, what they score out of sample, and who serves.

    Example: asset-predict models --model lstm --last 5

    Scores are of the next session, on the version's own test; a scoped version's on its own task.
    What serves was fitted again afterwards, on all sessions up to the day it learned to.
    """
    settings = load_settings()
    with waiting("opening the registry"):
        registry = opened_registry(settings.registry_database)
    evaluation = Lake(settings.lake_root).read_if_made(EVALUATION)
    wanted = [model] if model else [name for name in MODEL_NAMES if registry.versions(name)]
    if as_json:
        documents = [document(registry, name, evaluation, last) for name in wanted]
        print_json({"models": documents})
        return
    console = plain_console()
    for name in wanted:
        print_versions(console, registry, name, evaluation, last)


def _move(model: str, version: str | None, why: str, as_json: bool) -> None:
    settings = load_settings()
    opened_registry(settings.registry_database)
    with waiting():
        from asset_predict_dagster.runs import run_move

    moved = run_move(settings, {"model": model, "version": version, "why": why})
    decision = moved.decision
    age_days, warning = _age(decision, settings)
    if as_json:
        told = {**said_of(decision), "age_days": age_days, "warning": warning or None}
        print_json({**told, "run_id": kept_id(moved)})
        return
    before = decision.incumbent_version
    after = f", after version {before}" if before else ""
    console = plain_console()
    console.print(
        f"{model} version {decision.model_version} serves now{after}. It is {decision.status}:"
        f" {decision.reason}. It was trained {_days(age_days)} ago."
    )
    if warning:
        console.print(f"Warning: {warning}")
    console.print(where_to_see(moved))


def _age(decision: LoggedDecision, settings: Settings) -> tuple[int, str]:
    """Days since the version that serves now was trained, and what is to be feared of them."""
    # A move always leaves somebody who serves, who was trained once.
    age = decision.decided_at - (decision.trained_at or decision.decided_at)
    last = settings.model_expires_after_days
    if age <= timedelta(days=last):
        return age.days, ""
    return age.days, (
        f"version {decision.model_version} of {decision.model} says nothing: it was trained"
        f" {_days(age.days)} ago, and from ASSET_PREDICT_MODEL_EXPIRES_AFTER_DAYS ({last}) on every"
        " row is refused as model_expired; run the job retrain, or let a younger version serve"
    )


def _days(n: int) -> str:
    return "1 day" if n == 1 else f"{n} days"
