"""The forest finds what is there, claims nothing else, and its graph is the forest itself."""

import dataclasses
import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from asset_predict_dagster.errors import SettingsError, TrainingError
from asset_predict_dagster.models.forest_settings import ForestSettings
from asset_predict_dagster.models.quantile_bins import bin_codes, bin_edges
from asset_predict_dagster.models.random_forest import RandomForestLearner
from asset_predict_dagster.models.twin_forests import draw_weights
from asset_predict_dagster_tests.models.synthetic import planted_market, rank_ic, run_graph

ROOT = Path(__file__).parents[2]

LAST_TRAINING_SESSION = 200


def learner(market, **knobs):
    settings = ForestSettings(**({"n_estimators": 10} | knobs))
    return RandomForestLearner(market.samples.feature_names, settings)


def fit(market, samples=None, **knobs):
    train, later = market.rows(0, LAST_TRAINING_SESSION), market.rows(206, 250)
    return learner(market, **knobs).fit(samples or market.samples, train, later)


def native_forests(trained):
    return joblib.load(io.BytesIO(trained.native))


def trees(trained):
    """The trees of the action."""
    return [estimator.tree_ for estimator in native_forests(trained)["classifier"].estimators_]


def later_ic(market, trained):
    """Rank IC of the one-session score on sessions after the training rows."""
    later = market.rows(LAST_TRAINING_SESSION + 6, 300)
    _, scores = run_graph(trained.onnx, market.samples.features[later])
    outcome = market.samples.return_ranks[later, 0]
    return rank_ic(scores[:, 0], outcome, market.samples.session_codes[later])


@pytest.fixture(scope="module")
def market():
    return planted_market()


@pytest.fixture(scope="module")
def trained(market):
    return fit(market, n_estimators=100)


def test_a_planted_signal_is_found(market, trained):
    assert later_ic(market, trained) > 0.15  # the signal itself reaches .28


def test_nothing_is_found_where_nothing_is():
    noise = planted_market(signal=0.0)
    # 95 sessions of 12 tickers: the standard error is 1 / sqrt(95 * 11) = .03.
    assert abs(later_ic(noise, fit(noise))) < 0.09


def test_labels_outside_the_training_rows_never_matter(market):
    samples = market.samples
    outside = np.flatnonzero(~market.rows(0, LAST_TRAINING_SESSION))
    shuffled = np.random.default_rng(0).permutation(outside)
    action, ranks = samples.action.copy(), samples.return_ranks.copy()
    action[outside], ranks[outside] = action[shuffled], ranks[shuffled]
    other = dataclasses.replace(samples, action=action, return_ranks=ranks)
    assert fit(market, other).native == fit(market).native


def test_future_features_never_matter(market):
    samples = market.samples
    features = samples.features.copy()
    features[samples.session_codes > LAST_TRAINING_SESSION] = 1e6
    other = dataclasses.replace(samples, features=features)
    assert fit(market, other).native == fit(market).native


def test_one_seed_gives_one_forest_byte_for_byte_in_every_process(market):
    code = (
        "import hashlib; from asset_predict_dagster_tests.models import test_random_forest as t;"
        "trained = t.fit(t.planted_market());"
        "print(hashlib.sha256(trained.native + trained.onnx).hexdigest())"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    here = fit(market)
    digest = hashlib.sha256(here.native + here.onnx).hexdigest()
    assert elsewhere.stdout.strip() == digest
    assert fit(market, seed=43).native != here.native


def test_threads_do_not_change_a_bit_of_the_forest(market):
    one, two = fit(market), fit(market, n_jobs=2)
    assert two.onnx == one.onnx
    # Two threads add the trees' answers in the order they come: the last digit may differ.
    for by_one, by_two in zip(
        one.native_forecast(market.samples.features),
        two.native_forecast(market.samples.features),
        strict=True,
    ):
        np.testing.assert_allclose(by_two, by_one, rtol=0, atol=1e-15)


def test_the_graph_equals_the_native_forests_on_every_row(market, trained):
    """Rows with missing values, and values exactly on an edge, included."""
    native = joblib.load(io.BytesIO(trained.native))
    features = market.samples.features
    on_edges = np.stack([np.resize(edge, 100) for edge in native["edges"]], axis=1)
    just_above = np.nextafter(on_edges, np.float32(np.inf))
    all_missing = np.full((1, features.shape[1]), np.nan, dtype=np.float32)
    rows = np.concatenate([features, on_edges, just_above, all_missing])
    assert np.isnan(features).any()

    probabilities, scores = run_graph(trained.onnx, rows)
    of_classes, of_returns = trained.native_forecast(rows)
    np.testing.assert_allclose(probabilities, of_classes, atol=1e-6, rtol=0)
    np.testing.assert_allclose(scores, of_returns, atol=1e-6, rtol=0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_the_native_artefact_is_the_forest_people_can_open(market, trained):
    native = joblib.load(io.BytesIO(trained.native))
    assert native["feature_names"] == market.samples.feature_names
    codes = bin_codes(market.samples.features, native["edges"])
    of_classes, of_returns = trained.native_forecast(market.samples.features)
    np.testing.assert_array_equal(native["classifier"].predict_proba(codes), of_classes)
    np.testing.assert_array_equal(native["regressor"].predict(codes), of_returns)


def test_a_class_never_seen_has_no_probability(market):
    samples = dataclasses.replace(
        market.samples, action=np.where(market.samples.action == 1, 0, market.samples.action)
    )
    trained = fit(market, samples)
    probabilities, _ = run_graph(trained.onnx, samples.features)
    assert (probabilities[:, 1] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (trained.native_forecast(samples.features)[0][:, 1] == 0).all()


def test_a_feature_that_is_always_missing_is_harmless(market):
    features = market.samples.features.copy()
    features[:, 5] = np.nan
    trained = fit(market, dataclasses.replace(market.samples, features=features))
    asked = native_forests(trained)["classifier"].feature_importances_
    assert asked[5] == 0 and asked[:5].all()
    assert np.isfinite(run_graph(trained.onnx, features)[1]).all()


def test_a_refit_repeats_what_the_fit_chose(market):
    fitted = fit(market)
    rows = market.rows(0, LAST_TRAINING_SESSION)
    again = learner(market).refit(market.samples, rows, fitted.chosen)
    assert again.native == fitted.native


def test_leaves_shrink_on_small_data_and_nowhere_else(market, trained):
    n_rows = market.rows(0, LAST_TRAINING_SESSION).sum()
    forests = native_forests(trained)
    assert trained.chosen["action"]["min_samples_leaf"] == 500
    for twin, name in (("action", "classifier"), ("returns", "regressor")):
        grown = int(n_rows * 0.3) // 20
        assert forests[name].min_samples_leaf == trained.chosen["leaf_grown"][twin] == grown < 500
        small = native_forests(fit(market, min_samples_leaf=7))[name]
        assert small.min_samples_leaf == 7


def test_more_rows_grow_larger_leaves_and_each_card_says_its_own(market, trained):
    rows = market.rows(0, 250)
    again = learner(market).refit(market.samples, rows, trained.chosen)
    grown = again.chosen["leaf_grown"]["action"]
    assert grown == int(rows.sum() * 0.3) // 20 > trained.chosen["leaf_grown"]["action"]
    assert native_forests(again)["classifier"].min_samples_leaf == grown
    assert again.chosen["action"] == trained.chosen["action"]


def test_both_twins_grow_as_they_were_told(market):
    chosen = {
        twin: {"min_samples_leaf": leaf, "max_features": 0.5, "max_samples": 0.4, "max_depth": 3}
        for twin, leaf in (("action", 30), ("returns", 40))
    }
    rows = market.rows(0, LAST_TRAINING_SESSION)
    forests = native_forests(learner(market).refit(market.samples, rows, chosen))
    for name, leaf in (("classifier", 30), ("regressor", 40)):
        for estimator in forests[name].estimators_:
            tree = estimator.tree_
            assert tree.max_depth <= 3
            assert tree.n_node_samples[tree.children_left == -1].min() >= leaf


def test_balanced_classes_raise_the_rarest(market):
    rows = market.rows(0, LAST_TRAINING_SESSION)
    rarest = np.bincount(market.samples.action[rows]).argmin()
    plain, balanced = (
        run_graph(fit(market, class_weight=weight).onnx, market.samples.features)[0]
        for weight in (None, "balanced")
    )
    assert balanced[:, rarest].mean() > plain[:, rarest].mean()


CHANGED_KNOBS = {
    "n_estimators": 9,
    "max_depth": 2,
    "min_samples_leaf": 5,
    "max_features": 1.0,
    "max_samples": 0.5,
    "class_weight": "balanced",
    "sample_weight": "uniqueness",
    "n_bins": 8,
    "seed": 1,
}


@pytest.mark.parametrize(("knob", "value"), CHANGED_KNOBS.items())
def test_no_setting_is_dead(market, knob, value):
    samples = with_weights(market, np.random.default_rng(0).uniform(0.2, 1, market.samples.n_rows))
    assert fit(market, samples, **{knob: value}).onnx != fit(market, samples).onnx


def test_every_setting_is_shown_to_be_alive():
    of_the_search = {"search", "n_candidates"}  # test_forest_search.py
    assert {*CHANGED_KNOBS, *of_the_search, "n_jobs"} == set(ForestSettings.model_fields)


def with_weights(market, weight):
    return dataclasses.replace(market.samples, weight=weight.astype(np.float32))


def test_labels_of_equal_uniqueness_change_nothing(market):
    """Those of the table all span six sessions, so each of them is a sixth its own."""
    samples = with_weights(market, np.full(market.samples.n_rows, 1 / 6))
    assert fit(market, samples, sample_weight="uniqueness").onnx == fit(market, samples).onnx


def test_a_row_is_drawn_as_often_as_it_is_unique(market):
    rows = market.rows(0, LAST_TRAINING_SESSION)
    is_rise = market.samples.action == 0
    samples = with_weights(market, np.where(is_rise, 1.0, 0.25))
    weight = draw_weights(samples, rows, "uniqueness")
    assert weight is not None
    assert weight.mean() == pytest.approx(1)
    assert weight.max() / weight.min() == pytest.approx(4)

    share = is_rise[rows].mean()
    drawn = [
        # The root of a tree holds the classes of the rows it drew.
        tree.value[0, 0, 0]
        for tree in trees(fit(market, samples, n_estimators=30, sample_weight="uniqueness"))
    ]
    expected = share / (share + 0.25 * (1 - share))
    assert np.mean(drawn) == pytest.approx(expected, abs=0.02)


def test_the_returns_are_not_weighed_by_the_action_s_label(market):
    samples = with_weights(market, np.where(market.samples.action == 0, 1.0, 0.25))
    plain, weighed = (
        fit(market, samples, sample_weight=kind).native_forecast(samples.features)[1]
        for kind in ("none", "uniqueness")
    )
    np.testing.assert_array_equal(weighed, plain)


def test_a_labelled_row_without_uniqueness_is_refused(market):
    weight = np.ones(market.samples.n_rows)
    weight[np.flatnonzero(market.rows(0, LAST_TRAINING_SESSION))[3]] = np.nan
    for samples in (market.samples, with_weights(market, weight)):
        with pytest.raises(TrainingError, match="uniqueness of every labelled row"):
            fit(market, samples, sample_weight="uniqueness")


def test_one_class_is_nothing_to_learn_from(market):
    samples = dataclasses.replace(market.samples, action=np.zeros_like(market.samples.action))
    with pytest.raises(TrainingError, match="1 of the 3 actions"):
        fit(market, samples)


def test_too_few_rows_are_refused(market):
    few = market.rows(0, 10)
    with pytest.raises(TrainingError, match="needs 200 labelled rows"):
        learner(market).fit(market.samples, few, few)


@pytest.mark.parametrize(
    "knobs",
    [
        {"n_tree": 5},
        {"max_samples": 1.5},
        {"max_features": float("nan")},
        {"max_depth": 0},
        {"min_samples_leaf": 0},
        {"n_estimators": 0},
        {"n_jobs": 0},
        {"n_bins": 1},
        {"class_weight": "heavy"},
        {"sample_weight": "recency"},
        {"search": "bayes"},
        {"n_candidates": 1},
        {"n_candidates": 18},
        {"n_candidates": 5, "search": "none"},
    ],
)
def test_an_unknown_or_impossible_setting_is_an_error_of_one_line(knobs):
    with pytest.raises(SettingsError, match=f"random_forest: {next(iter(knobs))}") as refused:
        ForestSettings(**knobs)
    assert "\n" not in str(refused.value)


def test_settings_come_back_from_a_card_with_and_without_a_search():
    for knobs in ({}, {"search": "none"}, {"search": "halving", "n_candidates": 5}):
        settings = ForestSettings(**knobs)
        assert ForestSettings(**settings.model_dump()) == settings


columns = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 60), st.just(1)),
    elements=st.floats(-10, 10, width=32) | st.just(float("nan")),
)


@given(seen=columns, asked=columns, n_bins=st.integers(2, 9))
def test_a_code_below_an_edge_is_a_value_below_it(seen, asked, n_bins):
    edges = bin_edges(seen, n_bins)
    codes = bin_codes(asked, edges)
    assert len(edges[0]) < n_bins
    for position, edge in enumerate(edges[0]):
        below = np.isnan(asked) | (asked <= edge)
        np.testing.assert_array_equal(codes <= position, below)


def test_bins_hold_equally_many_rows():
    values = np.random.default_rng(0).permutation(640).astype(np.float32)[:, None]
    codes = bin_codes(values, bin_edges(values, 64))
    assert (np.bincount(codes[:, 0].astype(int)) == 10).all()
