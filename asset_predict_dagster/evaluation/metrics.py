"""Metrics: each is a function of sums over sessions, so one bootstrap serves them all.

Write r for the realised return, f for the expected one, P = last close × (1 + r) for the realised
price and p for the predicted one. The naive forecast says f = 0: tomorrow = today. Sums and means
are over rows unless sessions are named.

    mae_return, rmse_return       mean |r - f|; root of the mean (r - f)²
    r2_return                     1 - Σ(r - f)² / Σ(r - mean r)²
    directional_accuracy          share of sign(f) = sign(r) among rows with r ≠ 0 and f ≠ 0
    mae_price, rmse_price         of p against P, in R$
    mape_price                    mean |P - p| / P
    r2_price                      1 - Σ(P - p)² / Σ(P - mean P)²; the naive forecast's is .99
    interval_coverage, interval_width     of the 90 % interval; width as a fraction of the price

Of the order of the tickers, one value a session that has three tickers whose outcome is known and
in which neither all scores nor all outcomes of these are alike; a ticker whose outcome is missing
(halted at t+2, or no such session yet) is left out of its session; a score that says nothing has
none, and counts as 0 where it stands beside a model:

    rank_ic                       mean over sessions of Spearman's correlation between score and
                                  the tradable return (close t+1 → t+1+h)
    rank_ic_next_close            the same against the return close t → t+h
    ic                            the same with Pearson's correlation, against the tradable return
    rank_icir, icir               mean over sessions / standard deviation (n - 1) over sessions of
                                  rank_ic, of ic: per session, not annualised
    rank_ic_t                     mean of rank_ic / its standard error by Newey and West
                                  (`newey_west.py`), with as many lags as outcomes overlap at least

and at the horizon of the action, with y the realised class, q the probabilities and c = argmax q
(the first of buy, hold, sell where two are likeliest), among rows whose class is known (a price
that has not moved for a month has no class):

    accuracy                      share of c = y
    balanced_accuracy             mean of the recalls of the classes that happened
    precision_<class>             share of y = class among rows with c = class; missing if none
    recall_<class>                share of c = class among rows with y = class; missing if none
    f1_<class>                    2 × both / (said + happened), counts of rows; their harmonic mean
    log_loss                      mean -ln q[y], q clipped at 1e-15
    brier                         mean Σ (q - 1[y])²
    expected_calibration_error    Σ over ten equally wide bins of max q: |Σ (1[c = y] - max q)| / n

A metric that cannot be told from the rows (nothing was said, nothing happened) is missing.

Sources: Grinold and Kahn (2000), "Active portfolio management", for IC, and its ratio to its
deviation; Brier (1950), "Verification of forecasts expressed in terms of probability"; Naeini,
Cooper and Hauskrecht (2015), "Obtaining well calibrated probabilities using Bayesian binning", and
Guo et al. (2017), "On calibration of modern neural networks", for the calibration error. It is
biased upwards: a perfectly calibrated forecaster has one above 0 on any finite sample.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.by_session import BySession, JudgedRows
from asset_predict_dagster.evaluation.metric_statistics import (
    Statistic,
    accuracy,
    calibration_error,
    f1,
    mean,
    mean_in_deviations,
    mean_of_classified,
    mean_recall,
    precision,
    r2,
    recall,
    root_mean,
)
from asset_predict_dagster.evaluation.metric_sums import (
    N_ACTIONS,
    N_BINS,
    of_actions,
    of_direction,
    of_intervals,
    of_order,
    of_order_next_close,
    of_prices,
    of_returns,
    rank_correlations,
)

Family = Callable[[JudgedRows], np.ndarray]
"""Rows of one forecaster → what each session adds to k sums, shape (n_sessions, k)."""

Better = Literal["less", "more", ""]

RANK_IC_T = "rank_ic_t"
"""The one metric that is no function of sums: sessions count with their neighbours."""


@dataclass(frozen=True)
class Metric:
    """What is made of the sums of a family.

    Attributes
    ----------
    name
        As in the module's list.
    family
        Gives the sums, `columns` those of them that are used.
    statistic
        Maps (..., len(columns)) sums to (...) values; of one session, or of many together.
    better
        Whether less or more of it is better; empty where neither is.
    has_skill
        Whether it is asked how much better it is than the best without a model. Not of the
        calibration error: frequencies are calibrated and know nothing, and theirs is near 0.
    is_mean
        Whether it is a mean over rows or sessions, so that sessions have values to be compared by.
    """

    name: str
    family: Family
    columns: tuple[int, ...]
    statistic: Statistic
    better: Better
    is_mean: bool = False
    has_skill: bool = True

    def of(self, sums: np.ndarray) -> np.ndarray:
        """The metric of (..., k) sums of its family."""
        return self.statistic(np.take(sums, self.columns, axis=-1))


OF_RETURNS = (
    Metric("rank_ic", of_order, (0, 2), mean, "more", is_mean=True),
    Metric("rank_ic_next_close", of_order_next_close, (0, 2), mean, "more", is_mean=True),
    Metric("ic", of_order, (3, 5), mean, "more", is_mean=True),
    Metric("rank_icir", of_order, (0, 1, 2), mean_in_deviations, "more"),
    Metric("icir", of_order, (3, 4, 5), mean_in_deviations, "more"),
    Metric("mae_return", of_returns, (0, 4), mean, "less", is_mean=True),
    Metric("rmse_return", of_returns, (1, 4), root_mean, "less"),
    Metric("r2_return", of_returns, (1, 2, 3, 4), r2, "more"),
    Metric("directional_accuracy", of_direction, (0, 1), mean, "more", is_mean=True),
    Metric("mae_price", of_prices, (0, 5), mean, "less", is_mean=True),
    Metric("rmse_price", of_prices, (1, 5), root_mean, "less"),
    Metric("mape_price", of_prices, (2, 5), mean, "less", is_mean=True),
    Metric("r2_price", of_prices, (1, 3, 4, 5), r2, "more"),
    Metric("interval_coverage", of_intervals, (0, 2), mean, "", is_mean=True, has_skill=False),
    Metric("interval_width", of_intervals, (1, 2), mean, "", is_mean=True, has_skill=False),
)

_TABLE = tuple(range(N_ACTIONS**2))
_BINS = tuple(range(N_ACTIONS**2 + 2, N_ACTIONS**2 + 2 + N_BINS))
_SURPRISE, _BRIER = N_ACTIONS**2, N_ACTIONS**2 + 1

OF_ACTIONS = (
    Metric("accuracy", of_actions, _TABLE, accuracy, "more", is_mean=True),
    Metric("balanced_accuracy", of_actions, _TABLE, mean_recall, "more"),
    *(
        Metric(f"{name}_{action}", of_actions, _TABLE, statistic(place), "more")
        for name, statistic in (("precision", precision), ("recall", recall), ("f1", f1))
        for place, action in enumerate(ACTIONS)
    ),
    Metric("log_loss", of_actions, (_SURPRISE, *_TABLE), mean_of_classified, "less", is_mean=True),
    Metric("brier", of_actions, (_BRIER, *_TABLE), mean_of_classified, "less", is_mean=True),
    Metric(
        "expected_calibration_error",
        of_actions,
        (*_BINS, *_TABLE),
        calibration_error,
        "less",
        has_skill=False,
    ),
)

METRICS = {metric.name: metric for metric in (*OF_RETURNS, *OF_ACTIONS)}


def session_sums(metric: Metric, rows: pd.DataFrame) -> np.ndarray:
    """What each session adds to the metric's sums, shape (n_sessions, k), sessions in order.

    `rows` are those of one model and horizon.
    """
    return metric.family(JudgedRows.of_frame(rows))[:, metric.columns]


def session_means(rows: pd.DataFrame, metric_name: str) -> pd.Series:
    """The metric of each session alone, by session; missing where it has none.

    For plots, and for comparisons by session: the mean of `log_loss` of a session is over its
    rows, so that the mean over sessions weighs sessions, not rows, alike.

    Parameters
    ----------
    rows
        Of one model and horizon.
    metric_name
        One that is a mean: see `Metric.is_mean`.

    Raises
    ------
    DatasetError
        If no metric has that name, or it is no mean and of one session means nothing.
    """
    metric = METRICS.get(metric_name)
    if metric is None or not metric.is_mean:
        known = ", ".join(name for name, one in METRICS.items() if one.is_mean)
        raise DatasetError(f"'{metric_name}' has no value by session; choose one of: {known}")
    if rows.empty:
        return _OF_NO_SESSION.copy()
    judged = JudgedRows.of_frame(rows)
    values = metric.of(metric.family(judged))
    return _by_session(values, judged.by_session)


def session_rank_ic(rows: pd.DataFrame, outcome: str) -> pd.Series:
    """Spearman's correlation between `score` and the column `outcome`, one per session.

    Of the tickers whose outcome is known, which a missing one says nothing of. Missing where fewer
    than three are left, where all their scores or outcomes are alike, and where a score is missing.
    """
    if rows.empty:
        return _OF_NO_SESSION.copy()
    judged = JudgedRows.of_frame(rows)
    return _by_session(rank_correlations(judged, outcome), judged.by_session)


_OF_NO_SESSION = pd.Series(index=pd.DatetimeIndex([], name="session"), dtype=np.float64)


def _by_session(values: np.ndarray, by_session: BySession) -> pd.Series:
    return pd.Series(values, index=pd.Index(by_session.sessions, name="session"))
