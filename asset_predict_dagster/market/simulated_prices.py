"""The price process of the simulated market: returns, volatility, traded value, halts.

One row of every array is a session, one column a paper of `simulated_companies.PAPERS`. A
session's randomness comes from a generator of its own (seed and date), always in the same
amount, and a session looks only at sessions before it: how far the simulation runs, and who is
listed later, changes nothing in it.

The total return of paper i in a session, all shocks drawn with unit variance from Student's t:

    total_return = beta_i x market_volatility x market_shock
                   + volatility_i x (drift_i + shock_i)

    drift_i      = the planted skill (`simulated_signal`): zero at signal strength 0

Without skill the return is symmetric around zero in every session, whatever came before: its
sign, its mean and its place among the papers cannot be forecast, only its size, since both
volatilities follow GARCH(1, 1). There is no premium for holding the market, and papers of one
company are as unlike as any two.

A session without a trade moves nothing: a true return belongs to a trade, and is measured from
the trade before. After a pause of n sessions the paper's own part is sqrt(n) times as large.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.market.simulated_companies import PAPERS
from asset_predict_dagster.market.simulated_events import CorporateActions
from asset_predict_dagster.market.simulated_signal import TradeSums, drift_scale
from asset_predict_dagster.market.simulated_state import Attendance, Turnover, Volatilities

N_SLOTS = 64
"""Papers for which every session draws: the list can grow to this many."""

N_NORMALS = 8
N_UNIFORMS = 8
"""Standard normal and uniform numbers drawn per session and paper."""

TAIL_DEGREES = 5
"""Degrees of freedom of the shocks; 3 to 6 fit daily returns of stocks."""

MAXIMUM_SHOCK = 8.0
MAXIMUM_RETURN = 0.4
"""Symmetric cuts that keep one draw from ending a company."""


@dataclass(frozen=True)
class PriceHistory:
    """What happened, exactly; arrays are (n_sessions, n_papers) unless said otherwise.

    Attributes
    ----------
    sessions
        Shape (n_sessions,), datetime64[D].
    is_traded
        Whether the paper traded. Where it did not, the floats below are NaN.
    price_brl
        Price of one share at the close, not rounded.
    reference_price_brl
        The last trade's price in today's shares, without today's dividend: where the day began.
    total_return
        (price x factor + dividend) / price of the last trade - 1; NaN at the first trade.
    volatility
        Standard deviation of the day's return, known the session before.
    market_volatility_next, own_volatility_next
        Standard deviations of the two parts of the next session's return, known at this close:
        their shocks are independent. NaN where the paper did not trade.
    log_value
        Log of the traded value in R$.
    quotation_factor
        Shares per quoted price.
    expected_return
        Of the paper's return in the next session, given this one: the oracle. NaN without signal.
    normals, uniforms
        Shapes (n_sessions, n_papers, 8): draws; those from place 2 and 4 on are left for the rest
        of the record.
    corporate_actions
        One row per event: session (its row), paper (its column), kind, amount_brl, factor.
    halts
        One row per halt: session (row of the first without trades), paper, n_sessions.
    """

    sessions: np.ndarray
    is_traded: np.ndarray
    price_brl: np.ndarray
    reference_price_brl: np.ndarray
    total_return: np.ndarray
    volatility: np.ndarray
    market_volatility_next: np.ndarray
    own_volatility_next: np.ndarray
    log_value: np.ndarray
    quotation_factor: np.ndarray
    expected_return: np.ndarray
    normals: np.ndarray
    uniforms: np.ndarray
    corporate_actions: pd.DataFrame
    halts: pd.DataFrame


def simulate_prices(seed: int, signal_strength: float, sessions: np.ndarray) -> PriceHistory:
    """The history of every paper over `sessions`, which start with the market's first one."""
    shape = (len(sessions), len(PAPERS))
    market_shocks, shocks, normals, uniforms = _draws(seed, sessions)
    is_traded, price_brl, reference_price_brl = np.zeros(shape, bool), _nan(shape), _nan(shape)
    total_return, volatility, log_value, expected = (_nan(shape) for _ in range(4))
    market_next, own_next = _nan(shape), _nan(shape)
    quotation_factor = np.ones(shape, dtype=np.int64)

    # The state of the market: everything a session knows of those before it.
    price = np.array([paper.price_brl for paper in PAPERS])
    factor_now = np.array([paper.quotation_factor for paper in PAPERS])
    drift = np.zeros(len(PAPERS))
    attendance = Attendance(PAPERS, sessions)
    volatilities = Volatilities(PAPERS)
    turnover = Turnover(PAPERS)
    actions = CorporateActions(sessions)
    sums = TradeSums(*shape)

    for row in range(len(sessions)):
        normal, uniform = normals[row], uniforms[row]
        has_price = sums.n_trades > 0
        traded = attendance.take(row, has_price, uniform)
        moves = traded & has_price

        market, own = volatilities.market, volatilities.own * attendance.waited
        returns = market * market_shocks[row] + own * (drift + shocks[row])
        returns = np.where(moves, returns, 0.0).clip(-MAXIMUM_RETURN, MAXIMUM_RETURN)
        dividend, share_factor = actions.take_effect(
            row, price, factor_now, has_price & attendance.is_listed[row], moves, uniform[:, 3]
        )
        reference = (price - dividend) / share_factor
        price = (price * (1 + returns) - dividend) / share_factor
        value = turnover.take(returns, normal)

        sums.add(traded, np.log1p(returns), value)
        volatilities.take(market_shocks[row], shocks[row], moves)
        attendance.count(traded)
        actions.watch(row, price * factor_now, traded)
        drift = drift_scale(signal_strength) * sums.signal(traded)
        expected[row] = drift * volatilities.own
        drift = np.nan_to_num(drift)

        is_traded[row] = traded
        price_brl[row, traded] = price[traded]
        reference_price_brl[row, traded] = reference[traded]
        total_return[row, moves] = returns[moves]
        volatility[row, traded] = np.hypot(market, own)[traded]
        market_next[row, traded] = volatilities.market[traded]
        own_next[row, traded] = volatilities.own[traded]
        log_value[row, traded] = value[traded]
        quotation_factor[row] = factor_now

    return PriceHistory(
        sessions=sessions,
        is_traded=is_traded,
        price_brl=price_brl,
        reference_price_brl=reference_price_brl,
        total_return=total_return,
        volatility=volatility,
        market_volatility_next=market_next,
        own_volatility_next=own_next,
        log_value=log_value,
        quotation_factor=quotation_factor,
        expected_return=expected,
        normals=normals,
        uniforms=uniforms,
        corporate_actions=actions.happened,
        halts=attendance.halts,
    )


def _draws(
    seed: int, sessions: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Market shocks (n_sessions,), shocks (n_sessions, n_papers), and, with one axis more,
    normals and uniforms. Every session draws for every slot, listed or not."""
    shocks = np.empty((len(sessions), 1 + N_SLOTS))
    normals = np.empty((len(sessions), N_SLOTS, N_NORMALS))
    uniforms = np.empty((len(sessions), N_SLOTS, N_UNIFORMS))
    for row, day in enumerate(sessions.astype("datetime64[D]").astype(int).tolist()):
        generator = np.random.default_rng([seed, day])
        shocks[row] = generator.standard_t(TAIL_DEGREES, 1 + N_SLOTS)
        normals[row] = generator.standard_normal((N_SLOTS, N_NORMALS))
        uniforms[row] = generator.random((N_SLOTS, N_UNIFORMS))
    shocks *= np.sqrt((TAIL_DEGREES - 2) / TAIL_DEGREES)
    shocks = shocks.clip(-MAXIMUM_SHOCK, MAXIMUM_SHOCK)
    papers = slice(0, len(PAPERS))
    return shocks[:, 0], shocks[:, 1:][:, papers], normals[:, papers], uniforms[:, papers]


def _nan(shape: tuple[int, int]) -> np.ndarray:
    return np.full(shape, np.nan)
