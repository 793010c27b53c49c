"""Backtest: scores → positions → costs → what one real became, by the clock of a real investor.

    close of t            the scores of t are known
    average price of t+1  positions are traded towards them
    average price of t+2  their return is measured, and the scores of t+1 are traded

Nothing is ever traded at the close that made the signal. Positions drift with prices in between.

    gross return = Σ position × (average price of t+2 / average price of t+1 - 1)
    net return   = gross return - cost

Costs are taken from all positions alike and change no position, so that one run can be priced by
any costs. A paper that does not trade at t+1 cannot be traded: its position stays, earns 0 while
it is halted, and makes it up when it trades again. An order above `max_participation` of what its
session trades is cut to that. A session without scores keeps the positions.

After `GONE_AFTER` sessions without a trade a paper counts as delisted and leaves at its last price,
at no cost: what its holders got is not among our data. (That it is never to trade again is not
known any earlier; a rule that asked would look ahead.)
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.costs import Costs, borrowing_cost, trading_cost
from asset_predict_dagster.evaluation.performance import performance
from asset_predict_dagster.evaluation.positions import Strategy, rebalanced, target_positions
from asset_predict_dagster.evaluation.trading_grid import TradingGrid

GONE_AFTER = 63
"""Sessions without a trade, three months, after which a paper counts as delisted."""

HELD = 1e-4
"""A position smaller than .01 % of the equity is a remainder and is not counted."""


@dataclass(frozen=True)
class Backtest:
    """What a strategy did.

    Attributes
    ----------
    daily
        One row per session t from the first scored one to the last that has quotes of t+2: session,
        gross_return, cost, net_return, turnover (Σ |trade|), long_exposure, short_exposure (both
        0 or more), n_positions. All but the count are fractions of the equity; positions are those
        after the trades of t+1. An equity that is lost whole stays lost: -1, then 0.
    n_trials
        Variants looked at on the way to this one, which the deflated Sharpe ratio is told.
    """

    strategy: Strategy
    costs: Costs
    daily: pd.DataFrame
    n_trials: int = 1

    def figures(self, seed: int = 0) -> pd.DataFrame:
        """Columns metric, value, low, high; see `performance.performance`."""
        return performance(self.daily, self.n_trials, seed)


def backtest(
    scores: pd.DataFrame,
    quotes: pd.DataFrame | TradingGrid,
    strategy: Strategy,
    costs: Costs,
    n_trials: int = 1,
) -> Backtest:
    """What the strategy would have earned by these scores.

    Parameters
    ----------
    scores
        One row per session and ticker: session, ticker, score (higher is better; missing = not
        scored) and, where known, volatility (volatility_21d of the features). Without that column
        it is computed from the quotes up to t.
    quotes
        Rows of `tables.QUOTES`, from before the first score (for the volatility) to two sessions
        after the last; or the `TradingGrid` of them, which saves time where there are several runs.
    n_trials
        Variants looked at on the way to this one.

    Raises
    ------
    DatasetError
        If a session and ticker is scored twice, is not among the quotes, or no scored session has
        two later ones.
    """
    grid = quotes if isinstance(quotes, TradingGrid) else TradingGrid(quotes)
    score, volatility, first, last = _on_the_grid(scores, grid)
    held, trades, gross = _hold(score, volatility, grid, strategy, first)
    signals, entries = slice(first, last + 1), slice(first + 1, last + 2)
    short = np.clip(-held, 0.0, None).sum(axis=1)
    cost = borrowing_cost(short, costs) + trading_cost(
        trades,
        grid.half_spread[entries],
        grid.volatility[signals],
        grid.traded_value[entries],
        strategy.capital_brl,
        costs,
    )
    daily = pd.DataFrame(
        {
            "session": grid.calendar[signals].astype("datetime64[us]"),
            "gross_return": gross,
            "cost": cost,
            "net_return": np.maximum(gross - cost, -1.0),
            "turnover": np.abs(trades).sum(axis=1),
            "long_exposure": np.clip(held, 0.0, None).sum(axis=1),
            "short_exposure": short,
            "n_positions": (np.abs(held) >= HELD).sum(axis=1),
        }
    )
    return Backtest(strategy, costs, daily, n_trials)


def _hold(
    score: np.ndarray, volatility: np.ndarray, grid: TradingGrid, strategy: Strategy, first: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions after each session's trades, the trades, and the gross returns."""
    positions, trades = np.zeros_like(score), np.zeros_like(score)
    gross = np.zeros(len(score))
    held = np.zeros(len(grid.tickers))
    most = np.zeros(grid.traded.shape)
    most[grid.traded] = grid.traded_value[grid.traded] * strategy.max_participation
    most /= strategy.capital_brl
    for step in range(len(score)):
        entry = first + step + 1
        held = np.where(grid.idle[entry] >= GONE_AFTER, 0.0, held)
        after = held
        if not np.isnan(score[step]).all():
            target = target_positions(score[step], volatility[step], strategy)
            after = rebalanced(held, target, most[entry], strategy)
        positions[step], trades[step] = after, after - held
        gross[step] = (after * grid.returns[entry]).sum()
        if gross[step] <= -1:
            gross[step] = -1.0
            break
        held = after * (1 + grid.returns[entry]) / (1 + gross[step])
    return positions, trades, gross


def _on_the_grid(
    scores: pd.DataFrame, grid: TradingGrid
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Scores and volatilities by session and ticker; the first session and the last that counts."""
    scored = scores[scores["score"].notna()]
    row, column = grid.place(scored["session"]), grid.column(scored["ticker"])
    strange = np.flatnonzero((row < 0) | (column < 0))
    if len(strange):
        one = scored.iloc[strange[0]]
        raise DatasetError(
            f"backtest: every score should be of a session and a ticker of the quotes, and"
            f" {len(strange):,} are not, the first {one['ticker']} on {one['session']:%Y-%m-%d};"
            " forecast and quotes must come from the same version of the lake"
        )
    cells = row * len(grid.tickers) + column
    n_distinct = np.count_nonzero(np.bincount(cells))
    if n_distinct < len(cells):
        raise DatasetError(
            f"backtest: one score per session and ticker was expected, and {len(cells):,} scores"
            f" are of {n_distinct:,}; give one model, version, window and horizon"
        )
    last = min(int(row.max(initial=-1)), len(grid.calendar) - 3)
    if len(row) == 0 or last < row.min():
        raise DatasetError(
            f"backtest: a score is traded in the next session and measured in the one after, and"
            f" none of {len(row):,} scores has both before the quotes end on {grid.calendar[-1]};"
            " score earlier sessions"
        )
    first = int(row.min())
    kept = row <= last
    place = (row[kept] - first, column[kept])
    score = np.full((last + 1 - first, len(grid.tickers)), np.nan)
    score[place] = scored["score"].to_numpy(dtype=np.float64)[kept]
    volatility = grid.volatility[first : last + 1]
    if "volatility" in scored.columns:
        volatility = np.full_like(score, np.nan)
        volatility[place] = scored["volatility"].to_numpy(dtype=np.float64)[kept]
    return score, volatility, first, last
