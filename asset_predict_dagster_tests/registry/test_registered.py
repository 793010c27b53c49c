"""What a server reads of the registry is what the registry says, and nothing is made by asking."""

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.registry.registered import (
    importance_of,
    last_trained,
    registered_versions,
)
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster_tests.registry.trainings import training_with_tables

NOON = datetime(2024, 1, 8, 12, tzinfo=UTC)


def test_each_version_is_told_as_the_registry_tells_it(tmp_path):
    registry = Registry(tmp_path / "mlflow.db")
    for n, model in enumerate(("lstm", "lstm", "random_forest")):
        began = NOON + timedelta(hours=n)
        ended = began + timedelta(seconds=90)
        training = training_with_tables(model, n + 1)
        registry.register(training, ended, f"run {n}", started_at=began)
    # Trained again and the same: the version stays, and its run is the later one.
    again = NOON + timedelta(days=1)
    same = training_with_tables("lstm", 1)
    registry.register(same, again, "run 3", started_at=again - timedelta(seconds=90))
    found = registered_versions(registry.database)
    assert set(found) == {("lstm", "1"), ("lstm", "2"), ("random_forest", "1")}
    for (model, number), one in found.items():
        known = registry.version(model, number)
        assert (one.bundle, one.evaluation_bundle) == (known.bundle, known.evaluation_bundle)
        assert datetime.fromisoformat(one.trained_at) == known.trained_at
        assert (one.training_end, one.run_id) == (known.training_end, known.run_id)
        assert one.training_seconds == pytest.approx(90)
        assert one.scope == known.scope
    # By the training, not by the number.
    last = last_trained(registry.database, "lstm")
    assert last is not None
    assert last.version == "1"
    assert last_trained(registry.database, "ridge") is None


def test_a_registry_that_is_not_there_is_not_made(tmp_path):
    database = tmp_path / "mlflow.db"
    assert registered_versions(database) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_registry_is_refused(tmp_path):
    database = tmp_path / "mlflow.db"
    database.write_bytes(b"not a database at all, but long enough to be looked at" * 100)
    with pytest.raises(RegistryError, match="cannot be read"):
        registered_versions(database)
    with sqlite3.connect(tmp_path / "empty.db"):
        pass
    with pytest.raises(RegistryError, match="no such table"):
        registered_versions(tmp_path / "empty.db")


def test_importance_is_told_the_largest_first(tmp_path):
    tables = tmp_path / "mlflow_artifacts/a-run/artifacts/tables"
    tables.mkdir(parents=True)
    (tables / "importance.csv").write_text(
        "feature,log_loss_increase,rank_ic_decrease\nrsi_14,0.001,0\nvolatility_21d,0.02,0\n"
    )
    found = importance_of(tmp_path / "mlflow.db", "a-run")
    assert list(found.items()) == [("volatility_21d", 0.02), ("rsi_14", 0.001)]
    assert importance_of(tmp_path / "mlflow.db", "another") == {}
    assert importance_of(tmp_path / "mlflow.db", "") == {}
