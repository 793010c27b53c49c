"""An experiment says what it has else than the default, and keeps to a window of its own."""

from datetime import date

import pytest

from asset_predict_dagster.dataset.labels import LABEL_WIDTH, SPAN
from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.models.experiment import Experiment


def test_the_default_is_that_of_the_tables():
    default = Experiment()
    assert default.is_default and default.scope == "" and default.window == "holdout"
    assert (default.definition.horizon, default.definition.width) == (1, LABEL_WIDTH)
    assert default.as_card()["span"] == SPAN


@pytest.mark.parametrize(
    "change",
    [
        {"horizon": 2},
        {"label": "triple_barrier"},
        {"label_width": 1.0},
        {"test_size": 0.3},
        {"val_size": 0.1},
        {"embargo": 0},
        {"tickers": ("PETR4",)},
        {"start": date(2020, 1, 2)},
        {"end": date(2020, 1, 2)},
    ],
)
def test_any_other_definition_is_scoped_and_has_its_own_window(change):
    experiment = Experiment(**change)
    (name,) = change
    assert not experiment.is_default
    assert experiment.scope.startswith(f"{name}=")
    assert experiment.window.startswith("scoped_")
    assert experiment.window != Experiment(**{**change, "embargo": 7}).window
    assert experiment == Experiment.from_card(experiment.as_card())


def test_the_same_experiment_has_the_same_window_however_it_is_written():
    written = Experiment(tickers=("vale3.SA", " PETR4 ", "VALE3"), start="2020-01-02")
    assert written.tickers == ("PETR4", "VALE3")
    assert written.window == Experiment(tickers=("PETR4", "VALE3"), start=date(2020, 1, 2)).window


def test_a_window_keeps_its_name_from_one_release_to_the_next():
    """Forecasts that were recorded under it would be lost otherwise."""
    assert Experiment(horizon=5).window == "scoped_c020264b"


def test_signal_clusters_say_that_they_predict_nothing():
    assert "has predicted nothing" in Experiment(label="signal_cluster").scope


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"horizon": 0}, "horizon=0: input should be greater than or equal to 1"),
        ({"horizon": 31}, "horizon=31: input should be less than or equal to 30"),
        ({"label": "tomorrow"}, "label='tomorrow': input should be 'forward_return'"),
        ({"label_width": -0.1}, "label_width=-0.1"),
        ({"label_width": float("nan")}, "label_width=nan: input should be a finite number"),
        ({"test_size": 1.0}, "test_size=1.0: input should be less than 1"),
        ({"test_size": 0.5, "val_size": 0.5}, "leave no session to train"),
        ({"embargo": -1}, "embargo=-1"),
        ({"start": "January"}, "start='January': expected is a day such as 2020-01-31"),
        ({"end": 20200101}, "end=20200101: expected is a day such as 2020-01-31"),
        ({"end": "2020-02-30"}, "end='2020-02-30': input should be a valid date"),
        ({"start": "2021-01-04", "end": "2020-01-02"}, "should be before end 2020-01-02"),
        ({"horizont": 2}, "horizont=2: extra inputs are not permitted"),
    ],
)
def test_an_impossible_experiment_is_refused_in_one_sentence(wrong, says):
    with pytest.raises(SettingsError) as refused:
        Experiment(**wrong)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
