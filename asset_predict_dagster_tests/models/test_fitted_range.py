"""A row unlike those a model was fitted on is told from the others, and few others are."""

import json
from datetime import date
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.features import compute_features
from asset_predict_dagster.dataset.model_columns import FOREST_FEATURES, LSTM_FEATURES
from asset_predict_dagster.dataset.samples import Samples, build_samples
from asset_predict_dagster.models.bundle import Bundle
from asset_predict_dagster.models.fitted_range import TAIL, FittedRange, fit_range
from asset_predict_dagster_tests.market.simulated_tables import market_as_of
from asset_predict_dagster_tests.models.synthetic import planted_market
from asset_predict_dagster_tests.predictions.simulated_life import with_larger_moves

LAST = date(2021, 12, 30)
QUARTER = 63
each_model = pytest.mark.parametrize(
    "names", [FOREST_FEATURES, LSTM_FEATURES], ids=["forest", "lstm"]
)


def a_range(most_outside: int, low=(-1.0, -1.0), high=(1.0, 1.0)) -> FittedRange:
    return FittedRange(np.float32(low), np.float32(high), most_outside)


@pytest.mark.parametrize(
    ("row", "n_outside"),
    [
        ((0.0, 0.0), 0),
        ((1.0, -1.0), 0),
        ((1.1, 0.0), 1),
        ((-1.1, 2.0), 2),
        ((np.nan, 2.0), 1),
        ((np.nan, np.nan), 0),
    ],
)
def test_features_beyond_their_bounds_are_counted_and_missing_ones_are_not(row, n_outside):
    rows = np.array([row], dtype=np.float32)
    assert a_range(0).n_outside(rows).tolist() == [n_outside]
    for most in (0, 1, 2):
        assert a_range(most).is_left_by(rows).tolist() == [n_outside > most]


@pytest.mark.parametrize(
    ("shift", "n_rows_outside", "most_outside"),
    [
        (0, [9_980, 0, 20], 2),
        (9, [9_971, 18, 11], 2),
        (10, [9_970, 20, 10], 1),
        (100, [9_960, 40], 1),
    ],
)
def test_odd_features_that_come_together_are_not_many(shift, n_rows_outside, most_outside):
    """Of 10,000 rows the ten lowest and the ten highest are outside in each of two features.

    Ten rows may be outside. As long as more have two odd features, these are nothing strange.
    """
    one = np.arange(10_000, dtype=np.float32)
    features = np.column_stack([one, np.roll(one, shift)])
    found = fit_range(("a", "b"), features)
    assert np.bincount(found.n_outside(features)).tolist() == n_rows_outside
    assert found.most_outside == most_outside


def test_a_rank_is_not_asked_because_it_reaches_as_far_as_there_are_tickers():
    names = ("rank_log_return_1d", "log_return_1d")
    features = np.random.default_rng(4).standard_normal((5_000, 2)).astype(np.float32)
    found = fit_range(names, features)
    assert found.n_outside(np.full((1, 2), 9.0, dtype=np.float32)).tolist() == [1]
    assert found.as_card()["low"][0] is None and found.as_card()["high"][0] is None


def test_a_feature_that_was_always_missing_is_not_asked():
    features = np.array([[np.nan, 1.0], [np.nan, 2.0]], dtype=np.float32)
    odd = np.array([[7.0, 1.5]], dtype=np.float32)
    assert fit_range(("never", "known"), features).n_outside(odd).tolist() == [0]


@given(
    seed=st.integers(0, 2**16),
    n_rows=st.integers(1, 3000),
    n_features=st.integers(1, 8),
    shared=st.floats(0, 5),
    missing=st.floats(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_of_the_fitted_rows_at_most_one_in_a_thousand_is_outside(
    seed, n_rows, n_features, shared, missing
):
    random = np.random.default_rng(seed)
    features = random.standard_normal((n_rows, n_features)) + shared * random.standard_normal(
        (n_rows, 1)
    )
    features[random.random(features.shape) < missing] = np.nan
    features = features.astype(np.float32)
    found = fit_range([f"own_{place}" for place in range(n_features)], features)
    assert found.is_left_by(features).mean() <= TAIL
    # No smaller number would do.
    if found.most_outside:
        assert (found.n_outside(features) >= found.most_outside).mean() > TAIL

    kept = FittedRange.from_card(json.loads(json.dumps(found.as_card())), n_features)
    np.testing.assert_array_equal(kept.low, found.low)
    np.testing.assert_array_equal(kept.high, found.high)
    assert kept.most_outside == found.most_outside


def test_a_bundle_asks_the_features_it_reads_in_its_own_order():
    samples = planted_market().samples
    names = ("feature_4", "feature_1")
    found = a_range(0, low=(-np.inf, -0.5), high=(0.25, np.inf))
    bundle = Bundle(
        "", {"model": "m", "feature_names": names, "fitted_range": found.as_card()}, b""
    )
    rows = np.arange(50, 150)
    by_hand = [samples.features[row, 4] > 0.25 or samples.features[row, 1] < -0.5 for row in rows]
    assert bundle.is_unfamiliar(samples, rows).tolist() == by_hand
    assert 0 < sum(by_hand) < 100


def test_nothing_is_unlike_what_an_older_program_did_not_note():
    samples = planted_market().samples
    bundle = Bundle("", {"model": "m", "feature_names": list(samples.feature_names)}, b"")
    assert not bundle.is_unfamiliar(samples, np.arange(samples.n_rows)).any()


# --- On simulated markets ----------------------------------------------------------------------


@cache
def samples_of(seed: int, factor: float = 1.0) -> Samples:
    """Four simulated years, in the last quarter moves `factor` times as large."""
    market = market_as_of(LAST, 0.08, seed)
    if factor == 1.0:
        return market.samples
    sessions = np.unique(market.quotes["session"])
    return build_samples(*with_larger_moves(market.quotes, sessions[-QUARTER], factor))


def last_quarter(samples: Samples) -> np.ndarray:
    return samples.is_forecastable & (samples.session_codes >= len(samples.sessions) - QUARTER)


def range_before(samples: Samples, names: tuple[str, ...]) -> FittedRange:
    """Of what was labelled six sessions before the last quarter."""
    last = len(samples.sessions) - QUARTER - 7
    return fit_range(names, samples.columns(names)[samples.is_labelled & samples.between(0, last)])


def share_marked(seed: int, names: tuple[str, ...], factor: float) -> float:
    found, samples = range_before(samples_of(seed), names), samples_of(seed, factor)
    return float(found.is_left_by(samples.columns(names)[last_quarter(samples)]).mean())


@each_model
def test_of_a_market_that_goes_on_few_rows_are_marked_and_of_one_twice_as_wild_many(names):
    seeds = (1, 2, 3)
    same, wild = (np.mean([share_marked(s, names, f) for s in seeds]) for f in (1.0, 2.0))
    assert same < 0.01
    assert wild > 0.04
    assert wild > 10 * same


@each_model
def test_a_price_ten_times_too_high_is_marked(names):
    market = market_as_of(LAST, 0.08, 1)
    days = market.quotes["session"]
    is_last = (days == days.max()).to_numpy()
    recent = (days >= np.unique(days)[-400]).to_numpy()
    ticker = market.quotes["ticker"][is_last & market.universe["in_universe"].to_numpy()].iloc[3]
    wrong = is_last & (market.quotes["ticker"] == ticker).to_numpy()
    quotes = market.quotes.copy()
    prices = [name for name in quotes if name.endswith(("open", "high", "low", "close", "average"))]
    quotes.loc[wrong, prices] *= 10
    tables = [table[recent].reset_index(drop=True) for table in (quotes, market.universe)]
    samples = build_samples(compute_features(*tables), tables[1])
    rows = samples.tickers[samples.ticker_codes] == ticker
    rows &= samples.session_codes == len(samples.sessions) - 1
    assert rows.sum() == 1
    found = range_before(market.samples, names)
    assert found.is_left_by(samples.columns(names)[rows]).all()
