"""Clearing drops what broken-off trainings left, and nothing that a training is at work on."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from asset_predict_dagster.registry.live_run import live_run
from asset_predict_dagster.registry.mlflow_database import TRAININGS
from asset_predict_dagster_tests.pipeline.conftest import Workplace, new_workplace

MONDAY = datetime(2024, 1, 8, 12, tzinfo=UTC)


@pytest.fixture
def place(tmp_path) -> Workplace:
    return new_workplace(tmp_path)


def checkpoint(place: Workplace) -> Path:
    path = place.settings.checkpoints / "lstm.fit"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"what it would go on from")
    (path.parent / "a_folder").mkdir()
    return path


def test_what_a_broken_off_training_left_is_dropped(place: Workplace):
    path = checkpoint(place)
    assert place.run("clear_state").success
    assert list(path.parent.iterdir()) == []


def test_before_any_training_there_is_nothing_to_drop(place: Workplace):
    assert place.run("clear_state").success
    assert not place.settings.registry_database.exists()


def test_a_training_under_way_keeps_its_checkpoint(place: Workplace):
    path = checkpoint(place)
    database = place.settings.registry_database
    with live_run(database, TRAININGS, "lstm", params={}, tags={}, now=lambda: MONDAY):
        assert place.run("clear_state").success
        assert path.exists()
    assert place.run("clear_state").success
    assert not path.exists()
