"""Commands about who serves: list the versions, let another one serve, go back."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

import pandas as pd
import typer
from rich.console import Console

from asset_predict_dagster.cli_tables import plain_console, text_table
from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.registry.decisions import LoggedDecision
from asset_predict_dagster.registry.store import ModelVersion, Registry
from asset_predict_dagster.settings import Settings, load_settings
from asset_predict_dagster.tables import EVALUATION

app = typer.Typer()

_NAMES = {"rf": "random_forest", **{name: name for name in MODEL_NAMES}}


def _model_called(name: str | None) -> str | None:
    if name is not None and name not in _NAMES:
        raise typer.BadParameter(f"there is no model {name!r}; there are {', '.join(_NAMES)}.")
    return None if name is None else _NAMES[name]


ModelName = Annotated[
    str, typer.Option("--model", callback=_model_called, help="rf, lstm, or a name in full.")
]
Why = Annotated[str, typer.Option("--why", help="A sentence for the log of decisions.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]


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

    Scores are of the next session, on the version's own test; a scoped version's on its own task.
    """
    settings = load_settings()
    registry = _registry(settings)
    evaluation = Lake(settings.lake_root).read_if_made(EVALUATION)
    wanted = [model] if model else [name for name in MODEL_NAMES if registry.versions(name)]
    if as_json:
        documents = [_document(registry, name, evaluation, last) for name in wanted]
        _print_json({"models": documents})
        return
    console = plain_console()
    for name in wanted:
        _print_versions(console, registry, name, evaluation, last)


def _move(model: str, version: str | None, why: str, as_json: bool) -> None:
    settings = load_settings()
    _registry(settings)
    # Dagster takes seconds to import, and few commands run a job.
    from asset_predict_dagster.runs import run_move

    moved = run_move(settings, {"model": model, "version": version, "why": why})
    decision = moved.decision
    age_days, warning = _age(decision, settings)
    if as_json:
        told = {**_said(decision), "age_days": age_days, "warning": warning or None}
        _print_json({**told, "run_id": moved.run_id if moved.is_kept else None})
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
    console.print(
        f"Dagster's UI shows it as run {moved.run_id}"
        if moved.is_kept
        else "DAGSTER_HOME is not set, so Dagster's UI does not know of this run"
    )


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


def _registry(settings: Settings) -> Registry:
    database = settings.registry_database
    if not database.exists():  # opening it would make one
        raise RegistryError(
            f"there is no registry {database}, so no model has been trained; run the job"
            " complete_pipeline, or point ASSET_PREDICT_DATA at the folder of one that has"
        )
    return Registry(database)


def _print_versions(
    console: Console, registry: Registry, model: str, evaluation: pd.DataFrame | None, last: int
) -> None:
    versions = registry.versions(model)
    roles = _roles(registry, model)
    table = text_table(
        f"Versions of {model}",
        left=("version", "role", "trained", "learned to"),
        right=("rank IC [95 %]", "log-loss"),
    )
    for version in versions[:last]:
        figures = _figures(evaluation, version)
        table.add_row(
            version.version,
            "scoped" if version.scope else _role(roles.get(version.version, [])),
            f"{version.trained_at:%Y-%m-%d}",
            version.training_end,
            _with_interval(figures.get("rank_ic")),
            f"{figures['log_loss']['value']:.4f}" if "log_loss" in figures else "",
        )
    console.print(table)
    if len(versions) > last:
        console.print(f"{len(versions) - last:,} earlier: --last {len(versions)} lists them too")
    log = registry.decisions(model)
    if log:
        decision = log[-1]
        serves = f"version {decision.model_version} serves" if decision.model_version else ""
        console.print(
            f"{model}: {serves or 'nobody serves'}, {decision.status}. Last decision, by"
            f" {'the rule' if decision.by == 'rule' else 'a person'} on"
            f" {decision.decided_at:%Y-%m-%d}: {decision.decision}, {decision.reason}"
        )
    console.print()


def _roles(registry: Registry, model: str) -> dict[str, list[str]]:
    """Version → its aliases."""
    champion = registry.champion(model)
    challenger = next(iter(registry.challengers((model,))), None)
    roles: dict[str, list[str]] = {}
    for alias, version in (("champion", champion), ("challenger", challenger)):
        if version is not None:
            roles.setdefault(version.version, []).append(alias)
    return roles


def _role(aliases: list[str]) -> str:
    return aliases[0] if aliases else ""


def _figures(evaluation: pd.DataFrame | None, version: ModelVersion) -> dict[str, dict[str, Any]]:
    """Metric → its value and interval, each at the first horizon it is measured at."""
    if evaluation is None:
        return {}
    rows = evaluation[
        (evaluation["model"] == version.model)
        & (evaluation["model_version"] == version.version)
        & (evaluation["window"] == version.window)
    ].dropna(subset="value")
    first = rows.sort_values("horizon").drop_duplicates("metric")
    return {
        row.metric: {
            "value": row.value,
            "low": _or_none(row.low),
            "high": _or_none(row.high),
            "horizon": int(row.horizon),
        }
        for row in first.itertuples()
    }


def _with_interval(figure: dict[str, Any] | None) -> str:
    if figure is None:
        return ""
    if figure["low"] is None or figure["high"] is None:
        return f"{figure['value']:.4f}"
    return f"{figure['value']:.4f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def _document(
    registry: Registry, model: str, evaluation: pd.DataFrame | None, last: int
) -> dict[str, Any]:
    versions, roles = registry.versions(model), _roles(registry, model)
    log = registry.decisions(model)
    return {
        "model": model,
        "champion": next((v for v, names in roles.items() if "champion" in names), None),
        "last_decision": _said(log[-1]) if log else None,
        "n_versions": len(versions),
        "versions": [
            {
                "version": version.version,
                "aliases": roles.get(version.version, []),
                "trained_at": version.trained_at.isoformat(),
                "training_end": version.training_end,
                "bundle": version.bundle,
                "evaluation_bundle": version.evaluation_bundle,
                "window": version.window,
                "scope": version.scope,
                "metrics": _figures(evaluation, version),
            }
            for version in versions[:last]
        ],
    }


def _said(decision: LoggedDecision) -> dict[str, Any]:
    """A decision for JSON; its own run's id is the run's to tell."""
    said = asdict(decision) | {"training_end": decision.training_end or None}
    del said["run_id"]
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in said.items()
    }


def _or_none(value: float) -> float | None:
    return None if pd.isna(value) else value


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
