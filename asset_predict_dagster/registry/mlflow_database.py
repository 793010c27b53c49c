"""MLflow's database: one SQLite file, made whole or not at all, and how MLflow is asked."""

import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from asset_predict_dagster.errors import RegistryError

ARTIFACTS = "mlflow-artifacts:/"
"""Where MLflow believes artefacts to be: with the server, which is told the folder when it starts.
No path, for MLflow would keep an absolute one."""

TRAININGS, TUNINGS = "trainings", "tunings"
"""What MLflow calls the places of runs: one run a training, one run a call of the job `tune`."""


def artifacts_folder(database: Path) -> Path:
    """Where artefacts really are: beside the database, a folder per run."""
    return database.parent / "mlflow_artifacts"


def open_client(database: Path) -> Any:
    """An `MlflowClient` of the database, which is made if there is none.

    Raises
    ------
    RegistryError
        If it cannot be written.
    """
    mlflow = _mlflow()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    if not database.exists():
        _create_database(database)
    address = f"sqlite:///{database.resolve()}"
    return mlflow.MlflowClient(tracking_uri=address, registry_uri=address)


def experiment_id(client: Any, name: str) -> str:
    """The id of the experiment that holds runs, which is made if there is none."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        return found.experiment_id
    # Otherwise MLflow's UI takes it for one of language models.
    kind = {"mlflow.experimentKind": "custom_model_development"}
    try:
        return client.create_experiment(name, artifact_location=ARTIFACTS, tags=kind)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        # Another process was faster.
        return client.get_experiment_by_name(name).experiment_id


def create_registered_model(client: Any, model: str) -> None:
    """Make a place for the versions of a model, unless there is one."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def registered_model(client: Any, model: str) -> Any | None:
    """MLflow's entry of a model, with its tags and aliases; None if it was never trained."""
    return _if_there(lambda: client.get_registered_model(model))


def version_by_number(client: Any, model: str, version: str) -> Any | None:
    """MLflow's entry of a version; None if there is none, or no longer."""
    return _if_there(lambda: client.get_model_version(model, version))


def version_by_alias(client: Any, model: str, alias: str) -> Any | None:
    """MLflow's entry of the version with an alias; None if no version has it."""
    return _if_there(lambda: client.get_model_version_by_alias(model, alias))


def _if_there(look: Callable[[], Any]) -> Any | None:
    from mlflow.exceptions import MlflowException

    try:
        return look()
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def runs_of(client: Any, experiment: str) -> Iterator[Any]:
    """Every run of an experiment, deleted ones left out; none if there is no such experiment."""
    found = client.get_experiment_by_name(experiment)
    token = None
    while found is not None:
        page = client.search_runs([found.experiment_id], page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def forget_run(database: Path, run_id: str) -> None:
    """Take a run out of the database, with its figures; one that is gone is no error.

    MLflow's client only marks it as deleted. What its command `gc` does, which also looks for
    artefacts where they are not, is done by its store.
    """
    from mlflow.exceptions import MlflowException

    store = _mlflow().store.tracking.sqlalchemy_store.SqlAlchemyStore(
        f"sqlite:///{database.resolve()}", ARTIFACTS
    )
    try:
        store._hard_delete_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    finally:
        store.engine.dispose()


def _mlflow() -> Any:
    """MLflow, imported when it is first needed: it takes seconds.

    It calls home unless told not to before, and its store maps a relation in a way that
    SQLAlchemy 2.1 deprecates.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy")
        import mlflow
        import mlflow.store.tracking.sqlalchemy_store
    return mlflow


def _create_database(database: Path) -> None:
    """Make MLflow's schema beside and put it in place in one step: fresh stores race."""
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RegistryError(
            f"the registry {database} cannot be written: {error.strerror}; point"
            " ASSET_PREDICT_DATA at a folder that can"
        ) from error
    with tempfile.TemporaryDirectory(prefix=".creating-", dir=database.parent) as beside:
        fresh = Path(beside) / database.name
        # Without artefacts of its own a store would note the absolute path of the working folder.
        store = _mlflow().store.tracking.sqlalchemy_store.SqlAlchemyStore(
            f"sqlite:///{fresh.resolve()}", ARTIFACTS
        )
        store.engine.dispose()
        with suppress(FileExistsError):  # another process was faster, and its database is as good
            os.link(fresh, database)
