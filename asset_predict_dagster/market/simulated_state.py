"""The state of the simulated market: who trades, how far prices move, how much changes hands.

Each class knows what a session hands to the next one. `simulated_prices` draws the randomness and
says in which order they are asked.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.market.simulated_companies import Paper

MARKET_VOLATILITY = 0.012
"""Long-run daily volatility of the market factor. Ibovespa's, 2018-2023 without March 2020, was
0.013; its papers share sectors too, ours do not."""

MARKET_GARCH = (0.08, 0.90)
PAPER_GARCH = (0.06, 0.90)
"""Weights of the last squared shock and of the last variance; usual for daily returns."""

TURNOVER_PERSISTENCE = 0.97
TURNOVER_DEVIATION = 0.5
TURNOVER_NOISE = 0.35
TURNOVER_PER_MOVE = 0.3
"""Log traded value: a slow AR(1) part (half-life 23 sessions), noise of one session, and the
response to |return| in units of the paper's long-run volatility."""

HALT_PROBABILITY = 1 / 2500
HALT_SESSIONS = (2, 12)
"""Of a halt's start, per paper and session; and its shortest and longest length."""

LONGEST_PAUSE = 10
"""Sessions of news that the first return after a pause can carry."""


class Attendance:
    """Who trades today: the listed who are not halted and, if illiquid, find a counterpart."""

    def __init__(self, papers: Sequence[Paper], sessions: np.ndarray):
        first = np.array([paper.listed_on for paper in papers], dtype="datetime64[D]")
        last = np.array([paper.delisted_on or date.max for paper in papers], "datetime64[D]")
        self.is_listed = (first <= sessions[:, None]) & (sessions[:, None] <= last)
        self._traded_fraction = np.array([paper.traded_fraction for paper in papers])
        self._halt_left = np.zeros(len(papers), dtype=np.int64)
        self._pause = np.ones(len(papers))
        self._halts: list[tuple[int, int, int]] = []

    @property
    def waited(self) -> np.ndarray:
        """How many times its usual size a paper's own return has after its pause."""
        return np.sqrt(self._pause.clip(max=LONGEST_PAUSE))

    @property
    def halts(self) -> pd.DataFrame:
        return pd.DataFrame(self._halts, columns=["session", "paper", "n_sessions"])

    def take(self, row: int, has_price: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Who trades in a session, shape (n_papers,)."""
        self._halt_left = np.maximum(self._halt_left - 1, 0)
        can_halt = self.is_listed[row] & has_price & (self._halt_left == 0)
        shortest, longest = HALT_SESSIONS
        for place in np.flatnonzero(can_halt & (uniform[:, 0] < HALT_PROBABILITY)).tolist():
            length = shortest + int(uniform[place, 1] * (longest - shortest + 1))
            self._halt_left[place] = length
            self._halts.append((row, place, length))
        is_open = self.is_listed[row] & (self._halt_left == 0)
        return is_open & (uniform[:, 2] < self._traded_fraction)

    def count(self, is_traded: np.ndarray) -> None:
        self._pause = np.where(is_traded, 1.0, self._pause + 1)


class Volatilities:
    """The day's standard deviations, known the session before."""

    def __init__(self, papers: Sequence[Paper]):
        self._beta = np.array([paper.beta for paper in papers])
        self._long_run = np.array([paper.volatility for paper in papers])
        self._market_variance, self._variance = 1.0, np.ones(len(papers))

    @property
    def market(self) -> np.ndarray:
        """Of each paper's part of the market's return, shape (n_papers,)."""
        return self._beta * MARKET_VOLATILITY * np.sqrt(self._market_variance)

    @property
    def own(self) -> np.ndarray:
        """Of each paper's own part, shape (n_papers,)."""
        return self._long_run * np.sqrt(self._variance)

    def take(self, market_shock: float, shocks: np.ndarray, moves: np.ndarray) -> None:
        self._market_variance = _garch(MARKET_GARCH, self._market_variance, market_shock)
        following = _garch(PAPER_GARCH, self._variance, shocks)
        self._variance = np.where(moves, following, self._variance)


class Turnover:
    """The log of the traded value, in R$."""

    def __init__(self, papers: Sequence[Paper]):
        beta = np.array([paper.beta for paper in papers])
        own = np.array([paper.volatility for paper in papers])
        self._usual_move = np.hypot(beta * MARKET_VOLATILITY, own)
        self._usual_value = np.log([paper.value_brl_millions * 1e6 for paper in papers])
        self._slow = np.zeros(len(papers))

    def take(self, returns: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """Of a session, shape (n_papers,)."""
        news = TURNOVER_DEVIATION * np.sqrt(1 - TURNOVER_PERSISTENCE**2)
        self._slow = TURNOVER_PERSISTENCE * self._slow + news * normal[:, 0]
        response = TURNOVER_PER_MOVE * np.abs(returns) / self._usual_move
        return self._usual_value + self._slow + response + TURNOVER_NOISE * normal[:, 1]


def _garch(weights: tuple[float, float], variance: Any, shock: Any) -> Any:
    """The next variance over its long-run value, given this one and its session's shock."""
    news, memory = weights
    return 1 - news - memory + variance * (news * shock**2 + memory)
