"""What is measured knows the training sessions alone; what serves knows every labelled one."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS
from asset_predict_dagster.dataset.splits import role_mask, temporal_split
from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.bundle import load_bundle
from asset_predict_dagster.models.calibration import fit_calibration
from asset_predict_dagster.models.lstm_learner import LstmLearner, LstmSettings
from asset_predict_dagster.models.random_forest import ForestSettings, RandomForestLearner
from asset_predict_dagster.models.training import train
from asset_predict_dagster_tests.models.synthetic import planted_market, run_graph

REALISED = [f"realised_return_{h}d" for h in HORIZONS]
TRADABLE = [f"realised_return_tradable_{h}d" for h in HORIZONS]
VERSIONS = {"features": 1, "labels": 4}


@pytest.fixture(scope="module")
def samples():
    return planted_market().samples


@pytest.fixture(scope="module")
def labels(samples):
    """Returns of half a volatility a rank, in the order of the samples."""
    returns = 0.5 * samples.return_ranks * samples.volatility[:, None]
    key = {
        "ticker": samples.tickers[samples.ticker_codes],
        "session": samples.sessions[samples.session_codes].astype("datetime64[us]"),
    }
    table = pd.DataFrame(key)
    table[REALISED] = table[TRADABLE] = returns.astype(np.float64)
    return table


@pytest.fixture(scope="module")
def folds(samples):
    """train 158 | 11 | validate 60 | 11 | test 60, of which the last five have no label."""
    return temporal_split(samples.sessions)


def forest(samples, seed=42):
    return RandomForestLearner(samples.feature_names, ForestSettings(n_estimators=5, seed=seed))


def lstm(samples, seed=42, **more):
    knobs = {"lookback": 8, "units": 8, "epochs": 2, "n_seeds": 1}
    return LstmLearner(samples.feature_names, LstmSettings(seed=seed, **knobs | more))


LEARNERS = {"random_forest": forest, "lstm": lstm}
each_learner = pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)


def rows_of(role, samples, folds):
    return role_mask(samples.sessions, samples.session_codes, folds, role)


def shuffled(samples, labels, rows):
    """The labels of `rows`, a boolean mask, dealt out anew among them."""
    numbers = np.flatnonzero(rows & samples.is_labelled)
    dealt = np.random.default_rng(0).permutation(numbers)
    action, ranks = samples.action.copy(), samples.return_ranks.copy()
    action[numbers], ranks[numbers] = action[dealt], ranks[dealt]
    table = labels.copy()
    table.loc[numbers, REALISED + TRADABLE] = labels.loc[dealt, REALISED + TRADABLE].to_numpy()
    return dataclasses.replace(samples, action=action, return_ranks=ranks), table


@pytest.fixture(scope="module")
def trained(samples, labels, folds, tmp_path_factory):
    """Each learner's training on the market as it is, and the folder of its bundles."""

    def once(make):
        if make not in known:
            folder = tmp_path_factory.mktemp("bundles")
            learner = make(samples)
            known[make] = train(learner, samples, labels, folds, folder, VERSIONS), folder
        return known[make]

    known = {}
    return once


# --- What each bundle knows --------------------------------------------------------------------


@each_learner
def test_labels_after_validation_never_reach_the_evaluation_bundle(
    learner, trained, samples, labels, folds, tmp_path
):
    """Neither those of the test nor those purged on either side of validation."""
    unseen = ~rows_of("train", samples, folds) & ~rows_of("validation", samples, folds)
    assert (unseen & rows_of("test", samples, folds)).any()
    other = train(learner(samples), *shuffled(samples, labels, unseen), folds, tmp_path, VERSIONS)
    known, _ = trained(learner)
    assert other.evaluation_bundle == known.evaluation_bundle
    assert other.serving_bundle != known.serving_bundle


def test_labels_of_validation_calibrate_and_nothing_more(trained, samples, labels, folds, tmp_path):
    """A forest does not stop early; the LSTM may, and its own tests say what it reads."""
    validation = rows_of("validation", samples, folds)
    other = train(
        forest(samples), *shuffled(samples, labels, validation), folds, tmp_path, VERSIONS
    )
    known, folder = trained(forest)
    before = load_bundle(folder, known.evaluation_bundle)
    after = load_bundle(tmp_path, other.evaluation_bundle)
    assert after.onnx == before.onnx
    assert after.calibration != before.calibration


@pytest.mark.parametrize("role", ["train", "validation", "test"])
@each_learner
def test_the_serving_bundle_learns_from_every_role(
    learner, role, trained, samples, labels, folds, tmp_path
):
    dealt = shuffled(samples, labels, rows_of(role, samples, folds))
    other = train(learner(samples), *dealt, folds, tmp_path, VERSIONS)
    known, folder = trained(learner)
    before = load_bundle(folder, known.serving_bundle)
    assert load_bundle(tmp_path, other.serving_bundle).onnx != before.onnx


def test_features_after_validation_never_reach_the_evaluation_bundle(
    trained, samples, labels, folds, tmp_path
):
    features = samples.features.copy()
    features[rows_of("test", samples, folds)] = 1e6
    changed = dataclasses.replace(samples, features=features)
    other = train(forest(samples), changed, labels, folds, tmp_path, VERSIONS)
    assert other.evaluation_bundle == trained(forest)[0].evaluation_bundle


def test_rows_outside_the_universe_teach_nothing(samples, labels, folds, tmp_path):
    outside = samples.ticker_codes == 3
    smaller = dataclasses.replace(samples, in_universe=~outside)
    one = train(forest(samples), smaller, labels, folds, tmp_path, VERSIONS)
    action = np.where(outside, ACTIONS.index("sell"), samples.action).astype(np.int8)
    other = train(
        forest(samples),
        dataclasses.replace(smaller, action=action),
        labels,
        folds,
        tmp_path,
        VERSIONS,
    )
    assert one.serving_bundle == other.serving_bundle
    assert one.evaluation_bundle == other.evaluation_bundle
    assert one.n_training_rows == (samples.is_labelled & ~outside).sum()


# --- Calibration -------------------------------------------------------------------------------


def test_both_bundles_are_calibrated_on_validation(trained, samples, labels, folds):
    known, folder = trained(forest)
    evaluation = load_bundle(folder, known.evaluation_bundle)
    rows = np.flatnonzero(rows_of("validation", samples, folds) & samples.is_labelled)
    raw, scores = run_graph(evaluation.onnx, samples.features[rows])
    by_hand = fit_calibration(
        raw,
        scores,
        samples.action[rows],
        samples.return_ranks[rows],
        labels[TRADABLE].to_numpy()[rows],
        labels[REALISED].to_numpy()[rows],
        samples.volatility[rows],
    )
    assert evaluation.calibration == by_hand
    assert load_bundle(folder, known.serving_bundle).calibration == by_hand


# --- The same again ----------------------------------------------------------------------------


@each_learner
def test_one_seed_has_one_pair_of_digests(learner, trained, samples, labels, folds, tmp_path):
    again = train(learner(samples), samples, labels, folds, tmp_path, VERSIONS)
    known, _ = trained(learner)
    assert again.evaluation_bundle == known.evaluation_bundle
    assert again.serving_bundle == known.serving_bundle
    other = train(learner(samples, seed=7), samples, labels, folds, tmp_path, VERSIONS)
    assert other.evaluation_bundle != known.evaluation_bundle
    assert other.serving_bundle != known.serving_bundle


# --- What is said of it ------------------------------------------------------------------------


@each_learner
def test_the_cards_say_what_each_bundle_knows(learner, trained, samples, labels, folds):
    known, folder = trained(learner)
    evaluation = load_bundle(folder, known.evaluation_bundle).card
    serving = load_bundle(folder, known.serving_bundle).card
    first, last = (str(samples.sessions[code]) for code in (0, 157))
    assert evaluation["training_sessions"] == [first, last]
    in_training = rows_of("train", samples, folds) & samples.is_labelled
    assert evaluation["n_training_rows"] == in_training.sum()

    # The returns over five sessions are known up to the 295th of 300.
    assert serving["training_sessions"] == [first, str(samples.sessions[294])]
    assert known.training_end == samples.sessions[294]
    labelled = samples.is_labelled.sum()
    assert serving["n_training_rows"] == known.n_training_rows == labelled
    assert serving["evaluation_bundle"] == known.evaluation_bundle
    assert "evaluation_bundle" not in evaluation

    for card in (evaluation, serving):
        assert card["model"] == known.model == learner(samples).name
        assert card["feature_names"] == list(samples.feature_names)
        assert card["lookback"] == learner(samples).lookback
        assert card["longest_gap"] == {"random_forest": None, "lstm": 10}[known.model]
        assert card["horizons"] == [1, 2, 3, 4, 5]
        assert card["actions"] == ["buy", "hold", "sell"]
        assert card["label"] == {
            "kind": "forward_return",
            "horizon": 1,
            "width_in_trailing_volatilities": 0.5,
        }
        assert card["settings"] == known.settings == learner(samples).settings
        assert card["lake_versions"] == VERSIONS
    assert serving["chosen"] == evaluation["chosen"]


def test_a_bundle_reads_over_no_longer_gap_than_it_was_trained_to(samples, labels, folds, tmp_path):
    """Not even over one session that a ticker missed: what it did before says nothing then."""
    strict = lstm(samples, longest_gap=0)
    known = train(strict, samples, labels, folds, tmp_path, VERSIONS)
    bundle = load_bundle(tmp_path, known.serving_bundle)
    missed = np.flatnonzero(np.diff(samples.session_codes) == 2)[10]
    before = samples.features.copy()
    before[missed - 5 : missed + 1] += 1.0
    other = dataclasses.replace(samples, features=before)
    just_after = np.array([missed + 1])
    one, two = (bundle.forecast(s, just_after).expected_returns for s in (samples, other))
    np.testing.assert_array_equal(one, two)

    crosses = dataclasses.replace(bundle, card=bundle.card | {"longest_gap": 1})
    one, two = (crosses.forecast(s, just_after).expected_returns for s in (samples, other))
    assert (one != two).any()


def test_people_get_the_curves_of_one_and_the_importance_of_the_other(trained):
    (of_forest, _), (of_lstm, _) = trained(forest), trained(lstm)
    assert len(of_forest.importance) == 6 and of_forest.curves.empty
    assert len(of_lstm.curves) == 2 and of_lstm.importance.empty


# --- Nothing to learn from ---------------------------------------------------------------------


@pytest.mark.parametrize("role", ["train", "validation"])
def test_a_fold_without_labelled_rows_is_an_error(role, samples, labels, folds, tmp_path):
    action = samples.action.copy()
    action[rows_of(role, samples, folds)] = -1
    unlabelled = dataclasses.replace(samples, action=action)
    with pytest.raises(TrainingError, match=f"no row of the {role} fold is labelled"):
        train(forest(samples), unlabelled, labels, folds, tmp_path, VERSIONS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("role", ["train", "validation"])
def test_a_return_that_is_not_known_is_no_label(role, samples, labels, folds, tmp_path):
    unknown = labels.copy()
    unknown.loc[rows_of(role, samples, folds), "realised_return_5d"] = np.nan
    with pytest.raises(TrainingError, match=f"no row of the {role} fold"):
        train(forest(samples), samples, unknown, folds, tmp_path, VERSIONS)


def test_a_fold_of_another_window_is_no_fold(samples, labels, folds, tmp_path):
    with pytest.raises(TrainingError, match="no row of the train fold"):
        train(forest(samples), samples, labels, folds.assign(window="2018H1"), tmp_path, VERSIONS)


def test_a_validation_of_one_class_is_an_error(samples, labels, folds, tmp_path):
    is_validation = rows_of("validation", samples, folds)
    action = np.where(is_validation & (samples.action >= 0), 1, samples.action).astype(np.int8)
    calm = dataclasses.replace(samples, action=action)
    with pytest.raises(TrainingError, match="all of one class"):
        train(forest(samples), calm, labels, folds, tmp_path, VERSIONS)
