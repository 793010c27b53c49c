"""Folds within the training sessions, and the score of a forest on them.

Three folds, cut by `dataset.walk_forward_splits`, purged and in order of time, score the second
half of the training sessions, each after growing on all that came before.

Each twin has a number of its own, higher is better, for its forecasts of sessions that it was not
fitted on:

- action: minus the log-loss, in nats; what the probabilities are for;
- returns: the correlation of score and return rank within a session, over all horizons. The scale
  of a score is calibrated later, so only its order and proportions count.

One number for both would have to say how many nats a correlation is worth, and on B3's prices the
log-loss, nearly all of it volatility, would decide alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from asset_predict_dagster.dataset.labels import SPAN
from asset_predict_dagster.dataset.samples import Samples
from asset_predict_dagster.dataset.splits import EMBARGO, MIN_SESSIONS, role_mask
from asset_predict_dagster.dataset.walk_forward_splits import equal_tests, walk_forward
from asset_predict_dagster.errors import DatasetError, TrainingError
from asset_predict_dagster.models.forest_settings import ForestSettings
from asset_predict_dagster.models.quantile_bins import bin_codes, bin_edges
from asset_predict_dagster.models.twin_forests import draw_weights

N_FOLDS = 3

SCORED = 0.5
"""Share of the training sessions that the folds forecast."""

_SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class InnerFold:
    """What grows and what is scored, as bin codes by the edges of the former."""

    codes: np.ndarray
    targets: dict[str, np.ndarray]
    weight: np.ndarray | None
    scored_codes: np.ndarray
    scored_targets: dict[str, np.ndarray]
    scored_sessions: np.ndarray


def inner_folds(
    samples: Samples,
    train: np.ndarray,
    feature_names: tuple[str, ...],
    knobs: ForestSettings,
    *,
    span: int = SPAN,
    embargo: int = EMBARGO,
) -> Iterator[InnerFold]:
    """Folds within the rows of `train`, oldest first; of at least 60 sessions each.

    Parameters
    ----------
    train
        Boolean mask, shape (n_rows,): labelled rows; no others are looked at.
    span, embargo
        Sessions after t that a label of t looks at, and sessions left out beyond them.

    Raises
    ------
    TrainingError
        If there are too few training sessions, or too many between them have no label.
    """
    sessions = samples.sessions[np.unique(samples.session_codes[train])]
    try:
        tests = equal_tests(sessions, N_FOLDS, SCORED)
        windows = walk_forward(
            sessions, tests, n_validation=MIN_SESSIONS, span=span, embargo=embargo
        )
    except DatasetError as refused:
        raise TrainingError(
            f"random_forest: {len(sessions)} training sessions cannot be cut into folds to"
            f" search within ({refused}); use a longer history, or search=none"
        ) from refused
    columns = samples.columns(feature_names)
    for window in tests:
        roles = {
            role: train & role_mask(samples.sessions, samples.session_codes, windows, role, window)
            for role in ("train", "validation", "test")
        }
        # Nothing is stopped or calibrated here, so what would validate helps to grow.
        growing, scored = roles["train"] | roles["validation"], roles["test"]
        edges = bin_edges(columns[growing], knobs.n_bins)
        yield InnerFold(
            codes=bin_codes(columns[growing], edges),
            targets=_targets(samples, growing),
            weight=draw_weights(samples, growing, knobs.sample_weight),
            scored_codes=bin_codes(columns[scored], edges),
            scored_targets=_targets(samples, scored),
            scored_sessions=samples.session_codes[scored],
        )


def action_score(
    probabilities: np.ndarray, action: np.ndarray, frequencies: np.ndarray | None = None
) -> float:
    """Minus the log-loss, in nats.

    Parameters
    ----------
    probabilities, action
        Shapes (n, 3) and (n,).
    frequencies
        Shape (3,): of the classes in training, if they were balanced for it; what the balance
        did to the probabilities is then undone by Bayes' rule.
    """
    if frequencies is not None:
        probabilities = probabilities * frequencies
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    happened = probabilities[np.arange(len(action)), action]
    return float(np.log(np.maximum(happened, _SMALLEST_PROBABILITY)).mean())


def returns_score(scores: np.ndarray, ranks: np.ndarray, sessions: np.ndarray) -> float:
    """Correlation of scores and return ranks, both (n, n_horizons), within each of `sessions`.

    The mean over sessions and horizons; where a session has no spread it counts as 0.

    >>> returns_score(np.array([[1.0], [2.0]]), np.array([[-1.0], [1.0]]), np.array([7, 7]))
    1.0
    """
    of_session = np.unique(sessions, return_inverse=True)[1]
    counts = np.bincount(of_session)

    def centred(values: np.ndarray) -> np.ndarray:
        means = np.stack([np.bincount(of_session, column) for column in values.T], axis=1)
        return values - (means / counts[:, None])[of_session]

    x, y = centred(scores.astype(np.float64)), centred(ranks.astype(np.float64))
    xy, xx, yy = (
        np.stack([np.bincount(of_session, column) for column in product.T], axis=1)
        for product in (x * y, x * x, y * y)
    )
    spread = np.sqrt(xx * yy)
    # A forest that says the same of every ticker says it but for the last bits of its sums.
    has_spread = spread > 1e-12
    return float(np.divide(xy, spread, out=np.zeros_like(xy), where=has_spread).mean())


def _targets(samples: Samples, rows: np.ndarray) -> dict[str, np.ndarray]:
    return {"action": samples.action[rows], "returns": samples.return_ranks[rows]}
