"""How unlike two samples of one column are: PSI, the Kolmogorov-Smirnov distance, and counts.

Everything is a function of counts in bins whose edges are quantiles of a reference. Counts of
sessions add up, so that of every window they are a difference of two running sums.

Sources: Siddiqi (2006), "Credit risk scorecards", for the population stability index and its
customary labels; Smirnov (1948), "Table for estimating the goodness of fit of empirical
distributions"; Holm (1979), "A simple sequentially rejective multiple test procedure".
"""

from dataclasses import dataclass

import numpy as np

N_CELLS = 100
"""Cells that the Kolmogorov-Smirnov distance is read from: hundredths of the reference."""

N_BINS = 10
"""Bins of PSI: tenths of the reference, each ten cells."""

LABELS = ("stable", "moderate", "large")
CUSTOMARY = (0.1, 0.2)
"""Where PSI is said to be moderate and large. They suppose independent rows: see `drift.py`."""


@dataclass(frozen=True)
class Edges:
    """Where a column's cells end.

    Attributes
    ----------
    cells
        Shape (n_cells - 1,), increasing. Cell i holds what lies above edge i - 1 and up to edge i;
        the first and the last are open-ended. One more cell, the last of all, counts the missing.
    bins
        Shape (n_bins,): the first cell of each bin of PSI; the cell of the missing is a bin.
    """

    cells: np.ndarray
    bins: np.ndarray


def quantile_edges(reference: np.ndarray) -> Edges:
    """Edges at the hundredths and tenths of a reference; missing values are left out.

    A value that repeats takes several quantiles and ends one cell. Without any value there is one
    cell, and the one of the missing.

    Examples
    --------
    >>> edges = quantile_edges(np.arange(101.0))
    >>> len(edges.cells), float(edges.cells[9]), edges.bins.tolist()
    (99, 10.0, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100])
    """
    known = reference[np.isfinite(reference)]
    if len(known) == 0:
        return Edges(np.empty(0), np.array([0, 1]))
    at = np.quantile(known, np.arange(1, N_CELLS) / N_CELLS)
    cells = np.unique(at)
    tenths = np.unique(at[N_CELLS // N_BINS - 1 :: N_CELLS // N_BINS])
    first = np.searchsorted(cells, tenths) + 1
    return Edges(cells, np.r_[0, first, len(cells) + 1])


def count_by_session(
    values: np.ndarray, session_codes: np.ndarray, n_sessions: int, edges: Edges
) -> np.ndarray:
    """Values of each session in each cell, shape (n_sessions, n_cells + 1), the missing last."""
    is_known = np.isfinite(values)
    n_cells = len(edges.cells) + 2
    cell = np.where(is_known, np.searchsorted(edges.cells, values), n_cells - 1)
    counts = np.bincount(session_codes * n_cells + cell, minlength=n_sessions * n_cells)
    return counts.reshape(n_sessions, n_cells)


def population_stability(current: np.ndarray, reference: np.ndarray, edges: Edges) -> np.ndarray:
    """The population stability index of counts in cells.

        PSI = Σ over bins (p - q) ln(p / q),  p and q the shares of current and reference

    Bins are tenths of the reference, open-ended at both ends, and one for the missing, so that a
    column that vanishes is no stable one. A bin that is empty on one side counts half a row there.
    Missing where one side has no row at all.

    Parameters
    ----------
    current, reference
        Shape (..., n_cells + 1), as `count_by_session` has them.

    Examples
    --------
    Half of the current values where a tenth of the reference was: .4 ln 5 + .4 ln(9/5).

    >>> edges = quantile_edges(np.arange(1.0, 101.0))
    >>> reference = count_by_session(np.arange(1.0, 101.0), np.zeros(100, int), 1, edges)
    >>> values = np.r_[np.full(81, 5.0), np.linspace(11, 100, 81)]
    >>> current = count_by_session(values, np.zeros(162, int), 1, edges)
    >>> population_stability(current, reference, edges).round(2).tolist()
    [0.88]
    """
    p, q = (np.add.reduceat(counts, edges.bins, axis=-1) for counts in (current, reference))
    is_used = (p > 0) | (q > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = np.maximum(p, 0.5) / p.sum(axis=-1, keepdims=True)
        q = np.maximum(q, 0.5) / q.sum(axis=-1, keepdims=True)
        index = np.where(is_used, (p - q) * np.log(p / q), 0.0).sum(axis=-1)
    is_known = (current.sum(axis=-1) > 0) & (reference.sum(axis=-1) > 0)
    return np.where(is_known, index, np.nan)


def ks_distance(current: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The largest distance between the two distribution functions, read at the cells' ends.

    It falls short of the exact one by no more than the share of the reference in one cell: a
    hundredth, unless values repeat. Missing values are left out; NaN where nothing is left.

    Parameters
    ----------
    current, reference
        Shape (..., n_cells + 1), as `count_by_session` has them.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        below = [
            np.cumsum(counts[..., :-1], axis=-1) / counts[..., :-1].sum(axis=-1, keepdims=True)
            for counts in (current, reference)
        ]
        return np.abs(below[0] - below[1]).max(axis=-1)


def ks_p_values(distance: np.ndarray, n_current: np.ndarray, n_reference: np.ndarray) -> np.ndarray:
    """The textbook p-value of each distance, after Holm's correction for their number.

    Holm's, because one column is enough to raise an alarm: what is to be rare is the first false
    one among them (the family-wise error), under whatever dependence, and columns made of the same
    prices depend on each other. A false-discovery rate (Benjamini and Hochberg) allows false ones
    in proportion to the true ones.

    The p-value itself supposes independent rows, which those of a market are not: it is shown
    because people know it, and decides nothing. Missing distances have no p-value and count for
    nothing.
    """
    from scipy.special import kolmogorov

    size = n_current * n_reference / np.maximum(n_current + n_reference, 1)
    p = kolmogorov(np.sqrt(size) * distance)
    order = np.argsort(p)
    n_left = np.isfinite(p).sum() - np.arange(len(p))
    corrected = np.minimum(np.maximum.accumulate(p[order] * np.maximum(n_left, 1)), 1.0)
    result = np.empty(len(p))
    result[order] = corrected
    return result


def customary_label(index: float) -> str:
    """What PSI is called by custom: stable below .1, moderate below .2, large from there.

    >>> [customary_label(index) for index in (0.05, 0.1, 0.2)]
    ['stable', 'moderate', 'large']
    """
    return LABELS[int(np.searchsorted(CUSTOMARY, index, side="right"))]
