"""Calibration: raw outputs of a model become probabilities, returns and intervals one can use.

Fitted on the validation fold alone and kept in the bundle's card. Three parts:

- probabilities: softmax(slope × log p + bias), the bias undoing class balance, the slope
  over-confidence;
- returns: expected return at horizon h = scale[h] × trailing volatility × return score[h];
- intervals: split-conformal, normalised by volatility: ± width[h] × trailing volatility.
"""

from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from asset_predict_dagster.errors import TrainingError

COVERAGE = 0.9
"""Share of outcomes that an interval should contain."""

_SMALLEST_PROBABILITY = 1e-7
_LARGEST_MOVE = 5.0
"""Trailing volatilities at which a return is clipped when scales are fitted: a crash of 38
volatilities (AMER3, January 2023) would otherwise decide a scale alone."""

_LEAST_SQUARES = 1e-12
"""Stands for a sum of squares of nothing: all scores 0, or sessions of one ticker alone."""

_LEAST_SHARE = 0.02
"""A scale never falls below this share of its upper bound, so that the order of the tickers
survives where validation shows no skill; the returns it then gives are nearly nothing."""


@dataclass(frozen=True)
class Calibration:
    """Numbers fitted on the validation fold; lists, so that they go into a card as they are."""

    slope: float
    bias: list[float]
    scale: list[float]
    width: list[float]

    def probabilities(self, raw: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, shape (n, 3), float64, rows sum to one."""
        return softmax(self.slope * _logs(raw) + np.array(self.bias), axis=1)

    def expected_returns(self, scores: np.ndarray, volatility: np.ndarray) -> np.ndarray:
        """Fractions, shape (n, n_horizons)."""
        return scores.astype(np.float64) * np.array(self.scale) * volatility[:, None]

    def half_widths(self, volatility: np.ndarray) -> np.ndarray:
        """Half the width of the intervals, fractions, shape (n, n_horizons)."""
        return np.array(self.width) * volatility.astype(np.float64)[:, None]

    def as_card(self) -> dict:
        return asdict(self)


def fit_calibration(
    raw_probabilities: np.ndarray,
    return_scores: np.ndarray,
    action: np.ndarray,
    return_ranks: np.ndarray,
    tradable_returns: np.ndarray,
    realised_returns: np.ndarray,
    volatility: np.ndarray,
) -> Calibration:
    """Fit all three parts on the rows of the validation fold.

    A score is a forecast rank of the tradable return (t+1 → t+1+h), and a price is judged by
    the return t → t+h. So the scale is fitted to the latter, and bounded by what a rank, known
    for certain, explains of the former.

    Parameters
    ----------
    raw_probabilities, return_scores
        Shapes (n, 3) and (n, n_horizons): what the model says of these rows.
    action, return_ranks, tradable_returns, realised_returns
        Shapes (n,) and (n, n_horizons) for the others: what happened; none missing.
        `return_ranks` are those of `tradable_returns` within each session.
    volatility
        Shape (n,), trailing daily volatility; zeros are left out of scales and widths.

    Raises
    ------
    TrainingError
        If the fold holds one class only: no probability can be calibrated on it.
    """
    if len(np.unique(action)) < 2:
        raise TrainingError(
            f"the validation fold's {len(action)} rows are all of one class;"
            " probabilities cannot be calibrated: use a longer history"
        )
    slope, bias = _fit_probabilities(raw_probabilities, action)
    moving = volatility > 0
    daily = volatility[moving, None].astype(np.float64)
    moves, tradable = realised_returns[moving] / daily, tradable_returns[moving] / daily
    scores, ranks = return_scores[moving].astype(np.float64), return_ranks[moving]
    # A known rank explains nothing of moves that oppose it, as few odd sessions can.
    bound = np.maximum(_slope(_clipped(tradable), ranks), 0.0)
    fitted = _slope(_clipped(moves), scores)
    scale = np.clip(fitted, _LEAST_SHARE * bound, bound)
    width = _conformal_quantile(np.abs(moves - scale * scores))
    return Calibration(slope, bias, scale.tolist(), width.tolist())


def _fit_probabilities(raw: np.ndarray, action: np.ndarray) -> tuple[float, list[float]]:
    logs = _logs(raw)
    rows = np.arange(len(action))

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        slope, bias = parameters[0], np.r_[parameters[1], 0.0, parameters[2]]
        log_p = log_softmax(slope * logs + bias, axis=1)
        error = np.exp(log_p)
        error[rows, action] -= 1.0  # (n, 3): d loss / d logit
        gradient = np.array(
            [(error * logs).sum(axis=1).mean(), error[:, 0].mean(), error[:, 2].mean()]
        )
        return -log_p[rows, action].mean(), gradient

    best = minimize(
        loss,
        np.array([1.0, 0.0, 0.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, 10.0), (-10.0, 10.0), (-10.0, 10.0)],
    )
    slope, buy, sell = best.x
    return float(slope), [float(buy), 0.0, float(sell)]


def _slope(moves: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Per column, the least-squares slope of `moves` on `known`, through the origin."""
    return (moves * known).sum(axis=0) / np.maximum((known**2).sum(axis=0), _LEAST_SQUARES)


def _clipped(moves: np.ndarray) -> np.ndarray:
    return np.clip(moves, -_LARGEST_MOVE, _LARGEST_MOVE)


def _conformal_quantile(errors: np.ndarray) -> np.ndarray:
    """Per column, the ⌈(n+1) × coverage⌉-th smallest error (Vovk et al., split conformal)."""
    n = len(errors)
    position = min(int(np.ceil((n + 1) * COVERAGE)), n) - 1
    return np.partition(errors, position, axis=0)[position]


def _logs(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST_PROBABILITY))
