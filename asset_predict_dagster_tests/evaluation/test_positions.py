"""Positions follow the order of the scores, within limits that trades never pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.evaluation.positions import (
    STRATEGIES,
    Strategy,
    rebalanced,
    target_positions,
)

ALIKE = np.full(5, 0.02)
LONG = Strategy("long", "long_only", share=0.4, max_turnover=float("inf"))
BOTH = Strategy("both", "long_short", share=0.4, max_turnover=float("inf"))

papers = st.integers(1, 12)
weights = st.floats(-1, 1, width=32)


def test_the_default_strategies_trade_a_fifth_of_the_equity_and_hold_a_fifth_of_the_papers():
    assert [(s.name, s.side) for s in STRATEGIES] == [
        ("long_short", "long_short"),
        ("long_only", "long_only"),
    ]
    assert {(s.share, s.volatility_scaled, s.max_turnover, s.capital_brl) for s in STRATEGIES} == {
        (0.2, True, 0.2, 1e6)
    }


def test_two_of_five_papers_are_bought_and_two_sold():
    scores = np.array([0.3, 0.1, 0.5, 0.4, 0.2])
    assert target_positions(scores, ALIKE, LONG).tolist() == [0, 0, 0.5, 0.5, 0]
    assert target_positions(scores, ALIKE, BOTH).tolist() == [0, -0.25, 0.25, 0.25, -0.25]


def test_at_least_one_paper_a_side_is_held():
    few = Strategy("few", "long_short", share=0.01)
    assert target_positions(np.array([1.0, 2.0, 3.0]), ALIKE[:3], few).tolist() == [-0.5, 0, 0.5]


def test_one_scored_paper_is_not_held_against_itself():
    scores = np.array([np.nan, 0.7, np.nan])
    assert target_positions(scores, ALIKE[:3], BOTH).tolist() == [0, 0, 0]
    assert target_positions(scores, ALIKE[:3], LONG).tolist() == [0, 1, 0]


def test_a_paper_of_twice_the_volatility_gets_half_the_weight():
    scores = np.array([5.0, 4.0, 1.0, 0.0, 0.0])
    volatility = np.array([0.01, 0.02, 0.015, 0.02, 0.01])
    found = target_positions(scores, volatility, LONG)
    assert found == pytest.approx([2 / 3, 1 / 3, 0, 0, 0])


def test_a_price_under_tender_is_not_given_the_whole_side():
    # Median .02, floor .01: the still paper gets twice what the other does, not 200 times.
    scores = np.array([5.0, 4.0, 1.0, 0.0, 0.0])
    volatility = np.array([0.0001, 0.02, 0.02, 0.02, 0.02])
    assert target_positions(scores, volatility, LONG)[:2] == pytest.approx([2 / 3, 1 / 3])


def test_an_unknown_volatility_counts_as_the_highest():
    scores = np.array([5.0, 4.0, 1.0, 0.0, 0.0])
    volatility = np.array([np.nan, 0.02, 0.02, 0.04, 0.0])
    assert target_positions(scores, volatility, LONG)[:2] == pytest.approx([1 / 3, 2 / 3])
    nothing = target_positions(scores, np.full(5, np.nan), LONG)
    assert nothing[:2].tolist() == [0.5, 0.5]


def test_equal_scores_at_the_border_share_the_place():
    scores = np.array([9.0, 5.0, 5.0, 1.0, 0.0])
    assert target_positions(scores, ALIKE, LONG).tolist() == [0.5, 0.25, 0.25, 0, 0]


def test_a_score_that_is_the_same_for_all_orders_nothing():
    assert np.abs(target_positions(np.zeros(5), ALIKE, BOTH)).max() < 1e-15
    assert target_positions(np.zeros(5), ALIKE, LONG) == pytest.approx([0.2] * 5)


def test_trades_are_scaled_alike_to_the_turnover_allowed():
    slow = Strategy("slow", "long_short", max_turnover=0.5)
    target = np.array([0.5, -0.5])
    found = rebalanced(np.zeros(2), target, np.array([9.0, 9.0]), slow)
    assert found.tolist() == [0.25, -0.25]


def test_a_position_that_cannot_be_sold_takes_the_room_of_another():
    held, target = np.array([0.6, 0.4, 0.0]), np.array([0.0, 0.5, 0.5])
    found = rebalanced(held, target, np.array([0.0, 9.0, 9.0]), LONG)
    assert found == pytest.approx([0.6, 0.2, 0.2])


def test_what_can_be_sold_in_part_lets_in_as_much_of_another():
    # All of the first should become the second; .1 of it can be sold.
    held, target = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert rebalanced(held, target, np.array([0.1, 9.0]), LONG) == pytest.approx([0.9, 0.1])
    assert rebalanced(held, target, np.array([9.0, 0.1]), LONG) == pytest.approx([0.0, 0.1])


@given(data=st.data(), n=papers, side=st.sampled_from(["long_short", "long_only"]))
def test_no_trade_carries_a_side_above_its_limit_nor_turnover_above_the_cap(data, n: int, side):
    cap = data.draw(st.sampled_from([0.05, 0.5, float("inf")]))
    strategy = Strategy("drawn", side, share=0.3, max_turnover=cap)
    held = data.draw(arrays(float, n, elements=weights))
    if side == "long_only":
        held = np.abs(held)
    most = data.draw(arrays(float, n, elements=st.sampled_from([0.0, 0.02, 0.3, 9.0])))
    scores = data.draw(arrays(float, n, elements=st.sampled_from([np.nan, 0.0, 1.0, 2.0])))
    target = target_positions(scores, data.draw(arrays(float, n, elements=weights)), strategy)
    assert np.clip(target, 0, None).sum() <= strategy.long_limit + 1e-12
    assert np.clip(-target, 0, None).sum() <= strategy.short_limit + 1e-12
    after = rebalanced(held, target, most, strategy)
    assert np.abs(after - held).sum() <= cap + 1e-9
    assert (np.abs(after - held) <= most + 1e-9).all()
    assert (after[most == 0] == held[most == 0]).all()
    for sign, limit in ((1, strategy.long_limit), (-1, strategy.short_limit)):
        side_after, before = (np.clip(sign * x, 0, None).sum() for x in (after, held))
        assert side_after <= max(limit, before) + 1e-9


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"side": "short_only"}, "side long_short or long_only was expected, not short_only"),
        ({"share": 0.6}, "a share above 0 and up to 0.5 was expected, not 0.6"),
        ({"share": 0.0}, "a share above 0"),
        ({"max_turnover": 0.0}, "a max_turnover above 0"),
        ({"capital_brl": float("inf")}, "a capital_brl above 0"),
        ({"max_participation": 0.0}, "a max_participation above 0"),
    ],
)
def test_an_impossible_strategy_is_refused(wrong: dict, said: str):
    with pytest.raises(SettingsError, match=said):
        Strategy(**{"name": "odd", "side": "long_short"} | wrong)
