"""Training runs: ingestion, training and tuning as runs of their jobs, and what came of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from asset_predict_dagster.executions import executed
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.asked_training import AskedTraining
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.pipeline.jobs import (
    BEFORE_PREDICTIONS,
    complete_pipeline,
    daily_prediction,
    retrain,
)
from asset_predict_dagster.pipeline.tuning import tune, tuned_settings
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.settings import Settings
from asset_predict_dagster.tables import INGESTED_FILES, QUOTES, RAW_QUOTES

__all__ = ["Ingested", "Trained", "TrainedVersion", "Tuned"]


@dataclass(frozen=True)
class Ingested:
    """What an ingestion brought: files that are new, records written and rejected, and how far the
    quotes go."""

    origin: str
    n_new_files: int
    n_records: int
    n_rejected: int
    n_quotes: int
    n_tickers: int
    first_session: str
    last_session: str
    run_id: str
    is_kept: bool


@dataclass(frozen=True)
class TrainedVersion:
    """A version that a training made, or found to be the same as one there was.

    `decision`, `status` and `reason` are the last of the log about who serves, `serving` the
    version that does; all are empty of a scoped version, which never serves.
    """

    model: str
    version: str
    bundle: str
    training_end: str
    n_training_rows: int
    scope: str
    decision: str
    serving: str
    status: str
    reason: str


@dataclass(frozen=True)
class Trained:
    """What a run that trains came to."""

    versions: tuple[TrainedVersion, ...]
    run_id: str
    is_kept: bool


@dataclass(frozen=True)
class Tuned:
    """What a tuning found: the settings that did best, and whether that is beyond luck."""

    model: str
    preset: str
    settings: dict[str, Any]
    verdict: str
    value: float
    n_trials: int
    n_trials_ever: int
    run_id: str
    is_kept: bool


def run_ingestion(settings: Settings) -> Ingested:
    """New market files to features: the part of `daily_prediction` that trains and says nothing.

    Raises
    ------
    AssetPredictError
        With the sentence that the run failed with.
    SettingsError
        If DAGSTER_HOME names no folder.
    """
    result, is_kept = executed(
        settings, daily_prediction.name, {}, only=BEFORE_PREDICTIONS, title="ingest"
    )
    return _ingested(settings, result, is_kept)


def run_training(settings: Settings, asked: AskedTraining) -> Trained:
    """The job `retrain`, of the models asked for alone.

    Raises
    ------
    AssetPredictError, SettingsError
        As `run_ingestion`.
    """
    result, is_kept = executed(
        settings, retrain.name, _config(asked), but=_others(asked.models), title="train"
    )
    return _trained(settings, asked.models, result, is_kept)


def run_pipeline(settings: Settings, asked: AskedTraining) -> tuple[Ingested, Trained]:
    """The job `complete_pipeline`, of the models asked for alone.

    Raises
    ------
    AssetPredictError, SettingsError
        As `run_ingestion`.
    """
    result, is_kept = executed(
        settings,
        complete_pipeline.name,
        _config(asked),
        but=_others(asked.models),
        title="pipeline",
    )
    ingested = _ingested(settings, result, is_kept)
    return ingested, _trained(settings, asked.models, result, is_kept)


def run_tuning(settings: Settings, model: str, n_trials: int, timeout: float | None) -> Tuned:
    """The job `tune`: trials of one model until there are `n_trials`, or `timeout` seconds passed.

    Raises
    ------
    AssetPredictError, SettingsError
        As `run_ingestion`.
    """
    asked = {"model": model, "n_trials": n_trials, "timeout": timeout}
    result, is_kept = executed(settings, tune.name, {tuned_settings.name: asked})
    (said,) = [
        event.step_output_data.metadata
        for event in result.filter_events(lambda event: event.is_successful_output)
    ]
    return Tuned(
        model=model,
        **{
            name: said[name].value
            for name in ("preset", "settings", "verdict", "value", "n_trials", "n_trials_ever")
        },
        run_id=result.run_id,
        is_kept=is_kept,
    )


def _config(asked: AskedTraining) -> dict[str, dict[str, Any]]:
    return {f"{model}_model": said for model, said in asked.by_model.items() if said}


def _others(models: Sequence[str]) -> list[str]:
    return [f"{model}_model" for model in MODEL_NAMES if model not in models]


def _ingested(settings: Settings, result: dg.ExecuteInProcessResult, is_kept: bool) -> Ingested:
    said = _metadata(result, RAW_QUOTES.name)
    lake = Lake(settings.lake_root)
    keys = lake.read(QUOTES, columns=["ticker", "session"])
    return Ingested(
        origin=str(lake.read(INGESTED_FILES)["origin"].iloc[0]),
        n_new_files=int(said["new_files"]),
        n_records=int(said["records_written"]),
        n_rejected=int(said["records_rejected"]),
        n_quotes=len(keys),
        n_tickers=int(keys["ticker"].nunique()),
        first_session=f"{keys['session'].min():%Y-%m-%d}",
        last_session=f"{keys['session'].max():%Y-%m-%d}",
        run_id=result.run_id,
        is_kept=is_kept,
    )


def _trained(
    settings: Settings, models: Sequence[str], result: dg.ExecuteInProcessResult, is_kept: bool
) -> Trained:
    registry = Registry(settings.registry_database)
    versions = []
    for model in models:
        said = _metadata(result, f"{model}_model")
        scope, log = said.get("scoped", ""), registry.decisions(model)
        last = log[-1] if log and not scope else None
        versions.append(
            TrainedVersion(
                model=model,
                version=str(said["model_version"]),
                bundle=str(said["bundle"]),
                training_end=str(said["training_end"]),
                n_training_rows=int(said["n_training_rows"]),
                scope=scope,
                decision=last.decision if last else "",
                serving=last.model_version if last else "",
                status=last.status if last else "",
                reason=last.reason if last else "",
            )
        )
    return Trained(tuple(versions), result.run_id, is_kept)


def _metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """What the run said of an asset when it made it."""
    (made,) = [
        event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(asset)
    ]
    return {name: value.value for name, value in made.metadata.items()}
