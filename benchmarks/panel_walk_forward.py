"""The panel of real prices, walk-forward by year: what the models know of sessions they never saw.

`python -m benchmarks.panel_walk_forward` repeats the figures of `docs/LOG.md`, in about five
minutes of one core; with `choice` behind it, the four years on which inputs and settings were
chosen. It needs the panel, `../shared/data/b3_panel` seen from the project's root.

Every window trains on all sessions before it but the last year, validates on that year, and is
refitted on both up to the purge. The tickers of the panel are those that traded throughout, so
that every figure carries survivorship bias.
"""

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.chain import Chain
from asset_predict_dagster.dataset.model_columns import FOREST_FEATURES, LSTM_FEATURES
from asset_predict_dagster.dataset.path_returns import path_returns
from asset_predict_dagster.dataset.samples import ACTION_HORIZON, build_samples
from asset_predict_dagster.dataset.splits import usable_sessions
from asset_predict_dagster.dataset.walk_forward_splits import walk_forward
from asset_predict_dagster.evaluation.metrics import OF_ACTIONS, session_rank_ic, session_sums
from asset_predict_dagster.evaluation.newey_west import newey_west
from asset_predict_dagster.evaluation.walk_forward import walk_forward_forecasts
from asset_predict_dagster.market.cotahist import read_cotahist
from asset_predict_dagster.market.cotahist_folder import CotahistFolder, market_files
from asset_predict_dagster.market.renames import read_renames
from asset_predict_dagster.models.base import Learner
from asset_predict_dagster.models.lstm_learner import LstmLearner, LstmSettings
from asset_predict_dagster.models.random_forest import ForestSettings, RandomForestLearner

PANEL = Path(__file__).parents[1] / ".." / "shared" / "data" / "b3_panel"
LAST = date(2024, 2, 26)

CHOICE_YEARS = (2014, 2015, 2016, 2017)
"""Inputs and settings were chosen on these; what they say of themselves counts for nothing."""

TEST_YEARS = (2018, 2019, 2020, 2021, 2022, 2023)
"""Scored once, after everything was settled. The last one reaches into 2024."""

N_VALIDATION = 252
LABELLED_UNTIL = date(2024, 2, 16)
"""The last session of the panel that has every label."""

MODELS = ("random_forest", "lstm", "average", "ridge", "momentum", "reversal")
LOG_LOSS = next(metric for metric in OF_ACTIONS if metric.name == "log_loss")


def learners() -> list[Learner]:
    """Both models with the settings that were written down before a test year was scored."""
    forest = ForestSettings(
        n_estimators=100, min_samples_leaf=500, max_features=0.3, max_samples=0.3, n_bins=33
    )
    lstm = LstmSettings(
        focal_loss_gamma=0.0,
        oversample=False,
        schedule="cosine",
        epochs=12,
        early_stopping_patience=12,
        learning_rate=5e-3,
        n_seeds=3,
        batch_size=192,
    )
    return [RandomForestLearner(FOREST_FEATURES, forest), LstmLearner(LSTM_FEATURES, lstm)]


def run(years: tuple[int, ...] = TEST_YEARS) -> str:
    if not PANEL.is_dir():
        return f"panel walk-forward: skipped, {PANEL} is not here"
    return "\n".join(_lines(next_session_forecasts(years)))


def next_session_forecasts(years: tuple[int, ...]) -> pd.DataFrame:
    """The forecasts of every window one session ahead, with the columns that are read here."""
    records = pd.concat([read_cotahist(path).records for path in market_files(PANEL)])
    listed = CotahistFolder(PANEL).corporate_actions(LAST)
    tables = Chain(listed, read_renames(None, LAST)).tables(records.reset_index(drop=True))
    folds = walk_forward(
        usable_sessions(tables.labels, tables.universe),
        {_name(year): (date(year, 1, 1), _end(year)) for year in years},
        n_validation=N_VALIDATION,
    )
    parts = []
    for forecasts in walk_forward_forecasts(
        learners(),
        build_samples(tables.features, tables.universe, tables.labels),
        tables.labels,
        path_returns(tables.quotes),
        tables.quotes["close"].to_numpy(),
        folds,
    ):
        mine = forecasts["model"].isin([*MODELS, "prior"])
        part = forecasts[mine & (forecasts["horizon"] == ACTION_HORIZON)]
        print(f"  {part['window'].iloc[0]} forecast", file=sys.stderr, flush=True)
        parts.append(part.astype({"window": "str", "model": "str", "ticker": "str"}))
    return pd.concat(parts, ignore_index=True)


def _name(year: int) -> str:
    return "2023-24" if year == TEST_YEARS[-1] else str(year)


def _end(year: int) -> date:
    return LABELLED_UNTIL if year == TEST_YEARS[-1] else date(year, 12, 31)


def _lines(forecasts: pd.DataFrame) -> Iterator[str]:
    windows = forecasts["window"].unique()
    n_sessions = forecasts["session"].nunique()
    yield f"panel, walk-forward by year, {windows[0]} to {windows[-1]}, {n_sessions} sessions:"
    yield "  rank IC a session against the tradable return, with Newey and West's error and t;"
    yield "  log-loss of the action below the prior's in 1/10,000, likewise"
    prior = _log_loss(forecasts[forecasts["model"] == "prior"])
    daily = {
        model: session_rank_ic(rows, "realised_return_tradable")
        for model, rows in forecasts.groupby("model")
    }
    window_of = forecasts.groupby("session")["window"].first()
    for model in MODELS:
        of_window = daily[model].groupby(window_of).mean().reindex(windows)
        gain = prior - _log_loss(forecasts[forecasts["model"] == model])
        yield (
            f"  {model:13} {_said(daily[model], 1, 4)}, by window"
            f" {' '.join(f'{value:.3f}' for value in of_window)}; log-loss {_said(gain, 1e4, 1)}"
        )
    for other in ("ridge", "momentum"):
        yield f"  average less {other}: {_said(daily['average'] - daily[other], 1, 4)}"


def _said(of_sessions: pd.Series, times: float, digits: int) -> str:
    """The mean with its standard error and t; only the mean where it never varies."""
    found = newey_west(of_sessions.to_numpy() * times)
    mean = f"{found.mean:.{digits}f}"
    if found.standard_error == 0:
        return mean
    return f"{mean} ({found.standard_error:.{digits}f}, t {found.t:.1f})"


def _log_loss(rows: pd.DataFrame) -> pd.Series:
    """Mean log-loss of each session."""
    sums = session_sums(LOG_LOSS, rows)
    with np.errstate(invalid="ignore"):
        return pd.Series(sums[:, 0] / sums[:, 1], index=np.sort(rows["session"].unique()))


if __name__ == "__main__":
    print(run(CHOICE_YEARS if "choice" in sys.argv[1:] else TEST_YEARS))
