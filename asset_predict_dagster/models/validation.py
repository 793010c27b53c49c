"""What the validation fold says of a fitted model: is its graph itself, and what is it worth.

The figures are no claim: the fold has stopped and calibrated the model that they judge. They are
kept in the card beside the settings they led to.
"""

from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTIONS, Samples
from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.base import NativeForecast
from asset_predict_dagster.models.forecasting import Graph

LARGEST_DIFFERENCE = 1e-5
"""Between a graph's answer and its model's own, in probability or in rank."""

MIN_TICKERS = 3
"""Fewer have no order to speak of."""


def refuse_other_answers(
    model: str, graph: Graph, native: NativeForecast, samples: Samples, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What the graph says of each of `rows`, which is what the fitted model says of it.

    Raises
    ------
    TrainingError
        If they differ by more than 1e-5 in any number of any row, or if an answer is no number;
        a score alone may be missing, though not all of them.
    """
    answers = []
    largest = 0.0
    for given in graph.inputs(samples, rows):
        said = graph.answer(given)
        answers.append(said)
        for exported, own in zip(said, native(given), strict=True):
            largest = max(largest, _difference(exported, np.asarray(own)))
    if not largest <= LARGEST_DIFFERENCE:
        raise TrainingError(
            f"{model}: its exported graph and the fitted model differ by up to {largest:.3g} on"
            f" {len(rows):,} validation rows, more than {LARGEST_DIFFERENCE:g}; nothing was"
            " written. The export is wrong: mend it, or report the settings"
        )
    probabilities, scores = (np.concatenate(parts) for parts in zip(*answers, strict=True))
    n_odd = int((~np.isfinite(probabilities).all(axis=1) | np.isinf(scores).any(axis=1)).sum())
    if n_odd or np.isnan(scores).all():
        raise TrainingError(
            f"{model}: answers with something else than numbers on {n_odd or len(rows):,} of"
            f" {len(rows):,} validation rows; lower its learning rate, or look at its features"
        )
    return probabilities, scores


def validation_figures(
    probabilities: np.ndarray,
    score: np.ndarray,
    tradable_return: np.ndarray,
    samples: Samples,
    rows: np.ndarray,
    train: np.ndarray,
) -> dict[str, Any]:
    """Figures of the validation rows, for the card.

    Parameters
    ----------
    probabilities, score, tradable_return
        Shapes (n, 3), (n,) and (n,): calibrated, of the next session.
    rows
        Shape (n,), the positions they are of.
    train
        Boolean mask, shape (n_rows,): the rows whose class frequencies are the prior.
    """
    action, codes = samples.action[rows], samples.session_codes[rows]
    prior = np.bincount(samples.action[train], minlength=len(ACTIONS)) / train.sum()
    return {
        "n_rows": len(rows),
        "first_session": str(samples.sessions[codes.min()]),
        "last_session": str(samples.sessions[codes.max()]),
        "rank_ic": mean_rank_ic(score, tradable_return, codes),
        "log_loss": _log_loss(probabilities[np.arange(len(rows)), action]),
        "log_loss_of_prior": _log_loss(prior[action]),
    }


def mean_rank_ic(score: np.ndarray, outcome: np.ndarray, session_codes: np.ndarray) -> float | None:
    """Mean, over sessions, of Spearman's correlation; all of shape (n,).

    Rows without a score or outcome are left out, as are sessions of fewer than three tickers or
    of one value. None where no session is left.

    >>> mean_rank_ic(np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.3, 0.2]), np.zeros(3))
    0.5
    """
    known = np.isfinite(score) & np.isfinite(outcome)
    session = session_codes[known]
    pair = pd.DataFrame({"x": score[known], "y": outcome[known]})
    pair = pair.groupby(session).rank()
    pair -= pair.groupby(session).transform("mean")
    products = pd.DataFrame(
        {"xy": pair["x"] * pair["y"], "xx": pair["x"] ** 2, "yy": pair["y"] ** 2}
    )
    by_session = products.groupby(session)
    sums, counts = by_session.sum(), by_session.size()
    spread = np.sqrt(sums["xx"] * sums["yy"])
    is_ordered = (spread > 0) & (counts >= MIN_TICKERS)
    daily = (sums["xy"] / spread)[is_ordered]
    return float(daily.mean()) if len(daily) else None


def _log_loss(probability_of_what_happened: np.ndarray) -> float:
    return float(-np.log(np.maximum(probability_of_what_happened, 1e-15)).mean())


def _difference(exported: np.ndarray, own: np.ndarray) -> float:
    """Largest difference; infinite where one is a number and the other is not."""
    if exported.shape != own.shape:
        return np.inf
    is_number = np.isfinite(exported) & np.isfinite(own)
    if not np.array_equal(exported[~is_number], own[~is_number], equal_nan=True):
        return np.inf
    apart = np.abs(exported[is_number].astype(np.float64) - own[is_number])
    return float(apart.max(initial=0.0))
