"""What a trial is judged on: purged folds within the training and validation sessions.

Nothing of the window's test is looked at. The sessions before it are cut into windows of their
own, each train | purge | validation | purge | test in order of time; the three inner tests are the
second half of those sessions.

A session's value is one number, the sum of two shares of what there is to know:

- of the action: the nats that the forecast saves over the class frequencies in training, as a
  share of the entropy of those;
- of the returns: the rank IC of the scores with the tradable return one session ahead.

Both are 0 for the naive forecast (the frequencies; no order) and at most 1, so that their sum needs
no exchange rate. On B3's prices the first is about .01, nearly all of it volatility, and the second
about .03 with ten times the noise: neither decides alone.
"""

import hashlib
import json
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS, Samples
from asset_predict_dagster.dataset.splits import MIN_SESSIONS, role_mask
from asset_predict_dagster.dataset.walk_forward_splits import equal_tests, walk_forward
from asset_predict_dagster.errors import DatasetError, TrainingError
from asset_predict_dagster.models.base import Learner
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.training import fit_window
from asset_predict_dagster.models.training_rows import known_paths, rows_to_learn_from
from asset_predict_dagster.models.validation import MIN_TICKERS

N_FOLDS = 3

SCORED = 0.5
"""Share of the sessions that the folds forecast."""

VALIDATED = 0.1
"""Share of the sessions that stops and calibrates each fit, though never below 60 sessions."""

_TRADABLE = [f"realised_return_tradable_{h}d" for h in HORIZONS]
_SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class TuningData:
    """Rows up to the last validation session, in the order of `samples`; no row after it.

    `folds` has `N_FOLDS` windows, each a step of a trial.
    """

    samples: Samples
    tradable: pd.DataFrame
    path_returns: np.ndarray
    folds: pd.DataFrame
    experiment: Experiment

    @property
    def windows(self) -> list[str]:
        """The names of the folds, oldest first."""
        return list(dict.fromkeys(self.folds["window"]))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of every value that a trial may read."""
        sha = hashlib.sha256(json.dumps(self.experiment.as_card(), sort_keys=True).encode())
        arrays: list[Any] = [getattr(self.samples, part.name) for part in fields(self.samples)]
        for array in (*arrays, self.tradable.to_numpy(), self.path_returns):
            if array is None or isinstance(array, tuple):
                sha.update(repr(array).encode())
            else:
                sha.update(f"{array.dtype} {array.shape}".encode())
                sha.update(np.ascontiguousarray(array).view(np.uint8).data)
        sha.update(self.folds.to_csv(index=False).encode())
        return sha.hexdigest()


def tuning_data(
    samples: Samples,
    labels: pd.DataFrame,
    path_returns: np.ndarray,
    folds: pd.DataFrame,
    experiment: Experiment,
) -> TuningData:
    """What the trials of an experiment read; parameters as of `training.fit_window`.

    Raises
    ------
    TrainingError
        If the sessions before the test are too few to cut into folds.
    """
    window = experiment.window
    is_of_role = {
        role: role_mask(samples.sessions, samples.session_codes, folds, role, window)
        for role in ("train", "validation", "test")
    }
    known = is_of_role["train"] | is_of_role["validation"]
    codes = samples.session_codes
    first, last = int(codes[known].min()), int(codes[known].max())
    kept = codes <= last
    # A path that ends in the test knows the test.
    first_test = int(codes[is_of_role["test"]].min(initial=len(samples.sessions)))
    paths = known_paths(samples, path_returns, np.flatnonzero(kept), first_test)
    past = _cut(samples, kept, last)
    labelled = past.is_labelled & (past.session_codes >= first)
    sessions = past.sessions[np.unique(past.session_codes[labelled])]
    try:
        inner = walk_forward(
            sessions,
            equal_tests(sessions, N_FOLDS, SCORED),
            n_validation=max(MIN_SESSIONS, round(VALIDATED * len(sessions))),
            span=experiment.definition.span,
            embargo=experiment.embargo,
        )
    except DatasetError as refused:
        raise TrainingError(
            f"{len(sessions)} labelled sessions before the test of window {window} are too few to"
            f" tune on ({refused}); use a longer history, or train without tuning"
        ) from refused
    return TuningData(
        past, labels.loc[kept, _TRADABLE].reset_index(drop=True), paths, inner, experiment
    )


def judge(learner: Learner, data: TuningData, window: str) -> np.ndarray:
    """What a learner is worth in each test session of a fold, fitted on the sessions before.

    Shape (n_sessions, 2), in order of time: share of the action's entropy, and rank IC. A session
    of fewer than three tickers, of one outcome or of one opinion has a rank IC of 0: no order
    was known.

    Raises
    ------
    TrainingError
        If the learner cannot be fitted; see `training.fit_window`.
    """
    samples = data.samples
    _, bundle = fit_window(
        learner,
        samples,
        data.tradable,
        data.path_returns,
        data.folds,
        window=window,
        lake_versions={},
        experiment=data.experiment,
    )
    taught = rows_to_learn_from(learner, samples, data.path_returns, data.folds, window)
    prior = np.bincount(samples.action[taught.train], minlength=len(ACTIONS)) / taught.train.sum()
    is_test = role_mask(samples.sessions, samples.session_codes, data.folds, "test", window)
    rows = np.flatnonzero(is_test & taught.labelled)
    said = bundle.forecast(samples, rows, 1)
    action, place = samples.action[rows], np.arange(len(rows))
    saved = _log(said.probabilities[place, action]) - _log(prior[action])
    saved /= -(prior * _log(prior)).sum()
    outcome = data.tradable[_TRADABLE[0]].to_numpy()[rows]
    codes = samples.session_codes[rows]
    of_session = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    return np.array(
        [(saved[at].mean(), rank_ic(said.scores[at, 0], outcome[at])) for at in of_session]
    )


def rank_ic(score: np.ndarray, outcome: np.ndarray) -> float:
    """Spearman's correlation within a session, both of shape (n,); 0 where there is no order.

    >>> rank_ic(np.array([1.0, 2.0, 3.0, np.nan]), np.array([0.1, 0.3, 0.2, 0.4]))
    0.5
    """
    known = np.isfinite(score) & np.isfinite(outcome)
    score, outcome = score[known], outcome[known]
    if len(score) < MIN_TICKERS or np.ptp(score) == 0 or np.ptp(outcome) == 0:
        return 0.0
    return float(np.corrcoef(_ranks(score), _ranks(outcome))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return rankdata(values)


def _cut(samples: Samples, kept: np.ndarray, last: int) -> Samples:
    """The rows of `kept`, the sessions up to code `last`."""
    per_row = ("features", "ticker_codes", "session_codes", "volatility", "in_universe", "action")
    more = ("return_ranks",) if samples.weight is None else ("return_ranks", "weight")
    return replace(
        samples,
        sessions=samples.sessions[: last + 1],
        **{name: getattr(samples, name)[kept] for name in per_row + more},
    )


def _log(probability: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probability, _SMALLEST_PROBABILITY))
