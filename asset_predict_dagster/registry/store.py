"""The registry: versions of each model and which one is champion, in MLflow on SQLite.

A version points at two bundles by digest (tags `bundle` and `evaluation_bundle`); the folder of
bundles comes from settings, so a data folder can be moved. Aliases: `challenger` is the version
trained last, `champion` the one that serves, by the log of decisions (`decision_log.py`). A scoped
version (another experiment than the default; tags `scoped` and `window`) gets neither: it is asked
for by its number.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from asset_predict_dagster.errors import NoChampionError, RegistryError
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.training import TrainedModel
from asset_predict_dagster.registry.decision_log import DecisionLog
from asset_predict_dagster.registry.decisions import LoggedDecision
from asset_predict_dagster.registry.live_run import LiveRun, live_run, metric
from asset_predict_dagster.registry.mlflow_database import (
    TRAININGS,
    TUNINGS,
    artifacts_folder,
    create_registered_model,
    open_client,
    version_by_alias,
)
from asset_predict_dagster.registry.training_run import Begun, log_trained
from asset_predict_dagster.registry.versions import (
    JUDGED,
    RUN,
    ModelVersion,
    refuse_scoped,
    version_of,
)

CHALLENGER = "challenger"


class Registry:
    """The models under one MLflow database. Opening it makes the schema if there is none."""

    def __init__(self, database: Path):
        self.database = database

    def training(
        self, begun: Begun, now: Callable[[], datetime], started_at: datetime | None = None
    ) -> AbstractContextManager[LiveRun]:
        """The MLflow run of a training, for as long as the block lasts; see `live_run`."""
        return live_run(
            self.database,
            TRAININGS,
            begun.model,
            params=begun.params,
            tags=begun.tags,
            now=now,
            started_at=started_at,
        )

    def tuning(self, begun: Begun, now: Callable[[], datetime]) -> AbstractContextManager[LiveRun]:
        """The MLflow run of a tuning; the settings of `begun` are those that are not searched."""
        tags = {name: said for name, said in begun.tags.items() if name != "n_trials"}
        name = f"tune {begun.model}"
        return live_run(self.database, TUNINGS, name, params=begun.params, tags=tags, now=now)

    def register(
        self,
        trained: TrainedModel,
        trained_at: datetime,
        dagster_run_id: str,
        *,
        bundles: Path | None = None,
        started_at: datetime | None = None,
        run: LiveRun | None = None,
    ) -> ModelVersion:
        """Register a training; an equal bundle keeps its version, with an MLflow run of its own.

        It becomes the challenger, unless its experiment makes it a scoped one.

        Training twice on the same data gives the same bundle: then the version stays and only
        its `trained_at` and its run move, because the model is as fresh as its last training.

        Parameters
        ----------
        bundles
            The folder of bundles, so that the MLflow run shows their files; None: it does not.
        started_at
            When the training began; None: a run that is made now shows no duration.
        run
            The run that `training` gave; None: one is made now.
        """
        if run is None:
            begun = Begun.of(trained, dagster_run_id)
            with self.training(begun, lambda: trained_at, started_at or trained_at) as run:
                return self.register(trained, trained_at, dagster_run_id, bundles=bundles, run=run)
        client = self._client()
        stamp = trained_at.astimezone(UTC)
        log_trained(run, trained, bundles)
        known = [v for v in self.versions(trained.model) if v.bundle == trained.serving_bundle]
        version = known[0].version if known else self._new_version(trained, stamp, run.run_id)
        run.rename(f"{trained.model} {version}")
        run.tag({"model_version": version})
        tags = {
            "trained_at": stamp.isoformat(),
            "dagster_run_id": dagster_run_id,
            RUN: run.run_id,
            # Figures that were to be written when a run was killed are made again.
            JUDGED: "",
        }
        for key, value in tags.items():
            client.set_model_version_tag(trained.model, version, key, value)
        registered = self.version(trained.model, version)
        if not registered.scope:
            client.set_registered_model_alias(trained.model, CHALLENGER, version)
        return registered

    def artifacts(self, version: ModelVersion) -> Path:
        """The folder of what its training left for people: figures, tables, files of bundles."""
        return artifacts_folder(self.database) / version.run_id / "artifacts"

    def models(self) -> list[str]:
        """The names of the models that have ever been trained."""
        return [model.name for model in self._client().search_registered_models(max_results=1000)]

    def versions(self, model: str) -> list[ModelVersion]:
        """Every version of a model, the latest first; none if it was never trained."""
        found = self._client().search_model_versions(f"name = '{model}'")
        return sorted(
            (version_of(entry) for entry in found), key=lambda v: int(v.version), reverse=True
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
        """The version trained last, scoped ones left out.

        Raises
        ------
        RegistryError
            If the model was never trained.
        """
        found = self._by_alias(model, CHALLENGER)
        if found is None:
            scoped = [v.version for v in self.versions(model)]
            state = (
                f"has scoped versions alone ({', '.join(scoped)})"
                if scoped
                else ("has not been trained yet")
            )
            raise RegistryError(
                f"model '{model}' {state}; materialise '{model}_model' or run the job"
                " complete_pipeline"
            )
        return found

    def challengers(self, models: tuple[str, ...]) -> list[ModelVersion]:
        """The challenger of each model that has one.

        None has a model that was never trained, or has scoped versions alone: the others do
        without it.

        Raises
        ------
        RegistryError
            If none of the models was ever trained.
        """
        if not any(self.versions(model) for model in models):
            raise RegistryError(
                f"no version of {', '.join(models)} has been trained yet; run the job"
                " complete_pipeline"
            )
        found = [self._by_alias(model, CHALLENGER) for model in models]
        return [version for version in found if version is not None]

    def unjudged(self, models: tuple[str, ...]) -> list[ModelVersion]:
        """Of each model the latest scoped version, where no figures of it are recorded yet."""
        latest = [[v for v in self.versions(model) if v.scope][:1] for model in models]
        return [version for found in latest for version in found if not version.is_judged]

    def champion(self, model: str) -> ModelVersion | None:
        """The version that serves; None before the first promotion."""
        found = DecisionLog(self.database).champion(model)
        return None if found is None else version_of(found)

    def aliased(self, model: str) -> set[str]:
        """The versions that are the model's champion or challenger."""
        found = (self.champion(model), self._by_alias(model, CHALLENGER))
        return {version.version for version in found if version is not None}

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

    def decisions(self, model: str) -> list[LoggedDecision]:
        """Every decision about who serves, the earliest first."""
        return DecisionLog(self.database).of(model)

    def deciding(self) -> AbstractContextManager[None]:
        """Nobody else decides as long as the block lasts: look, decide and `record` within it."""
        return DecisionLog(self.database).deciding()

    def record(self, decision: LoggedDecision) -> LoggedDecision:
        """Log a decision, and let its version serve; both survive a kill at any point.

        Raises
        ------
        RegistryError
            If the version is scoped, or there is none of that number.
        """
        if decision.model_version:
            refuse_scoped(self.version(decision.model, decision.model_version))
        return DecisionLog(self.database).record(decision)

    def drop(self, version: ModelVersion) -> None:
        """Forget a version for good; its number is not given again. One that is gone is no error.

        Its bundles stay where they are. An alias that it has goes with it: ask `aliased` before.
        """
        from mlflow.exceptions import MlflowException

        try:
            self._client().delete_model_version(version.model, version.version)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise

    def record_evaluation(self, version: ModelVersion, metrics: dict[str, float]) -> None:
        """Write figures to the MLflow run of a version, so that its UI shows them."""
        at = int(version.trained_at.timestamp() * 1000)
        self._client().log_batch(
            version.run_id, metrics=[metric(name, value, at) for name, value in metrics.items()]
        )
        self._client().set_model_version_tag(version.model, version.version, JUDGED, "yes")

    def _new_version(self, trained: TrainedModel, trained_at: datetime, run_id: str) -> str:
        client = self._client()
        experiment = Experiment.from_card(trained.experiment)
        scoped = {"scoped": experiment.scope, "window": experiment.window}
        create_registered_model(client, trained.model)
        # The address is the digest, not a path: MLflow would keep an absolute one.
        created = client.create_model_version(
            trained.model,
            source=f"bundle:/{trained.serving_bundle}",
            run_id=run_id,
            tags={
                "bundle": trained.serving_bundle,
                "evaluation_bundle": trained.evaluation_bundle,
                "training_end": str(trained.training_end),
                "trained_at": trained_at.isoformat(),
                **({} if experiment.is_default else scoped),
            },
        )
        return str(created.version)

    def _by_alias(self, model: str, alias: str) -> ModelVersion | None:
        found = version_by_alias(self._client(), model, alias)
        return None if found is None else version_of(found)

    def _client(self):
        return open_client(self.database)
