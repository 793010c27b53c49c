"""A model is found by its name, and nothing heavy is imported before it is."""

import subprocess
import sys
from pathlib import Path

import pytest

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.models.kinds import KINDS, MODEL_NAMES, OFFERED, learner_of, settings_of

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


@pytest.mark.parametrize("model", KINDS)
def test_a_learner_is_told_what_it_takes_and_nothing_else(model):
    offered = {"span": 6, "embargo": 5, "report": print, "checkpoint": Path("there")}
    assert set(offered) == set(OFFERED)
    learner = learner_of(model, settings_of(model)(), ("log_return_1d",), **offered)
    told = vars(learner) | vars(learner).get("_purge", {})
    for name in KINDS[model].takes:
        assert told[name] == offered[name]
    with pytest.raises(TypeError, match="not \\['horizon'\\]"):
        learner_of(model, settings_of(model)(), horizon=3)


def test_the_models_that_serve_come_in_the_order_that_tables_show_them():
    assert MODEL_NAMES == ("random_forest", "lstm")


def test_a_baseline_that_only_counts_is_pointed_at():
    with pytest.raises(SettingsError, match="momentum is a baseline that counts and has nothing"):
        learner_of("momentum", settings_of("ridge")())


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
