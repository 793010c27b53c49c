"""A search looks at the training sessions, in order of time, and keeps what forecast best."""

import dataclasses
import io
import json

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.forest_folds import action_score, inner_folds, returns_score
from asset_predict_dagster.models.forest_search import search
from asset_predict_dagster.models.forest_settings import ForestSettings
from asset_predict_dagster.models.random_forest import RandomForestLearner
from asset_predict_dagster.models.search_space import GROWTH
from asset_predict_dagster.models.twin_forests import Growth, grown
from asset_predict_dagster_tests.models.synthetic import planted_market, rank_ic

LAST_TRAINING_SESSION = 379
N_CANDIDATES = 7


def knobs(**changed):
    return ForestSettings(
        **({"n_estimators": 9, "search": "halving", "n_candidates": N_CANDIDATES} | changed)
    )


def fit(market, samples=None, **changed):
    train, later = market.rows(0, LAST_TRAINING_SESSION), market.rows(391, 479)
    learner = RandomForestLearner(market.samples.feature_names, knobs(**changed))
    return learner.fit(samples or market.samples, train, later)


@pytest.fixture(scope="module")
def market():
    return planted_market(n_tickers=8, n_sessions=480)


@pytest.fixture(scope="module")
def found(market):
    return fit(market)


def test_a_third_stays_after_each_round_and_the_best_of_the_last_is_chosen(found):
    for twin, rounds in found.curves.groupby("twin"):
        assert rounds.groupby("round")["candidate"].size().tolist() == [7, 3, 1]
        assert rounds.groupby("round")["n_trees"].first().tolist() == [2, 5, 9]
        for number, table in rounds.groupby("round"):
            kept, lost = table[table["is_kept"]], table[~table["is_kept"]]
            assert lost.empty or kept["score"].min() >= lost["score"].max()
            if number < 3:
                after = rounds.loc[rounds["round"] == number + 1, "candidate"]
                assert set(kept["candidate"]) == set(after)
        growth = found.chosen[twin]
        assert {name: rounds.iloc[-1][name] for name in growth} == growth


def test_a_score_is_of_all_the_trees_a_candidate_has_and_none_grows_twice(market, found):
    growth, names = Growth(**found.chosen["returns"]), market.samples.feature_names
    train = market.rows(0, LAST_TRAINING_SESSION)
    scores = []
    for fold in inner_folds(market.samples, train, names, knobs()):
        trees = [
            estimator.tree_
            for place, n_trees in enumerate((2, 3, 4))
            for estimator in grown(
                "returns",
                growth,
                fold.codes,
                fold.targets["returns"],
                n_trees=n_trees,
                seed=42 + place,
            ).estimators_
        ]
        assert len({tree.threshold.tobytes() for tree in trees}) == 9
        said = np.mean([tree.predict(fold.scored_codes)[:, :, 0] for tree in trees], axis=0)
        ranks = fold.scored_targets["returns"]
        scores.append(returns_score(said, ranks, fold.scored_sessions))
    last = found.curves[found.curves["twin"] == "returns"].iloc[-1]
    assert last["score"] == pytest.approx(np.mean(scores))
    assert last["spread"] == pytest.approx(np.std(scores))


def test_a_random_search_grows_every_candidate_to_the_end(market):
    trained = fit(market, search="random")
    for twin, table in trained.curves.groupby("twin"):
        assert table["n_trees"].tolist() == [9] * N_CANDIDATES
        best = table.loc[table["score"].idxmax()]
        assert best["is_kept"] and table["is_kept"].sum() == 1
        assert {name: best[name] for name in trained.chosen[twin]} == trained.chosen[twin]
        assert trained.chosen["search"]["scores"][twin] == best["score"]


def test_the_first_candidate_is_what_was_given_and_the_others_are_of_the_space(market, found):
    tried = found.curves[(found.curves["round"] == 1) & (found.curves["twin"] == "action")]
    first = tried.iloc[0]
    assert (first["max_features"], first["max_samples"]) == (0.3, 0.3)
    for name, knob in GROWTH.items():
        low = 1 if name == "min_samples_leaf" else knob.low  # which small data lower
        assert tried[name].iloc[1:].between(low, knob.high).all()
        assert tried[name].iloc[1:].std() > 0
    small = fit(market, min_samples_leaf=7).curves
    assert small["min_samples_leaf"].iloc[0] == 7


def test_what_was_scored_is_what_is_grown_and_what_the_card_says(market, found):
    """A leaf of 500 does not fit the smallest fold: then no forest of the search has it."""
    train = market.rows(0, LAST_TRAINING_SESSION)
    names = market.samples.feature_names
    smallest = min(len(f.codes) for f in inner_folds(market.samples, train, names, knobs()))
    tried = found.curves[found.curves["round"] == 1]
    assert (tried["min_samples_leaf"] <= (smallest * tried["max_samples"]).astype(int) // 20).all()
    assert (tried["min_samples_leaf"] < 500).all()

    everything = market.rows(0, 479)
    learner = RandomForestLearner(names, knobs())
    again = learner.refit(market.samples, everything, json.loads(json.dumps(found.chosen)))
    for trained in (found, again):
        native = joblib.load(io.BytesIO(trained.native))
        for twin, forest in (("action", "classifier"), ("returns", "regressor")):
            leaf = found.chosen[twin]["min_samples_leaf"]
            assert native[forest].min_samples_leaf == leaf == trained.chosen["leaf_grown"][twin]


def test_a_search_mends_settings_that_cannot_see(market):
    """With a fifth of the features to choose from and one split a tree cannot see the signal."""
    later = market.rows(391, 479)
    poor = {"max_depth": 1, "max_features": 0.2, "max_samples": 0.1}

    def ic(search):
        settings = ForestSettings(n_estimators=9, search=search, **poor)
        learner = RandomForestLearner(market.samples.feature_names, settings)
        trained = learner.fit(market.samples, market.rows(0, LAST_TRAINING_SESSION), later)
        _, scores = trained.native_forecast(market.samples.features[later])
        ranks = market.samples.return_ranks[later, 0]
        return rank_ic(scores[:, 0], ranks, market.samples.session_codes[later])

    assert ic("halving") > ic("none") + 0.03


def test_what_was_tried_goes_into_the_card(found):
    assert found.chosen["search"]["kind"] == "halving"
    assert found.chosen["search"]["n_candidates"] == N_CANDIDATES
    assert found.chosen["search"]["n_folds"] == 3
    assert json.loads(json.dumps(found.chosen)) == found.chosen


def test_a_refit_grows_what_was_chosen_without_another_search(market, found):
    learner = RandomForestLearner(market.samples.feature_names, knobs())
    again = learner.refit(market.samples, market.rows(0, LAST_TRAINING_SESSION), found.chosen)
    assert again.native == found.native
    assert again.curves.empty


def test_the_number_of_candidates_is_honoured(market):
    table = fit(market, n_candidates=2).curves
    assert table.loc[table["round"] == 1].groupby("twin").size().to_dict() == {
        "action": 2,
        "returns": 2,
    }


def test_threads_do_not_change_what_is_found(market, found):
    other = fit(market, n_jobs=2)
    assert other.onnx == found.onnx
    pd.testing.assert_frame_equal(other.curves, found.curves, rtol=0, atol=1e-12)


def test_nothing_outside_the_training_rows_matters(market):
    """Neither the sessions after them, nor rows of their sessions that teach nothing."""
    samples = market.samples
    taught = np.random.default_rng(0).random(samples.n_rows) < 0.8
    train = market.rows(0, LAST_TRAINING_SESSION) & taught
    features, action = samples.features.copy(), samples.action.copy()
    ranks = samples.return_ranks.copy()
    features[~train], action[~train], ranks[~train] = 1e6, 0, 3.0
    other = dataclasses.replace(samples, features=features, action=action, return_ranks=ranks)
    learner = RandomForestLearner(samples.feature_names, knobs())
    one, two = (learner.fit(given, train, ~train) for given in (samples, other))
    assert one.native == two.native
    pd.testing.assert_frame_equal(one.curves, two.curves)


@settings(max_examples=20, deadline=None)
@given(
    n_sessions=st.integers(430, 480),
    span=st.integers(1, 30),
    embargo=st.integers(0, 10),
)
def test_what_grows_never_knows_what_is_scored(market, n_sessions, span, embargo):
    # The outcome of a row is its session, so that a fold tells which sessions it has.
    ranks = np.repeat(market.samples.session_codes[:, None], 5, axis=1).astype(np.float32)
    samples = dataclasses.replace(market.samples, return_ranks=ranks)
    train = samples.between(0, n_sessions - 1)
    names = samples.feature_names
    folds = list(inner_folds(samples, train, names, knobs(), span=span, embargo=embargo))
    scored = np.concatenate([np.unique(fold.scored_sessions) for fold in folds])
    assert scored.tolist() == list(range(n_sessions - len(scored), n_sessions))
    assert len(scored) == round(n_sessions / 2)
    for fold in folds:
        last_grown = fold.targets["returns"].max()
        n_between = fold.scored_sessions.min() - last_grown - 1
        assert n_between == span + embargo
        assert len(fold.codes) == len(fold.targets["action"]) == len(fold.targets["returns"])


def test_too_few_sessions_to_search_within_are_refused(market):
    few = market.rows(0, 200)
    learner = RandomForestLearner(market.samples.feature_names, knobs())
    with pytest.raises(TrainingError, match="201 training sessions cannot be cut into folds"):
        learner.fit(market.samples, few, few)


def test_the_purge_of_the_experiment_is_the_search_s(market):
    train = market.rows(0, LAST_TRAINING_SESSION)
    plain = search(market.samples, train, market.samples.feature_names, knobs())[1]
    learner = RandomForestLearner(market.samples.feature_names, knobs(), span=30, embargo=5)
    wide = learner.fit(market.samples, train, train).curves
    assert wide["score"].iloc[0] != plain["score"].iloc[0]


def test_the_action_is_scored_by_its_log_likelihood():
    said = np.array([[0.5, 0.25, 0.25], [0.125, 0.375, 0.5]])
    score = action_score(said, np.array([0, 2]))
    assert score == pytest.approx(np.log(0.5))


def test_balance_is_undone_before_the_action_is_scored():
    """Balanced classes of frequencies 1:2:1 that a model knows nothing of are said to be even."""
    even = np.full((1, 3), 1 / 3)
    assert action_score(even, np.array([1]), np.array([1, 2, 1])) == pytest.approx(np.log(0.5))


def test_the_order_of_returns_is_scored_within_each_session():
    ranks = np.array([[-1.0], [0.0], [1.0], [-1.0], [1.0]])
    sessions = np.array([3, 3, 3, 8, 8])
    # The second session's scores are higher, which orders no tickers.
    right = np.array([[1.0], [2.0], [3.0], [10.0], [20.0]])
    assert returns_score(right, ranks, sessions) == pytest.approx(1)
    half = np.array([[1.0], [2.0], [3.0], [20.0], [10.0]])
    assert returns_score(half, ranks, sessions) == pytest.approx(0)
    # A session that says the same of every ticker counts, as nothing.
    silent = np.array([[1.0], [2.0], [3.0], [7.1], [7.1]])
    assert returns_score(silent, ranks, sessions) == pytest.approx(0.5)
