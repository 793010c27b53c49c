"""What returns come to, by definitions that a person can work out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.evaluation.performance import (
    annual_return,
    compare_with_benchmarks,
    drawdown,
    equity,
    performance,
)
from asset_predict_dagster.evaluation.sharpe import annualised, sharpe_ratio
from asset_predict_dagster_tests.evaluation.trading_quotes import SESSIONS

many = st.lists(st.floats(-0.5, 0.5, width=32), min_size=2, max_size=30).map(np.array)


def daily_of(gross: np.ndarray, cost: float = 0.001, turnover: float = 0.2) -> pd.DataFrame:
    n = len(gross)
    return pd.DataFrame(
        {
            "session": SESSIONS[:n] if n <= len(SESSIONS) else range(n),
            "gross_return": gross,
            "cost": np.full(n, cost),
            "net_return": gross - cost,
            "turnover": np.full(n, turnover),
            "long_exposure": np.full(n, 0.5),
            "short_exposure": np.full(n, 0.4),
            "n_positions": np.full(n, 12),
        }
    )


def values_of(daily: pd.DataFrame, n_trials: int = 1) -> pd.Series:
    return performance(daily, n_trials).set_index("metric")["value"]


def test_each_figure_worked_out_by_hand():
    # Gross +2 %, -1 %; .1 % of costs each: net +1.9 %, -1.1 %.
    found = values_of(daily_of(np.array([0.02, -0.01])))
    assert found["gross_annual_return"] == pytest.approx((1.02 * 0.99) ** 126 - 1)
    assert found["net_annual_return"] == pytest.approx((1.019 * 0.989) ** 126 - 1)
    deviation = 0.03 / np.sqrt(2)
    assert found["volatility"] == pytest.approx(deviation * np.sqrt(252))
    assert found["sharpe_gross"] == pytest.approx(0.005 / deviation * np.sqrt(252))
    assert found["sharpe_net"] == pytest.approx(0.004 / deviation * np.sqrt(252))
    assert found["max_drawdown"] == pytest.approx(-0.011)
    assert found["hit_rate"] == 0.5
    assert found["cost_bps"] == pytest.approx(50.0)  # .1 % for a turnover of .2
    assert found["break_even_bps"] == pytest.approx(250.0)  # .5 % on average for .2
    assert (found["turnover"], found["long_exposure"], found["short_exposure"]) == (0.2, 0.5, 0.4)
    assert (found["n_positions"], found["n_sessions"]) == (12, 2)


def test_at_the_break_even_cost_nothing_is_left():
    gross = np.random.default_rng(0).normal(0.001, 0.01, 100)
    found = values_of(daily_of(gross, turnover=0.3))
    net = daily_of(gross, cost=0.3 * found["break_even_bps"] * 1e-4)["net_return"]
    assert net.mean() == pytest.approx(0.0, abs=1e-15)


def test_the_drawdown_is_from_the_highest_so_far_and_the_start_counts():
    returns = np.array([-0.1, 0.5, -0.2, -0.5, 3.0])
    assert equity(returns) == pytest.approx([0.9, 1.35, 1.08, 0.54, 2.16])
    assert drawdown(returns) == pytest.approx([-0.1, 0.0, -0.2, -0.6, 0.0])


@given(returns=many)
def test_a_drawdown_is_what_a_plain_loop_finds(returns: np.ndarray):
    level = best = 1.0
    for place, value in enumerate(returns):
        level *= 1 + value
        best = max(best, level)
        assert drawdown(returns)[place] == pytest.approx(level / best - 1, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(returns=many)
def test_the_figures_from_sums_are_those_of_the_returns(returns: np.ndarray):
    found = values_of(daily_of(returns, cost=0.0))
    expected = annualised(sharpe_ratio(returns))
    assert found["sharpe_net"] == pytest.approx(expected, rel=1e-6, abs=1e-9, nan_ok=True)
    assert found["net_annual_return"] == pytest.approx(annual_return(returns), rel=1e-9)
    assert found["sharpe_net"] == pytest.approx(found["sharpe_gross"], nan_ok=True)


def test_an_equity_that_was_lost_is_a_return_of_minus_one():
    returns = np.array([0.1, -1.0, 0.0])
    assert annual_return(returns) == pytest.approx(-1.0)
    assert drawdown(returns).tolist() == [0.0, -1.0, -1.0]
    found = values_of(daily_of(returns, cost=0.0))
    assert (found["net_annual_return"], found["max_drawdown"]) == (pytest.approx(-1.0), -1.0)


def test_returns_that_never_vary_have_no_sharpe_ratio():
    found = performance(daily_of(np.full(30, 0.01), cost=0.0)).set_index("metric")
    ratios = ["sharpe_net", "probabilistic_sharpe_ratio", "deflated_sharpe_ratio"]
    assert found.loc[ratios].isna().all().all()
    assert found.loc["volatility", "value"] == 0.0


def test_without_a_trade_there_is_no_cost_per_real():
    found = performance(daily_of(np.zeros(30), cost=0.0, turnover=0.0)).set_index("metric")
    assert found.loc[["cost_bps", "break_even_bps"]].isna().all().all()


def test_intervals_hold_the_value_and_need_sums():
    gross = np.random.default_rng(4).normal(0.0005, 0.01, 150)
    found = performance(daily_of(gross), n_trials=9).set_index("metric")
    with_one = found.loc[["net_annual_return", "sharpe_net", "volatility", "break_even_bps"]]
    assert (with_one["low"] < with_one["value"]).all()
    assert (with_one["high"] > with_one["value"]).all()
    assert found.loc[["max_drawdown", "deflated_sharpe_ratio"], ["low", "high"]].isna().all().all()
    pd.testing.assert_frame_equal(found, performance(daily_of(gross), 9).set_index("metric"))


def test_intervals_hold_the_true_sharpe_ratio_about_as_often_as_they_say():
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(30):
        gross = rng.normal(0.001, 0.01, 300)
        row = performance(daily_of(gross, cost=0.0)).set_index("metric").loc["sharpe_net"]
        held += row["low"] <= annualised(0.1) <= row["high"]
    assert held >= 25


def test_what_is_earned_beyond_a_benchmark_is_counted_where_both_are_known():
    daily = daily_of(np.array([0.02, -0.01, 0.03]), cost=0.0)
    beside = pd.DataFrame(
        {
            "session": SESSIONS[:4],
            "equal_weight": [0.01, -0.01, np.nan, 0.5],
            "ibov": [np.nan] * 4,
        }
    )
    found = compare_with_benchmarks(daily, beside)
    assert found["benchmark"].tolist() == ["equal_weight"]
    row = found.iloc[0]
    assert row["n_sessions"] == 2
    assert row["excess_return"] == pytest.approx(0.005 * 252)
    assert row["benchmark_annual_return"] == pytest.approx((1.01 * 0.99) ** 126 - 1)
    assert row["low"] <= row["excess_return"] <= row["high"]
