"""What `models` prints of the versions and of who serves, and says of them to programs."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import pandas as pd
from rich.console import Console

from asset_predict_dagster.cli_tables import text_table
from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.registry.decisions import LoggedDecision
from asset_predict_dagster.registry.store import ModelVersion, Registry
from asset_predict_dagster.tables import EVALUATION


def print_versions(
    console: Console, registry: Registry, model: str, evaluation: pd.DataFrame | None, last: int
) -> None:
    versions = registry.versions(model)
    roles = _roles(registry, model)
    table = text_table(
        f"Versions of {model}",
        left=("version", "role", "trained", "learned to"),
        right=("rank IC [95 %]", "log-loss"),
        gap=0,
    )
    by_test: dict[str, list[str]] = {}
    for version in versions[:last]:
        figures = _figures(evaluation, version)
        table.add_row(
            version.version,
            "scoped" if version.scope else _role(roles.get(version.version, [])),
            f"{version.trained_at:%Y-%m-%d}",
            version.training_end,
            _with_interval(figures.get("rank_ic")),
            _log_loss(figures.get("log_loss")),
        )
        if test := _test(evaluation, version):
            by_test.setdefault(" to ".join(test.values()), []).append(version.version)
    console.print(table)
    for sessions, tested in by_test.items():
        console.print(
            f"Scored on {sessions}, before learning from them:"
            f" version{'s' * (len(tested) > 1)} {', '.join(tested)}"
        )
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
    rows = _rows(evaluation, version)
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


def _test(evaluation: pd.DataFrame | None, version: ModelVersion) -> dict[str, str] | None:
    """First and last session that its figures were measured on; None: it has none."""
    rows = _rows(evaluation, version)
    if rows.empty:
        return None
    first, last = rows["first_session"].min(), rows["last_session"].max()
    return {"first_session": f"{first:%Y-%m-%d}", "last_session": f"{last:%Y-%m-%d}"}


def _rows(evaluation: pd.DataFrame | None, version: ModelVersion) -> pd.DataFrame:
    """Its figures in its own window, those that have a value."""
    if evaluation is None:
        return pd.DataFrame(columns=EVALUATION.column_names)
    return evaluation[
        (evaluation["model"] == version.model)
        & (evaluation["model_version"] == version.version)
        & (evaluation["window"] == version.window)
    ].dropna(subset="value")


def _log_loss(figure: dict[str, Any] | None) -> str:
    """Of an action more than a session ahead it is another task's, and says so below."""
    if figure is None:
        return ""
    ahead = "" if figure["horizon"] == ACTION_HORIZON else f"\n{figure['horizon']} sessions"
    return f"{figure['value']:.4f}{ahead}"


def _with_interval(figure: dict[str, Any] | None) -> str:
    if figure is None:
        return ""
    if figure["low"] is None or figure["high"] is None:
        return f"{figure['value']:.4f}"
    return f"{figure['value']:.4f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def document(
    registry: Registry, model: str, evaluation: pd.DataFrame | None, last: int
) -> dict[str, Any]:
    versions, roles = registry.versions(model), _roles(registry, model)
    log = registry.decisions(model)
    return {
        "model": model,
        "champion": next((v for v, names in roles.items() if "champion" in names), None),
        "last_decision": said_of(log[-1]) if log else None,
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
                "test": _test(evaluation, version),
                "metrics": _figures(evaluation, version),
            }
            for version in versions[:last]
        ],
    }


def said_of(decision: LoggedDecision) -> dict[str, Any]:
    """A decision for JSON; its own run's id is the run's to tell."""
    said = asdict(decision) | {"training_end": decision.training_end or None}
    del said["run_id"]
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in said.items()
    }


def _or_none(value: float) -> float | None:
    return None if pd.isna(value) else value
