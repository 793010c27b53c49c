"""Quantile bins: a feature as the number of the bin it falls into, for trees to split on.

Sorting a few dozen numbers is what makes a fit on bins faster than one on the values themselves.
The edges are values that were seen, in float32, so that a tree's threshold can be written as its
edge without any rounding: see `tree_graph.py`.
"""

import numpy as np


def bin_edges(features: np.ndarray, n_bins: int) -> list[np.ndarray]:
    """Edges of at most `n_bins` bins with equally many rows, from training rows only.

    Parameters
    ----------
    features
        Shape (n, n_features), float32; missing values are left out.

    Returns
    -------
    One sorted float32 array per feature, of at most `n_bins - 1` distinct edges; empty for a
    feature that is always missing.
    """
    shares = np.arange(1, n_bins) / n_bins
    edges = []
    for column in features.T:
        seen = column[~np.isnan(column)]
        quantiles = np.quantile(seen, shares, method="inverted_cdf") if len(seen) else seen
        edges.append(np.unique(quantiles).astype(np.float32))
    return edges


def bin_codes(features: np.ndarray, edges: list[np.ndarray]) -> np.ndarray:
    """Bin of each value: the number of edges strictly below it; a missing value is in bin 0.

    Parameters
    ----------
    features
        Shape (n, n_features), float32, NaN = missing.
    edges
        From `bin_edges`.

    Returns
    -------
    Shape (n, n_features), whole numbers as float32, which is what scikit-learn's trees read.

    Examples
    --------
    >>> values = np.array([[1.0], [2.0], [2.5], [np.nan]], dtype=np.float32)
    >>> bin_codes(values, [np.array([1.0, 2.0], dtype=np.float32)]).ravel().tolist()
    [0.0, 1.0, 2.0, 0.0]
    """
    codes = np.empty(features.shape, dtype=np.float32)
    for position, edge in enumerate(edges):
        column = features[:, position]
        codes[:, position] = np.searchsorted(edge, column, side="left")
        codes[np.isnan(column), position] = 0
    return codes
