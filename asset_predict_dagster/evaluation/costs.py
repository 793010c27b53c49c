"""Costs: what a backtest pays to trade and to borrow, in fractions of the equity.

    cost of a session = Σ |trade| × (fee + half-spread + impact) + short exposure × borrowing / 252

What is assumed is a field of `Costs`, so that a report can print it; nothing here is hidden.

**Fee.** 3.00 bp a side, trading and settlement together: B3's price for cash equities of an
investor who is no institution and does not trade within the day, as of April 2024 (institutions:
2.30). Source: B3's table of prices for equities and its notice of 2024-04-19, which
unified the two. No brokerage: several brokers take none. No tax on gains.

**Half-spread.** (ask - bid) / (ask + bid) of the best offers at the close of the session traded in.
In B3's files of January 2021 the median of papers that trade R$ 1 million a session is 11 bp.

**Impact.** coefficient × trailing daily volatility × √(order / traded value of the session): the
square-root law, whose coefficient is of order one. Source: Tóth et al. (2011), "Anomalous price
impact and the critical nature of liquidity in financial markets". The law is of the price at the
end of an order; the order itself pays about two thirds of it, so 1 is on the dear side.

**Borrowing.** 3 % a year of what is short, an assumption: lenders of liquid B3 papers ask from well
below 1 % to 5 %, and B3 adds its own fee. No record of it is among our data. Papers that cannot be
borrowed at all are not known either: real shorts cost more, or are not to be had.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.evaluation.sharpe import SESSIONS_A_YEAR

BP = 1e-4
CENTAVO = 0.01


@dataclass(frozen=True)
class Costs:
    """What trading costs; the module says where each number comes from.

    Attributes
    ----------
    fee_bps
        B3's fees a side, basis points of the value traded.
    min_half_spread_bps
        Half-spread a side where the recorded bid and ask are placeholders.
    max_half_spread_bps
        A wider recorded half-spread counts as this: offers that far away at the close are left
        over, and nobody trades at them. They are 2.6 % of the liquid rows of January 2021.
    impact_coefficient
        Of the square-root law; 0 = no impact.
    borrow_rate
        Of short positions, fraction a year.
    flat_bps
        Not None: every trade costs this, and nothing else costs anything, borrowing included.
    """

    fee_bps: float = 3.0
    min_half_spread_bps: float = 5.0
    max_half_spread_bps: float = 200.0
    impact_coefficient: float = 1.0
    borrow_rate: float = 0.03
    flat_bps: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not 0 <= value < float("inf"):
                raise SettingsError(
                    f"costs: {name} should be a number of 0 or more, not {value}; a cost is never"
                    " a gain"
                )


def recorded_half_spread(quotes: pd.DataFrame) -> np.ndarray:
    """(ask - bid) / (ask + bid) per row of `quotes`, shape (n_rows,), as a fraction.

    Missing where the two offers are placeholders: one of them is missing or 0, they are equal or
    crossed, or each lies one centavo from the close, which is how sources without offers fill the
    fields. (Real offers lie so as well now and then: 0.8 % of liquid rows in January 2021.)

    Parameters
    ----------
    quotes
        Rows of `tables.QUOTES`: best_bid, best_ask, close.
    """
    bid, ask, close = (
        quotes[name].to_numpy(dtype=np.float64) for name in ("best_bid", "best_ask", "close")
    )
    # A hundredth of a centavo: prices are decimal fractions, and their differences are rounded.
    with np.errstate(invalid="ignore", divide="ignore"):
        is_filled_in = (np.abs(ask - close - CENTAVO) < CENTAVO / 100) & (
            np.abs(close - bid - CENTAVO) < CENTAVO / 100
        )
        is_real = (bid > 0) & (ask > bid) & ~is_filled_in
        return np.where(is_real, (ask - bid) / (ask + bid), np.nan)


def trading_cost(
    trades: np.ndarray,
    half_spread: np.ndarray,
    volatility: np.ndarray,
    traded_value: np.ndarray,
    capital_brl: float,
    costs: Costs,
) -> np.ndarray:
    """Cost of each session's trades as a fraction of the equity, shape (n_sessions,).

    Orders are shares of `capital_brl` whatever the strategy has earned by then: a figure of this
    capital, not of one that grew.

    Parameters
    ----------
    trades
        Shape (n_sessions, n_tickers): fractions of the equity bought (+) or sold (-).
    half_spread
        Same shape, fractions; NaN = a placeholder, which costs the floor.
    volatility
        Same shape: standard deviation of a session's return as known when the signal was made. NaN
        counts as the median of the session's known ones, and as 0 where none is known.
    traded_value
        Same shape, R$ in the session traded in; read where there is a trade.
    """
    size = np.abs(trades)
    if costs.flat_bps is not None:
        return size.sum(axis=1) * costs.flat_bps * BP
    spread = np.where(
        np.isnan(half_spread),
        costs.min_half_spread_bps * BP,
        np.minimum(half_spread, costs.max_half_spread_bps * BP),
    )
    share = np.divide(size * capital_brl, traded_value, out=np.zeros_like(size), where=size > 0)
    impact = costs.impact_coefficient * _filled(volatility) * np.sqrt(share)
    return (size * (costs.fee_bps * BP + spread + impact)).sum(axis=1)


def borrowing_cost(short_exposure: np.ndarray, costs: Costs) -> np.ndarray:
    """Cost of a session's short positions as a fraction of the equity; shape as given."""
    if costs.flat_bps is not None:
        return np.zeros_like(short_exposure)
    return short_exposure * costs.borrow_rate / SESSIONS_A_YEAR


def _filled(volatility: np.ndarray) -> np.ndarray:
    """NaN → the row's median, or 0 of a row that has none."""
    result = volatility.copy()
    for row in result:
        unknown = np.isnan(row)
        if unknown.any():
            row[unknown] = 0.0 if unknown.all() else np.median(row[~unknown])
    return result
