"""A registry that is damaged is said to be, in a sentence, by whatever is asked of it."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.pipeline.failures import may_pass
from asset_predict_dagster.registry.mlflow_database import (
    TRAININGS,
    forget_run,
    open_client,
    runs_of,
)
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster_tests.registry.trainings import trained_model

MONDAY = datetime(2024, 1, 8, 12, tzinfo=UTC)
PAGE = 4096


def overwritten(file: Path) -> None:
    file.write_bytes(os.urandom(3000))


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: 3 * PAGE])


def without_its_pages(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:PAGE] + bytes(len(content) - PAGE))


@pytest.mark.parametrize("damage", [overwritten, cut_short, without_its_pages])
def test_what_is_asked_of_a_damaged_registry_ends_in_one_sentence(registry: Registry, damage):
    registry.register(trained_model("lstm", seed=1), MONDAY, "run-1")
    (run,) = runs_of(open_client(registry.database), TRAININGS)
    damage(registry.database)
    for ask in (
        registry.models,
        lambda: registry.versions("lstm"),
        lambda: registry.champion("lstm"),
        lambda: registry.challenger("lstm"),
        lambda: registry.decisions("lstm"),
        lambda: registry.register(trained_model("lstm", seed=2), MONDAY, "run-2"),
        lambda: forget_run(registry.database, run.info.run_id),
    ):
        with pytest.raises(RegistryError) as refused:
            ask()
        said = str(refused.value)
        assert said.startswith(f"the registry {registry.database} cannot be read or written (")
        assert said.endswith("put back the file that MLflow made")
        assert "\n" not in said


def test_a_registry_that_another_process_holds_is_not_called_damaged(registry: Registry):
    """A step that meets it tries again."""
    registry.register(trained_model("lstm", seed=1), MONDAY, "run-1")
    with closing(sqlite3.connect(registry.database)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(MlflowException, match="database is locked") as met:
            registry.versions("lstm")
    assert may_pass(met.value)
