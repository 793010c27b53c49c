"""What is measured knows the training sessions alone; what serves knows every labelled one."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS
from asset_predict_dagster.dataset.splits import role_mask, temporal_split
from asset_predict_dagster.errors import DatasetError, TrainingError
from asset_predict_dagster.models.bundle import load_bundle
from asset_predict_dagster.models.calibration import fit_calibration
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.lstm_learner import LstmLearner, LstmSettings
from asset_predict_dagster.models.random_forest import ForestSettings, RandomForestLearner
from asset_predict_dagster.models.training import fit_window, train
from asset_predict_dagster.models.training_rows import MIN_LABELLED_SESSIONS
from asset_predict_dagster.models.validation import mean_rank_ic
from asset_predict_dagster.tables import PATH_HORIZONS
from asset_predict_dagster_tests.models.small_learner import LeastSquares, linear_graph
from asset_predict_dagster_tests.models.synthetic import planted_market, rank_ic, run_graph

TRADABLE = [f"realised_return_tradable_{h}d" for h in HORIZONS]
VERSIONS = {"features": 1, "labels": 4}


@pytest.fixture(scope="module")
def samples():
    return planted_market().samples


@pytest.fixture(scope="module")
def labels(samples):
    """Tradable returns of half a volatility a rank, in the order of the samples."""
    returns = 0.5 * samples.return_ranks * samples.volatility[:, None]
    return pd.DataFrame(returns.astype(np.float64), columns=TRADABLE)


@pytest.fixture(scope="module")
def paths(samples, labels):
    """The same returns from the close of t; later ones drift off, and end with the 300 sessions."""
    returns = np.empty((samples.n_rows, len(PATH_HORIZONS)))
    returns[:, : len(HORIZONS)] = labels
    steps = np.random.default_rng(3).standard_normal((samples.n_rows, 25)).cumsum(axis=1)
    drift = 0.01 * steps
    returns[:, len(HORIZONS) :] = returns[:, [len(HORIZONS) - 1]] + drift
    ends = samples.session_codes[:, None] + np.array(PATH_HORIZONS)
    return np.where(ends < len(samples.sessions), returns, np.nan)


@pytest.fixture(scope="module")
def folds(samples):
    """train 158 | 11 | validate 60 | 11 | test 60, of which the last five have no label."""
    return temporal_split(samples.sessions)


def forest(samples, seed=42):
    return RandomForestLearner(samples.feature_names, ForestSettings(n_estimators=5, seed=seed))


def lstm(samples, seed=42, **more):
    knobs = {"lookback": 8, "units": 8, "epochs": 2, "n_seeds": 1}
    return LstmLearner(samples.feature_names, LstmSettings(seed=seed, **knobs | more))


def least_squares(samples, seed=42):
    return LeastSquares(samples.feature_names, seed)


def fit(learner, samples, labels, paths, folds, **more):
    given = {"lake_versions": VERSIONS, "experiment": Experiment()} | more
    return fit_window(learner, samples, labels, paths, folds, **given)[1]


LEARNERS = {"random_forest": forest, "lstm": lstm, "least_squares": least_squares}
each_learner = pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)


def rows_of(role, samples, folds):
    return role_mask(samples.sessions, samples.session_codes, folds, role)


def shuffled(samples, labels, paths, rows):
    """The labels of `rows`, a boolean mask, dealt out anew among them: samples, labels, paths."""
    numbers = np.flatnonzero(rows & samples.is_labelled)
    dealt = np.random.default_rng(0).permutation(numbers)
    action, ranks = samples.action.copy(), samples.return_ranks.copy()
    action[numbers], ranks[numbers] = action[dealt], ranks[dealt]
    table, returns = labels.copy(), paths.copy()
    table.loc[numbers] = labels.loc[dealt].to_numpy()
    returns[numbers] = paths[dealt]
    return dataclasses.replace(samples, action=action, return_ranks=ranks), table, returns


@pytest.fixture(scope="module")
def trained(samples, labels, paths, folds, tmp_path_factory):
    """Each learner's training on the market as it is, and the folder of its bundles."""

    def once(make):
        if make not in known:
            folder = tmp_path_factory.mktemp("bundles")
            learner = make(samples)
            known[make] = train(learner, samples, labels, paths, folds, folder, VERSIONS), folder
        return known[make]

    known = {}
    return once


# --- What each bundle knows --------------------------------------------------------------------


@each_learner
def test_labels_after_validation_never_reach_the_evaluation_bundle(
    learner, trained, samples, labels, paths, folds, tmp_path
):
    """Neither those of the test nor those purged on either side of validation."""
    unseen = ~rows_of("train", samples, folds) & ~rows_of("validation", samples, folds)
    assert (unseen & rows_of("test", samples, folds)).any()
    other = train(
        learner(samples), *shuffled(samples, labels, paths, unseen), folds, tmp_path, VERSIONS
    )
    known, _ = trained(learner)
    assert other.evaluation_bundle == known.evaluation_bundle
    assert other.serving_bundle != known.serving_bundle


def test_labels_of_validation_calibrate_and_nothing_more(
    trained, samples, labels, paths, folds, tmp_path
):
    """A forest does not stop early; the LSTM may, and its own tests say what it reads."""
    validation = rows_of("validation", samples, folds)
    other = train(
        forest(samples), *shuffled(samples, labels, paths, validation), folds, tmp_path, VERSIONS
    )
    known, folder = trained(forest)
    before = load_bundle(folder, known.evaluation_bundle)
    after = load_bundle(tmp_path, other.evaluation_bundle)
    assert after.onnx == before.onnx
    assert after.calibration != before.calibration


def test_no_horizon_lets_validation_read_the_test(samples, labels, paths, folds):
    """Thirty sessions reach over the purge of eleven; what they reach there must not be read."""
    is_validation = rows_of("validation", samples, folds)
    first_test = samples.session_codes[rows_of("test", samples, folds)].min()
    ends = samples.session_codes[:, None] + np.array(PATH_HORIZONS)
    known = fit(least_squares(samples), samples, labels, paths, folds).calibration
    reaching = is_validation[:, None] & (ends >= first_test)
    assert reaching.any()
    other = fit(least_squares(samples), samples, labels, np.where(reaching, 9.9, paths), folds)
    assert other.calibration == known
    # The last close before the test may be read: at 12 sessions ahead for validation's last.
    just_before = is_validation[:, None] & (ends == first_test - 1) & (paths < 9)
    other = fit(least_squares(samples), samples, labels, np.where(just_before, 9.9, paths), folds)
    assert other.calibration.width[11:] != known.width[11:]


@pytest.mark.parametrize("role", ["train", "validation", "test"])
@each_learner
def test_the_serving_bundle_learns_from_every_role(
    learner, role, trained, samples, labels, paths, folds, tmp_path
):
    dealt = shuffled(samples, labels, paths, rows_of(role, samples, folds))
    other = train(learner(samples), *dealt, folds, tmp_path, VERSIONS)
    known, folder = trained(learner)
    before = load_bundle(folder, known.serving_bundle)
    assert load_bundle(tmp_path, other.serving_bundle).onnx != before.onnx


def test_features_after_validation_never_reach_the_evaluation_bundle(
    trained, samples, labels, paths, folds, tmp_path
):
    features = samples.features.copy()
    features[rows_of("test", samples, folds)] = 1e6
    changed = dataclasses.replace(samples, features=features)
    other = train(forest(samples), changed, labels, paths, folds, tmp_path, VERSIONS)
    assert other.evaluation_bundle == trained(forest)[0].evaluation_bundle


def test_rows_outside_the_universe_teach_nothing(samples, labels, paths, folds, tmp_path):
    outside = samples.ticker_codes == 3
    smaller = dataclasses.replace(samples, in_universe=~outside)
    one = train(forest(samples), smaller, labels, paths, folds, tmp_path, VERSIONS)
    action = np.where(outside, ACTIONS.index("sell"), samples.action).astype(np.int8)
    other = train(
        forest(samples),
        dataclasses.replace(smaller, action=action),
        labels,
        paths,
        folds,
        tmp_path,
        VERSIONS,
    )
    assert one.serving_bundle == other.serving_bundle
    assert one.evaluation_bundle == other.evaluation_bundle
    assert one.n_training_rows == (samples.is_labelled & ~outside).sum()


# --- Calibration -------------------------------------------------------------------------------


def test_both_bundles_are_calibrated_on_validation(trained, samples, labels, paths, folds):
    known, folder = trained(forest)
    evaluation = load_bundle(folder, known.evaluation_bundle)
    rows = np.flatnonzero(rows_of("validation", samples, folds) & samples.is_labelled)
    raw, scores = run_graph(evaluation.onnx, samples.features[rows])
    first_test = samples.session_codes[rows_of("test", samples, folds)].min()
    known_then = paths[rows].copy()
    for place, row in enumerate(rows):
        known_then[place, first_test - samples.session_codes[row] - 1 :] = np.nan
    by_hand = fit_calibration(
        raw,
        scores,
        samples.action[rows],
        samples.return_ranks[rows],
        labels[TRADABLE].to_numpy()[rows],
        known_then,
        samples.volatility[rows],
    )
    assert evaluation.calibration == by_hand
    assert load_bundle(folder, known.serving_bundle).calibration == by_hand


def test_a_model_of_two_horizons_says_of_the_third_what_it_says_of_the_second(
    samples, labels, paths, folds
):
    bundle = fit(lstm(samples, horizons=2), samples, labels, paths, folds)
    assert bundle.card["horizons"] == [1, 2]
    assert len(bundle.calibration.scale) == 2
    said = bundle.forecast(samples, np.arange(100, 120))
    assert (said.expected_returns[:, 0] != said.expected_returns[:, 1]).all()
    for h in (2, 3, 4):
        np.testing.assert_array_equal(said.expected_returns[:, h], said.expected_returns[:, 1])
        np.testing.assert_array_equal(said.scores[:, h], said.scores[:, 1])


# --- The same again ----------------------------------------------------------------------------


@each_learner
def test_one_seed_has_one_pair_of_digests(
    learner, trained, samples, labels, paths, folds, tmp_path
):
    again = train(learner(samples), samples, labels, paths, folds, tmp_path, VERSIONS)
    known, _ = trained(learner)
    assert again.evaluation_bundle == known.evaluation_bundle
    assert again.serving_bundle == known.serving_bundle
    other = train(learner(samples, seed=7), samples, labels, paths, folds, tmp_path, VERSIONS)
    assert other.evaluation_bundle != known.evaluation_bundle
    assert other.serving_bundle != known.serving_bundle


# --- What is said of it ------------------------------------------------------------------------


@each_learner
def test_the_cards_say_what_each_bundle_knows(learner, trained, samples, labels, paths, folds):
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
        assert card["longest_gap"] == (10 if known.model == "lstm" else None)
        assert card["horizons"] == [1, 2, 3, 4, 5]
        assert card["actions"] == ["buy", "hold", "sell"]
        assert card["experiment"] == known.experiment == Experiment().as_card()
        assert card["experiment"]["span"] == 6
        assert card["window"] == "holdout"
        assert card["settings"] == known.settings == learner(samples).settings
        assert card["seed"] == 42
        assert card["lake_versions"] == VERSIONS
        assert card["feature_formulas"] == dict.fromkeys(samples.feature_names)
        assert len(card["calibration"]["width"]) == 30
        assert card["validation"] == known.validation
    # Which leaf a forest has grown depends on its rows, and the card says so of each.
    assert _but_the_leaf(serving["chosen"]) == _but_the_leaf(evaluation["chosen"])


def _but_the_leaf(chosen: dict) -> dict:
    return {name: value for name, value in chosen.items() if name != "leaf_grown"}


def test_a_bundle_reads_over_no_longer_gap_than_it_was_trained_to(
    samples, labels, paths, folds, tmp_path
):
    """Not even over one session that a ticker missed: what it did before says nothing then."""
    strict = lstm(samples, longest_gap=0)
    known = train(strict, samples, labels, paths, folds, tmp_path, VERSIONS)
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


def test_people_get_the_curves_of_one_and_the_importance_of_each(trained, samples):
    (of_forest, _), (of_lstm, _) = trained(forest), trained(lstm)
    assert of_forest.curves.empty and len(of_lstm.curves) == 2
    for known in (of_forest, of_lstm):
        assert sorted(known.importance["feature"]) == sorted(samples.feature_names)


def test_what_a_model_scales_by_stands_in_its_card(trained, samples, labels, paths, folds):
    """By the rows that taught that bundle; feature 3 of the plain loop here."""
    known, folder = trained(least_squares)
    rows = {
        known.evaluation_bundle: rows_of("train", samples, folds) & samples.is_labelled,
        known.serving_bundle: samples.is_labelled & np.isfinite(paths[:, 4]),
    }
    for digest, taught in rows.items():
        scaling = load_bundle(folder, digest).card["scaling"]
        seen = [value for value in samples.features[taught, 3] if not np.isnan(value)]
        assert scaling["centre"][3] == pytest.approx(np.median(seen), rel=1e-6)
        assert len(scaling["scale"]) == len(samples.feature_names)
    assert "scaling" not in load_bundle(trained(forest)[1], trained(forest)[0].serving_bundle).card


@each_learner
def test_the_card_says_how_far_the_rows_reached_that_taught_the_model(
    learner, trained, samples, labels, paths, folds
):
    """Evaluation and serving bundle were taught by different rows; feature 3 of the plain loop."""
    known, folder = trained(learner)
    rows = {
        known.evaluation_bundle: rows_of("train", samples, folds) & samples.is_labelled,
        known.serving_bundle: samples.is_labelled & np.isfinite(paths[:, 4]),
    }
    for digest, taught in rows.items():
        bundle = load_bundle(folder, digest)
        seen = [value for value in samples.features[taught, 3] if not np.isnan(value)]
        for bound, place in (("low", 0.001), ("high", 0.999)):
            expected = np.quantile(seen, place)
            assert bundle.card["fitted_range"][bound][3] == pytest.approx(expected, rel=1e-6)
        marked = bundle.is_unfamiliar(samples, np.flatnonzero(taught))
        assert marked.mean() <= 0.001
        strange = dataclasses.replace(samples, features=samples.features + np.float32(100))
        assert bundle.is_unfamiliar(strange, np.flatnonzero(taught)).mean() > 0.9


def test_the_figures_of_validation_are_those_of_a_plain_loop(
    trained, samples, labels, paths, folds
):
    known, folder = trained(least_squares)
    figures = known.validation
    rows = np.flatnonzero(rows_of("validation", samples, folds) & samples.is_labelled)
    said = load_bundle(folder, known.evaluation_bundle).forecast(samples, rows)
    surprise = [
        -np.log(p[a]) for p, a in zip(said.probabilities, samples.action[rows], strict=True)
    ]
    assert figures["log_loss"] == pytest.approx(np.mean(surprise))
    taught = samples.action[rows_of("train", samples, folds) & samples.is_labelled]
    prior = [(taught == action).mean() for action in range(3)]
    assert figures["log_loss_of_prior"] == pytest.approx(
        np.mean([-np.log(prior[a]) for a in samples.action[rows]])
    )
    assert figures["log_loss"] < figures["log_loss_of_prior"]
    ic = rank_ic(
        said.expected_returns[:, 0], labels[TRADABLE[0]][rows], samples.session_codes[rows]
    )
    assert figures["rank_ic"] == pytest.approx(ic)
    assert figures["n_rows"] == len(rows)
    days = samples.sessions[samples.session_codes[rows]]
    assert figures["first_session"], figures["last_session"] == (str(days.min()), str(days.max()))


def test_sessions_of_two_tickers_or_of_one_opinion_have_no_rank_ic():
    sessions = np.array([0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3])
    score = np.array([1, 2, 5, 5, 5, 1, 2, 3, 1, 2, 3, np.nan])
    outcome = np.array([1, 2, 1, 2, 3, 3, 2, 1, 1, 3, 2, 9])
    # Session 0 is of two tickers, 1 of one opinion; 2 is turned round, 3 has 1 - 6 × 2 / 24.
    assert mean_rank_ic(score, outcome, sessions) == pytest.approx((-1 + 0.5) / 2)
    assert mean_rank_ic(score[:5], outcome[:5], sessions[:5]) is None


# --- Nothing to learn from ---------------------------------------------------------------------


@pytest.mark.parametrize("role", ["train", "validation"])
def test_a_fold_without_labelled_rows_is_an_error(role, samples, labels, paths, folds, tmp_path):
    action = samples.action.copy()
    action[rows_of(role, samples, folds)] = -1
    unlabelled = dataclasses.replace(samples, action=action)
    with pytest.raises(TrainingError, match=f"the {role} fold of window holdout has 0 rows"):
        train(least_squares(samples), unlabelled, labels, paths, folds, tmp_path, VERSIONS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n_sessions", [MIN_LABELLED_SESSIONS - 1, MIN_LABELLED_SESSIONS])
@pytest.mark.parametrize("role", ["train", "validation"])
def test_a_role_of_too_few_sessions_is_an_error(role, n_sessions, samples, labels, paths, folds):
    """However many the table `folds` promises: what counts are those with a label."""
    last = samples.session_codes[rows_of(role, samples, folds)].min() + n_sessions - 1
    action = samples.action.copy()
    action[rows_of(role, samples, folds) & (samples.session_codes > last)] = -1
    fewer = dataclasses.replace(samples, action=action)
    if n_sessions >= MIN_LABELLED_SESSIONS:
        assert fit(least_squares(samples), fewer, labels, paths, folds)
    else:
        with pytest.raises(TrainingError, match="of 19 sessions; 20 sessions are needed"):
            fit(least_squares(samples), fewer, labels, paths, folds)


@pytest.mark.parametrize("role", ["train", "validation"])
def test_a_return_that_is_not_known_is_no_label(role, samples, labels, paths, folds):
    unknown = paths.copy()
    unknown[rows_of(role, samples, folds), 4] = np.nan
    with pytest.raises(TrainingError, match=f"the {role} fold of window holdout has 0 rows"):
        fit(least_squares(samples), samples, labels, unknown, folds)


def test_a_fold_of_another_window_is_no_fold(samples, labels, paths, folds):
    elsewhere = folds.assign(window="2018H1")
    with pytest.raises(DatasetError, match="no session plays train of holdout"):
        fit(least_squares(samples), samples, labels, paths, elsewhere)
    assert fit(least_squares(samples), samples, labels, paths, elsewhere, window="2018H1")


def test_a_validation_of_one_class_is_an_error(samples, labels, paths, folds):
    is_validation = rows_of("validation", samples, folds)
    action = np.where(is_validation & (samples.action >= 0), 1, samples.action).astype(np.int8)
    calm = dataclasses.replace(samples, action=action)
    with pytest.raises(TrainingError, match="all of one class"):
        fit(least_squares(samples), calm, labels, paths, folds)


def test_path_returns_of_other_rows_are_an_error(samples, labels, paths, folds):
    with pytest.raises(TrainingError, match="path returns should be"):
        fit(least_squares(samples), samples, labels, paths[1:], folds)


def test_a_feature_that_is_not_there_is_named(samples, labels, paths, folds):
    other = LeastSquares(("feature_0", "price_level"))
    with pytest.raises(TrainingError, match=r"the samples have no features \['price_level'\]"):
        fit(other, samples, labels, paths, folds)


def test_an_infinite_feature_is_an_error_and_a_missing_one_is_not(samples, labels, paths, folds):
    for value, is_refused in ((np.inf, True), (-np.inf, True), (np.nan, False)):
        features = samples.features.copy()
        features[100:103, 2] = value
        odd = dataclasses.replace(samples, features=features)
        if is_refused:
            with pytest.raises(TrainingError, match="feature_2 is infinite in 3 of"):
                fit(least_squares(samples), odd, labels, paths, folds)
        else:
            assert fit(least_squares(samples), odd, labels, paths, folds)


@each_learner
def test_a_ticker_of_ten_rows_is_learned_from_and_forecast(learner, samples, labels, paths, folds):
    """Its windows are mostly missing steps, which is what a model must live with anyway."""
    is_first = samples.ticker_codes == 0
    kept = ~is_first | (np.cumsum(is_first) <= 10)
    few = dataclasses.replace(
        samples,
        **{
            name: getattr(samples, name)[kept]
            for name in (
                "features",
                "ticker_codes",
                "session_codes",
                "volatility",
                "in_universe",
                "action",
                "return_ranks",
            )
        },
    )
    bundle = fit(learner(samples), few, labels[kept], paths[kept], folds)
    said = bundle.forecast(few, np.arange(10), 30)
    for part in (said.probabilities, said.expected_returns, said.lows, said.highs):
        assert np.isfinite(part).all()


# --- A graph that says something else ----------------------------------------------------------


class Exported(LeastSquares):
    """Least squares whose own answers are `apart` from those of its graph, on one row.

    Of as many fits as `spared`, counted from the first, they are not.
    """

    def __init__(self, feature_names, apart, spared=0):
        super().__init__(feature_names)
        self.apart = apart
        self.spared = spared

    def refit(self, samples, rows, chosen):
        trained = super().refit(samples, rows, chosen)
        self.spared -= 1
        if self.spared >= 0:
            return trained

        def native_forecast(given):
            probabilities, scores = trained.native_forecast(given)
            scores[-1, 2] += self.apart
            return probabilities, scores

        return dataclasses.replace(trained, native_forecast=native_forecast)


@pytest.mark.parametrize("spared", [0, 1], ids=["fitted", "refitted"])
@pytest.mark.parametrize(
    ("apart", "is_refused"), [(5e-6, False), (5e-5, True), (np.nan, True), (np.inf, True)]
)
def test_a_graph_that_is_not_the_model_is_not_kept(
    apart, is_refused, spared, samples, labels, paths, folds, tmp_path
):
    learner = Exported(samples.feature_names, np.float32(apart), spared)
    if is_refused:
        with pytest.raises(TrainingError, match=r"differ by up to (5e-05|4\.\d+e-05|inf) on"):
            train(learner, samples, labels, paths, folds, tmp_path, VERSIONS)
        assert list(tmp_path.iterdir()) == []
    else:
        train(learner, samples, labels, paths, folds, tmp_path, VERSIONS)


class Diverged(LeastSquares):
    """Least squares whose weights ran away in training: the graph agrees, and says nothing."""

    def refit(self, samples, rows, chosen):
        trained = super().refit(samples, rows, chosen)
        weights = np.full((len(self.feature_names), 8), self.ran_to, dtype=np.float32)

        def native_forecast(given):
            return run_graph(linear_graph(weights), given)

        return dataclasses.replace(
            trained, onnx=linear_graph(weights), native_forecast=native_forecast
        )


@pytest.mark.parametrize("ran_to", [np.nan, np.float32(3e38)])
def test_a_model_that_answers_with_no_numbers_is_an_error(ran_to, samples, labels, paths, folds):
    learner = Diverged(samples.feature_names)
    learner.ran_to = ran_to
    with pytest.raises(TrainingError, match="something else than numbers"):
        fit(learner, samples, labels, paths, folds)


def test_the_card_counts_what_a_forest_searched_beside_what_was_tuned(tmp_path):
    """Of 50 tuned settings one, and of 4 candidates that begin with it another: 53 were tried."""
    samples = planted_market(n_tickers=5, n_sessions=700).samples
    returns = (0.5 * samples.return_ranks * samples.volatility[:, None]).astype(np.float64)
    known = np.pad(returns, ((0, 0), (0, len(PATH_HORIZONS) - len(HORIZONS))), mode="edge")
    market = samples, pd.DataFrame(returns, columns=TRADABLE), known
    market = *market, temporal_split(samples.sessions)
    knobs = ForestSettings(n_estimators=3, search="random", n_candidates=4)
    searching = RandomForestLearner(samples.feature_names, knobs)
    trained = train(searching, *market, tmp_path, VERSIONS, n_trials=50)
    assert trained.card["n_trials"] == 53
    for digest in (trained.evaluation_bundle, trained.serving_bundle):
        assert load_bundle(tmp_path, digest).card["n_trials"] == 53
    assert train(forest(samples), *market, tmp_path, VERSIONS).card["n_trials"] == 1
