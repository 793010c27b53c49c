"""Every knob of the LSTM does something, and an impossible one is refused in a sentence."""

import pytest
import torch

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
    changed = fit(usual_market(), **STALLING | {knob: value})
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
        ({"loss_weight_action": 0, "loss_weight_return": 0}, "are both 0"),
        ({"loss_weight_return": 0, "task_weighting": "uncertainty"}, "of which one is 0"),
        ({"learning_rate": 1e-5}, "min_learning_rate is above learning_rate"),
    ],
)
def test_an_unknown_or_impossible_setting_is_an_error(knobs, message):
    with pytest.raises(SettingsError, match=message):
        LstmSettings(**knobs)


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
