"""A trial's settings are ones that a model takes, and a preset says them all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.forest_settings import ForestSettings
from asset_predict_dagster.models.kinds import KINDS, settings_of, space_of
from asset_predict_dagster.models.lstm_settings import LstmSettings
from asset_predict_dagster.models.search_space import (
    Choice,
    refuse_another_search,
    settings_of_trial,
    worth_keeping,
)
from asset_predict_dagster.models.settings import parse_settings


def draws(model: str) -> st.SearchStrategy[dict]:
    """Any point of the space."""

    def of(knob) -> st.SearchStrategy:
        if isinstance(knob, Choice):
            return st.sampled_from(knob.values)
        if isinstance(knob.low, int):
            return st.sampled_from(range(knob.low, int(knob.high) + 1, knob.step))
        return st.floats(knob.low, knob.high)

    return st.fixed_dictionaries({name: of(knob) for name, knob in space_of(model).items()})


models = pytest.mark.parametrize("model", [name for name in KINDS if KINDS[name].space])


@models
def test_every_point_of_the_space_is_a_setting_and_survives_its_preset(model):
    base = settings_of(model)(seed=7)

    @given(draws(model))
    def holds(drawn):
        settings = settings_of_trial(base, drawn)
        for name, value in drawn.items():
            assert getattr(settings, name) == pytest.approx(value, rel=1e-3)
        _, again, _ = parse_settings(model, {"seed": 7, **worth_keeping(settings, base)})
        assert again == settings

    holds()


def test_numbers_are_kept_to_four_digits_and_whole_ones_whole():
    settings = settings_of_trial(ForestSettings(), {"max_features": 0.3141592, "max_depth": 9})
    assert (settings.max_features, settings.max_depth) == (0.3142, 9)


def test_a_rate_below_the_floor_of_the_schedule_lowers_the_floor():
    assert settings_of_trial(LstmSettings(), {"learning_rate": 2e-5}).min_learning_rate == 2e-5
    assert settings_of_trial(LstmSettings(), {"learning_rate": 2e-3}).min_learning_rate == 1e-4


def test_a_floor_that_was_asked_for_is_not_lowered_behind_its_back():
    asked = LstmSettings(min_learning_rate=1e-3)
    with pytest.raises(
        SettingsError, match=r"min_learning_rate 0\.001 is above learning_rate 2e-05"
    ):
        settings_of_trial(asked, {"learning_rate": 2e-5})


def test_a_preset_leaves_out_the_defaults_and_what_is_of_the_run():
    base = ForestSettings(n_estimators=60, seed=7, n_jobs=2, max_features=0.5)
    tuned = settings_of_trial(base, {"max_features": 0.3, "max_depth": 9})
    # 0.3 is the default today; it was tuned away from 0.5 all the same.
    assert worth_keeping(tuned, base) == {"n_estimators": 60, "max_features": 0.3, "max_depth": 9}
    assert worth_keeping(ForestSettings(), ForestSettings()) == {}
    five = Experiment(horizon=5, tickers=("petr4",))
    assert worth_keeping(five, five) == {"horizon": 5, "tickers": ["PETR4"]}


def test_a_model_without_a_space_and_a_search_within_a_search_are_refused():
    with pytest.raises(SettingsError, match="no search space of 'momentum'; tune random_forest or"):
        space_of("momentum")
    with pytest.raises(SettingsError, match="search=halving within a tuning"):
        refuse_another_search("random_forest", ForestSettings(search="halving"))
    refuse_another_search("random_forest", ForestSettings())
    refuse_another_search("lstm", LstmSettings())
