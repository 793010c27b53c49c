"""The life of a model on a simulated market: what the watch over it says, session by session."""

from datetime import date

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.features import compute_features
from asset_predict_dagster.dataset.model_columns import FOREST_FEATURES
from asset_predict_dagster.dataset.path_returns import path_returns
from asset_predict_dagster.evaluation.forecasts import forecast_test_sessions
from asset_predict_dagster.market.universe import liquid_universe
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.random_forest import ForestSettings, RandomForestLearner
from asset_predict_dagster.models.training import fit_window
from asset_predict_dagster.predictions.drift import Drift, input_drift
from asset_predict_dagster.predictions.drift_rows import input_columns
from asset_predict_dagster.predictions.live_skill import SkillWatch, watch_skill
from asset_predict_dagster_tests.market.simulated_tables import MarketTables

COLUMNS = input_columns(FOREST_FEATURES)
TRAINED_EVERY = 11
"""Sessions: fifteen days."""

PRICES = [f"adjusted_{part}" for part in ("open", "high", "low", "close")]


def watched(
    forecasts: pd.DataFrame, model: str, version: str, live: pd.DataFrame
) -> list[SkillWatch]:
    """`watch_skill`, of versions whose holdouts are in one table."""
    mine = forecasts[forecasts["model"] == model]
    prior = forecasts[forecasts["model"] == "prior"]
    return watch_skill(
        lambda asked: mine[mine["model_version"] == asked], prior, version, live, seed=42
    )


def sessions_of(table: pd.DataFrame) -> np.ndarray:
    return np.unique(table["session"].to_numpy()).astype("datetime64[D]")


def onsets(features: pd.DataFrame, universe: pd.DataFrame, first: int, n: int, every: int) -> list:
    """Sessions after `first`, of n, at which an alarm of the inputs began.

    The model is trained at `first`, then every so many sessions, and at once after an alarm.
    """
    sessions = sessions_of(features)
    days = features["session"].to_numpy()
    found, trained = [], first
    while trained < first + n:
        end = min(trained + every, first + n)
        recent = (days <= sessions[end]) & (days >= sessions[max(0, trained - 1400)])
        drift = input_drift(
            features[recent], universe[recent], COLUMNS, sessions[trained].astype(date)
        )
        began = drift.path[drift.path["is_alarm"]]["session"]
        if len(began):
            end = int(np.searchsorted(sessions, began.iloc[0].to_datetime64()))
            found.append(end - first)
        trained = end
    return found


def n_onsets(drift: Drift) -> int:
    """How often the alarm began on the path of one model that is never trained again."""
    return int((np.diff(drift.path["is_alarm"].astype(int), prepend=0) == 1).sum())


def with_larger_moves(
    quotes: pd.DataFrame, first: np.datetime64, factor: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features and universe of the market whose log moves are `factor` times as large from then."""
    table = quotes.copy()
    logs = np.log(table[PRICES])
    before = logs["adjusted_close"].groupby(table["ticker"]).shift()
    before = before.fillna(logs["adjusted_close"])
    stretch = np.where(table["session"] >= first, factor, 1.0)
    moves = (logs["adjusted_close"] - before) * stretch
    start = logs["adjusted_close"].groupby(table["ticker"]).transform("first")
    close = start + moves.groupby(table["ticker"]).cumsum()
    for name in PRICES:
        table[name] = np.exp(close - moves + (logs[name] - before) * stretch)
    universe = liquid_universe(table)
    return compute_features(table, universe), universe


def forest_forecasts(tables: MarketTables, seed: int, test_size: float) -> pd.DataFrame:
    """Next-session forecasts of a forest and the baselines on the last sessions."""
    samples, folds = tables.samples, tables.folds(test_size)
    paths = path_returns(tables.quotes)
    learner = RandomForestLearner(FOREST_FEATURES, ForestSettings(seed=seed))
    _, bundle = fit_window(
        learner, samples, tables.labels, paths, folds, lake_versions={}, experiment=Experiment()
    )
    close = tables.quotes["close"].to_numpy()
    table = forecast_test_sessions(
        {("random_forest", "1"): bundle}, samples, tables.labels, paths, close, folds
    )
    return table[table["horizon"] == 1]


def without_skill(rows: pd.DataFrame, first: np.datetime64, seed: int) -> pd.DataFrame:
    """What came true from `first` on is dealt out anew among the tickers of its session."""
    generator = np.random.default_rng(seed)
    rows = rows.reset_index(drop=True)
    source = np.arange(len(rows))
    late = rows[rows["session"] >= first]
    for places in late.groupby("session").indices.values():
        places = late.index[places]
        source[places] = generator.permutation(places)
    came = ["realised_return", "realised_label"]
    return rows.assign(**{name: rows[name].iloc[source].array for name in came})
