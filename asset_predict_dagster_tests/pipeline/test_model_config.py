"""Run config: what a person writes in the launchpad or a file is what is trained, or refused."""

import json
import shutil

import dagster as dg
import pandas as pd
import pytest

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.models.described import described
from asset_predict_dagster.models.kinds import settings_of
from asset_predict_dagster.models.settings import IGNORED, names_of, parse_settings
from asset_predict_dagster.pipeline.evaluation import MODEL_NAMES
from asset_predict_dagster.pipeline.model_config import config_fields
from asset_predict_dagster.registry.registered import last_trained
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.service.redaction import Places
from asset_predict_dagster.service.trained import evaluated
from asset_predict_dagster.tables import CHAMPIONS, EVALUATION, FORECASTS_OUT_OF_SAMPLE
from asset_predict_dagster_tests.pipeline.conftest import Workplace, config_of, new_workplace


@pytest.mark.parametrize("model", MODEL_NAMES)
def test_the_launchpad_shows_every_setting_with_its_meaning_and_default(model):
    shown = config_fields(model)
    assert set(shown) == {"preset", *names_of(model), *IGNORED}
    assert not any(field.is_required for field in shown.values())
    meanings = described(settings_of(model))
    assert set(meanings) >= set(settings_of(model).model_fields)
    for name, meaning in meanings.items():
        assert meaning, name
    assert "default that of SEED" in str(shown["seed"].description)
    assert "at least 1, at most 30; default 1" in str(shown["horizon"].description)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"n_estimator": 5}, 'unexpected config entry "n_estimator"'),
        ({"n_estimators": "many"}, '"many" of type'),
        ({"label": "tomorrow"}, "tomorrow"),
    ],
)
def test_a_typo_in_a_run_config_is_refused_before_the_run(tmp_path, wrong, says):
    job = build_definitions(new_workplace(tmp_path).settings).resolve_job_def("retrain")
    with pytest.raises(dg.DagsterInvalidConfigError, match=says):
        job.execute_in_process(run_config=config_of(random_forest=wrong))


@pytest.mark.parametrize(
    "knobs",
    [
        {"lr": 0.001, "hidden_size": 64},
        {"model_dir": "models", "price_col": "close", "model_path": "models/lstm.pt"},
        *({"horizons": written} for written in (3, [1, 2, 3], "1..3", "1,2,3")),
    ],
)
def test_the_names_that_other_programs_use_are_taken(tmp_path, knobs):
    job = build_definitions(new_workplace(tmp_path).settings).resolve_job_def("retrain")
    assert dg.validate_run_config(job, config_of(lstm=knobs))
    parse_settings("lstm", knobs)


@pytest.fixture(scope="module")
def place(finished: Workplace, tmp_path_factory) -> Workplace:
    """A copy of the finished workplace, with tuned settings of the LSTM under the name `quick`."""
    folder = tmp_path_factory.mktemp("config")
    shutil.copytree(finished.settings.data, folder / "data")
    presets = folder / "data" / "presets"
    presets.mkdir()
    quick = {"model": "lstm", "settings": {"n_seeds": 1, "units": 4, "epochs": 1}}
    (presets / "quick.json").write_text(json.dumps(quick))
    return new_workplace(folder)


EXPERIMENT = {"horizon": 5, "label": "triple_barrier", "embargo": 3}


def test_a_run_trains_what_its_config_says_and_an_experiment_changes_no_champion(place: Workplace):
    registry = Registry(place.settings.registry_database)
    challengers = registry.challengers(MODEL_NAMES)
    champions, holdout = place.lake.read(CHAMPIONS), figures_of(place, "holdout")
    config = {
        "random_forest": {**EXPERIMENT, "n_estimators": 5},
        "lstm": {**EXPERIMENT, "preset": "quick", "hidden_size": 5, "price_col": "close"},
    }
    job = build_definitions(place.settings).resolve_job_def("retrain")
    result = job.execute_in_process(
        instance=place.instance,
        run_config=config_of(**config),
        asset_selection=[
            dg.AssetKey(name)
            for name in (
                *(f"{model}_model" for model in MODEL_NAMES),
                FORECASTS_OUT_OF_SAMPLE.name,
                EVALUATION.name,
                CHAMPIONS.name,
            )
        ],
    )
    assert result.success

    forest, lstm = (registry.versions(model)[0] for model in MODEL_NAMES)
    assert forest.scope == lstm.scope == "horizon=5, label=triple_barrier, embargo=3"
    assert forest.is_judged and lstm.is_judged
    cards = {version.model: card_of(place, version.bundle) for version in (forest, lstm)}
    assert cards["random_forest"]["experiment"]["horizon"] == 5
    assert cards["random_forest"]["settings"]["n_estimators"] == 5
    assert cards["random_forest"]["settings"]["seed"] == place.settings.seed
    # What is written goes before the preset, and the preset before the default.
    knobs = cards["lstm"]["settings"]
    assert (knobs["n_seeds"], knobs["units"], knobs["epochs"]) == (1, 5, 1)

    measured = figures_of(place, forest.window)
    assert {"random_forest", "lstm", "average", "naive", "prior"} <= set(measured["model"])
    assert set(measured.loc[measured["metric"] == "log_loss", "horizon"]) == {5}
    _is_told_with_its_horizon(place, "random_forest", 5)

    assert registry.challengers(MODEL_NAMES) == challengers
    pd.testing.assert_frame_equal(place.lake.read(CHAMPIONS), champions)
    pd.testing.assert_frame_equal(figures_of(place, "holdout"), holdout)


def _is_told_with_its_horizon(place: Workplace, model: str, horizon: int) -> None:
    """What `/api/b3/evaluate-model` says of prices is of the horizon that it names."""
    version = last_trained(place.settings.registry_database, model)
    assert version is not None
    said = evaluated(Places.of(place.settings), version)
    assert said is not None
    rows = place.lake.read(
        FORECASTS_OUT_OF_SAMPLE,
        where={"model": [model], "model_version": [version.version], "horizon": [horizon]},
    )
    off = rows["last_close"] * (rows["realised_return"] - rows["expected_return"])
    naive = rows["last_close"] * rows["realised_return"]
    assert said["horizon"] == horizon
    assert said["regression"]["mae"] == pytest.approx(off.abs().mean())
    assert said["baselines"]["naive_price"]["mae"] == pytest.approx(naive.abs().mean())


def test_a_preset_is_not_tested_on_the_sessions_that_chose_it(finished: Workplace, tmp_path):
    """The test of `finished` is the last fifth of three years; the preset knows all of them."""
    data = tmp_path / "data"
    shutil.copytree(finished.settings.data / "lake", data / "lake")
    (data / "presets").mkdir()
    tuned = {"model": "lstm", "settings": {}, "last_session": "2020-12-01", "span": 6}
    (data / "presets" / "tuned.json").write_text(json.dumps(tuned))
    result = new_workplace(tmp_path, {"lstm": {"preset": "tuned"}}).materialise("lstm_model")
    (failure,) = result.get_step_failure_events()
    reason = failure.step_failure_data.error.message
    assert "preset 'tuned' was chosen by labels up to 2020-12-01" in reason
    assert not (data / "mlflow.db").exists()


def figures_of(place: Workplace, window: str) -> pd.DataFrame:
    evaluation = place.lake.read(EVALUATION)
    return evaluation[evaluation["window"] == window].reset_index(drop=True)


def card_of(place: Workplace, bundle: str) -> dict:
    return json.loads((place.settings.bundles / bundle / "card.json").read_text())
