"""Barriers: which of three a price reaches first, a gain, a loss or the end of its time.

Entry is at the close of t. With σ the trailing daily volatility known at t, h the horizon and
w a width, the barriers are

    gain: close[t+k] / close[t] - 1 >  w σ √h
    loss: close[t+k] / close[t] - 1 < -w σ √h
    time: k = h

and the smallest k that reaches one decides: buy, sell or hold. Only closes are looked at, as in
the source: a close is on one side only, so no session reaches both barriers, and one odd trade
that made the day's high decides nothing. √h makes the width mean the same at every horizon, and
at h = 1 the label is the action by forward return.

Halted sessions repeat the last price and reach nothing new; a delisted paper keeps its last
price until its time is up. Nothing is known of a row whose time is not up, also where it
reached a barrier early: a tail of early touches alone would show only what moved.

López de Prado (2018), Advances in Financial Machine Learning, Wiley, chapter 3.
"""

from dataclasses import dataclass

import numpy as np

from asset_predict_dagster.dataset.price_grid import PriceGrid

BARRIER_HORIZON = 5
"""Sessions after t until the time is up."""


@dataclass(frozen=True)
class Touches:
    """What each row of `quotes` reached first.

    Attributes
    ----------
    side
        Shape (n_rows,), int8: 1 the gain, -1 the loss, 0 neither so far.
    after
        Shape (n_rows,), int64: sessions after t until a barrier was reached, the horizon if it
        was time's; 0 where there is no volatility to set barriers by.
    is_known
        Shape (n_rows,), bool: its time is up, it has barriers, and a trade lay in between.
    """

    side: np.ndarray
    after: np.ndarray
    is_known: np.ndarray


def first_touch(
    grid: PriceGrid, volatility: np.ndarray, width: float, horizon: int = BARRIER_HORIZON
) -> Touches:
    """The barrier that each row reaches first; see the module's rules.

    Parameters
    ----------
    volatility
        Shape (n_rows,), trailing and daily; a row where it is missing or zero has no barriers.
    width
        Volatilities, of `horizon` sessions, from the entry to a barrier.
    """
    barrier = width * np.sqrt(horizon) * np.where(volatility > 0, volatility, np.nan)
    has_barriers = np.isfinite(barrier)
    side = np.zeros(len(barrier), dtype=np.int8)
    after = np.where(has_barriers, horizon, 0)
    for ahead in range(1, horizon + 1):
        moved = grid.returns(entry=0, exit_=ahead)
        reached = (moved > barrier).astype(np.int8) - (moved < -barrier).astype(np.int8)
        is_first = (side == 0) & (reached != 0)
        side[is_first] = reached[is_first]
        after[is_first] = ahead
    time_is_up = np.isfinite(grid.returns(entry=0, exit_=horizon))
    return Touches(side, after, time_is_up & has_barriers)
