"""The registry remembers what was trained and who serves, wherever its folder is moved."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from asset_predict_dagster.errors import NoChampionError, RegistryError
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster_tests.registry.trainings import (
    promote,
    trained_model,
    training_with_tables,
)

MONDAY = datetime(2024, 1, 8, 12, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


def test_a_new_registry_knows_nothing(registry):
    assert registry.versions("lstm") == []
    assert registry.champion("lstm") is None
    with pytest.raises(RegistryError, match="'lstm' has not been trained yet; materialise"):
        registry.challenger("lstm")
    with pytest.raises(NoChampionError, match="'lstm' has no champion yet; run the job"):
        registry.serving("lstm")


def test_a_training_becomes_the_challenger_with_all_that_is_known_of_it(registry):
    trained = trained_model("lstm", seed=1)
    version = registry.register(trained, MONDAY, "run-1")
    assert (version.model, version.version) == ("lstm", "1")
    assert version.bundle == trained.serving_bundle
    assert version.evaluation_bundle == trained.evaluation_bundle
    assert version.trained_at == MONDAY
    assert version.training_end == "2024-01-05"
    assert registry.challenger("lstm") == version
    assert registry.champion("lstm") is None


def test_the_same_bundle_keeps_its_version_and_is_as_fresh_as_its_last_training(registry):
    first = registry.register(trained_model("lstm", seed=1), MONDAY, "run-1")
    again = registry.register(trained_model("lstm", seed=1), TUESDAY, "run-2")
    assert again.version == first.version
    assert again.trained_at == TUESDAY
    assert len(registry.versions("lstm")) == 1


def test_an_older_bundle_trained_again_is_the_challenger_again(registry):
    for seed in (1, 2):
        registry.register(trained_model("lstm", seed), MONDAY, "run")
    assert registry.challenger("lstm").version == "2"
    registry.register(trained_model("lstm", seed=1), TUESDAY, "run")
    assert registry.challenger("lstm").version == "1"


FIVE = Experiment(horizon=5)


def test_a_scoped_training_is_registered_beside_the_challenger_and_never_serves(registry):
    registry.register(trained_model("lstm", seed=1), MONDAY, "run-1")
    scoped = registry.register(trained_model("lstm", seed=1, experiment=FIVE), TUESDAY, "run-2")
    assert (scoped.version, scoped.scope, scoped.window) == ("2", "horizon=5", FIVE.window)
    assert registry.version("lstm", "2") == scoped
    challenger = registry.challenger("lstm")
    assert (challenger.version, challenger.scope, challenger.window) == ("1", "", "holdout")
    with pytest.raises(RegistryError, match=r"version 2 of lstm is scoped \(horizon=5\)"):
        promote(registry, scoped)
    assert registry.champion("lstm") is None


def test_a_model_with_scoped_versions_alone_has_no_challenger(registry):
    registry.register(trained_model("lstm", seed=1, experiment=FIVE), MONDAY, "run")
    registry.register(trained_model("random_forest", seed=1), MONDAY, "run")
    with pytest.raises(RegistryError, match=r"'lstm' has scoped versions alone \(1\)"):
        registry.challenger("lstm")
    found = registry.challengers(("random_forest", "lstm"))
    assert [version.model for version in found] == ["random_forest"]


def test_a_model_that_was_never_trained_is_not_waited_for(registry):
    with pytest.raises(
        RegistryError, match="no version of random_forest, lstm has been trained yet"
    ):
        registry.challengers(("random_forest", "lstm"))
    registry.register(trained_model("lstm", seed=1), MONDAY, "run")
    found = registry.challengers(("random_forest", "lstm"))
    assert [version.model for version in found] == ["lstm"]


def test_the_latest_scoped_version_waits_until_its_figures_are_recorded(registry):
    models = ("random_forest", "lstm")
    registry.register(trained_model("lstm", seed=1), MONDAY, "run")
    assert registry.unjudged(models) == []
    for seed in (1, 2):
        scoped = registry.register(trained_model("lstm", seed, experiment=FIVE), MONDAY, "run")
    assert registry.unjudged(models) == [scoped]
    registry.record_evaluation(scoped, {"rank_ic": 0.02})
    assert registry.unjudged(models) == []
    # Trained again it is measured again: the run that should have may have been killed.
    registry.register(trained_model("lstm", seed=2, experiment=FIVE), TUESDAY, "run")
    assert [version.version for version in registry.unjudged(models)] == [scoped.version]


def test_versions_are_counted_per_model_and_come_latest_first(registry):
    for seed in range(11):
        registry.register(trained_model("lstm", seed), MONDAY, "run")
    registry.register(trained_model("random_forest", seed=0), MONDAY, "run")
    assert [v.version for v in registry.versions("lstm")] == [str(n) for n in range(11, 0, -1)]
    assert [v.version for v in registry.versions("random_forest")] == ["1"]


def test_promotion_moves_the_champion_and_leaves_the_challenger(registry):
    first, second = (
        registry.register(trained_model("lstm", seed), MONDAY, "run") for seed in (1, 2)
    )
    promote(registry, first)
    assert registry.champion("lstm") == registry.serving("lstm") == first
    assert registry.challenger("lstm") == second
    promote(registry, second)
    assert registry.champion("lstm") == second
    promote(registry, first)  # and back, in one step
    assert registry.champion("lstm") == first


def test_one_models_champion_is_not_anothers(registry):
    promote(registry, registry.register(trained_model("lstm", seed=1), MONDAY, "run"))
    registry.register(trained_model("random_forest", seed=1), MONDAY, "run")
    assert registry.champion("random_forest") is None


def test_an_unknown_version_is_refused_by_name(registry):
    registry.register(trained_model("lstm", seed=1), MONDAY, "run")
    with pytest.raises(RegistryError, match=r"'lstm' has no version 7; registered are \['1'\]"):
        registry.version("lstm", "7")
    with pytest.raises(RegistryError, match="'gru' has no version 1; registered are none"):
        registry.version("gru", "1")


def test_clocks_of_all_zones_agree(registry):
    in_sao_paulo = MONDAY.astimezone(timezone(timedelta(hours=-3)))
    version = registry.register(trained_model("lstm", seed=1), in_sao_paulo, "run")
    assert version.trained_at == MONDAY
    assert version.trained_at.utcoffset() == timedelta(0)


def test_a_moved_data_folder_still_works(registry, tmp_path):
    version = registry.register(trained_model("lstm", seed=1), MONDAY, "run")
    promote(registry, version)
    elsewhere = tmp_path / "moved" / "mlflow.db"
    elsewhere.parent.mkdir()
    shutil.move(registry.database, elsewhere)
    moved = Registry(elsewhere)
    assert moved.champion("lstm") == version
    moved.record_evaluation(version, {"rank_ic": 0.02})
    assert moved._client().get_run(version.run_id).data.metrics["rank_ic"] == 0.02
    assert moved.register(trained_model("lstm", seed=2), TUESDAY, "run").version == "2"


def test_nothing_absolute_is_stored(empty_database, registry):
    version = registry.register(training_with_tables("lstm", seed=1), MONDAY, "run")
    promote(registry, version)
    registry.record_evaluation(version, {"rank_ic": 0.02})
    assert registry.artifacts(version).is_dir()
    for database in (empty_database, registry.database):
        with sqlite3.connect(database) as connection:
            text = "\n".join(connection.iterdump())
        for folder in (database.parent, empty_database.parent, Path.cwd(), Path.home()):
            assert str(folder) not in text
        assert re.findall(r"file:|'/\w[^']*", text) == []
    assert not Path("mlruns").exists()


def test_opening_the_registry_calls_nobody(registry):
    """A process of its own: MLflow decides at import whether it sends what it is used for."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from asset_predict_dagster.registry.store import Registry\n"
        "print(Registry(Path(sys.argv[1])).champion('lstm'))\n"
        "from mlflow.telemetry import get_telemetry_client\n"
        "print(get_telemetry_client())\n"
    )
    # The variables by which MLflow spares test runs and build servers are taken away.
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(registry.database)],
        env=keep,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["None", "None"]
