"""Metrics: each is a function of sums over sessions, so one bootstrap serves them all.

Write r for the realised return, f for the expected one, P = last close × (1 + r) for the realised
price and p for the predicted one. The naive forecast says f = 0: tomorrow = today.

    mae_return, rmse_return       of f against r
    r2_return                     1 - Σ(r - f)² / Σ(r - mean r)²
    directional_accuracy          share of sign(f) = sign(r) among rows with r ≠ 0 and f ≠ 0
    mae_price, rmse_price         of p against P, in R$
    mape_price                    mean |P - p| / P
    r2_price                      1 - Σ(P - p)² / Σ(P - mean P)²; the naive forecast's is .99
    rank_ic                       mean over sessions of Spearman's correlation between score and
                                  the tradable return (close t+1 → t+1+h)
    rank_ic_next_close            the same against the return close t → t+h
    interval_coverage, interval_width     of the 90 % interval; width as a fraction of the price

and at the horizon of the action, with y the realised class and q the probabilities, among rows
whose class is known (a price that has not moved for a month has no class):

    accuracy                      share of argmax q = y
    balanced_accuracy             mean over classes of the share found (recall)
    log_loss                      mean -ln q[y], q clipped at 1e-15
    brier                         mean Σ (q - 1[y])²
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTIONS

Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Metric:
    """`parts` gives (n_rows, k) addends per row; `statistic` maps (..., k) sums to (...)."""

    name: str
    parts: Callable[[pd.DataFrame], np.ndarray]
    statistic: Statistic


def _mean(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[..., 0] / sums[..., 1]


def _root_mean(sums: np.ndarray) -> np.ndarray:
    return np.sqrt(_mean(sums))


def _r2(sums: np.ndarray) -> np.ndarray:
    squared_error, total, squares, n = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - squared_error / (squares - total**2 / n)


def _mean_recall(sums: np.ndarray) -> np.ndarray:
    n_classes = len(ACTIONS)
    found, there = sums[..., :n_classes], sums[..., n_classes:]
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(there > 0, found / there, 0.0)
        return recall.sum(axis=-1) / (there > 0).sum(axis=-1)


def _averaged(values: np.ndarray, counted: np.ndarray | None = None) -> np.ndarray:
    counted = np.ones(len(values), dtype=bool) if counted is None else counted
    return np.column_stack([np.where(counted, values, 0.0), counted.astype(np.float64)])


def _r2_parts(truth: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    return np.column_stack([(truth - forecast) ** 2, truth, truth**2, np.ones(len(truth))])


def _returns(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return rows["realised_return"].to_numpy(), rows["expected_return"].to_numpy()


def _prices(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    last = rows["last_close"].to_numpy()
    realised, expected = _returns(rows)
    return last * (1 + realised), last * (1 + expected)


def _direction(rows: pd.DataFrame) -> np.ndarray:
    realised, expected = _returns(rows)
    return _averaged(np.sign(realised) == np.sign(expected), (realised != 0) & (expected != 0))


def _rank_ic(outcome: str) -> Callable[[pd.DataFrame], np.ndarray]:
    def parts(rows: pd.DataFrame) -> np.ndarray:
        daily = session_rank_ic(rows, outcome)
        # One row of each session carries its correlation.
        is_first = ~rows["session"].duplicated().to_numpy()
        ic = rows["session"].map(daily).to_numpy()
        return _averaged(ic, is_first & np.isfinite(ic))

    return parts


def session_rank_ic(rows: pd.DataFrame, outcome: str) -> pd.Series:
    """Spearman's correlation between `score` and the column `outcome`, one per session.

    Missing where fewer than three tickers, or all scores or outcomes of the session, are alike.
    """
    session = rows["session"]
    ranks = pd.DataFrame(
        {
            "score": rows["score"].groupby(session).rank(),
            "outcome": rows[outcome].groupby(session).rank(),
        }
    )
    centred = ranks - ranks.groupby(session).transform("mean")
    products = pd.DataFrame(
        {
            "xy": centred["score"] * centred["outcome"],
            "xx": centred["score"] ** 2,
            "yy": centred["outcome"] ** 2,
        }
    )
    sums = products.groupby(session).sum()
    spread = np.sqrt(sums["xx"] * sums["yy"])
    enough = (session.groupby(session).size() >= 3) & (spread > 0)
    return (sums["xy"] / spread.where(spread > 0)).where(enough)


def _inside(rows: pd.DataFrame) -> np.ndarray:
    realised, _ = _returns(rows)
    low, high = rows["return_low"].to_numpy(), rows["return_high"].to_numpy()
    return _averaged((low <= realised) & (realised <= high), np.isfinite(low))


def _width(rows: pd.DataFrame) -> np.ndarray:
    width = (rows["return_high"] - rows["return_low"]).to_numpy()
    return _averaged(width, np.isfinite(width))


def _classes(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Realised class (-1 where it is missing) and probabilities."""
    truth = pd.Categorical(rows["realised_label"], categories=ACTIONS).codes.astype(np.int64)
    return truth, rows[[f"probability_{action}" for action in ACTIONS]].to_numpy()


def _right(rows: pd.DataFrame) -> np.ndarray:
    truth, q = _classes(rows)
    return _averaged(q.argmax(axis=1) == truth, truth >= 0)


def _recall_parts(rows: pd.DataFrame) -> np.ndarray:
    truth, q = _classes(rows)
    there = truth[:, None] == np.arange(len(ACTIONS))
    found = there & (q.argmax(axis=1) == truth)[:, None]
    return np.hstack([found, there]).astype(np.float64)


def _surprise(rows: pd.DataFrame) -> np.ndarray:
    truth, q = _classes(rows)
    return _averaged(-np.log(np.clip(q[np.arange(len(q)), truth], 1e-15, 1.0)), truth >= 0)


def _brier(rows: pd.DataFrame) -> np.ndarray:
    truth, q = _classes(rows)
    return _averaged(((q - np.eye(len(ACTIONS))[truth]) ** 2).sum(axis=1), truth >= 0)


def _errors(of: Callable, transform: Callable) -> Callable[[pd.DataFrame], np.ndarray]:
    def parts(rows: pd.DataFrame) -> np.ndarray:
        truth, forecast = of(rows)
        return _averaged(transform(truth, forecast))

    return parts


def _absolute(truth: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    return np.abs(truth - forecast)


def _squared(truth: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    return (truth - forecast) ** 2


OF_RETURNS = (
    Metric("rank_ic", _rank_ic("realised_return_tradable"), _mean),
    Metric("rank_ic_next_close", _rank_ic("realised_return"), _mean),
    Metric("mae_return", _errors(_returns, _absolute), _mean),
    Metric("rmse_return", _errors(_returns, _squared), _root_mean),
    Metric("r2_return", lambda rows: _r2_parts(*_returns(rows)), _r2),
    Metric("directional_accuracy", _direction, _mean),
    Metric("mae_price", _errors(_prices, _absolute), _mean),
    Metric("rmse_price", _errors(_prices, _squared), _root_mean),
    Metric("mape_price", _errors(_prices, lambda P, p: np.abs(P - p) / P), _mean),
    Metric("r2_price", lambda rows: _r2_parts(*_prices(rows)), _r2),
    Metric("interval_coverage", _inside, _mean),
    Metric("interval_width", _width, _mean),
)

OF_ACTIONS = (
    Metric("accuracy", _right, _mean),
    Metric("balanced_accuracy", _recall_parts, _mean_recall),
    Metric("log_loss", _surprise, _mean),
    Metric("brier", _brier, _mean),
)


def session_sums(metric: Metric, rows: pd.DataFrame) -> np.ndarray:
    """What each session adds to the metric's sums, shape (n_sessions, k), sessions in order."""
    codes, sessions = pd.factorize(rows["session"], sort=True)
    parts = metric.parts(rows)
    return np.column_stack(
        [np.bincount(codes, weights=column, minlength=len(sessions)) for column in parts.T]
    )
