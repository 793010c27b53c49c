"""Statistics: from sums over sessions to a metric, however many sessions were added up.

Each maps (..., k) sums to (...) values, NaN where the sums do not tell. `metrics.py` says which
sums of which family each metric is made of, and has the formulas.
"""

from collections.abc import Callable

import numpy as np

from asset_predict_dagster.evaluation.metric_sums import N_ACTIONS, N_BINS

Statistic = Callable[[np.ndarray], np.ndarray]


def mean(sums: np.ndarray) -> np.ndarray:
    """Of a sum and a number."""
    return _ratio(sums[..., 0], sums[..., 1])


def root_mean(sums: np.ndarray) -> np.ndarray:
    """Of a sum of squares and a number."""
    return np.sqrt(mean(sums))


def r2(sums: np.ndarray) -> np.ndarray:
    """Of squared errors, the truth, its squares, and a number; NaN where the truth is one value."""
    squared_error, total, squares, n = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        varies = squares - total**2 / n
        # Values that are alike leave dust.
        return np.where(varies > 1e-12 * squares, 1 - squared_error / varies, np.nan)


def mean_in_deviations(sums: np.ndarray) -> np.ndarray:
    """Of values, their squares, and a number; NaN where the values are all alike."""
    total, squares, n = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (squares - total**2 / n) / (n - 1)
        # Here too.
        return np.where(variance > 1e-12 * squares / n, total / n / np.sqrt(variance), np.nan)


def accuracy(sums: np.ndarray) -> np.ndarray:
    """Of rows by (happened, said), like all that follow."""
    right = np.trace(_counts(sums), axis1=-2, axis2=-1)
    return _ratio(right, sums.sum(axis=-1))


def mean_recall(sums: np.ndarray) -> np.ndarray:
    """Over the classes that happened."""
    counts = _counts(sums)
    happened = counts.sum(axis=-1)
    found = np.diagonal(counts, axis1=-2, axis2=-1)
    recalls = np.where(happened > 0, _ratio(found, happened), 0.0)
    return _ratio(recalls.sum(axis=-1), (happened > 0).sum(axis=-1))


def precision(action: int) -> Statistic:
    """Of one class, by its place in `ACTIONS`."""

    def statistic(sums: np.ndarray) -> np.ndarray:
        both, said, _ = _of_class(sums, action)
        return _ratio(both, said)

    return statistic


def recall(action: int) -> Statistic:
    """Of one class, by its place in `ACTIONS`."""

    def statistic(sums: np.ndarray) -> np.ndarray:
        both, _, happened = _of_class(sums, action)
        return _ratio(both, happened)

    return statistic


def f1(action: int) -> Statistic:
    """Of one class, by its place in `ACTIONS`."""

    def statistic(sums: np.ndarray) -> np.ndarray:
        both, said, happened = _of_class(sums, action)
        return _ratio(2 * both, said + happened)

    return statistic


def mean_of_classified(sums: np.ndarray) -> np.ndarray:
    """Of a sum, and rows by (happened, said) for its number."""
    return _ratio(sums[..., 0], sums[..., 1:].sum(axis=-1))


def calibration_error(sums: np.ndarray) -> np.ndarray:
    """Of differences by bin, and rows by (happened, said) for their number."""
    return _ratio(np.abs(sums[..., :N_BINS]).sum(axis=-1), sums[..., N_BINS:].sum(axis=-1))


def _counts(sums: np.ndarray) -> np.ndarray:
    """Rows by (happened, said); shape (..., 3, 3)."""
    return sums.reshape(*sums.shape[:-1], N_ACTIONS, N_ACTIONS)


def _of_class(sums: np.ndarray, action: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows in which the class was said and happened, was said, happened; (...) each."""
    counts = _counts(sums)
    both = counts[..., action, action]
    return both, counts[..., action].sum(axis=-1), counts[..., action, :].sum(axis=-1)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return above / below
