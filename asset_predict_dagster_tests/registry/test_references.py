"""Whatever a registered model was built from is named, so that nobody cleans it up."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from asset_predict_dagster.errors import BundleError
from asset_predict_dagster.registry.references import referenced_versions
from asset_predict_dagster_tests.registry.trainings import trained_model

MONDAY = datetime(2024, 1, 8, 12, tzinfo=UTC)


def registered(registry, bundles: Path, model: str, seed: int, **lake_versions: int):
    """Register a training whose two cards name `lake_versions`."""
    trained = trained_model(model, seed)
    for digest in (trained.serving_bundle, trained.evaluation_bundle):
        place = bundles / digest
        place.mkdir(parents=True)
        card = {"schema_version": 1, "model": model, "lake_versions": lake_versions}
        (place / "card.json").write_text(json.dumps(card))
    return registry.register(trained, MONDAY, "run")


def test_every_version_of_every_model_counts(registry, tmp_path):
    registered(registry, tmp_path, "lstm", 1, features=3, labels=2)
    registered(registry, tmp_path, "lstm", 2, features=7, labels=2)
    registered(registry, tmp_path, "a_model_of_later", 1, features=5, folds=0)
    assert referenced_versions(registry, tmp_path) == {
        "features": {3, 5, 7},
        "labels": {2},
        "folds": {0},
    }


def test_both_bundles_of_a_version_count(registry, tmp_path):
    version = registered(registry, tmp_path, "lstm", 1, features=3)
    card = tmp_path / version.evaluation_bundle / "card.json"
    card.write_text(json.dumps({"lake_versions": {"features": 2}}))
    assert referenced_versions(registry, tmp_path) == {"features": {2, 3}}


def test_a_registry_without_models_refers_to_nothing(registry, tmp_path):
    assert referenced_versions(registry, tmp_path) == {}


def test_a_bundle_that_nobody_registered_refers_to_nothing(registry, tmp_path):
    registered(registry, tmp_path, "lstm", 1, features=3)
    (tmp_path / "unregistered").mkdir()
    (tmp_path / "unregistered" / "card.json").write_text('{"lake_versions": {"features": 9}}')
    assert referenced_versions(registry, tmp_path) == {"features": {3}}


@pytest.mark.parametrize("damage", ["missing", "not json", "of another kind"])
def test_a_card_that_cannot_be_read_is_not_taken_for_one_that_refers_to_nothing(
    registry, tmp_path, damage
):
    version = registered(registry, tmp_path, "lstm", 1, features=3)
    card = tmp_path / version.bundle / "card.json"
    if damage == "missing":
        card.unlink()
    else:
        card.write_text("{" if damage == "not json" else "{}")
    with pytest.raises(BundleError, match=f"bundle {version.bundle[:12]} .* no readable card"):
        referenced_versions(registry, tmp_path)
