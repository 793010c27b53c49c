"""The registry: versions of each model and which one is champion, in MLflow on SQLite.

A version points at two bundles by digest (tags `bundle` and `evaluation_bundle`); the folder of
bundles comes from settings, so a data folder can be moved. Aliases: `challenger` is the version
trained last, `champion` the one that serves.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asset_predict_dagster.errors import NoChampionError, RegistryError
from asset_predict_dagster.models.training import TrainedModel
from asset_predict_dagster.registry.mlflow_database import ARTIFACTS, open_client

CHAMPION, CHALLENGER = "champion", "challenger"
_EXPERIMENT = "asset_predict"


@dataclass(frozen=True)
class ModelVersion:
    """One registered version of one model."""

    model: str
    version: str
    bundle: str
    evaluation_bundle: str
    trained_at: datetime
    training_end: str
    run_id: str


class Registry:
    """The models under one MLflow database. Opening it makes the schema if there is none."""

    def __init__(self, database: Path):
        self.database = database

    def register(
        self,
        trained: TrainedModel,
        trained_at: datetime,
        dagster_run_id: str,
    ) -> ModelVersion:
        """Register a training as the challenger; an equal bundle keeps its version.

        Training twice on the same data gives the same bundle: then the version stays and only
        its `trained_at` moves, because the model is as fresh as its last training.
        """
        known = [v for v in self.versions(trained.model) if v.bundle == trained.serving_bundle]
        stamp = trained_at.astimezone(UTC).isoformat()
        version = known[0].version if known else self._new_version(trained, stamp, dagster_run_id)
        client = self._client()
        for key, value in {"trained_at": stamp, "dagster_run_id": dagster_run_id}.items():
            client.set_model_version_tag(trained.model, version, key, value)
        client.set_registered_model_alias(trained.model, CHALLENGER, version)
        return self.version(trained.model, version)

    def models(self) -> list[str]:
        """The names of the models that have ever been trained."""
        return [model.name for model in self._client().search_registered_models(max_results=1000)]

    def versions(self, model: str) -> list[ModelVersion]:
        """Every version of a model, the latest first; none if it was never trained."""
        found = self._client().search_model_versions(f"name = '{model}'")
        return sorted(
            (_version(entry) for entry in found), key=lambda v: int(v.version), reverse=True
        )

    def version(self, model: str, version: str) -> ModelVersion:
        """One version.

        Raises
        ------
        RegistryError
            If the model has no such version.
        """
        for known in self.versions(model):
            if known.version == version:
                return known
        raise RegistryError(
            f"model '{model}' has no version {version}; registered are"
            f" {[v.version for v in self.versions(model)] or 'none'}"
        )

    def challenger(self, model: str) -> ModelVersion:
        """The version trained last.

        Raises
        ------
        RegistryError
            If the model was never trained.
        """
        found = self._by_alias(model, CHALLENGER)
        if found is None:
            raise RegistryError(
                f"model '{model}' has not been trained yet; materialise '{model}_model' or run"
                " the job complete_pipeline"
            )
        return found

    def champion(self, model: str) -> ModelVersion | None:
        """The version that serves; None before the first promotion."""
        return self._by_alias(model, CHAMPION)

    def serving(self, model: str) -> ModelVersion:
        """The version that serves.

        Raises
        ------
        NoChampionError
            Before the first promotion.
        """
        found = self.champion(model)
        if found is None:
            raise NoChampionError(
                f"model '{model}' has no champion yet; run the job complete_pipeline or retrain"
            )
        return found

    def promote(self, version: ModelVersion) -> None:
        """Make a version the champion, in one step."""
        self._client().set_registered_model_alias(version.model, CHAMPION, version.version)

    def record_evaluation(self, version: ModelVersion, metrics: dict[str, float]) -> None:
        """Write figures to the MLflow run of a version, so that its UI shows them."""
        self._client().log_batch(
            version.run_id, metrics=[_metric(name, value) for name, value in metrics.items()]
        )

    def _new_version(self, trained: TrainedModel, stamp: str, dagster_run_id: str) -> str:
        client = self._client()
        run = client.create_run(
            self._experiment(),
            run_name=f"{trained.model} {stamp[:10]}",
            tags={"model": trained.model, "dagster_run_id": dagster_run_id},
        )
        _log_training(client, run.info.run_id, trained)
        client.set_terminated(run.info.run_id)
        _create_registered_model(client, trained.model)
        # The address is the digest, not a path: MLflow would keep an absolute one.
        created = client.create_model_version(
            trained.model,
            source=f"bundle:/{trained.serving_bundle}",
            run_id=run.info.run_id,
            tags={
                "bundle": trained.serving_bundle,
                "evaluation_bundle": trained.evaluation_bundle,
                "training_end": str(trained.training_end),
                "trained_at": stamp,
            },
        )
        return str(created.version)

    def _by_alias(self, model: str, alias: str) -> ModelVersion | None:
        client = self._client()
        from mlflow.exceptions import MlflowException

        try:
            return _version(client.get_model_version_by_alias(model, alias))
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def _client(self):
        return open_client(self.database)

    def _experiment(self) -> str:
        client = self._client()
        found = client.get_experiment_by_name(_EXPERIMENT)
        if found is not None:
            return found.experiment_id
        return client.create_experiment(_EXPERIMENT, artifact_location=ARTIFACTS)


def _log_training(client: Any, run_id: str, trained: TrainedModel) -> None:
    from mlflow.entities import Param

    metrics = [_metric("n_training_rows", trained.n_training_rows)]
    for row in trained.curves.to_dict("records"):
        step = int(row.pop("epoch"))
        prefix = f"seed_{int(row.pop('seed'))}." if "seed" in row else ""
        metrics += [_metric(f"{prefix}{name}", value, step) for name, value in row.items()]
    params = [Param(name, str(value)) for name, value in trained.settings.items()]
    # One commit for all: one by one they take longer than some trainings.
    client.log_batch(run_id, metrics=metrics, params=params)


def _metric(name: str, value: float, step: int = 0) -> Any:
    from mlflow.entities import Metric

    # MLflow wants the time of a figure; ours are of a training, whose time is a tag.
    return Metric(name, float(value), timestamp=0, step=step)


def _create_registered_model(client: Any, model: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _version(entry: Any) -> ModelVersion:
    return ModelVersion(
        model=entry.name,
        version=str(entry.version),
        bundle=entry.tags["bundle"],
        evaluation_bundle=entry.tags["evaluation_bundle"],
        trained_at=datetime.fromisoformat(entry.tags["trained_at"]),
        training_end=entry.tags["training_end"],
        run_id=entry.run_id,
    )
