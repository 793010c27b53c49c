"""The job `tune`: from the lake's tables to a preset that a training takes."""

from pathlib import Path

import dagster as dg
import pytest

from asset_predict_dagster.models.settings import parse_settings, read_preset
from asset_predict_dagster.pipeline.models import TRAINING_POOL
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.pipeline.tuning import Studies, tune, tuned_settings
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace

SMALL = {"random_forest": {"n_estimators": 2}, "lstm": {"epochs": 1, "n_seeds": 1}}


def run(place: Workplace, folder: Path, **config: object) -> dg.ExecuteInProcessResult:
    """The job on the tables of `place`, its studies and presets in `folder`."""
    return tune.execute_in_process(
        run_config={"ops": {"tuned_settings": {"config": config}}},
        instance=place.instance,
        raise_on_error=False,
        resources={
            "lake": LakeTables(root=place.settings.lake_root),
            "clock": Clock(as_of=str(AS_OF)),
            "models": Models(
                database=str(place.settings.registry_database),
                bundles=str(place.settings.bundles),
                presets=str(folder / "presets"),
                checkpoints=str(folder / "checkpoints"),
                seed=7,
                stale_after_days=15,
                expires_after_days=60,
            ),
            "studies": Studies(
                database=str(folder / "studies.db"), presets=str(folder / "presets")
            ),
        },
    )


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, dg.MetadataValue]:
    assert result.success, [e.step_failure_data.error for e in result.get_step_failure_events()]
    (event,) = result.filter_events(lambda e: e.is_successful_output)
    return dict(event.step_output_data.metadata)


@pytest.mark.parametrize("model", SMALL)
def test_the_best_settings_become_a_preset_that_training_takes(finished, tmp_path, model):
    asked = {"model": model, "n_trials": 2, "timeout": 600, "settings": SMALL[model]}
    shown = metadata_of(run(finished, tmp_path, **asked))
    assert shown["preset"].value == model
    assert shown["n_trials"].value == shown["n_trials_ever"].value == 2
    settings = read_preset(tmp_path / "presets", model, model).settings
    assert shown["settings"].value == settings
    assert settings.items() >= SMALL[model].items()
    parse_settings(model, settings)
    for name in ("history", "importance"):
        assert shown[name].value.startswith("![")
    assert "is_default" in shown["best_trials"].value
    # The study is there already: the same question again runs nothing.
    assert metadata_of(run(finished, tmp_path, **asked))["n_trials_ever"].value == 2


def test_an_experiment_of_ones_own_is_tuned_on_its_own_labels(finished, tmp_path):
    scoped = {"n_estimators": 2, "horizon": 5, "end": "2020-06-30"}
    shown = metadata_of(run(finished, tmp_path, model="random_forest", n_trials=1, settings=scoped))
    assert shown["preset"].value.startswith("random_forest_scoped_")
    settings = read_preset(tmp_path / "presets", shown["preset"].value, "random_forest").settings
    assert settings["horizon"] == 5 and settings["end"] == "2020-06-30"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model": "momentum"}, "no search space of 'momentum'"),
        ({"model": "lstm", "n_trials": 0}, "n_trials should be at least 1"),
        ({"model": "lstm", "settings": {"depth": 3}}, "lstm has no setting 'depth'"),
    ],
)
def test_what_cannot_be_tuned_ends_the_run_with_its_reason(finished, tmp_path, config, reason):
    result = run(finished, tmp_path, **config)
    (failure,) = result.get_step_failure_events()
    assert reason in failure.step_failure_data.error.message
    assert not (tmp_path / "studies.db").exists()


def test_tuning_is_no_asset_and_waits_with_the_trainings():
    assert tune.name == "tune"
    assert not tune.asset_layer.executable_asset_keys
    assert tuned_settings.pool == TRAINING_POOL
