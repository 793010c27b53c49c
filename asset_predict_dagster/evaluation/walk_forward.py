"""Walk-forward: a model trained anew before each test window, as a person would have done then.

A window is honest in three steps: fit on its training sessions; stop, and calibrate, on its
validation sessions; and, because those are the latest that were known, fit once more on both with
the choices made (refit), before the test is forecast. The purge before the test stays out of
everything. Nothing is written: a window's models live as long as its forecasts take.
Which windows there are is said in `dataset.planned_windows`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.model_columns import FOREST_FEATURES, LSTM_FEATURES
from asset_predict_dagster.dataset.path_returns import path_returns as path_returns_of
from asset_predict_dagster.dataset.planned_windows import window_folds
from asset_predict_dagster.dataset.samples import Samples, build_samples
from asset_predict_dagster.dataset.splits import usable_sessions
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.forecasts import forecast_test_sessions
from asset_predict_dagster.evaluation.window_recipe import window_recipe
from asset_predict_dagster.models.base import Learner
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.kinds import learner_of, settings_of
from asset_predict_dagster.models.training import Definition, fit_window, refit_window
from asset_predict_dagster.models.training_rows import rows_to_learn_from

WALK_FORWARD_VERSION = "walk-forward"
"""Stands in `model_version`: the models of a walk-forward are not registered."""


def default_learners(seed: int) -> list[Learner]:
    """Both models with their default settings."""
    features = {"random_forest": FOREST_FEATURES, "lstm": LSTM_FEATURES}
    return [
        learner_of(model, settings_of(model)(seed=seed), names) for model, names in features.items()
    ]


@dataclass(frozen=True)
class WalkForward:
    """A walk-forward over some tables: any of its windows, each as if the others were not.

    Attributes
    ----------
    samples, labels, path_returns, last_close
        As `forecast_window` takes them.
    learners
        One of each model.
    """

    samples: Samples
    labels: pd.DataFrame
    path_returns: np.ndarray
    last_close: np.ndarray
    in_universe: pd.DataFrame
    learners: Sequence[Learner]

    @classmethod
    def over(
        cls,
        quotes: pd.DataFrame,
        universe: pd.DataFrame,
        features: pd.DataFrame,
        labels: pd.DataFrame,
        learners: Sequence[Learner],
    ) -> "WalkForward":
        """Over rows of the tables of those names, with the same keys in the same order."""
        return cls(
            build_samples(features, universe, labels),
            labels,
            path_returns_of(quotes),
            quotes["close"].to_numpy(),
            universe[["in_universe"]],
            learners,
        )

    @cached_property
    def sessions(self) -> np.ndarray:
        """The sessions with a label, datetime64[D], sorted."""
        return usable_sessions(self.labels, self.in_universe)

    def recipe(self, window: str) -> str:
        """See `window_recipe`; raises as `planned_windows.window_folds` does."""
        return window_recipe(self.learners, *self._given, self._folds(window), window)

    def forecasts(self, window: str) -> pd.DataFrame:
        """See `forecast_window`; raises as `planned_windows.window_folds` does as well."""
        return forecast_window(self.learners, *self._given, self._folds(window), window)

    def _folds(self, window: str) -> pd.DataFrame:
        return window_folds(self.sessions, window)

    @property
    def _given(self) -> tuple[Samples, pd.DataFrame, np.ndarray, np.ndarray]:
        return self.samples, self.labels, self.path_returns, self.last_close


def forecast_window(
    learners: Sequence[Learner],
    samples: Samples,
    labels: pd.DataFrame,
    path_returns: np.ndarray,
    last_close: np.ndarray,
    folds: pd.DataFrame,
    window: str,
    *,
    refit: bool = True,
    lake_versions: Mapping[str, int] | None = None,
    experiment: Definition | None = None,
) -> pd.DataFrame:
    """Rows of `tables.FORECASTS_OUT_OF_SAMPLE` for one window: its models and the baselines.

    Parameters
    ----------
    learners
        One of each model, with its settings; every window starts afresh from them.
    labels
        Rows of `tables.LABELS`, in the order of `samples`.
    path_returns
        From `dataset.path_returns`, in the order of `samples`.
    last_close
        Shape (n_rows,), R$ per share at the close of each row's session.
    folds
        Rows of `tables.FOLDS`; those of `window` are used.
    refit
        Fit once more up to the purge before the test, which is what serving does. Without, the
        last sessions a model learned from are a validation fold older than they need be.
    lake_versions, experiment
        For the cards, which are not kept; None: no versions, the default definition.

    Raises
    ------
    DatasetError
        If `folds` has no such window.
    TrainingError
        If a model cannot be fitted; see `models.training.fit_window`.
    """
    if not folds["window"].eq(window).any():
        known = ", ".join(folds["window"].unique())
        raise DatasetError(f"folds has no window '{window}'; choose one of: {known}")
    bundles = {}
    for learner in learners:
        fitted, bundle = fit_window(
            learner,
            samples,
            labels,
            path_returns,
            folds,
            window=window,
            lake_versions=dict(lake_versions or {}),
            experiment=experiment or Experiment(),
        )
        if refit:
            rows = rows_to_learn_from(learner, samples, path_returns, folds, window)
            known_then = _up_to_the_test(samples, rows.train, rows.validation) & rows.labelled
            at = np.flatnonzero(rows.validation)
            _, bundle = refit_window(learner, samples, known_then, at, fitted, bundle)
        bundles[(learner.name, WALK_FORWARD_VERSION)] = bundle
    return forecast_test_sessions(
        bundles, samples, labels, path_returns, last_close, folds, window=window
    )


def walk_forward_forecasts(
    learners: Sequence[Learner],
    samples: Samples,
    labels: pd.DataFrame,
    path_returns: np.ndarray,
    last_close: np.ndarray,
    folds: pd.DataFrame,
    *,
    refit: bool = True,
    lake_versions: Mapping[str, int] | None = None,
    experiment: Definition | None = None,
) -> Iterator[pd.DataFrame]:
    """`forecast_window` of every window of `folds`, in the order of their tests, one at a time."""
    first_test = folds[folds["role"] == "test"].groupby("window")["session"].min()
    for window in first_test.sort_values().index:
        yield forecast_window(
            learners,
            samples,
            labels,
            path_returns,
            last_close,
            folds,
            str(window),
            refit=refit,
            lake_versions=lake_versions,
            experiment=experiment,
        )


def _up_to_the_test(samples: Samples, train: np.ndarray, validation: np.ndarray) -> np.ndarray:
    """Rows from the first training to the last validation session: boolean mask, shape (n_rows,).

    The sessions purged between the two are among them: there is no validation left to keep apart.
    """
    first = int(samples.session_codes[train].min())
    return samples.between(first, int(samples.session_codes[validation].max()))
