"""Quick fits of the LSTM on a planted market, for the tests beside."""

from functools import cache

import pytest
import torch

from asset_predict_dagster.dataset.samples import Samples
from asset_predict_dagster.dataset.windows import gather, window_index
from asset_predict_dagster.models.base import Trained
from asset_predict_dagster.models.lstm_learner import LstmLearner
from asset_predict_dagster.models.lstm_settings import LstmSettings
from asset_predict_dagster_tests.models.synthetic import PlantedMarket, planted_market

LAST_TRAINING_SESSION = 200

QUICK = {
    "lookback": 8,
    "units": 8,
    "epochs": 3,
    "n_seeds": 1,
    "batch_size": 36,
    "schedule": "plateau",
    "focal_loss_gamma": 2.0,
    "oversample": True,
}

OVERFITTING = {
    "epochs": 12,
    "learning_rate": 0.05,
    "units": 32,
    "early_stopping_patience": 3,
    "early_stopping_min_delta": 0.0,
}

needs_bfloat16 = pytest.mark.skipif(
    not torch.cpu.get_capabilities().get("avx512_bf16", False),
    reason="this processor has no arithmetic of 16 bits",
)


@cache
def usual_market() -> PlantedMarket:
    """Read by every test and changed by none."""
    return planted_market()


def train_rows(market: PlantedMarket):
    return market.rows(0, LAST_TRAINING_SESSION)


def validation_rows(market: PlantedMarket):
    return market.rows(206, 250)


def learner(market: PlantedMarket, report=None, checkpoint=None, **knobs) -> LstmLearner:
    settings = LstmSettings(**(QUICK | knobs))
    return LstmLearner(market.samples.feature_names, settings, report, checkpoint)


def fit(market: PlantedMarket, samples: Samples | None = None, **knobs) -> Trained:
    asked = learner(market, **knobs)
    return asked.fit(samples or market.samples, train_rows(market), validation_rows(market))


def windows_of(samples: Samples, rows, lookback: int, longest_gap: int | None = 10):
    codes = samples.ticker_codes, samples.session_codes
    return gather(samples.features, window_index(*codes, rows, lookback, longest_gap))
