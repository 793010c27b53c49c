"""Versions: what the registry knows of one registered version of one model."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asset_predict_dagster.dataset.splits import HOLDOUT
from asset_predict_dagster.errors import RegistryError

JUDGED, RUN = "judged", "run_id"
"""Tags of a version: whether figures of its last training are recorded, and that training's run."""


@dataclass(frozen=True)
class ModelVersion:
    """One registered version of one model.

    `window` is the split it was fitted and measured in. `scope` says what its experiment has else
    than the default, in words, and is empty for the default. `run_id` is the MLflow run of its last
    training, `dagster_run_id` the Dagster run. `is_judged`: figures are recorded since then.
    """

    model: str
    version: str
    bundle: str
    evaluation_bundle: str
    trained_at: datetime
    training_end: str
    run_id: str
    window: str = HOLDOUT
    scope: str = ""
    is_judged: bool = False
    dagster_run_id: str = ""


def version_of(entry: Any) -> ModelVersion:
    """What MLflow's entry of a version says."""
    return ModelVersion(
        model=entry.name,
        version=str(entry.version),
        bundle=entry.tags["bundle"],
        evaluation_bundle=entry.tags["evaluation_bundle"],
        trained_at=datetime.fromisoformat(entry.tags["trained_at"]),
        training_end=entry.tags["training_end"],
        # MLflow's own link stays with the training that made the version.
        run_id=entry.tags.get(RUN, entry.run_id),
        window=entry.tags.get("window", HOLDOUT),
        scope=entry.tags.get("scoped", ""),
        is_judged=bool(entry.tags.get(JUDGED)),
        dagster_run_id=entry.tags.get("dagster_run_id", ""),
    )


def refuse_scoped(version: ModelVersion) -> None:
    """Raise `RegistryError` about a version that learned another task than a champion's."""
    if version.scope:
        raise RegistryError(
            f"version {version.version} of {version.model} is scoped ({version.scope}) and never"
            " serves; ask for it by its number, or train with the default definition"
        )
