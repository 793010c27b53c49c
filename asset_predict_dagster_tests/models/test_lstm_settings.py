"""Every knob of the LSTM does something, and an impossible one is refused in a sentence."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.errors import SettingsError, TrainingError
from asset_predict_dagster.models.lstm_device import find_device
from asset_predict_dagster.models.lstm_settings import LstmSettings
from asset_predict_dagster.models.lstm_state import cosine_rate
from asset_predict_dagster_tests.models.lstm_fits import (
    OVERFITTING,
    fit,
    needs_bfloat16,
    usual_market,
)

# A base on which validation stalls within a few epochs, so that every knob has something to do.
STALLING = OVERFITTING | {"epochs": 8, "early_stopping_patience": 6, "scheduler_patience": 0}
BESIDE = {"schedule": {"scheduler_patience": 1}}
"""Knobs that go with another one's change: a cosine knows no patience but the default."""
CHANGED_KNOBS = {
    "lookback": 9,
    "longest_gap": 0,
    "units": 9,
    "num_layers": 2,
    "dropout": 0.5,
    "horizons": 4,
    "training_mode": "windowed",
    "block_sessions": 12,
    "batch_size": 12,
    "epochs": 1,
    "learning_rate": 0.01,
    "weight_decay": 0.1,
    "gradient_clip_norm": 0.01,
    "loss_weight_action": 0.5,
    "loss_weight_return": 1.0,
    "task_weighting": "uncertainty",
    "focal_loss_gamma": 0.0,
    "oversample": False,
    "early_stopping_patience": 1,
    "early_stopping_min_delta": 0.5,
    "schedule": "cosine",
    "scheduler_patience": 5,
    "scheduler_factor": 0.1,
    "min_learning_rate": 0.05,
    "n_seeds": 2,
    "seed": 1,
}
SHOWN_ELSEWHERE = {"threads", "device", "precision"}
"""By `test_lstm.py` and below: the same forecasts are wanted, or not every processor can."""


@pytest.fixture(scope="module")
def stalled():
    return fit(usual_market(), **STALLING)


@pytest.mark.parametrize(("knob", "value"), CHANGED_KNOBS.items())
def test_no_setting_is_dead(stalled, knob, value):
    changed = fit(usual_market(), **STALLING | BESIDE.get(knob, {}) | {knob: value})
    assert changed.onnx != stalled.onnx or len(changed.curves) != len(stalled.curves)


@needs_bfloat16
def test_sixteen_bits_are_other_networks(stalled):
    assert fit(usual_market(), **STALLING, precision="bfloat16").onnx != stalled.onnx


def test_every_setting_is_shown_to_be_alive():
    assert {*CHANGED_KNOBS, *SHOWN_ELSEWHERE} == set(LstmSettings.model_fields)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"layers": 2}, "layers=2: extra inputs are not permitted"),
        ({"dropout": 1.0}, "dropout=1.0: input should be less than 1"),
        ({"lookback": 4}, "lookback=4: input should be greater than or equal to 5"),
        ({"lookback": 201}, "lookback=201: input should be less than or equal to 200"),
        ({"device": "gpu"}, "device='gpu': input should be 'auto', 'cpu' or 'cuda'"),
        ({"horizons": 6}, "horizons=6: input should be less than or equal to 5"),
        ({"horizons": [1, 3]}, r"horizons=\[1, 3\]: must be 1, 2... without a hole"),
        ({"lookback": 32, "block_sessions": 16}, "block_sessions is below lookback"),
        ({"training_mode": "windowed", "block_sessions": 64}, "is for many_to_many"),
        ({"loss_weight_action": 0}, "=0: must be at least 0.001: a head without weight is never"),
        ({"loss_weight_return": 1e-9}, "and what it says would be published as a forecast"),
        ({"loss_weight_return": 1e300}, r"=1e\+300: input should be less than or equal to 1000"),
        ({"loss_weight_action": "much"}, "='much': input should be a valid number"),
        (
            {"learning_rate": 1e-5, "min_learning_rate": 1e-4},
            "min_learning_rate 0.0001 is above learning_rate 1e-05; lower it, or leave it out",
        ),
        ({"learning_rate": 0.01, "min_learning_rate": 0.02}, "is above learning_rate 0.01"),
        (
            {"schedule": "cosine", "scheduler_patience": 5},
            "schedule cosine does not read scheduler_patience; choose schedule plateau, or",
        ),
        (
            {"schedule": "cosine", "scheduler_patience": 5, "scheduler_factor": 0.1},
            "does not read scheduler_patience and scheduler_factor",
        ),
        ({"threads": 10**12}, "threads=1000000000000: input should be less than or equal to 256"),
    ],
)
def test_an_unknown_or_impossible_setting_is_an_error(knobs, message):
    with pytest.raises(SettingsError, match=message):
        LstmSettings(**knobs)


@pytest.mark.parametrize(
    "name", [name for name, f in LstmSettings.model_fields.items() if f.annotation is float]
)
@pytest.mark.parametrize("given", [float("inf"), float("nan"), "1e999", "Infinity"])
def test_a_number_that_json_cannot_say_is_refused(name, given):
    with pytest.raises(SettingsError, match=f"lstm: {name}=.*should be a finite number"):
        LstmSettings(**{name: given})


@pytest.mark.parametrize("knobs", [{"scheduler_patience": 5}, {"scheduler_factor": 0.5}])
def test_whoever_speaks_of_the_plateau_gets_it(knobs):
    """What clients that know no other schedule mean, also where they say what is the default."""
    assert LstmSettings(**knobs) == LstmSettings(schedule="plateau", **knobs)
    assert LstmSettings().schedule == "cosine"


def test_a_learning_rate_below_the_default_floor_lowers_it():
    assert LstmSettings(learning_rate=5e-5).min_learning_rate == 5e-5
    assert LstmSettings(learning_rate=2e-4).min_learning_rate == 1e-4
    rates = fit(usual_market(), schedule="cosine", learning_rate=5e-5).curves["learning_rate"]
    assert rates.tolist() == [5e-5] * 3  # and nothing goes below it, not even the first epoch


asked_for = st.fixed_dictionaries(
    {},
    optional={
        "schedule": st.sampled_from(["plateau", "cosine"]),
        "scheduler_patience": st.integers(0, 3),
        "scheduler_factor": st.sampled_from([0.1, 0.5]),
        "learning_rate": st.sampled_from([1e-5, 1e-4, 1e-2]),
        "min_learning_rate": st.sampled_from([0.0, 1e-4, 1e-3]),
    },
)


@given(knobs=asked_for)
def test_what_was_asked_for_is_there_or_refused_and_a_card_gives_it_back(knobs):
    try:
        settings = LstmSettings(**knobs)
    except SettingsError:
        return
    said = settings.model_dump()
    assert {name: said[name] for name in knobs} == knobs
    assert LstmSettings(**said) == settings
    if settings.schedule == "cosine":  # which does not read them
        assert (settings.scheduler_patience, settings.scheduler_factor) == (1, 0.5)


def test_horizons_may_be_listed():
    assert LstmSettings(horizons=[1, 2, 3]) == LstmSettings(horizons=3)


def test_settings_come_back_from_a_card():
    knobs = LstmSettings(schedule="cosine", training_mode="windowed", horizons=2)
    assert LstmSettings(**knobs.model_dump()) == knobs


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_cuda_auto_is_the_cpu_and_cuda_is_refused():
    assert find_device("auto", "float32") == find_device("cpu", "float32") == torch.device("cpu")
    with pytest.raises(TrainingError, match="torch finds no CUDA device here; use device auto"):
        find_device("cuda", "float32")
    assert fit(usual_market(), device="auto").onnx == fit(usual_market(), device="cpu").onnx


def test_sixteen_bits_are_refused_where_the_processor_has_none(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    with pytest.raises(TrainingError, match="this cpu has no arithmetic for it"):
        find_device("cpu", "bfloat16")


def test_the_cosine_never_goes_below_the_minimum():
    knobs = LstmSettings(schedule="cosine", epochs=10, learning_rate=0.1, min_learning_rate=0.02)
    rates = [cosine_rate(epoch, knobs) for epoch in range(10)]
    assert rates[0] == 0.05
    assert rates[5] == pytest.approx(0.05)  # half-way, half the rate
    assert rates[9] == 0.02
