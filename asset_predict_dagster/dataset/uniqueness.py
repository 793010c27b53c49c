"""Uniqueness: how much of a label's span is its own, as a weight for overlapping labels.

A label of row t looks at the sessions t+1 to t+n. With c[s] the number of labels of the same
ticker whose span holds session s,

    uniqueness[t] = mean over s in t+1..t+n of 1 / c[s]

1: no other label looks at any of its sessions; 1/6: six labels share every one of them. Labels
of other tickers do not count: what tickers have in common on a day is not an overlap of spans.

López de Prado (2018), Advances in Financial Machine Learning, Wiley, chapter 4.
"""

import numpy as np

from asset_predict_dagster.dataset.price_grid import PriceGrid


def uniqueness(grid: PriceGrid, n_sessions: np.ndarray) -> np.ndarray:
    """Uniqueness of each row's label, shape (n_rows,), in (0, 1].

    Missing where the span reaches past the data or is empty. A span that does so still counts
    for the others, as far as the data go: whether it will ever have a label is not known yet,
    and a weight must not change when it is.

    Parameters
    ----------
    n_sessions
        Shape (n_rows,), int: length of each row's span; 0 where the row has no label.
    """
    n_known, n_tickers = grid.traded.shape
    first, past = grid.row + 1, grid.row + 1 + n_sessions
    changes = np.zeros((n_known + 1, n_tickers), dtype=np.int64)
    np.add.at(changes, (np.minimum(first, n_known), grid.column), 1)
    np.add.at(changes, (np.minimum(past, n_known), grid.column), -1)
    n_labels = changes.cumsum(axis=0)  # (n_known + 1, n_tickers): c[s]

    total = np.zeros(len(grid.row))
    for ahead in range(1, int(n_sessions.max(initial=0)) + 1):
        rows = np.flatnonzero((n_sessions >= ahead) & (grid.row + ahead < n_known))
        total[rows] += 1 / n_labels[grid.row[rows] + ahead, grid.column[rows]]
    is_known = (n_sessions > 0) & (past <= n_known)
    return np.divide(total, n_sessions, out=np.full(len(total), np.nan), where=is_known)
