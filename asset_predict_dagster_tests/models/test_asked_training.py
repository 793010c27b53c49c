"""What a person asks of a training: each model is told what is its, and all of it is checked."""

from pathlib import Path

import pytest

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.models.asked_training import asked_training
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.models.names import models_called
from asset_predict_dagster.models.presets import write_preset

NOWHERE = Path("nowhere")


def asked(written, models=MODEL_NAMES, presets=NOWHERE):
    return asked_training(models, written, presets=presets, seed=42)


def test_a_setting_of_one_model_is_told_to_that_one_and_a_common_one_to_both():
    found = asked({"lr": "0.01", "n-estimators": "30", "horizon": "5"})
    assert found.by_model == {
        "random_forest": {"horizon": 5, "n_estimators": 30},
        "lstm": {"horizon": 5, "learning_rate": 0.01},
    }
    assert found.models == MODEL_NAMES


def test_text_becomes_what_a_run_config_takes():
    written = {"tickers": "petr4,VALE3.SA", "start": "2010-01-04", "max_depth": "none"}
    (said,) = asked(written, ("random_forest",)).by_model.values()
    assert said == {"tickers": ["PETR4", "VALE3"], "start": "2010-01-04", "max_depth": None}


def test_what_was_not_written_is_not_told():
    assert asked({"epochs": None}).by_model == {"random_forest": {}, "lstm": {}}


def test_names_that_do_nothing_are_listed_and_told_to_nobody():
    found = asked({"model_dir": "models", "price_col": "close"})
    assert found.ignored == ("model_dir", "price_col")
    assert found.by_model == {"random_forest": {}, "lstm": {}}


@pytest.mark.parametrize(
    ("written", "models", "says"),
    [
        ({"epochs": "3"}, ("random_forest",), "no setting 'epochs' (it is one of lstm)"),
        ({"epoch": "3"}, MODEL_NAMES, "random_forest has no setting 'epoch'"),
        ({"epochs": "0"}, MODEL_NAMES, "lstm: epochs='0': input should be greater"),
        ({"lr": "0.1", "learning_rate": "0.1"}, ("lstm",), "are the same setting"),
        ({"preset": "mine"}, ("lstm",), "there is no preset 'mine'"),
    ],
)
def test_what_cannot_be_is_refused_by_name(written, models, says):
    with pytest.raises(SettingsError) as refused:
        asked(written, models)
    assert says in str(refused.value)


def test_a_preset_is_named_to_the_training_beside_what_goes_before_it(tmp_path):
    write_preset(tmp_path, "lstm", {"model": "lstm", "settings": {"epochs": 3, "units": 16}})
    found = asked({"preset": "lstm", "epochs": "5"}, ("lstm",), tmp_path)
    assert found.by_model == {"lstm": {"epochs": 5, "preset": "lstm"}}


def test_models_are_called_by_short_names_and_both_are_all():
    assert models_called("rf") == ("random_forest",)
    assert models_called("lstm_mtl") == ("lstm",)
    assert models_called("both") == MODEL_NAMES
    with pytest.raises(SettingsError, match="there is no model 'gru'; there are rf, random_forest"):
        models_called("gru")
