"""All that a model reads when it forecasts is what it would learn from, step by step."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset.samples import Samples
from asset_predict_dagster.dataset.served_windows import n_compared, unequal_served_windows
from asset_predict_dagster.models.lstm_learner import LstmSettings
from asset_predict_dagster.predictions.served_samples import served_samples
from asset_predict_dagster_tests.dataset.leak_market import LAST, as_of, whole

LOOKBACK, LONGEST_GAP = LstmSettings().lookback, LstmSettings().longest_gap


@cache
def learned() -> Samples:
    return whole().samples


def feature(samples: Samples) -> int:
    return samples.feature_names.index("rsi_14")


@cache
def ticker() -> str:
    """One that trades in the last session."""
    return learned().tickers[learned().ticker_codes[learned().session_codes.argmax()]]


def served() -> Samples:
    return served_samples(whole().features, whole().universe, LOOKBACK)


def found_in(samples: Samples, beside: Samples | None = None) -> dict[str, dict]:
    found = unequal_served_windows(samples, beside or learned(), LOOKBACK, LONGEST_GAP)
    assert {one["how"] for one in found} <= {"served"}
    return {one["column"]: one for one in found}


def row_of(samples: Samples, n_before: int) -> int:
    """The row of the ticker so many sessions before the last."""
    is_ticker = samples.tickers[samples.ticker_codes] == ticker()
    code = samples.session_codes.max() - n_before
    (row,) = np.flatnonzero(is_ticker & (samples.session_codes == code))
    return row


def altered(samples: Samples, n_before: int) -> Samples:
    """One bit of one feature of the ticker is another, so many sessions before the last."""
    features = samples.features.copy()
    cell = row_of(samples, n_before), feature(samples)
    features[cell] = np.nextafter(features[cell], np.float32(np.inf))
    return replace(samples, features=features)


def test_what_is_served_is_what_is_learned():
    assert found_in(served()) == {}
    n_tickers = (learned().session_codes == learned().session_codes.max()).sum()
    per_ticker = LOOKBACK * len(learned().feature_names) + 3
    assert n_compared(learned(), LOOKBACK) == n_tickers * per_ticker


@pytest.mark.parametrize("n_before", [0, 1, LOOKBACK - 1])
def test_a_bit_that_differs_in_any_step_of_a_window_is_named(n_before):
    (found,) = found_in(altered(served(), n_before)).values()
    assert found["column"] == "served.rsi_14"
    assert (found["n_rows"], found["ticker"]) == (1, ticker())
    day = learned().sessions[learned().session_codes.max() - n_before]
    assert (found["row_session"], found["cut"]) == (pd.Timestamp(day), pd.Timestamp(LAST))


def test_what_no_window_reaches_is_none_of_its_business():
    assert found_in(altered(served(), LOOKBACK)) == {}


def test_serving_from_too_few_sessions_is_named():
    """As if the recent rows were cut one session too short for the longest window."""
    sessions = np.unique(whole().features["session"])
    recent = (whole().features["session"] >= sessions[-LOOKBACK + 1]).to_numpy()
    short = served_samples(whole().features[recent], whole().universe[recent], LOOKBACK)
    assert list(found_in(short)) == ["served.(rows)"]


def test_features_in_another_order_are_named():
    shifted = replace(served(), features=np.roll(served().features, 1, axis=1))
    assert "served.rsi_14" in found_in(shifted)


def test_serving_an_older_session_is_named():
    sessions = np.unique(whole().features["session"])
    earlier = as_of(pd.Timestamp(sessions[-2]))
    samples = served_samples(earlier.features, earlier.universe, LOOKBACK)
    assert "served.(rows)" in found_in(samples)


def test_a_feature_that_one_side_lacks_is_named():
    lacking = served_samples(whole().features.drop(columns="rsi_14"), whole().universe, LOOKBACK)
    assert list(found_in(lacking)) == ["served.rsi_14"]


def test_what_scales_a_forecast_and_who_may_be_forecast_are_compared_too():
    samples = served()
    row = row_of(samples, 0)
    volatility, in_universe = samples.volatility.copy(), samples.in_universe.copy()
    volatility[row] *= 2
    in_universe[row] = ~in_universe[row]
    found = found_in(replace(samples, volatility=volatility, in_universe=in_universe))
    assert {"served.volatility", "served.in_universe"} <= set(found)
    assert found["served.volatility"]["ticker"] == ticker()


def test_a_label_that_the_learned_samples_hold_is_named():
    features = learned().features.copy()
    features[:, feature(learned())] = learned().return_ranks[:, 0]
    leaky = replace(learned(), features=features)
    assert list(found_in(served(), leaky)) == ["served.rsi_14"]
