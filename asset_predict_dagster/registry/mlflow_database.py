"""MLflow's database: one SQLite file, made whole or not at all, and how MLflow is asked."""

import logging
import os
import sqlite3
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any

from asset_predict_dagster.errors import RegistryError

ARTIFACTS = "mlflow-artifacts:/"
"""Where MLflow believes artefacts to be: with the server, which is told the folder when it starts.
No path, for MLflow would keep an absolute one."""

_STAYS = (
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOTADB,
)
"""What SQLite says of a file that somebody has to mend. One that another process holds is not
among it: whoever asked tries again."""

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
        If it cannot be written; by every call of the client, if it is damaged.
    """
    mlflow = _mlflow()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    if not database.exists():
        _create_database(database)
    address = f"sqlite:///{database.resolve()}"
    with _in_a_sentence(database):
        return _Client(database, mlflow.MlflowClient(tracking_uri=address, registry_uri=address))


class _Client:
    """MLflow's client, which says in a sentence that its database is damaged."""

    def __init__(self, database: Path, client: Any):
        self._database, self._client = database, client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        @wraps(method)
        def ask(*args: Any, **kwargs: Any) -> Any:
            with _in_a_sentence(self._database):
                return method(*args, **kwargs)

        return ask


@contextmanager
def _in_a_sentence(database: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # MLflow passes some errors of SQLAlchemy on, and wraps the others
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, sqlite3.Error):
            cause = cause.__cause__ or cause.__context__
        # The low byte is the kind, the rest a detail of it.
        if (getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF not in _STAYS:
            raise
        raise RegistryError(
            f"the registry {database} cannot be read or written ({cause}); put back the file that"
            " MLflow made"
        ) from error


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

    with _in_a_sentence(database):
        store = _mlflow().store.tracking.sqlalchemy_store.SqlAlchemyStore(
            f"sqlite:///{database.resolve()}", ARTIFACTS
        )
    try:
        with _in_a_sentence(database):
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


def unwritable(database: Path, error: OSError) -> RegistryError:
    """The sentence about a registry whose folder lets nobody write."""
    return RegistryError(
        f"the registry {database} cannot be written: {error.strerror}; point ASSET_PREDICT_DATA at"
        " a folder that can"
    )


def _create_database(database: Path) -> None:
    """Make MLflow's schema beside and put it in place in one step: fresh stores race."""
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(database, error) from error
    with tempfile.TemporaryDirectory(prefix=".creating-", dir=database.parent) as beside:
        fresh = Path(beside) / database.name
        # Without artefacts of its own a store would note the absolute path of the working folder.
        store = _mlflow().store.tracking.sqlalchemy_store.SqlAlchemyStore(
            f"sqlite:///{fresh.resolve()}", ARTIFACTS
        )
        store.engine.dispose()
        with suppress(FileExistsError):  # another process was faster, and its database is as good
            os.link(fresh, database)
