"""The tables on backtests say what was assumed, of which sessions, and what was not measured."""

from dataclasses import replace

import pytest

from asset_predict_dagster.evaluation.costs import Costs
from asset_predict_dagster.evaluation.report_input import ReportInput
from asset_predict_dagster.evaluation.trading_tables import (
    assumption_table,
    excess_table,
    trading_table,
)
from asset_predict_dagster_tests.evaluation.report_inputs import report_input


@pytest.fixture(scope="module")
def given() -> ReportInput:
    return report_input()


def changed(given: ReportInput, **changes) -> ReportInput:
    """The same report, its backtests with other costs or trials by model."""
    return replace(
        given,
        backtests={
            key: [replace(one, **{name: of(key) for name, of in changes.items()}) for one in run]
            for key, run in given.backtests.items()
        },
    )


def test_each_model_is_told_its_own_number_of_variants(given):
    tried = {"random_forest": 10, "lstm": 15}
    rows = assumption_table(changed(given, n_trials=lambda key: tried[key[0]])).rows
    assert ("variants tried, random_forest", "this one included", "10") in rows
    assert ("variants tried, lstm", "this one included", "15") in rows


def test_where_a_flat_cost_replaces_the_others_they_are_not_listed(given):
    flat = changed(given, costs=lambda key: Costs(flat_bps=10))
    table = assumption_table(flat)
    costs = [row for row in table.rows if row[0] == "costs"]
    assert costs == [("costs", "flat cost of what is traded, and no other (bp)", "10")]
    assert "at a flat cost of 10 bp of what is traded" in trading_table(flat, "long_short").caption
    listed = {row[1] for row in assumption_table(given).rows}
    assert {"fee bps", "borrow rate"} <= listed
    assert "flat bps" not in listed
    assert "flat cost" not in trading_table(given, "long_short").caption


def test_quotes_without_a_recorded_spread_are_said_to_pay_the_floor(given):
    """Offers a centavo around the close are how sources fill the fields."""
    table = assumption_table(given)
    assert ("costs", "quotes with a recorded spread") in {row[:2] for row in table.rows}
    assert "No quote has a recorded spread" not in table.caption
    close = given.quotes["close"]
    filled_in = given.quotes.assign(best_bid=close - 0.01, best_ask=close + 0.01)
    table = assumption_table(replace(given, quotes=filled_in))
    (share,) = [row[2] for row in table.rows if row[1] == "quotes with a recorded spread"]
    assert share.startswith("0.0 % of ")
    assert "every trade pays the assumed half-spread of 5 bp" in table.caption


def test_sessions_that_were_held_without_new_forecasts_are_counted_apart(given):
    held = len(given.backtests["lstm", "4"][0].daily)
    days = given.forecasts["session"].drop_duplicates().nsmallest(4).iloc[[1, 3]]
    fewer = replace(given, forecasts=given.forecasts[~given.forecasts["session"].isin(days)])
    caption = trading_table(fewer, "long_short").caption
    n_new = len(set(given.backtests["lstm", "4"][0].daily["session"]) - set(days))
    assert f"{held:,} sessions held, {n_new:,} of them with new forecasts" in caption


def test_returns_beside_a_benchmark_say_which_sessions_they_are_of(given):
    assert "of the sessions in the last column" in excess_table(given).caption
