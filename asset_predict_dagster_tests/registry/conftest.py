"""One MLflow database for all tests of the registry: making its schema takes seconds."""

import shutil

import pytest

from asset_predict_dagster.registry.store import Registry


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """The path of a database with nothing in it, to be copied."""
    path = tmp_path_factory.mktemp("registry") / "not" / "there" / "yet" / "mlflow.db"
    assert Registry(path).versions("lstm") == []
    return path


@pytest.fixture
def registry(empty_database, tmp_path):
    """An empty registry of one's own."""
    return Registry(shutil.copy(empty_database, tmp_path / "mlflow.db"))
