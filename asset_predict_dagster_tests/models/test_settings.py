"""Settings are read the same from a config file, a command line, a request and a preset."""

import json

import pytest

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.forest_settings import ForestSettings
from asset_predict_dagster.models.lstm_settings import LstmSettings
from asset_predict_dagster.models.settings import (
    ALIASES,
    IGNORED,
    asked_settings,
    fields_of,
    names_of,
    parse_settings,
)

BOTH = "horizon label label_width test_size val_size embargo seed tickers start end"
PROMISED = {
    "random_forest": "n_estimators max_depth min_samples_leaf max_features max_samples"
    " class_weight search n_jobs",
    "lstm": "lookback units num_layers dropout epochs batch_size learning_rate weight_decay"
    " gradient_clip_norm loss_weight_action loss_weight_return focal_loss_gamma oversample"
    " early_stopping_patience early_stopping_min_delta scheduler_patience scheduler_factor"
    " min_learning_rate horizons device precision",
}


@pytest.mark.parametrize("model", PROMISED)
def test_every_setting_that_people_were_promised_is_there(model):
    assert {*BOTH.split(), *PROMISED[model].split()} <= set(fields_of(model))


def test_nothing_given_is_the_default():
    assert parse_settings("random_forest", {}) == (Experiment(), ForestSettings(), ())
    assert parse_settings("lstm", {}) == (Experiment(), LstmSettings(), ())


def test_one_flat_list_becomes_an_experiment_and_a_models_knobs():
    given = {"horizon": 5, "n_estimators": 20, "seed": 7, "model_dir": "models", "test_size": 0.3}
    experiment, knobs, ignored = parse_settings("random_forest", given)
    assert experiment == Experiment(horizon=5, test_size=0.3)
    assert knobs == ForestSettings(n_estimators=20, seed=7)
    assert ignored == ("model_dir",)


def test_text_of_a_command_line_is_read_as_what_it_says():
    written = {"test-size": " 0.25", "tickers": "petr4, VALE3.SA", "max-depth": "none"}
    experiment, knobs, _ = parse_settings("random_forest", {**written, "n-jobs": "2"})
    assert experiment == Experiment(test_size=0.25, tickers=("PETR4", "VALE3"))
    assert (knobs.max_depth, knobs.n_jobs) == (None, 2)
    experiment, knobs, _ = parse_settings(
        "lstm", {"oversample": "false", "horizons": "1,2,3", "lr": "1e-3", "start": "2020-01-02"}
    )
    assert (knobs.oversample, knobs.horizons, knobs.learning_rate) == (False, 3, 0.001)
    assert experiment == Experiment(start="2020-01-02")


def test_a_list_may_be_a_list():
    assert parse_settings("lstm", {"tickers": ["petr4"]})[0].tickers == ("PETR4",)
    assert parse_settings("lstm", {"tickers": None})[0].is_default


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_an_alias_is_the_setting(alias, name):
    value = {"learning_rate": 0.004, "units": 48}[name]
    assert parse_settings("lstm", {alias: value}) == parse_settings("lstm", {name: value})
    with pytest.raises(SettingsError, match=f"'{alias}' and '{name}' are the same setting"):
        parse_settings("lstm", {alias: value, name: value})


@pytest.mark.parametrize("name", IGNORED)
def test_what_does_nothing_is_named_and_still_checked(name):
    assert parse_settings("lstm", {name: "somewhere"})[2] == (name,)
    with pytest.raises(SettingsError, match=f"lstm: {name}=3 should be text"):
        parse_settings("lstm", {name: 3})


def test_the_names_that_are_allowed_have_one_order_with_those_that_are_meant_before_it():
    def allowed(written: str) -> list[str]:
        with pytest.raises(SettingsError) as refused:
            parse_settings("random_forest", {written: 1})
        return str(refused.value).partition("allowed are ")[2].split(", ")

    plain = allowed("xyzzy")
    assert plain == allowed("qqq")
    meant = allowed("n_estimator")
    assert meant[0] == "n_estimators"
    assert meant[3:] == [name for name in plain if name not in meant[:3]]


@pytest.mark.parametrize(
    ("model", "given", "says"),
    [
        ("random_forest", {"n_estimator": 5}, "has no setting 'n_estimator'; allowed are n_estim"),
        ("lstm", {"learning_rat": 0.1}, "lstm has no setting 'learning_rat'; allowed are learning"),
        ("random_forest", {"units": 5}, "has no setting 'units' (it is one of lstm)"),
        ("random_forest", {"lr": 0.1}, "has no setting 'lr' (it is one of lstm)"),
        ("lstm", {"horizon": 99}, "lstm: horizon=99: input should be less than or equal to 30"),
        ("lstm", {"epochs": "many"}, "lstm: epochs='many': input should be a valid integer"),
        ("lstm", {"epochs": True}, "lstm: epochs=True should not be a switch"),
        ("lstm", {"epochs": 2.5}, "lstm: epochs=2.5: input should be a valid integer"),
        ("lstm", {"loss_weight_action": 0}, "lstm: loss_weight_action=0: must be at least"),
        ("random_forest", {"n_estimators": 0}, "random_forest: n_estimators=0"),
        ("boosting", {}, "there is no model 'boosting'; choose one of random_forest, lstm"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_sentence(model, given, says):
    with pytest.raises(SettingsError) as refused:
        parse_settings(model, given)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.fixture
def presets(tmp_path):
    """A folder with one preset of the LSTM, `tuned`, which came out of 50 trials."""
    tuned = {"model": "lstm", "settings": {"units": 48, "learning_rate": 0.02}, "n_trials_ever": 50}
    (tmp_path / "tuned.json").write_text(json.dumps(tuned))
    return tmp_path


def test_what_is_written_goes_before_the_preset_and_the_preset_before_the_seed(presets):
    asked = asked_settings(
        "lstm", {"preset": "tuned", "units": 8, "price_col": "close"}, presets=presets, seed=7
    )
    assert (asked.knobs.units, asked.knobs.learning_rate, asked.knobs.seed) == (8, 0.02, 7)
    assert (asked.ignored, asked.n_trials) == (("price_col",), 50)
    bare = asked_settings("lstm", {"seed": 3}, presets=presets, seed=7)
    assert (bare.knobs, bare.preset, bare.n_trials) == (LstmSettings(seed=3), None, 1)


@pytest.mark.parametrize("name", ["lr", "learning-rate", "learning_rate"])
def test_a_setting_goes_before_the_presets_whatever_it_is_called(presets, name):
    written = {"preset": "tuned", name: 0.004}
    knobs = asked_settings("lstm", written, presets=presets, seed=7).knobs
    assert (knobs.learning_rate, knobs.units) == (0.004, 48)


@pytest.mark.parametrize("horizons", [3, "3", "1,2,3", "1..3", [1, 2, 3]])
def test_horizons_are_how_many_or_which(horizons):
    assert parse_settings("lstm", {"horizons": horizons})[1].horizons == 3


def test_horizons_with_a_hole_cannot_be_had():
    for horizons in ([1, 3], "2..3"):
        with pytest.raises(SettingsError, match="without a hole"):
            parse_settings("lstm", {"horizons": horizons})


@pytest.mark.parametrize("model", PROMISED)
def test_every_name_that_is_listed_can_be_read(model):
    assert {"lr", "hidden_size"} & set(names_of(model)) == (
        {"lr", "hidden_size"} if model == "lstm" else set()
    )
    for name, field in names_of(model).items():
        beside = {"search": "halving"} if name == "n_candidates" else {}
        parse_settings(model, {name: field.get_default(), **beside})
