"""Which rows a training may learn from, stop by and be calibrated on, or why there are none."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import HORIZONS, Samples
from asset_predict_dagster.dataset.splits import role_mask
from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.base import Learner
from asset_predict_dagster.tables import PATH_HORIZONS

MIN_LABELLED_SESSIONS = 20
"""A role whose labelled rows are of fewer sessions says nothing, however many tickers they have."""


@dataclass(frozen=True)
class TrainingRows:
    """Boolean masks of shape (n_rows,), and where the test begins.

    Attributes
    ----------
    labelled
        Every row a model may learn from, whatever its role: those of the refit.
    train, validation
        The labelled rows of each role.
    first_test_code
        Session code of the window's first test session; past the end where it has none.
    """

    labelled: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    first_test_code: int


def rows_to_learn_from(
    learner: Learner,
    samples: Samples,
    path_returns: np.ndarray,
    folds: pd.DataFrame,
    window: str,
) -> TrainingRows:
    """The rows of each role of a window; the parameters are those of `training.fit_window`.

    A ticker with a handful of rows is learned from like any other: what its windows lack is
    missing. Rows without a label, outside the universe or without volatility are left out.

    Raises
    ------
    TrainingError
        If the samples lack a feature or hold an infinite one, if the path returns are not of
        these samples, or if a role has fewer than 20 labelled sessions.
    """
    if path_returns.shape != (samples.n_rows, len(PATH_HORIZONS)):
        raise TrainingError(
            f"{learner.name}: path returns should be {samples.n_rows} rows ×"
            f" {len(PATH_HORIZONS)} horizons and are {path_returns.shape}; compute them from the"
            " quotes that the samples were made of"
        )
    _refuse_odd_features(learner, samples)
    labelled = samples.is_labelled & np.isfinite(path_returns[:, : len(HORIZONS)]).all(axis=1)
    masks = {}
    for role in ("train", "validation"):
        is_role = role_mask(samples.sessions, samples.session_codes, folds, role, window)
        masks[role] = is_role & labelled
        n_sessions = len(np.unique(samples.session_codes[masks[role]]))
        if n_sessions < MIN_LABELLED_SESSIONS:
            raise TrainingError(
                f"{learner.name}: the {role} fold of window {window} has"
                f" {int(masks[role].sum()):,} rows that are labelled and in the universe, of"
                f" {n_sessions} sessions; {MIN_LABELLED_SESSIONS} sessions are needed. Use a longer"
                " history, or look at the table `universe` for the reasons"
            )
    is_test = (folds["window"] == window) & (folds["role"] == "test")
    first = folds.loc[is_test, "session"].min()
    code = len(samples.sessions)
    if not pd.isna(first):
        code = int(np.searchsorted(samples.sessions, np.datetime64(first, "D")))
    return TrainingRows(labelled, masks["train"], masks["validation"], code)


def known_paths(
    samples: Samples, path_returns: np.ndarray, rows: np.ndarray, first_test_code: int
) -> np.ndarray:
    """Path returns of the given row positions, shape (n, 30), NaN where t+h lies in the test.

    A horizon longer than the purge would otherwise let validation read the test.
    """
    ends = samples.session_codes[rows, None] + np.array(PATH_HORIZONS)
    return np.where(ends < first_test_code, path_returns[rows], np.nan)


def _refuse_odd_features(learner: Learner, samples: Samples) -> None:
    unknown = [name for name in learner.feature_names if name not in samples.feature_names]
    if unknown:
        raise TrainingError(
            f"{learner.name}: the samples have no features {unknown}; choose among those of the"
            " catalogue"
        )
    for name in learner.feature_names:
        column = samples.features[:, samples.feature_names.index(name)]
        n_infinite = int(np.isinf(column).sum())
        if n_infinite:
            raise TrainingError(
                f"{learner.name}: feature {name} is infinite in {n_infinite:,} of"
                f" {samples.n_rows:,} rows; a feature may be missing, not infinite: mend its"
                " formula"
            )
