"""Models: each fitted on the fold and refitted on everything labelled.

An asset for each model of `models/kinds.py` that has something to say of itself. The run config of
an asset holds its settings (`model_config.py`); without any it trains what the tables `labels` and
`folds` define.
"""

from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.features import TABLE
from asset_predict_dagster.dataset.path_returns import path_returns
from asset_predict_dagster.models.kinds import KINDS, MODEL_NAMES, learner_of
from asset_predict_dagster.models.lstm_learner import describe_epoch
from asset_predict_dagster.models.prepared import prepare
from asset_predict_dagster.models.presets import refuse_known_test
from asset_predict_dagster.models.settings import Asked, asked_settings
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.metadata import picture
from asset_predict_dagster.pipeline.model_config import config_fields
from asset_predict_dagster.pipeline.progress import is_watched, of_epoch, terminal_bar
from asset_predict_dagster.pipeline.reads import versions_read
from asset_predict_dagster.pipeline.resources import Clock, Models
from asset_predict_dagster.registry.training_run import Begun, epoch_logger
from asset_predict_dagster.tables import FOLDS, LABELS, QUOTES, UNIVERSE

TRAINING_POOL = "training"
"""Dagster pool of the training steps: its limit in `dagster.yaml` is the training queue."""

TRAINS = {"asset_predict/trains": "yes"}
"""Tag of the runs of every job that trains: `dagster.yaml` lets one of them run at a time."""

OWNERS = ["team:research"]

MOST_IMPORTANT = 15
"""Features that the UI lists, with what forecasts lose without each; a bundle has them all."""


def model_asset(model: str) -> dg.AssetsDefinition:
    """The asset `<model>_model`, which trains and registers a model of `models/kinds.py`."""
    kind = KINDS[model]

    @dg.asset(
        name=f"{model}_model",
        description=kind.summary,
        group_name="models",
        kinds=set(kind.made_with),
        owners=OWNERS,
        pool=TRAINING_POOL,
        config_schema=config_fields(model),
    )
    @says_why
    def trained(
        context: dg.AssetExecutionContext,
        models: Models,
        clock: Clock,
        quotes: pd.DataFrame,
        universe: pd.DataFrame,
        features: pd.DataFrame,
        labels: pd.DataFrame,
        folds: pd.DataFrame,
    ) -> dg.MaterializeResult:
        tables = (quotes, universe, features, labels, folds)
        return dg.MaterializeResult(metadata=_train(context, model, models, clock, tables))

    return trained


MODEL_ASSETS = [model_asset(model) for model in MODEL_NAMES]


def _train(
    context: dg.AssetExecutionContext,
    model: str,
    models: Models,
    clock: Clock,
    tables: tuple[pd.DataFrame, ...],
) -> dict[str, Any]:
    """Train what the run config asks for; the metadata of the registered version."""
    from asset_predict_dagster.models.training import train

    asked = _asked(context, model, models)
    experiment, read = asked.experiment, versions_read(context)
    lake_versions = {t.name: read[t.name] for t in (QUOTES, UNIVERSE, TABLE, LABELS, FOLDS)}
    prepared = prepare(experiment, *tables)
    if asked.preset is not None:
        refuse_known_test(
            asked.preset, prepared.samples.sessions, prepared.folds, experiment.window
        )
    begun = Begun(
        model,
        asked.knobs.model_dump(),
        experiment.as_card(),
        asked.n_trials,
        lake_versions,
        context.run.run_id,
    )
    with (
        models.registry.training(begun, clock.now) as run,
        terminal_bar(f"{model} training", is_watched(context.run)) as show,
    ):
        context.log.info(f"{model} is MLflow run {run.run_id}")
        to_mlflow = epoch_logger(run)

        def report(epoch: dict[str, Any]) -> None:
            context.log.info(describe_epoch(epoch))
            to_mlflow(epoch)
            show(of_epoch(model, epoch))

        learner = learner_of(
            model,
            asked.knobs,
            span=experiment.definition.span,
            embargo=experiment.embargo,
            report=report,
            checkpoint=models.checkpoint(model),
        )
        trained = train(
            learner,
            prepared.samples,
            prepared.labels,
            path_returns(prepared.quotes),
            prepared.folds,
            models.bundles_folder,
            lake_versions,
            experiment=experiment,
            window=experiment.window,
            n_trials=asked.n_trials,
        )
        version = models.registry.register(
            trained, clock.now(), context.run.run_id, bundles=models.bundles_folder, run=run
        )
    if "checkpoint" in KINDS[model].takes:
        learner.forget()  # only now is nothing left that a killed run would have to do again
    context.log.info(f"{model} version {version.version}: bundle {version.bundle[:12]}")
    most = trained.importance.nlargest(MOST_IMPORTANT, "log_loss_increase")
    metadata = {
        "importance": dg.MetadataValue.md(most.to_markdown(index=False, floatfmt=".5f")),
        "model_version": version.version,
        "bundle": version.bundle,
        "evaluation_bundle": version.evaluation_bundle,
        "training_end": version.training_end,
        "n_training_rows": trained.n_training_rows,
        "mlflow_run_id": version.run_id,
        "settings": dg.MetadataValue.json(trained.settings),
    }
    if version.scope:
        context.log.info(f"version {version.version} is scoped and never serves: {version.scope}")
        metadata["scoped"] = version.scope
    if "epoch" in trained.curves:
        from asset_predict_dagster.evaluation.plots import curves_picture

        metadata["loss"] = picture(curves_picture(trained.curves), "loss by epoch")
    return metadata


def _asked(context: dg.AssetExecutionContext, model: str, models: Models) -> Asked:
    """What the run config asks for."""
    asked = asked_settings(
        model,
        context.op_execution_context.op_config,
        presets=Path(models.presets),
        seed=models.seed,
    )
    for name in asked.ignored:
        context.log.warning(f"{model}: {name} is accepted and does nothing")
    return asked
