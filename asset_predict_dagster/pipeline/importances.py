"""Importances: what registered versions draw on, as their trainings measured it, for reports."""

from collections.abc import Sequence

import pandas as pd

from asset_predict_dagster.errors import BundleError
from asset_predict_dagster.evaluation.report_input import Importance
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.pipeline.resources import Models
from asset_predict_dagster.registry.store import ModelVersion


def importances_of(models: Models, versions: Sequence[ModelVersion]) -> dict[str, Importance]:
    """Model → what its training measured, and on which sessions.

    A version from before it was measured has an empty one that says so.
    """
    return {version.model: _of(models, version) for version in versions}


def serving_importances(models: Models) -> dict[str, Importance]:
    """Model → the importance of the version that serves.

    For reports of models that were trained for a test window and not kept.
    """
    # Asking a registry that is not there would make one.
    is_there = models.registry.database.exists()
    found = {}
    for model in MODEL_NAMES:
        champion = models.registry.champion(model) if is_there else None
        if champion is None:
            reason = (
                "it is measured for the version that serves, not for each test window, and no"
                f" version of {model} serves yet"
            )
            found[model] = Importance(pd.DataFrame(), reason)
            continue
        known = _of(models, champion)
        if len(known.table):
            whose = f"{known.words}; it serves, and is none of the models that are judged here"
            known = Importance(known.table, whose)
        found[model] = known
    return found


def _of(models: Models, version: ModelVersion) -> Importance:
    name = f"version {version.version} of {version.model}"
    file = models.registry.artifacts(version) / "tables/importance.csv"
    if not file.exists():
        return Importance(pd.DataFrame(), f"the training of {name} left no importance")
    try:
        said = models.load(version.evaluation_bundle).card["validation"]
        when = f"from {said['first_session']} to {said['last_session']}"
    except BundleError:
        when = "that its bundle, which cannot be read, would name"
    return Importance(pd.read_csv(file), f"{name}, on sessions of its validation {when}")
