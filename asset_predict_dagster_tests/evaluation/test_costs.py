"""Costs are those of B3's table, of the recorded offers, and of an order's share of the trading."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.evaluation.costs import (
    Costs,
    borrowing_cost,
    recorded_half_spread,
    trading_cost,
)


def offers(bid: float, ask: float, close: float) -> float:
    table = pd.DataFrame({"best_bid": [bid], "best_ask": [ask], "close": [close]})
    return float(recorded_half_spread(table)[0])


def cost_of(trade: float, costs: Costs, spread=np.nan, volatility=0.02, value=1e6) -> float:
    """Of one trade, with a capital of R$ 1 million."""
    cells = (np.array([[x]]) for x in (trade, spread, volatility, value))
    return float(trading_cost(*cells, 1e6, costs)[0])


def test_half_the_distance_of_the_offers_over_their_middle_is_recorded():
    assert offers(9.95, 10.05, 10.0) == pytest.approx(0.005)
    assert offers(34.99, 35.00, 35.00) == pytest.approx(0.005 / 34.995)  # one centavo, real


@pytest.mark.parametrize(
    ("bid", "ask", "close"),
    [
        (np.nan, 10.0, 10.0),
        (10.0, np.nan, 10.0),
        (0.0, 10.0, 10.0),
        (10.0, 10.0, 10.0),
        (10.1, 10.0, 10.0),
        (0.16, 0.18, 0.17),
        (9.99, 10.01, 10.0),
    ],
    ids=["no bid", "no ask", "bid 0", "locked", "crossed", "filled in, cheap", "filled in"],
)
def test_placeholders_are_no_offers(bid: float, ask: float, close: float):
    assert np.isnan(offers(bid, ask, close))


def test_a_trade_pays_fee_spread_and_impact():
    # R$ 40,000 of 1 million: 4 % of the session's trading; 1 × 2 % × √.04 = 40 bp. 3 + 50 + 40.
    found = cost_of(0.04, Costs(), spread=0.005)
    assert found == pytest.approx(0.04 * (3 + 50 + 40) * 1e-4)
    assert cost_of(-0.04, Costs(), spread=0.005) == found


def test_placeholders_cost_five_basis_points_and_absurd_offers_two_hundred():
    without_impact = Costs(impact_coefficient=0.0)
    assert cost_of(1.0, without_impact) == pytest.approx(8e-4)
    assert cost_of(1.0, without_impact, spread=0.9) == pytest.approx(203e-4)
    assert cost_of(1.0, without_impact, spread=0.0001) == pytest.approx(4e-4)  # as recorded


def test_four_times_the_order_has_twice_the_impact_a_share():
    only_impact = Costs(fee_bps=0.0, min_half_spread_bps=0.0)
    assert cost_of(0.4, only_impact) == pytest.approx(8 * cost_of(0.1, only_impact))


def test_a_flat_cost_replaces_everything():
    flat = Costs(fee_bps=50.0, impact_coefficient=9.0, borrow_rate=0.5, flat_bps=7.0)
    assert cost_of(0.3, flat, spread=0.05) == pytest.approx(0.3 * 7e-4)
    assert borrowing_cost(np.array([0.5]), flat).tolist() == [0.0]


def test_shorts_pay_their_share_of_the_year():
    found = borrowing_cost(np.array([0.5, 0.0]), Costs(borrow_rate=0.0504))
    assert found == pytest.approx([1e-4, 0.0])


def test_an_unknown_volatility_counts_as_the_median_of_the_session():
    costs = Costs(fee_bps=0.0, min_half_spread_bps=0.0)
    volatility = np.array([[np.nan, 0.01, 0.03, 0.05], [np.nan] * 4])
    trades = np.array([[0.04, 0.0, 0.0, 0.0]] * 2)
    found = trading_cost(
        trades, np.full((2, 4), np.nan), volatility, np.full((2, 4), 1e6), 1e6, costs
    )
    assert found == pytest.approx([0.04 * 0.03 * 0.2, 0.0])


def test_papers_that_are_not_traded_cost_nothing_though_their_market_is_closed():
    nothing = np.array([[0.0]])
    unknown = np.array([[np.nan]])
    assert trading_cost(nothing, unknown, unknown, unknown, 1e6, Costs()).tolist() == [0.0]


@given(size=st.floats(0.001, 1.0), more=st.floats(1.01, 5.0), value=st.floats(1e4, 1e9))
def test_a_larger_order_is_never_cheaper_by_the_real(size: float, more: float, value: float):
    small, large = (cost_of(x, Costs(), value=value) / x for x in (size, size * more))
    assert large > small


@pytest.mark.parametrize("field", ["fee_bps", "impact_coefficient", "borrow_rate", "flat_bps"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_a_cost_is_never_a_gain(field: str, value: float):
    with pytest.raises(SettingsError, match=f"costs: {field} should be a number of 0 or more"):
        Costs(**{field: value})
