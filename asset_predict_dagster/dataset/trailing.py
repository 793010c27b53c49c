"""Trailing windows: sums, means and deviations of the last n values of one series.

By exact windows: each result is made of its n values and nothing else, always added up in the same
order. A running sum would keep the rounding of values that left, so that a price that stopped
moving had some volatility, and would never forget a missing value.
"""

from collections.abc import Callable

import numpy as np


def lagged(values: np.ndarray, n: int, combine: Callable) -> np.ndarray:
    """combine(values[t], values[t - n]); missing for the first n."""
    result = np.full(len(values), np.nan)
    if len(values) > n:
        result[n:] = combine(values[n:], values[:-n])
    return result


def trailing_sum(values: np.ndarray, n: int) -> np.ndarray:
    """Sum of the last n values; missing where there are fewer or one of them is missing.

    The windows of 1, 2, 4, 8 ... values are each made of two of the one before, and the window of
    n of those that its binary digits name: about 2 log2(n) additions a value, not n.

    Parameters
    ----------
    values
        Shape (n_values,), NaN = missing.

    Returns
    -------
    Shape (n_values,).

    Examples
    --------
    >>> trailing_sum(np.array([1.0, 2.0, 4.0, np.nan, 8.0, 16.0, 32.0]), 3).tolist()
    [nan, nan, 7.0, nan, nan, nan, 56.0]
    """
    result = np.full(len(values), np.nan)
    n_windows = len(values) - n + 1
    if n_windows <= 0:
        return result
    window = result[n - 1 :]
    covered, width, of_width = 0, 1, values
    while True:
        if n & width:
            piece = of_width[covered : covered + n_windows]
            if covered:
                window += piece
            else:
                window[:] = piece
            covered += width
        if covered == n:
            return result
        of_width = of_width[:-width] + of_width[width:]
        width *= 2


def trailing_mean(values: np.ndarray, n: int) -> np.ndarray:
    """Mean of the last n values; missing where one of them is."""
    return trailing_sum(values, n) / n


def trailing_variance(values: np.ndarray, n: int) -> np.ndarray:
    """Population variance of the last n values; missing where one of them is.

    As mean square less squared mean, which is meant for returns: they lie around zero, where
    nothing cancels. A variance below 1e-12 of the mean square is rounding and counts as none: that
    of equal values is 0.
    """
    mean_square = trailing_mean(values * values, n)
    variance = mean_square - trailing_mean(values, n) ** 2
    return np.where(variance <= 1e-12 * mean_square, 0.0, variance)


def trailing_std(values: np.ndarray, n: int) -> np.ndarray:
    """Population standard deviation of the last n values, from `trailing_variance`."""
    return np.sqrt(trailing_variance(values, n))


def positive(values: np.ndarray) -> np.ndarray:
    """The values above zero; missing where not."""
    return np.where(values > 0, values, np.nan)
