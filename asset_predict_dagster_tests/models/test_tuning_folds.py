"""A trial is judged before the test, on sessions that its models did not learn from."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from asset_predict_dagster.dataset.splits import role_mask
from asset_predict_dagster.errors import DatasetError, TrainingError
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.training import fit_window
from asset_predict_dagster.models.tuning_folds import judge, rank_ic, tuning_data
from asset_predict_dagster.models.validation import mean_rank_ic
from asset_predict_dagster_tests.models.small_learner import LeastSquares
from asset_predict_dagster_tests.models.tuning_market import market


@pytest.fixture(scope="module")
def tables():
    return market()


@pytest.fixture(scope="module")
def data(tables):
    return tuning_data(*tables, Experiment())


class SaysNothing(LeastSquares):
    """Every class and every ticker alike."""

    def fit(self, samples, train, validation):
        nothing = dataclasses.replace(samples, features=np.zeros_like(samples.features))
        return super().fit(nothing, train, validation)


def test_each_fold_is_purged_and_the_tests_are_the_second_half(tables, data):
    samples = tables[0]
    place = {day: number for number, day in enumerate(samples.sessions)}
    tested = []
    for window in data.windows:
        rows = data.folds[data.folds["window"] == window]
        days = rows["session"].to_numpy().astype("datetime64[D]")
        of_role = {
            role: [place[day] for day in days[rows["role"] == role]]
            for role in ("train", "validation", "test")
        }
        for before, after in pairwise(of_role.values()):
            assert min(after) - max(before) - 1 == 11
        tested += of_role["test"]
    # 480 sessions: the test is the last 96 and 11 are purged, so 373 may be looked at.
    assert len(data.windows) == 3
    assert tested == list(range(373 - 186, 373))


def test_nothing_of_the_test_is_read(tables, data):
    samples, labels, paths, folds = tables
    is_later = samples.session_codes >= 373
    shuffled = np.random.default_rng(0).permutation(np.flatnonzero(is_later))
    order = np.arange(samples.n_rows)
    order[is_later] = shuffled
    other = dataclasses.replace(
        samples,
        features=samples.features[order],
        action=samples.action[order],
        return_ranks=samples.return_ranks[order],
    )
    ends = samples.session_codes[:, None] + np.arange(1, 31)
    moved = np.where(ends >= 384, paths[order] + 0.1, paths)
    again = tuning_data(other, labels.loc[order].reset_index(drop=True), moved, folds, Experiment())
    assert again.digest == data.digest
    assert again.samples.session_codes.max() == 372


@pytest.mark.parametrize("part", ["features", "action", "return_ranks", "volatility"])
def test_whatever_a_trial_reads_changes_the_digest(part, tables, data):
    samples, labels, paths, folds = tables
    values = getattr(samples, part).copy()
    values[10] += 1
    other = dataclasses.replace(samples, **{part: values})
    assert tuning_data(other, labels, paths, folds, Experiment()).digest != data.digest


def test_other_outcomes_or_another_experiment_change_the_digest(tables, data):
    samples, labels, paths, folds = tables
    assert tuning_data(samples, labels + 0.1, paths, folds, Experiment()).digest != data.digest
    assert tuning_data(samples, labels, paths + 0.1, folds, Experiment()).digest != data.digest
    wider = Experiment(embargo=7)
    scoped = folds.assign(window=wider.window)
    assert tuning_data(samples, labels, paths, scoped, wider).digest != data.digest


def test_the_naive_forecast_is_worth_nothing(data):
    worth = judge(SaysNothing(data.samples.feature_names), data, data.windows[0])
    assert worth.shape == (62, 2)
    assert (worth[:, 1] == 0).all()
    # The calibration knows the frequencies of validation, the prior those of training.
    assert abs(worth[:, 0].mean()) < 0.02


def test_the_worth_of_a_session_is_that_of_a_plain_loop(data):
    learner, window = LeastSquares(data.samples.feature_names), data.windows[1]
    worth = judge(learner, data, window)
    samples = data.samples
    _, bundle = fit_window(
        learner,
        samples,
        data.tradable,
        data.path_returns,
        data.folds,
        window=window,
        lake_versions={},
        experiment=Experiment(),
    )

    def rows_of(role):
        return role_mask(samples.sessions, samples.session_codes, data.folds, role, window)

    prior = [(samples.action[rows_of("train")] == k).mean() for k in range(3)]
    entropy = -sum(p * np.log(p) for p in prior)
    rows = np.flatnonzero(rows_of("test"))
    said = bundle.forecast(samples, rows)
    codes = samples.session_codes[rows]
    for number, code in enumerate(np.unique(codes)):
        at = np.flatnonzero(codes == code)
        saved = [
            np.log(said.probabilities[i, samples.action[rows[i]]]) - np.log(prior[action])
            for i, action in zip(at, samples.action[rows[at]], strict=True)
        ]
        assert worth[number, 0] == pytest.approx(np.mean(saved) / entropy)
    outcome = data.tradable["realised_return_tradable_1d"].to_numpy()[rows]
    assert worth[:, 1].mean() == pytest.approx(mean_rank_ic(said.scores[:, 0], outcome, codes))
    assert worth[:, 1].mean() > 0.1


def test_sessions_without_an_order_are_worth_none():
    one, two = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    assert rank_ic(one, two) == pytest.approx(-1)
    assert rank_ic(one[:2], two[:2]) == rank_ic(one, np.ones(3)) == rank_ic(np.ones(3), one) == 0
    assert rank_ic(np.array([1.0, 2.0, np.nan]), two) == 0


def test_a_history_too_short_to_cut_is_an_error(tables):
    samples, labels, paths, folds = tables
    short = folds[(folds["role"] != "train") | (folds.groupby("role").cumcount() >= 100)]
    with pytest.raises(TrainingError, match=r"273 labelled sessions .* too few to tune on"):
        tuning_data(samples, labels, paths, short, Experiment())


def test_folds_of_another_experiment_are_an_error(tables):
    with pytest.raises(DatasetError, match=r"no session plays train of scoped_.* of holdout"):
        tuning_data(*tables, Experiment(horizon=5))
