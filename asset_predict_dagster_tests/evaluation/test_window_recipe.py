"""A recipe changes with everything that a window's forecasts are made of, and with nothing else."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from asset_predict_dagster.dataset.calendar_windows import window_days
from asset_predict_dagster.dataset.splits import usable_sessions
from asset_predict_dagster.dataset.walk_forward_splits import walk_forward
from asset_predict_dagster.evaluation.walk_forward import WalkForward, default_learners
from asset_predict_dagster.evaluation.window_recipe import window_recipe
from asset_predict_dagster_tests.market.simulated_tables import market_as_of
from asset_predict_dagster_tests.models.small_learner import LeastSquares

WINDOW = "2019H2"
LAST = date(2020, 6, 30)
FEATURES = ("rank_log_return_1d", "rank_log_return_5d", "volatility_21d", "market_return_1d")
GIVEN = ("samples", "labels", "path_returns", "last_close")


def walk_of(market) -> WalkForward:
    tables = (market.quotes, market.universe, market.features, market.labels)
    return WalkForward.over(*tables, learners=[LeastSquares(FEATURES)])


@pytest.fixture(scope="module")
def market():
    return market_as_of(LAST, signal_strength=0.3)


@pytest.fixture(scope="module")
def walk(market) -> WalkForward:
    return walk_of(market)


@pytest.fixture(scope="module")
def folds(market):
    sessions = usable_sessions(market.labels, market.universe)
    return walk_forward(sessions, {WINDOW: window_days(WINDOW)}, n_validation=100)


def recipe_of(walk: WalkForward, folds, learners=None, **changed) -> str:
    given = {name: getattr(walk, name) for name in GIVEN} | changed
    return window_recipe(learners or walk.learners, *given.values(), folds, WINDOW)


def test_the_same_data_and_settings_have_the_same_recipe(walk, market, folds):
    assert recipe_of(walk, folds) == recipe_of(walk_of(market), folds)


def test_later_sessions_and_papers_change_no_recipe_of_the_past(folds, market):
    """Thirty sessions after the test its outcomes are known; what comes then is not its own."""
    known = market_as_of(date(2020, 3, 2), signal_strength=0.3)
    assert len(known.quotes) < len(market.quotes)
    assert recipe_of(walk_of(known), folds) == recipe_of(walk_of(market), folds)


def test_an_outcome_that_becomes_known_changes_the_recipe(folds, market):
    too_early = market_as_of(date(2020, 1, 20), signal_strength=0.3)
    assert recipe_of(walk_of(too_early), folds) != recipe_of(walk_of(market), folds)


def test_every_row_of_the_past_counts_and_no_later_one(walk, folds):
    last_test = folds.loc[folds["role"] == "test", "session"].max()
    code = np.searchsorted(walk.samples.sessions, np.datetime64(last_test, "D"))
    inside = int(np.flatnonzero(walk.samples.session_codes == code)[0])
    after = int(np.flatnonzero(walk.samples.session_codes == code + 1)[0])
    same = recipe_of(walk, folds)
    for place, is_changed in ((0, True), (inside, True), (after, False)):
        close = walk.last_close.copy()
        close[place] += 1.0
        features = walk.samples.features.copy()
        features[place, 3] = 7.0
        labels = walk.labels.copy()
        labels.loc[place, "realised_return_tradable_2d"] = 0.5
        paths = walk.path_returns.copy()
        paths[place, 29] = 0.5
        for changed in (
            {"last_close": close},
            {"samples": replace(walk.samples, features=features)},
            {"labels": labels},
            {"path_returns": paths},
        ):
            assert (recipe_of(walk, folds, **changed) != same) == is_changed, (place, changed)


def test_the_settings_count_and_the_seed_among_them(walk, folds):
    one, other = (recipe_of(walk, folds, default_learners(seed)) for seed in (1, 2))
    assert len({one, other, recipe_of(walk, folds)}) == 3
    assert one == recipe_of(walk, folds, default_learners(1))


def test_windows_whose_rows_were_made_by_another_rule_are_made_again(walk, folds, monkeypatch):
    same = recipe_of(walk, folds)
    monkeypatch.setattr("asset_predict_dagster.evaluation.window_recipe.ROWS_VERSION", 1)
    assert recipe_of(walk, folds) != same


def test_other_sessions_to_train_on_are_another_recipe(walk, folds):
    assert recipe_of(walk, folds.iloc[1:]) != recipe_of(walk, folds)
