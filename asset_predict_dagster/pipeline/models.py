"""Models: a random forest and an LSTM, fitted on the fold and refitted on everything labelled."""

from typing import Any

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.features import FEATURE_NAMES, TABLE
from asset_predict_dagster.dataset.samples import build_samples
from asset_predict_dagster.models.base import Learner
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.metadata import picture
from asset_predict_dagster.pipeline.reads import versions_read
from asset_predict_dagster.pipeline.resources import Clock, Models
from asset_predict_dagster.tables import FOLDS, LABELS, UNIVERSE

TRAINING_POOL = "training"
"""Dagster pool of the training steps: its limit in `dagster.yaml` is the training queue."""

OWNERS = ["team:research"]


@dg.asset(group_name="models", kinds={"scikitlearn", "onnx"}, owners=OWNERS, pool=TRAINING_POOL)
@says_why
def random_forest_model(
    context: dg.AssetExecutionContext,
    models: Models,
    clock: Clock,
    features: pd.DataFrame,
    universe: pd.DataFrame,
    labels: pd.DataFrame,
    folds: pd.DataFrame,
) -> dg.MaterializeResult:
    """Twin forests, of the action and of the returns: one registered version, two bundles."""
    from asset_predict_dagster.evaluation.plots import importance_picture
    from asset_predict_dagster.models.random_forest import ForestSettings, RandomForestLearner

    learner = RandomForestLearner(FEATURE_NAMES, ForestSettings(seed=models.seed))
    metadata, trained = _train(context, learner, models, clock, features, universe, labels, folds)
    metadata["importance"] = picture(importance_picture(trained.importance), "importance")
    return dg.MaterializeResult(metadata=metadata)


@dg.asset(group_name="models", kinds={"pytorch", "onnx"}, owners=OWNERS, pool=TRAINING_POOL)
@says_why
def lstm_model(
    context: dg.AssetExecutionContext,
    models: Models,
    clock: Clock,
    features: pd.DataFrame,
    universe: pd.DataFrame,
    labels: pd.DataFrame,
    folds: pd.DataFrame,
) -> dg.MaterializeResult:
    """An LSTM with two heads, action and returns: one registered version, two bundles."""
    from asset_predict_dagster.evaluation.plots import curves_picture
    from asset_predict_dagster.models.lstm_learner import (
        LstmLearner,
        LstmSettings,
        describe_epoch,
    )

    def report(epoch: dict[str, Any]) -> None:
        context.log.info(describe_epoch(epoch))

    learner = LstmLearner(FEATURE_NAMES, LstmSettings(seed=models.seed), report)
    metadata, trained = _train(context, learner, models, clock, features, universe, labels, folds)
    metadata["loss"] = picture(curves_picture(trained.curves), "loss by epoch")
    return dg.MaterializeResult(metadata=metadata)


def _train(
    context: dg.AssetExecutionContext,
    learner: Learner,
    models: Models,
    clock: Clock,
    features: pd.DataFrame,
    universe: pd.DataFrame,
    labels: pd.DataFrame,
    folds: pd.DataFrame,
):
    from asset_predict_dagster.models.training import train

    read = versions_read(context)
    versions = {table.name: read[table.name] for table in (TABLE, UNIVERSE, LABELS, FOLDS)}
    trained = train(
        learner,
        build_samples(features, universe, labels),
        labels,
        folds,
        models.bundles_folder,
        versions,
    )
    version = models.registry.register(trained, clock.now(), context.run.run_id)
    context.log.info(f"{learner.name} version {version.version}: bundle {version.bundle[:12]}")
    metadata = {
        "model_version": version.version,
        "bundle": version.bundle,
        "evaluation_bundle": version.evaluation_bundle,
        "training_end": version.training_end,
        "n_training_rows": trained.n_training_rows,
        "mlflow_run_id": version.run_id,
    }
    return metadata, trained
