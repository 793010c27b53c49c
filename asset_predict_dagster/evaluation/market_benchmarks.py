"""Benchmarks: what the market itself gave in the sessions of a backtest, without any forecast."""

import numpy as np
import pandas as pd

from asset_predict_dagster.evaluation.backtest import backtest
from asset_predict_dagster.evaluation.costs import Costs
from asset_predict_dagster.evaluation.positions import Strategy
from asset_predict_dagster.evaluation.trading_grid import TradingGrid

EQUAL_WEIGHT = Strategy(
    "equal_weight",
    "long_only",
    share=1.0,
    volatility_scaled=False,
    max_turnover=float("inf"),
    max_participation=float("inf"),
)

FREE = Costs(flat_bps=0.0)


def market_benchmarks(
    quotes: pd.DataFrame | TradingGrid,
    universe: pd.DataFrame,
    sessions: pd.Series,
    index: pd.Series | None,
) -> pd.DataFrame:
    """Simple returns beside those of a backtest: columns session, equal_weight, ibov.

    `equal_weight` holds the universe of each session t in equal parts from the average price of t+1
    to that of t+2, rebalanced every session at no cost: by the clock and the rules of a backtest.
    Being free, it is harder to beat than anything one could buy. On papers that were chosen
    afterwards it carries their survivorship, as every strategy on them does.

    `ibov` is close of t+2 / close of t+1 - 1. Its clock is not quite the same: from close to close,
    where a backtest goes from average to average, so that over a session the two differ by about
    half a day at each end; over a year that is next to nothing. It reinvests dividends.

    Parameters
    ----------
    quotes, universe
        Rows of the tables of those names; or, for quotes, the `TradingGrid` of them.
    sessions
        The signal sessions t, as in `Backtest.daily`.
    index
        From `market.index_levels.read_index_levels`; None: nothing is known of it.

    Returns
    -------
    One row per distinct session, sorted. Missing where t+2 is past the quotes, t is not a session
    of them, nothing of the universe was held, or the index has no level at t+1 or t+2.
    """
    grid = quotes if isinstance(quotes, TradingGrid) else TradingGrid(quotes)
    table = pd.DataFrame({"session": np.unique(sessions.to_numpy().astype("datetime64[us]"))})
    table["equal_weight"] = table["session"].map(_equal_weight(grid, universe, table["session"]))
    table["ibov"] = _of_index(grid, table["session"], index)
    return table


def _equal_weight(grid: TradingGrid, universe: pd.DataFrame, sessions: pd.Series) -> pd.Series:
    place = grid.place(universe["session"])
    asked = universe["in_universe"] & universe["session"].between(sessions.min(), sessions.max())
    measurable = (place >= 0) & (place <= len(grid.calendar) - 3)
    members = universe.loc[asked & measurable, ["session", "ticker"]]
    if members.empty:
        return pd.Series(dtype=np.float64)
    daily = backtest(members.assign(score=0.0), grid, EQUAL_WEIGHT, FREE).daily
    returns = daily["gross_return"].where(daily["n_positions"] > 0)
    return returns.set_axis(pd.DatetimeIndex(daily["session"]))


def _of_index(grid: TradingGrid, sessions: pd.Series, index: pd.Series | None) -> np.ndarray:
    result = np.full(len(sessions), np.nan)
    place = grid.place(sessions)
    known = (place >= 0) & (place <= len(grid.calendar) - 3)
    if index is None or not known.any():
        return result
    days = pd.DatetimeIndex(grid.calendar.astype("datetime64[us]"))
    level = index.reindex(days).to_numpy(dtype=np.float64)
    at = place[known]
    result[known] = level[at + 2] / level[at + 1] - 1
    return result
