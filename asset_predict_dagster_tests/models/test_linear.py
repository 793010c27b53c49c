"""Ridge says what a weighted sum of features can say, neither more nor less."""

import dataclasses
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from asset_predict_dagster.dataset.catalogue import FEATURE_NAMES
from asset_predict_dagster.dataset.model_columns import RIDGE_FEATURES
from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS
from asset_predict_dagster.dataset.scaling import RobustScaling
from asset_predict_dagster.errors import SettingsError, TrainingError
from asset_predict_dagster.models.bundle import Bundle, feature_formulas, load_bundle, write_bundle
from asset_predict_dagster.models.linear import LinearLearner, LinearSettings
from asset_predict_dagster.tables import PATH_HORIZONS
from asset_predict_dagster_tests.models.synthetic import planted_market, rank_ic, run_graph

BUY, HOLD, SELL = range(len(ACTIONS))


@cache
def market():
    return planted_market()


@cache
def trained():
    samples = market().samples
    # So much is planted, which is ten times what a real market has.
    knobs = LinearSettings(expected_rank_ic=0.3, action_penalty=10.0)
    learner = LinearLearner(samples.feature_names, knobs)
    return learner, learner.fit(samples, market().rows(0, 200), market().rows(206, 250))


def with_action(action):
    return dataclasses.replace(market().samples, action=action.astype(np.int8))


def test_it_reads_what_the_catalogue_has():
    assert set(RIDGE_FEATURES) <= set(FEATURE_NAMES)
    assert LinearLearner().feature_names == RIDGE_FEATURES


def test_a_planted_order_is_found():
    samples, rows = market().samples, market().rows(206, 290)
    _, scores = trained()[1].native_forecast(samples.features[rows])
    found = rank_ic(scores[:, 0], samples.return_ranks[rows, 0], samples.session_codes[rows])
    there = rank_ic(
        market().truth[rows], samples.return_ranks[rows, 0], samples.session_codes[rows]
    )
    assert found > 0.85 * there > 0.2


def test_hold_is_likelier_where_moves_are_small():
    samples, rows = market().samples, market().rows(206, 290)
    probabilities, _ = trained()[1].native_forecast(samples.features[rows])
    size = samples.volatility[rows]
    calm, wild = size < np.quantile(size, 0.2), size > np.quantile(size, 0.8)
    assert probabilities[calm, HOLD].mean() > probabilities[wild, HOLD].mean() + 0.2


def test_the_ridge_is_the_one_of_the_textbook():
    """One feature, so its weight is Σxy / (Σx² + penalty), of what is left after the means."""
    samples, rows = market().samples, market().rows(0, 200)
    learner = LinearLearner(("feature_0",), LinearSettings(expected_rank_ic=0.05))
    fitted = learner.refit(samples, rows, {})
    scaling = RobustScaling.fit(samples.columns(("feature_0",))[rows])
    x = scaling.apply(samples.columns(("feature_0",))[rows])[:, 0].astype(np.float64)
    y = samples.return_ranks[rows, 0].astype(np.float64)
    x_left, y_left = x - x.mean(), y - y.mean()
    weight = x_left @ y_left / (x_left @ x_left + 1 / 0.05**2)
    _, scores = fitted.native_forecast(samples.columns(("feature_0",))[rows])
    np.testing.assert_allclose(scores[:, 0], y.mean() + weight * x_left, rtol=1e-5, atol=1e-7)


values = arrays.arrays(
    np.float32,
    (5, 6),
    elements=st.one_of(st.just(np.nan), st.floats(-(2.0**60), 2.0**60, width=32)),
)


@settings(max_examples=100, deadline=None)
@given(features=values)
def test_the_graph_says_what_scikit_learn_says_whatever_it_is_given(features):
    fitted = trained()[1]
    pairs = zip(run_graph(fitted.onnx, features), fitted.native_forecast(features), strict=True)
    for exported, own in pairs:
        np.testing.assert_allclose(exported, own, rtol=0, atol=1e-5)


def test_saved_and_loaded_it_says_the_same():
    learner, fitted = trained()
    card = {
        "model": learner.name,
        "feature_names": list(learner.feature_names),
        "feature_formulas": feature_formulas(learner.feature_names),
        "lookback": learner.lookback,
        "horizons": list(HORIZONS),
        "actions": list(ACTIONS),
        "calibration": {
            "slope": 1.5,
            "bias": [0.25, 0.0, -0.5],
            "scale": [0.5] * len(HORIZONS),
            "width": [1.5] * len(PATH_HORIZONS),
        },
    }
    rows = np.arange(0, 3000, 7)
    before = Bundle("", card, fitted.onnx).forecast(market().samples, rows)
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_bundle(Path(folder), write_bundle(Path(folder), fitted, card))
    after = loaded.forecast(market().samples, rows)
    for one, other in zip(vars(before).values(), vars(after).values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_only_the_rows_it_is_given_teach_it():
    learner, fitted = trained()
    samples, rows = market().samples, market().rows(0, 200)
    other = dataclasses.replace(
        samples,
        features=np.where(rows[:, None], samples.features, 99.0).astype(np.float32),
        return_ranks=np.where(rows[:, None], samples.return_ranks, -3.0).astype(np.float32),
        action=np.where(rows, samples.action, SELL).astype(np.int8),
    )
    again = learner.fit(other, rows, market().rows(206, 250))
    assert again.onnx == fitted.onnx


@pytest.mark.parametrize("factor", [2.0**-10, 2.0**12])
def test_the_unit_of_a_feature_does_not_matter(factor):
    learner, fitted = trained()
    samples, rows = market().samples, market().rows(0, 200)
    scaled = dataclasses.replace(samples, features=samples.features * np.float32(factor))
    again = learner.fit(scaled, rows, rows)
    one = fitted.native_forecast(samples.features[:500])
    other = again.native_forecast(scaled.features[:500])
    np.testing.assert_allclose(one[0], other[0], atol=1e-6)
    np.testing.assert_allclose(one[1], other[1], atol=1e-6)


def test_an_action_that_training_never_saw_is_never_said():
    samples, rows = market().samples, market().rows(0, 200)
    no_hold = with_action(np.where(samples.action == HOLD, SELL, samples.action))
    fitted = LinearLearner(samples.feature_names).fit(no_hold, rows, rows)
    probabilities, _ = run_graph(fitted.onnx, samples.features[:100])
    assert (probabilities[:, HOLD] < 1e-10).all()
    np.testing.assert_allclose(
        probabilities, fitted.native_forecast(samples.features[:100])[0], atol=1e-6
    )


def test_one_action_or_a_handful_of_rows_teach_nothing():
    samples, rows = market().samples, market().rows(0, 200)
    learner = LinearLearner(samples.feature_names)
    with pytest.raises(TrainingError, match=r"at least 2 actions and found 2,\d+ of 1"):
        learner.fit(with_action(np.full(samples.n_rows, BUY)), rows, rows)
    few = market().rows(0, 10)
    with pytest.raises(TrainingError, match=f"needs 200 labelled rows .* found {few.sum()} of 3"):
        learner.fit(samples, few, rows)


@pytest.mark.parametrize(
    "knobs", [{"expected_rank_ic": 0}, {"action_penalty": -1.0}, {"alpha": 1.0}]
)
def test_a_setting_that_is_unknown_or_impossible_is_refused(knobs):
    with pytest.raises(SettingsError, match=f"^ridge: {next(iter(knobs))}=.*"):
        LinearSettings(**knobs)
