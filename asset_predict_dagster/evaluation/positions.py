"""Positions: which papers a strategy holds, how much of each, and how fast it gets there.

A position is a fraction of the equity, negative where short. Both strategies below were declared
before one of them traded a test session; forecasts of 2018 to 2024-02 had been scored before, by
rank IC and log-loss (docs/decisions/0009).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from asset_predict_dagster.errors import SettingsError

Side = Literal["long_short", "long_only"]

VOLATILITY_FLOOR = 0.5
"""× the median of the session's scored papers: a paper under a tender offer hardly moves, and
would be given its whole side."""


@dataclass(frozen=True)
class Strategy:
    """How scores become positions.

    Gross exposure is 1 at most: a long-only portfolio holds 1, a long-short one .5 and -.5. So both
    trade with as much as they own, their costs compare, and the shorts' margin is there.

    Attributes
    ----------
    name
        Said in reports.
    side
        Whether the papers with the lowest scores are sold short.
    share
        Of the session's scored papers, bought from the top (and sold from the bottom): at least
        one a side. At most .5 of a long-short strategy.
    volatility_scaled
        Weights by 1 / trailing volatility, else equal ones.
    max_turnover
        Most that may be traded in a session: Σ |trade| as a fraction of the equity, so that 2 is
        the whole of a portfolio replaced. `float("inf")`: no limit.
    capital_brl
        R$ of equity: what its orders are shares of.
    max_participation
        Most that one order may be of what its session trades in all: the rest waits.
    """

    name: str
    side: Side
    share: float = 0.2
    volatility_scaled: bool = True
    max_turnover: float = 0.2
    capital_brl: float = 1e6
    max_participation: float = 0.1

    def __post_init__(self) -> None:
        most = 0.5 if self.side == "long_short" else 1.0
        for what, is_right, expected in (
            (self.side, self.side in ("long_short", "long_only"), "side long_short or long_only"),
            (self.share, 0 < self.share <= most, f"a share above 0 and up to {most}"),
            (self.max_turnover, self.max_turnover > 0, "a max_turnover above 0"),
            (self.capital_brl, 0 < self.capital_brl < float("inf"), "a capital_brl above 0"),
            (self.max_participation, self.max_participation > 0, "a max_participation above 0"),
        ):
            if not is_right:
                raise SettingsError(
                    f"strategy '{self.name}': {expected} was expected, not {what}; correct it"
                )

    @property
    def long_limit(self) -> float:
        """Most that may be held long, as a fraction of the equity."""
        return 1.0 if self.side == "long_only" else 0.5

    @property
    def short_limit(self) -> float:
        """Most that may be held short."""
        return 0.0 if self.side == "long_only" else 0.5


STRATEGIES = (Strategy("long_short", "long_short"), Strategy("long_only", "long_only"))
"""The two that every report shows, declared before one of them traded a test session."""


def target_positions(scores: np.ndarray, volatility: np.ndarray, strategy: Strategy) -> np.ndarray:
    """What the strategy would hold of each paper if it could trade as much as it liked.

        weight = limit of the side × chosen / max(volatility, floor), scaled to the limit

    Papers whose equal scores straddle the border share the places that are left, so no order of the
    rows decides. A score that is the same for all orders nothing: long and short cancel.

    Parameters
    ----------
    scores
        Shape (n_tickers,), higher is better; NaN = not scored, not held.
    volatility
        Shape (n_tickers,), of one session, as known when the score was. One that is missing or 0
        counts as the highest of the session's: what is unknown may be wild. Where all are, weights
        are equal.

    Returns
    -------
    Shape (n_tickers,), fractions of the equity; 0 everywhere where nothing is scored.
    """
    scored = ~np.isnan(scores)
    positions = np.zeros(len(scores))
    if not scored.any():
        return positions
    n_places = max(1, int(strategy.share * scored.sum() + 1e-9))
    size = np.ones(int(scored.sum()))
    if strategy.volatility_scaled:
        size = _inverse_volatility(volatility[scored])
    of_scored = np.zeros(len(size))
    for sign, limit in ((1.0, strategy.long_limit), (-1.0, strategy.short_limit)):
        weight = _chosen(sign * scores[scored], n_places) * size
        of_scored += sign * limit * weight / weight.sum()
    positions[scored] = of_scored
    return positions


def rebalanced(
    held: np.ndarray, target: np.ndarray, most: np.ndarray, strategy: Strategy
) -> np.ndarray:
    """Positions after a session's trades: as far towards the target as the session allows.

        trades = (reachable target - held) × min(1, max_turnover / Σ |reachable target - held|)

    A paper that cannot be traded stays as it is, and takes its room: the targets of the rest of its
    side shrink until the side is within its limit. Where sales are cut short, purchases of that
    side are too. So no side is above the larger of its limit and what it was before: prices may
    carry it there, trades do not.

    Parameters
    ----------
    held, target
        Shape (n_tickers,), fractions of the equity.
    most
        Shape (n_tickers,): the largest trade of each paper, as a fraction of the equity; 0 where
        it cannot be traded.
    """
    reachable = np.where(most > 0, target, held)
    limits = ((1.0, strategy.long_limit), (-1.0, strategy.short_limit))
    for sign, limit in limits:
        of_side = np.clip(sign * reachable, 0.0, None)
        free = of_side[most > 0].sum()
        room = max(limit - of_side[most == 0].sum(), 0.0)
        if free > room:
            is_free = (most > 0) & (of_side > 0)
            reachable = np.where(is_free, reachable * (room / free), reachable)
    reachable = np.clip(reachable, held - most, held + most)
    for sign, limit in limits:
        before, after = (np.clip(sign * positions, 0.0, None) for positions in (held, reachable))
        bought = np.clip(after - before, 0.0, None)
        room = max(limit - np.minimum(before, after).sum(), 0.0)
        if bought.sum() > room:
            scaled = sign * (before + bought * (room / bought.sum()))
            reachable = np.where(bought > 0, scaled, reachable)
    trades = reachable - held
    turnover = np.abs(trades).sum()
    if turnover > strategy.max_turnover:
        trades *= strategy.max_turnover / turnover
    return held + trades


def _chosen(scores: np.ndarray, n_places: int) -> np.ndarray:
    """1 for the highest scores, 0 for the others, a share for those that tie at the border."""
    border = np.partition(scores, len(scores) - n_places)[len(scores) - n_places]
    above, tied = scores > border, scores == border
    return above + tied * ((n_places - above.sum()) / tied.sum())


def _inverse_volatility(volatility: np.ndarray) -> np.ndarray:
    known = volatility > 0
    if not known.any():
        return np.ones(len(volatility))
    floor = VOLATILITY_FLOOR * np.median(volatility[known])
    filled = np.where(known, volatility, volatility[known].max())
    return 1 / np.maximum(filled, floor)
