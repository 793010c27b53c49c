"""A walk-forward trains before each test window on what was known then, and on all of it."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset.labels import SPAN
from asset_predict_dagster.dataset.path_returns import path_returns
from asset_predict_dagster.dataset.samples import Samples
from asset_predict_dagster.dataset.splits import EMBARGO, role_mask, usable_sessions
from asset_predict_dagster.dataset.walk_forward_splits import walk_forward
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.walk_forward import (
    WALK_FORWARD_VERSION,
    forecast_window,
    walk_forward_forecasts,
)
from asset_predict_dagster.models.base import Trained
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import FORECASTS_OUT_OF_SAMPLE
from asset_predict_dagster_tests.market.simulated_tables import market_as_of
from asset_predict_dagster_tests.models.small_learner import LeastSquares

LAST = date(2020, 6, 30)
PURGE = SPAN + EMBARGO
FEATURES = ("rank_log_return_1d", "rank_log_return_5d", "volatility_21d", "market_return_1d")


class Remembering:
    """Least squares that remembers which rows it was given."""

    name = "remembering"
    lookback = 1
    feature_names = FEATURES

    def __init__(self) -> None:
        self.inner = LeastSquares(FEATURES)
        self.settings = self.inner.settings
        self.fitted_on: list[np.ndarray] = []
        self.refitted_on: list[np.ndarray] = []

    def fit(self, samples: Samples, train: np.ndarray, validation: np.ndarray) -> Trained:
        self.fitted_on.append(train)
        return self.inner.fit(samples, train, validation)

    def refit(self, samples: Samples, rows: np.ndarray, chosen: dict[str, Any]) -> Trained:
        self.refitted_on.append(rows)
        return self.inner.refit(samples, rows, chosen)


@pytest.fixture(scope="module")
def market():
    return market_as_of(LAST, signal_strength=0.3)


@pytest.fixture(scope="module")
def folds(market):
    sessions = usable_sessions(market.labels, market.universe)
    tests = {
        "2019H2": (date(2019, 7, 1), date(2019, 12, 31)),
        "2020Q1": (date(2020, 1, 1), date(2020, 3, 31)),
    }
    return walk_forward(sessions, tests, n_validation=100)


@pytest.fixture(scope="module")
def given(market):
    """What every call takes: samples, labels, path returns, last closes."""
    close = market.quotes["close"].to_numpy()
    return market.samples, market.labels, path_returns(market.quotes), close


def days_of(samples, rows: np.ndarray) -> np.ndarray:
    return np.unique(samples.sessions[samples.session_codes[rows]])


def days_of_role(folds: pd.DataFrame, role: str, window: str) -> np.ndarray:
    chosen = folds[(folds["role"] == role) & (folds["window"] == window)]
    return chosen["session"].to_numpy().astype("datetime64[D]")


def its_rows(forecasts: pd.DataFrame) -> pd.DataFrame:
    return forecasts[forecasts["model"] == "remembering"].reset_index(drop=True)


@pytest.fixture(scope="module")
def walked(given, folds):
    """The forecasts of both windows, one table each, and the learner that made them."""
    learner = Remembering()
    return list(walk_forward_forecasts([learner], *given, folds)), learner


def test_every_window_forecasts_its_own_test_sessions(walked, folds):
    tables, _ = walked
    for window, table in zip(["2019H2", "2020Q1"], tables, strict=True):
        assert table["window"].unique().tolist() == [window]
        mine = its_rows(table)
        assert set(mine["model_version"]) == {WALK_FORWARD_VERSION}
        days = mine.loc[mine["horizon"] == 1, "session"].to_numpy().astype("datetime64[D]")
        assert np.unique(days).tolist() == days_of_role(folds, "test", window).tolist()


def test_no_session_counts_twice_in_a_model(walked):
    together = pd.concat(walked[0])
    key = [name for name in FORECASTS_OUT_OF_SAMPLE.key if name != "window"]
    assert not together.duplicated(key).any()


def test_the_rows_keep_the_promises_of_their_table(walked):
    for table in walked[0]:
        assert broken_promises(FORECASTS_OUT_OF_SAMPLE, table).empty


def test_a_refit_learns_from_all_that_was_known_before_the_test(walked, given, folds):
    samples, (_, learner) = given[0], walked
    for window, rows in zip(["2019H2", "2020Q1"], learner.refitted_on, strict=True):
        days = days_of(samples, rows)
        assert days[0] == days_of_role(folds, "train", window)[0]
        assert days[-1] == days_of_role(folds, "validation", window)[-1]
        # The purge between training and validation is learned from as well.
        first, last = np.searchsorted(samples.sessions, [days[0], days[-1]])
        assert len(days) == last - first + 1


def test_a_refit_leaves_the_purge_before_the_test_out(walked, given, folds):
    samples, (_, learner) = given[0], walked
    for window, rows in zip(["2019H2", "2020Q1"], learner.refitted_on, strict=True):
        last = np.searchsorted(samples.sessions, days_of(samples, rows)[-1])
        first_test = np.searchsorted(samples.sessions, days_of_role(folds, "test", window)[0])
        assert first_test - last - 1 == PURGE


def test_without_a_refit_only_the_training_sessions_teach(given, folds):
    learner = Remembering()
    forecast_window([learner], *given, folds, "2019H2", refit=False)
    assert learner.refitted_on == []
    days = days_of(given[0], learner.fitted_on[0])
    assert days.tolist() == days_of_role(folds, "train", "2019H2").tolist()


def test_what_happens_from_the_purge_on_changes_no_forecast(walked, given, folds):
    samples, labels, paths, close = given
    is_test = role_mask(samples.sessions, samples.session_codes, folds, "test", "2019H2")
    later = samples.session_codes >= samples.session_codes[is_test].min() - PURGE
    action, ranks = samples.action.copy(), samples.return_ranks.copy()
    action[later] = (action[later] + 1) % 3
    ranks[later] = -ranks[later]
    another = replace(samples, action=action, return_ranks=ranks)
    paths = np.where(later[:, None], -paths, paths)
    table = forecast_window([Remembering()], another, labels, paths, close, folds, "2019H2")
    said = ["expected_return", "probability_buy", "return_low", "return_high"]
    first = its_rows(walked[0][0])
    pd.testing.assert_frame_equal(
        its_rows(table).loc[lambda rows: rows["horizon"] <= 5, said],
        first.loc[first["horizon"] <= 5, said],
    )


def test_a_window_that_folds_do_not_have_is_refused(given, folds):
    with pytest.raises(DatasetError, match="no window '2030H1'; choose one of: 2019H2, 2020Q1"):
        forecast_window([Remembering()], *given, folds, "2030H1")
