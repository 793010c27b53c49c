"""Evaluation: every metric of every model, with an interval, beside what anybody could have said.

All figures derive from `forecasts_out_of_sample` and nothing else: `window_sums.py` sums what each
session adds, `skill.py` makes figures of the sums.
"""

from collections.abc import Iterable

import pandas as pd

from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.metrics import OF_ACTIONS
from asset_predict_dagster.evaluation.skill import Contest
from asset_predict_dagster.evaluation.window_sums import WindowSums, pool, window_sums
from asset_predict_dagster.models.baselines import BASELINE_VERSION
from asset_predict_dagster.tables import EVALUATION

WALK_FORWARD = "walk_forward"
"""The name of all test windows of a walk-forward together."""


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
        If a model and the naive forecast do not cover the same rows with the same outcomes, or a
        baseline that stands beside a metric is not there.
    """
    return _table(window_sums(forecasts), seed)


def evaluate_windows(
    parts: Iterable[pd.DataFrame], seed: int, pooled: str = WALK_FORWARD
) -> pd.DataFrame:
    """Rows of `tables.EVALUATION` of every window, and of all of them together.

    One part is held at a time, so that twenty years need the memory of half a one. The figures of
    all together are those of their rows in one table: every session counts once.

    Parameters
    ----------
    parts
        Each whole windows, as `evaluate` takes them; no window is in two parts.
    seed
        Of the bootstrap.
    pooled
        `window` of the rows that are about all windows; of those that are about one it is its own.

    Raises
    ------
    DatasetError
        As `evaluate` does; if there is no part, if a window comes twice or has the name of all, if
        two windows test the same session, or a model is not in all windows.
    """
    found: dict[tuple[str, int], WindowSums] = {}
    for part in parts:
        fresh = {(sums.window, sums.horizon): sums for sums in window_sums(part)}
        names = {window for window, _ in fresh}
        if twice := names & ({window for window, _ in found} | {pooled}):
            raise DatasetError(
                f"window {min(twice)} comes twice; give every window whole and once, and none the"
                f" name '{pooled}' of all of them"
            )
        found |= fresh
        del part
    if not found:
        raise DatasetError("there is no window to evaluate; run the walk-forward first")
    horizons = sorted({horizon for _, horizon in found})
    together = [
        pool(pooled, [sums for sums in found.values() if sums.horizon == horizon])
        for horizon in horizons
    ]
    return _table([*(found[key] for key in sorted(found)), *together], seed)


def _table(measured: Iterable[WindowSums], seed: int) -> pd.DataFrame:
    rows = [row for sums in measured for row in Contest(sums, seed).rows()]
    return pd.DataFrame(rows, columns=EVALUATION.column_names)


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
    """The few figures to look at first: the rows of `says_most` of each model, beside the naive.

    Columns: metric, model, horizon, value, low, high, naive_value, naive_name; baselines left out.
    """
    rows = evaluation[
        says_most(evaluation)
        & (evaluation["model_version"] != BASELINE_VERSION)
        & evaluation["metric"].isin(HEADLINE)
    ]
    order = rows["metric"].map(HEADLINE.index)
    columns = ["metric", "model", "horizon", "value", "low", "high", "naive_value", "naive_name"]
    return rows.assign(order=order).sort_values(["order", "model"])[columns].reset_index(drop=True)


def figures(evaluation: pd.DataFrame, model: str) -> dict[str, float]:
    """The rows of `says_most` of a model that have a value: metric → value."""
    rows = evaluation[(evaluation["model"] == model) & says_most(evaluation)]
    rows = rows.dropna(subset="value")
    return dict(zip(rows["metric"], rows["value"], strict=True))


def says_most(evaluation: pd.DataFrame) -> pd.Series:
    """Rows of the next session, and of the action at whichever horizon it is judged."""
    of_actions = [metric.name for metric in OF_ACTIONS]
    return (evaluation["horizon"] == ACTION_HORIZON) | evaluation["metric"].isin(of_actions)
