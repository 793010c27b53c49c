"""Evaluation: every metric of every model, with an interval, beside the naive forecast.

All figures derive from `forecasts_out_of_sample` and nothing else.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.bootstrap import block_weights, interval
from asset_predict_dagster.dataset.samples import ACTION_HORIZON, HORIZONS
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.metrics import OF_ACTIONS, OF_RETURNS, Metric, session_sums
from asset_predict_dagster.models.baselines import BASELINE_VERSION
from asset_predict_dagster.tables import EVALUATION

NAIVE_BESIDE = {
    "directional_accuracy": "always_up",
    "accuracy": "majority",
    "balanced_accuracy": "majority",
    "log_loss": "prior",
    "brier": "prior",
}
"""The baseline beside each metric, where it is not the one that says tomorrow = today."""

_OF_PATHS = (
    "mae_return",
    "rmse_return",
    "mae_price",
    "rmse_price",
    "mape_price",
    "interval_coverage",
    "interval_width",
)
"""What is asked beyond the direct horizons: there a model repeats its last direct forecast, and
what it adds is an interval. Nobody trades on an order of that age."""

_ORDERS_NOTHING = ("rank_ic", "rank_ic_next_close")
"""A constant forecast orders nothing: its rank correlation is taken as 0."""


def evaluate(forecasts: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Rows of `tables.EVALUATION`: one per model, version, window, horizon and metric.

    Parameters
    ----------
    forecasts
        Rows of `tables.FORECASTS_OUT_OF_SAMPLE`. Each window's models and baselines must cover
        the same tickers and sessions, so that a difference is one of skill, not of rows.
    seed
        Of the bootstrap.

    Raises
    ------
    DatasetError
        If a model and the naive forecast do not cover the same rows.
    """
    parts = []
    for window, horizon, rows in _by_window_and_horizon(forecasts):
        groups = {
            key: group.sort_values(["ticker", "session"])
            for key, group in rows.groupby(["model", "model_version"], sort=True)
        }
        naive = _baseline(groups, "naive")
        weights = block_weights(naive["session"].nunique(), seed)
        metrics = _metrics_at(horizon, naive)
        beside = {metric.name: _naive_value(metric, groups) for metric in metrics}
        for (model, version), group in groups.items():
            _refuse_other_rows(model, group, naive)
            for metric in metrics:
                sums = session_sums(metric, group)
                low, high = interval(sums, metric.statistic, weights)
                naive_name, naive_value = beside[metric.name]
                parts.append(
                    {
                        "model": model,
                        "model_version": version,
                        "window": window,
                        "horizon": horizon,
                        "metric": metric.name,
                        "value": _or_nan(metric.statistic(sums.sum(axis=0))),
                        "low": low,
                        "high": high,
                        "naive_value": naive_value,
                        "naive_name": naive_name,
                        "first_session": group["session"].min(),
                        "last_session": group["session"].max(),
                        "n_forecasts": len(group),
                    }
                )
    return pd.DataFrame(parts)[EVALUATION.column_names]


def _by_window_and_horizon(forecasts: pd.DataFrame) -> Iterator[tuple[str, int, pd.DataFrame]]:
    # One at a time: pandas' groupby would sort a copy of all, which may be tens of millions.
    for window in sorted(forecasts["window"].unique()):
        for horizon in sorted(forecasts["horizon"].unique()):
            rows = forecasts[(forecasts["window"] == window) & (forecasts["horizon"] == horizon)]
            if len(rows):
                yield window, int(horizon), rows


def _metrics_at(horizon: int, naive: pd.DataFrame) -> tuple[Metric, ...]:
    """What is measured at a horizon; of the actions, at the one that has their probabilities."""
    of_returns = OF_RETURNS
    if horizon not in HORIZONS:
        of_returns = tuple(metric for metric in OF_RETURNS if metric.name in _OF_PATHS)
    return of_returns + (OF_ACTIONS if naive["probability_buy"].notna().any() else ())


def _baseline(groups: dict, name: str) -> pd.DataFrame:
    if (name, BASELINE_VERSION) not in groups:
        raise DatasetError(f"forecasts_out_of_sample holds no rows of the baseline '{name}'")
    return groups[(name, BASELINE_VERSION)]


def _naive_value(metric: Metric, groups: dict) -> tuple[str, float]:
    name = NAIVE_BESIDE.get(metric.name, "naive")
    if metric.name in _ORDERS_NOTHING:
        return name, 0.0
    rows = _baseline(groups, name)
    if metric.name == "directional_accuracy":
        rows = rows.assign(expected_return=1.0)  # "it rises" is the naive direction
    sums = session_sums(metric, rows)
    return name, _or_nan(metric.statistic(sums.sum(axis=0)))


def _or_nan(value: np.ndarray) -> float:
    return float(value) if np.isfinite(value) else float("nan")


def _refuse_other_rows(model: str, group: pd.DataFrame, naive: pd.DataFrame) -> None:
    same = len(group) == len(naive) and all(
        np.array_equal(group[name].to_numpy(), naive[name].to_numpy())
        for name in ("ticker", "session")
    )
    if not same:
        raise DatasetError(
            f"'{model}' has {len(group):,} forecasts, the naive forecast {len(naive):,}, and they"
            " are not of the same tickers and sessions; materialise forecasts_out_of_sample again"
        )


HEADLINE = (
    "rank_ic",
    "log_loss",
    "accuracy",
    "directional_accuracy",
    "mae_price",
    "r2_price",
    "interval_coverage",
)


def headline(evaluation: pd.DataFrame) -> pd.DataFrame:
    """The few figures to look at first: each model's of the next session, beside the naive one.

    Columns: metric, model, value, low, high, naive_value, naive_name; baselines left out.
    """
    rows = evaluation[
        _says_most(evaluation)
        & (evaluation["model_version"] != BASELINE_VERSION)
        & evaluation["metric"].isin(HEADLINE)
    ]
    order = rows["metric"].map(HEADLINE.index)
    columns = ["metric", "model", "value", "low", "high", "naive_value", "naive_name"]
    return rows.assign(order=order).sort_values(["order", "model"])[columns].reset_index(drop=True)


def figures(evaluation: pd.DataFrame, model: str) -> dict[str, float]:
    """A model's metrics of the next session by name, those that have a value."""
    rows = evaluation[(evaluation["model"] == model) & _says_most(evaluation)]
    rows = rows.dropna(subset="value")
    return dict(zip(rows["metric"], rows["value"], strict=True))


def _says_most(evaluation: pd.DataFrame) -> pd.Series:
    """Rows of the next session, and of the action at whichever horizon it is judged."""
    of_actions = [metric.name for metric in OF_ACTIONS]
    return (evaluation["horizon"] == ACTION_HORIZON) | evaluation["metric"].isin(of_actions)
