"""Calibration: raw outputs of a model become probabilities, returns and intervals one can use.

Fitted on the validation fold alone and kept in the bundle's card. Three parts:

- probabilities: softmax(slope × log p + bias), the bias undoing class balance, the slope
  over-confidence;
- returns: expected return at horizon h = scale[h] × trailing volatility × return score[h], and
  beyond the last horizon with a score what it is there;
- intervals: split-conformal, normalised by volatility: ± width[h] × trailing volatility, at each
  of `PATH_HORIZONS`, never narrower at a later session.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.tables import PATH_HORIZONS

COVERAGE = 0.9
"""Share of outcomes that an interval should contain."""

LEAST_RESIDUALS = 9
"""Fewer do not have a ninth of ten: the conformal quantile of 90 % would be beyond the largest."""

LEAST_RESIDUALS_OF_A_PATH = 100
"""A horizon that the model has no score for needs as many for a width of its own."""

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
    """Numbers fitted on the validation fold; lists, so that they go into a card as they are.

    `bias` is per action, `scale` per horizon that the model has a score for, `width` per horizon
    of `PATH_HORIZONS`; None, or NaN, of who gives no interval.
    """

    slope: float
    bias: list[float]
    scale: list[float]
    width: Sequence[float | None]

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.array(self.bias), np.array(self.scale), np.array(self.width, dtype=np.float64)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of bias, scale and width."""
        return [numbers.shape for numbers in self._arrays]

    def probabilities(self, raw: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, shape (n, 3), float64, rows sum to one."""
        logits = self.slope * _logs(raw) + self._arrays[0]
        # Plain numpy: scipy's softmax takes longer for one row than the graph of a forest.
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def expected_returns(self, scores: np.ndarray, volatility: np.ndarray) -> np.ndarray:
        """Fractions, shape (n, n_scores); NaN where a score is."""
        return scores.astype(np.float64) * self._arrays[1] * volatility[:, None]

    def half_widths(self, volatility: np.ndarray) -> np.ndarray:
        """Half the width of the intervals, fractions, shape (n, n_paths): (n, 30)."""
        return self._arrays[2] * volatility.astype(np.float64)[:, None]

    def as_card(self) -> dict:
        """Numbers that JSON can say: a missing width is None."""
        width = [None if np.isnan(one) else float(one) for one in self._arrays[2]]
        return asdict(self) | {"width": width}


def held(values: np.ndarray, days_ahead: int) -> np.ndarray:
    """The first `days_ahead` columns; the last one there is stands for those that are not.

    >>> held(np.array([[0.1, 0.2]]), 4).tolist()
    [[0.1, 0.2, 0.2, 0.2]]
    """
    n_columns = values.shape[1]
    if days_ahead <= n_columns:
        return values[:, :days_ahead]
    return np.concatenate([values, values[:, -1:].repeat(days_ahead - n_columns, axis=1)], axis=1)


def fit_calibration(
    raw_probabilities: np.ndarray,
    return_scores: np.ndarray,
    action: np.ndarray,
    return_ranks: np.ndarray,
    tradable_returns: np.ndarray,
    path_returns: np.ndarray,
    volatility: np.ndarray,
) -> Calibration:
    """Fit all three parts on the rows of the validation fold.

    A score is a forecast rank of the tradable return (t+1 → t+1+h), and a price is judged by
    the return t → t+h. So the scale is fitted to the latter, and bounded by what a rank, known
    for certain, explains of the former.

    A width is the conformal quantile of the residuals at its horizon, and no smaller than that of
    an earlier one. Where the model has no score and fewer than 100 residuals are known (a short
    validation fold ends before their outcomes), it grows from the last width that has them as a
    random walk does, with the square root of time.

    Parameters
    ----------
    raw_probabilities, return_scores
        Shapes (n, 3) and (n, n_scores): what the model says of these rows, 1 to n_scores sessions
        ahead; a score may be NaN.
    action, return_ranks, tradable_returns
        Shapes (n,) and, for the others, (n, n_horizons), which may be more: what happened; none
        missing.
        `return_ranks` are those of `tradable_returns` within each session.
    path_returns
        Shape (n, 30), return t → t+h at each of `PATH_HORIZONS`; NaN where it is not known, or
        may not be: outcomes that reach into the test.
    volatility
        Shape (n,), trailing daily volatility; zeros are left out of scales and widths.

    Raises
    ------
    TrainingError
        If the fold holds one class only, or fewer than nine residuals at a horizon with scores.
    """
    if len(np.unique(action)) < 2:
        raise TrainingError(
            f"the validation fold's {len(action)} rows are all of one class;"
            " probabilities cannot be calibrated: use a longer history"
        )
    slope, bias = _fit_probabilities(raw_probabilities, action)
    moving = volatility > 0
    daily = volatility[moving, None].astype(np.float64)
    n_scores = return_scores.shape[1]
    scores, ranks = return_scores[moving].astype(np.float64), return_ranks[moving, :n_scores]
    moves, tradable = path_returns[moving] / daily, tradable_returns[moving, :n_scores] / daily
    # A known rank explains nothing of moves that oppose it, as few odd sessions can.
    bound = np.maximum(_slope(_clipped(tradable), ranks), 0.0)
    fitted = _slope(_clipped(moves[:, :n_scores]), scores)
    scale = np.clip(fitted, _LEAST_SHARE * bound, bound)
    residuals = np.abs(moves - held(scale * scores, moves.shape[1]))
    return Calibration(slope, bias, scale.tolist(), _widths(residuals, n_scores))


def _fit_probabilities(raw: np.ndarray, action: np.ndarray) -> tuple[float, list[float]]:
    # Who serves calibrates nothing: a third of a second, and 25 MB.
    from scipy.optimize import minimize
    from scipy.special import log_softmax

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


def _widths(residuals: np.ndarray, n_scores: int) -> list[float]:
    """A width per column of `residuals`, shape (n, 30), NaN = not known."""
    widths: list[float] = []
    founded, own = 0, 0.0  # the last horizon with residuals enough, and its width
    for horizon, column in zip(PATH_HORIZONS, residuals.T, strict=True):
        known = column[np.isfinite(column)]
        is_direct = horizon <= n_scores
        if is_direct and len(known) < LEAST_RESIDUALS:
            raise TrainingError(
                f"the validation fold knows the outcome of {len(known)} forecasts {horizon}"
                f" sessions ahead; an interval needs {LEAST_RESIDUALS}: use a longer history"
            )
        if is_direct or len(known) >= LEAST_RESIDUALS_OF_A_PATH:
            founded, own = horizon, _conformal_quantile(known)
            width = own
        else:
            width = own * np.sqrt(horizon / founded)
        widths.append(float(max(width, *widths[-1:])) if widths else float(width))
    return widths


def _slope(moves: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Per column, the least-squares slope of `moves` on `known`, through the origin."""
    product = moves * known
    squares = np.where(np.isfinite(product), known**2, 0.0).sum(axis=0)
    return np.nansum(product, axis=0) / np.maximum(squares, _LEAST_SQUARES)


def _clipped(moves: np.ndarray) -> np.ndarray:
    return np.clip(moves, -_LARGEST_MOVE, _LARGEST_MOVE)


def _conformal_quantile(errors: np.ndarray) -> float:
    """The ⌈(n+1) × coverage⌉-th smallest error (Vovk et al., split conformal)."""
    n = len(errors)
    position = min(int(np.ceil((n + 1) * COVERAGE)), n) - 1
    return float(np.partition(errors, position)[position])


def _logs(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST_PROBABILITY))
