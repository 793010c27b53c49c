"""A model is found by its name, and nothing heavy is imported before it is."""

import subprocess
import sys
from pathlib import Path

import pytest

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.models.kinds import KINDS, learner_of, settings_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("model", KINDS)
def test_a_learner_has_the_name_it_was_asked_for_by(model):
    settings = settings_of(model)(seed=7)
    learner = learner_of(model, settings, ("log_return_1d",))
    assert learner.name == model
    assert learner.feature_names == ("log_return_1d",)
    assert learner.settings["seed"] == 7


def test_settings_of_another_model_are_refused():
    with pytest.raises(SettingsError, match="lstm takes LstmSettings; found LinearSettings"):
        learner_of("lstm", settings_of("ridge")(), ())


def test_an_unknown_model_is_refused_by_name():
    with pytest.raises(SettingsError, match="no model 'arima'; choose one of random_forest, lstm"):
        settings_of("arima")


def test_what_is_only_listed_is_not_imported():
    code = (
        "import sys, asset_predict_dagster.models.kinds as kinds; list(kinds.KINDS);"
        "print(sorted({'torch', 'sklearn', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
