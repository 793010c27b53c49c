"""Models: a random forest and an LSTM, fitted on the fold and refitted on everything labelled.

The run config of an asset holds its settings (`model_config.py`); without any it trains what the
tables `labels` and `folds` define.
"""

from typing import Any

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.features import TABLE
from asset_predict_dagster.dataset.path_returns import path_returns
from asset_predict_dagster.models.base import Learner
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.kinds import learner_of
from asset_predict_dagster.models.prepared import prepare
from asset_predict_dagster.models.settings import parse_settings
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.metadata import picture
from asset_predict_dagster.pipeline.model_config import config_fields
from asset_predict_dagster.pipeline.reads import versions_read
from asset_predict_dagster.pipeline.resources import Clock, Models
from asset_predict_dagster.tables import FOLDS, LABELS, QUOTES, UNIVERSE

TRAINING_POOL = "training"
"""Dagster pool of the training steps: its limit in `dagster.yaml` is the training queue."""

OWNERS = ["team:research"]

MOST_IMPORTANT = 15
"""Features that the UI lists, with what forecasts lose without each; a bundle has them all."""


@dg.asset(
    group_name="models",
    kinds={"scikitlearn", "onnx"},
    owners=OWNERS,
    pool=TRAINING_POOL,
    config_schema=config_fields("random_forest"),
)
@says_why
def random_forest_model(
    context: dg.AssetExecutionContext,
    models: Models,
    clock: Clock,
    quotes: pd.DataFrame,
    universe: pd.DataFrame,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    folds: pd.DataFrame,
) -> dg.MaterializeResult:
    """Twin forests, of the action and of the returns: one registered version, two bundles."""
    experiment, knobs, n_trials = _asked(context, models, "random_forest")
    # A search within the fit purges its folds by the labels' span.
    purge = {"span": experiment.definition.span, "embargo": experiment.embargo}
    learner = learner_of("random_forest", knobs, **purge)
    tables = (quotes, universe, features, labels, folds)
    metadata, _ = _train(context, learner, experiment, n_trials, models, clock, tables)
    return dg.MaterializeResult(metadata=metadata)


@dg.asset(
    group_name="models",
    kinds={"pytorch", "onnx"},
    owners=OWNERS,
    pool=TRAINING_POOL,
    config_schema=config_fields("lstm"),
)
@says_why
def lstm_model(
    context: dg.AssetExecutionContext,
    models: Models,
    clock: Clock,
    quotes: pd.DataFrame,
    universe: pd.DataFrame,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    folds: pd.DataFrame,
) -> dg.MaterializeResult:
    """An LSTM with two heads, action and returns: one registered version, two bundles."""
    from asset_predict_dagster.evaluation.plots import curves_picture
    from asset_predict_dagster.models.lstm_learner import describe_epoch

    def report(epoch: dict[str, Any]) -> None:
        context.log.info(describe_epoch(epoch))

    experiment, knobs, n_trials = _asked(context, models, "lstm")
    learner = learner_of("lstm", knobs, report=report, checkpoint=models.checkpoint("lstm"))
    tables = (quotes, universe, features, labels, folds)
    metadata, trained = _train(context, learner, experiment, n_trials, models, clock, tables)
    metadata["loss"] = picture(curves_picture(trained.curves), "loss by epoch")
    return dg.MaterializeResult(metadata=metadata)


def _asked(
    context: dg.AssetExecutionContext, models: Models, model: str
) -> tuple[Experiment, Any, int]:
    """What the run config asks for: the experiment, the model's knobs, and how many were tried."""
    asked = models.asked(model, context.op_execution_context.op_config)
    experiment, knobs, ignored = parse_settings(model, asked.settings)
    for name in ignored:
        context.log.warning(f"{model}: {name} is accepted and does nothing")
    return experiment, knobs, asked.n_trials


def _train(
    context: dg.AssetExecutionContext,
    learner: Learner,
    experiment: Experiment,
    n_trials: int,
    models: Models,
    clock: Clock,
    tables: tuple[pd.DataFrame, ...],
):
    from asset_predict_dagster.models.training import train

    started_at = clock.now()
    read = versions_read(context)
    named = (QUOTES, UNIVERSE, TABLE, LABELS, FOLDS)
    prepared = prepare(experiment, *tables)
    trained = train(
        learner,
        prepared.samples,
        prepared.labels,
        path_returns(prepared.quotes),
        prepared.folds,
        models.bundles_folder,
        {table.name: read[table.name] for table in named},
        experiment=experiment,
        window=experiment.window,
        n_trials=n_trials,
    )
    version = models.registry.register(
        trained,
        clock.now(),
        context.run.run_id,
        bundles=models.bundles_folder,
        started_at=started_at,
    )
    context.log.info(f"{learner.name} version {version.version}: bundle {version.bundle[:12]}")
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
    return metadata, trained
