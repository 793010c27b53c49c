"""What each session adds to the sums that metrics are made of: one function per family of metrics.

Each maps the rows of one forecaster to shape (n_sessions, k), float64. What is alike for many
metrics (errors, ranks, the table of what was said and what happened) is reckoned once. Formulas
and meanings are those of `metrics.py`.
"""

import numpy as np

from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.evaluation.by_session import JudgedRows

N_BINS = 10
"""Bins of the calibration error, equally wide."""

N_ACTIONS = len(ACTIONS)
_EDGES = np.linspace(0.0, 1.0, N_BINS + 1)
_LEAST_PROBABILITY = 1e-15
_FEWEST_TICKERS = 3


def of_returns(rows: JudgedRows) -> np.ndarray:
    """|r - f|, (r - f)², r, r², 1."""
    realised = rows.column("realised_return")
    error = realised - rows.column("expected_return")
    return _sums(rows, np.abs(error), error**2, realised, realised**2, np.ones(len(realised)))


def of_prices(rows: JudgedRows) -> np.ndarray:
    """|P - p|, (P - p)², |P - p| / P, P, P², 1."""
    last, realised = rows.column("last_close"), rows.column("realised_return")
    price = last * (1 + realised)
    # P - p = last (r - f): 1 + f would lose half the digits of a forecast in 32 bits.
    error = last * (realised - rows.column("expected_return"))
    absolute = np.abs(error)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = absolute / price
    return _sums(rows, absolute, error**2, relative, price, price**2, np.ones(len(price)))


def of_direction(rows: JudgedRows) -> np.ndarray:
    """sign(f) = sign(r), and 1, among rows where neither is 0."""
    return _signs(rows, rows.column("expected_return"))


def of_score_signs(rows: JudgedRows) -> np.ndarray:
    """`of_direction`, were the score what is expected: who only orders has a sign as well."""
    return _signs(rows, rows.column("score"))


def of_rises(rows: JudgedRows) -> np.ndarray:
    """`of_direction`, had the forecast always been that it rises."""
    return _signs(rows, np.ones(1))


def of_falls(rows: JudgedRows) -> np.ndarray:
    """`of_direction`, had the forecast always been that it falls."""
    return _signs(rows, -np.ones(1))


def _signs(rows: JudgedRows, said: np.ndarray) -> np.ndarray:
    realised = rows.column("realised_return")
    has_one = (realised != 0) & (said != 0)
    return _sums(rows, has_one & ((realised > 0) == (said > 0)), has_one)


def of_order(rows: JudgedRows) -> np.ndarray:
    """Rank IC, its square, 1, IC, its square, 1: of the tradable return, where it is known."""
    rank_ic = rank_correlations(rows, "realised_return_tradable")
    ic = np.full(len(rank_ic), np.nan)
    if np.isfinite(rank_ic).any():
        is_known = rows.known("realised_return_tradable")
        score = rows.by_session.centred(rows.column("score"), is_known)
        outcome = rows.by_session.centred(rows.column("realised_return_tradable"), is_known)
        # Where values are alike only ranks say so exactly.
        ic[:] = np.where(np.isfinite(rank_ic), _correlations(rows, score, outcome), np.nan)
    return np.hstack([_of_series(rank_ic), _of_series(ic)])


def of_order_next_close(rows: JudgedRows) -> np.ndarray:
    """Rank IC, its square, 1: of the return from this close."""
    return _of_series(rank_correlations(rows, "realised_return"))


def of_intervals(rows: JudgedRows) -> np.ndarray:
    """low <= r <= high, high - low, 1, among rows that have an interval."""
    low, high = rows.column("return_low"), rows.column("return_high")
    realised, is_known = rows.column("realised_return"), np.isfinite(low)
    if not is_known.any():
        return np.zeros((len(rows.by_session.counts), 3))
    width = np.where(is_known, high.astype(np.float64) - low, 0.0)
    return _sums(rows, is_known & (low <= realised) & (realised <= high), width, is_known)


def of_actions(rows: JudgedRows) -> np.ndarray:
    """Rows by (happened, said), nine of them; -ln q[y]; Σ (q - 1[y])²; 1[c = y] - max q by bin.

    Among rows whose class is known. Where two classes are likeliest, the first of `ACTIONS` is
    what was said.
    """
    label = rows.column("realised_label")
    session = rows.by_session.codes
    q = np.stack([rows.column(f"probability_{action}") for action in ACTIONS]).astype(np.float64)
    is_known = label >= 0
    if not is_known.all():
        label, session, q = label[is_known], session[is_known], q[:, is_known]
    said, top, of_label = q.argmax(axis=0), q.max(axis=0), np.empty(len(label))
    for action in range(N_ACTIONS):
        of_label[label == action] = q[action, label == action]
    surprise = -np.log(np.clip(of_label, _LEAST_PROBABILITY, 1.0))
    # Σ q² - 2 q[y] + 1, written out so that certainty that was right is exactly 0.
    brier = (q**2).sum(axis=0) - of_label**2 + (1 - of_label) ** 2
    bins = np.clip(np.searchsorted(_EDGES, top) - 1, 0, N_BINS - 1)
    n_sessions = len(rows.by_session.counts)

    def table(codes: np.ndarray, width: int, weights: np.ndarray | None = None) -> np.ndarray:
        flat = np.bincount(session * width + codes, weights, minlength=n_sessions * width)
        return flat.reshape(n_sessions, width)

    nothing = np.zeros(len(label), dtype=np.int64)
    return np.hstack(
        [
            table(label.astype(np.int64) * N_ACTIONS + said, N_ACTIONS**2),
            table(nothing, 1, surprise),
            table(nothing, 1, brier),
            table(bins, N_BINS, (said == label) - top),
        ]
    ).astype(np.float64)


def rank_correlations(rows: JudgedRows, outcome: str) -> np.ndarray:
    """Spearman's correlation of score and outcome in each session, shape (n_sessions,).

    A row whose outcome is missing is left out: what is not known judges nobody, and its ticker
    must have a row nevertheless. The correlation is missing where fewer than three tickers are
    left, where all scores or all outcomes of these are alike, and where one of them has no score.
    """
    score, realised = rows.column("score"), rows.column(outcome)
    n_sessions = len(rows.by_session.counts)
    if score.min() == score.max() or np.isnan(realised).all():
        return np.full(n_sessions, np.nan)
    is_known = rows.known(outcome)
    counts = rows.by_session.counts if is_known is None else rows.by_session.sums(is_known)
    x, y = rows.ranks("score", where=outcome), rows.ranks(outcome, where=outcome)
    spread = np.sqrt(x.squares * y.squares)
    is_enough = (counts >= _FEWEST_TICKERS) & (spread > 0)
    together = rows.by_session.sums(x.centred * y.centred)
    return np.divide(together, spread, out=np.full(n_sessions, np.nan), where=is_enough)


def _correlations(rows: JudgedRows, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    sums = rows.by_session.sums
    spread = np.sqrt(sums(x**2) * sums(y**2))
    return np.divide(sums(x * y), spread, out=np.zeros(len(spread)), where=spread > 0)


def _of_series(values: np.ndarray) -> np.ndarray:
    """One value a session as sums: of it, of its square, and how often there is one."""
    is_known = np.isfinite(values)
    known = np.where(is_known, values, 0.0)
    return np.column_stack([known, known**2, is_known])


def _sums(rows: JudgedRows, *addends: np.ndarray) -> np.ndarray:
    return np.column_stack([rows.by_session.sums(values) for values in addends])
