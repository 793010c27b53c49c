"""A prediction is refused or marked, with one reason, and never quietly wrong."""

import dataclasses
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.predictions.daily import Serving, predict_last_session, strongest
from asset_predict_dagster.predictions.outcomes import meet_outcomes
from asset_predict_dagster.predictions.refusals import (
    REASONS,
    first_reasons,
    has_expired,
    is_refused,
)
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import MARKED, PREDICTIONS, REFUSALS, REFUSED
from asset_predict_dagster_tests.market.simulated_tables import MarketTables, market_as_of
from asset_predict_dagster_tests.predictions.hand_made_bundle import forest_bundle, memory_bundle
from asset_predict_dagster_tests.predictions.test_outcomes import prediction, quotes

FRIDAY = date(2020, 2, 21)
SIXTY_DAYS = timedelta(days=60)
# Carnival: after Friday the 21st B3 opens on Ash Wednesday, at 13:00 in São Paulo.
MONDAY = datetime(2020, 2, 24, 6, tzinfo=UTC)
OPENING = datetime(2020, 2, 26, 16, tzinfo=UTC)
NUMBERS = [
    *(f"probability_{action}" for action in ACTIONS),
    *("expected_return", "predicted_price", "price_low", "price_high"),
]


# --- One reason ---------------------------------------------------------------------------------


def test_the_order_of_the_reasons_is_the_one_that_was_agreed():
    assert REASONS == (
        "unknown_ticker",
        "stale_quote",
        "illiquid",
        "model_expired",
        "late_data",
        "out_of_distribution",
    )
    # The ledger has no row of a ticker that nobody knows.
    assert set(REFUSALS) == {"", *REASONS} - {"unknown_ticker"}


@given(st.lists(st.sets(st.sampled_from(REASONS)), min_size=1, max_size=20))
def test_a_row_has_the_first_reason_that_holds_of_it_and_no_other(rows):
    holds = {name: np.array([name in row for row in rows]) for name in reversed(REASONS)}
    expected = [next((name for name in REASONS if name in row), "") for row in rows]
    assert first_reasons(holds).tolist() == expected
    refused = [reason in ("stale_quote", "illiquid", "model_expired") for reason in expected]
    assert is_refused(pd.Series(expected)).tolist() == refused


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_is_met_where_nothing_else_is_amiss(reason):
    holds = {name: np.array([name == reason, False]) for name in REASONS}
    assert first_reasons(holds).tolist() == [reason, ""]


def test_what_holds_of_all_need_be_said_once():
    odd = np.array([False, True])
    assert first_reasons({"out_of_distribution": odd, "late_data": True}).tolist() == [
        "late_data",
        "late_data",
    ]


def test_a_reason_that_nobody_knows_is_not_taken():
    with pytest.raises(ValueError, match="not in tuple"):
        first_reasons({"stale": np.array([True])})


# --- A model that is too old --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trained_at", "created_at", "expected"),
    [
        (MONDAY - SIXTY_DAYS, MONDAY, False),
        (MONDAY - SIXTY_DAYS - timedelta(seconds=1), MONDAY, True),
        # Asked months later, its age is the one it had when B3 opened.
        (OPENING - SIXTY_DAYS, MONDAY + timedelta(days=200), False),
        (OPENING - SIXTY_DAYS - timedelta(seconds=1), MONDAY + timedelta(days=200), True),
        # Trained since: a session before its training is none of its age.
        (MONDAY + timedelta(days=100), MONDAY + timedelta(days=200), False),
    ],
)
def test_a_model_is_too_old_by_the_clock_of_the_morning_it_should_have_spoken(
    trained_at, created_at, expected
):
    assert has_expired(trained_at, FRIDAY, created_at, SIXTY_DAYS) is expected


@given(
    age=st.timedeltas(timedelta(0), timedelta(days=200)),
    late=st.timedeltas(timedelta(0), timedelta(days=200)),
    days=st.integers(1, 100),
)
def test_catching_up_never_makes_a_model_older(age, late, days):
    trained_at, after = MONDAY - age, timedelta(days=days)
    in_time = has_expired(trained_at, FRIDAY, MONDAY, after)
    assert in_time == (age > after)
    then = has_expired(trained_at, FRIDAY, MONDAY + late, after)
    assert in_time <= then <= has_expired(trained_at, FRIDAY, OPENING, after)


# --- In the ledger ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def market() -> MarketTables:
    return market_as_of(FRIDAY)


@pytest.fixture(scope="module")
def forest(market):
    return forest_bundle(market_as_of(date(2020, 6, 30)))


def serving(bundle, age=timedelta(days=1), **fitted_range) -> Serving:
    """A champion of that age; bounds that are not named are left by nothing."""
    names = bundle.card["feature_names"]
    bounds = {
        "low": [fitted_range.get(name, (None, None))[0] for name in names],
        "high": [fitted_range.get(name, (None, None))[1] for name in names],
        "most_outside": 0,
    }
    known = dataclasses.replace(bundle, card=bundle.card | {"fitted_range": bounds})
    return Serving(bundle.card["model"], "1", "proven", known, MONDAY - age)


def predict(champions, market, expires_after: timedelta | None = SIXTY_DAYS) -> pd.DataFrame:
    tables = market.quotes, market.universe, market.features
    table = predict_last_session(champions, *tables, MONDAY, expires_after=expires_after)
    assert broken_promises(PREDICTIONS, table).empty
    return table


def refuse_or_keep(table: pd.DataFrame) -> None:
    """A refused row says nothing, any other says all."""
    refused = table["reason"].isin(REFUSED)
    assert table.loc[refused, ["action", *NUMBERS]].isna().all(axis=None)
    assert table.loc[~refused, ["action", *NUMBERS]].notna().all(axis=None)
    assert set(table["reason"]) <= {"", *REFUSED, *MARKED}


def test_a_row_unlike_the_fitted_ones_is_marked_and_keeps_its_numbers(market, forest):
    today = market.features["session"] == pd.Timestamp(FRIDAY)
    returns = market.features[today].set_index("ticker")["log_return_1d"]
    plain = predict([serving(forest)], market)
    # Between the returns of the fifth and the sixth of the day, so that five are above.
    members = returns[sorted(set(plain.loc[plain["reason"] == "", "ticker"]))].sort_values()
    bound = float((members.iloc[-5] + members.iloc[-6]) / 2)
    table = predict([serving(forest, log_return_1d=(None, bound))], market)
    marked = table[table["reason"] == "out_of_distribution"]
    assert set(marked["ticker"]) == set(members.index[-5:])
    assert len(marked) == 5 * 30
    refuse_or_keep(table)
    pd.testing.assert_frame_equal(table.drop(columns="reason"), plain.drop(columns="reason"))


def test_a_row_that_is_to_be_doubted_does_not_lead_the_list(market, forest):
    table = predict([serving(forest, log_return_1d=(None, 0.0))], market)
    shown = strongest(table, n=1000)
    assert (table.loc[shown.index, "reason"] == "").all()
    assert 0 < len(shown) < ((table["horizon"] == 1) & ~is_refused(table["reason"])).sum()


def test_an_expired_model_is_silent_and_the_other_speaks_as_before(market, forest):
    memory = memory_bundle(70)
    both = predict([serving(forest), serving(memory)], market)
    table = predict([serving(forest, age=timedelta(days=61)), serving(memory)], market)
    of_forest = table["model"] == "random_forest"
    before = both[of_forest]["reason"]
    expected = before.where(before != "", "model_expired")
    pd.testing.assert_series_equal(table.loc[of_forest, "reason"], expected)
    assert (expected == "model_expired").sum() > 30 * 30
    refuse_or_keep(table)
    pd.testing.assert_frame_equal(table[~of_forest], both[~of_forest], check_dtype=False)
    pd.testing.assert_frame_equal(
        predict([serving(forest, age=timedelta(days=9999))], market, expires_after=None),
        predict([serving(forest)], market),
    )
    # The last price is a fact, whoever is too old to say more.
    pd.testing.assert_series_equal(table["last_close"], both["last_close"])


@pytest.mark.parametrize("days", [1, 61])
@pytest.mark.parametrize("high", [None, -1.0])
def test_whatever_is_amiss_a_row_is_refused_or_has_all_its_numbers(market, forest, days, high):
    """One ticker is stale, one outside the universe; all rows may be odd and the model old."""
    tickers = sorted(
        market.universe["ticker"][
            (market.universe["session"] == pd.Timestamp(FRIDAY)) & market.universe["in_universe"]
        ]
    )
    kept = ~(
        (market.quotes["ticker"] == tickers[0]) & (market.quotes["session"] == pd.Timestamp(FRIDAY))
    )
    out = market.universe["in_universe"] & (market.universe["ticker"] != tickers[1])
    changed = dataclasses.replace(
        market,
        **{
            name: getattr(market, name)[kept].reset_index(drop=True)
            for name in ("quotes", "features")
        },
        universe=market.universe.assign(in_universe=out)[kept].reset_index(drop=True),
    )
    age = timedelta(days=days)
    table = predict([serving(forest, age=age, volatility_21d=(None, high))], changed)
    refuse_or_keep(table)
    reasons = table.groupby("ticker")["reason"].unique().str.join(" ")
    assert (reasons[tickers[0]], reasons[tickers[1]]) == ("stale_quote", "illiquid")
    expected = "model_expired" if days > 60 else "out_of_distribution" if high else ""
    assert set(reasons[tickers[2:]]) == {expected}


# --- What becomes of it -------------------------------------------------------------------------


@pytest.mark.parametrize("reason", MARKED)
def test_a_marked_prediction_meets_its_close_like_any_other(reason):
    prices = quotes(ABCD3=[10.0, 10.0, 11.0])
    plain = prediction("ABCD3", 10.0)
    marked = plain.assign(reason=reason)
    pd.testing.assert_frame_equal(meet_outcomes(marked, prices), meet_outcomes(plain, prices))
    assert len(meet_outcomes(marked, prices)) == 1


@pytest.mark.parametrize("reason", REFUSED)
def test_a_refused_prediction_has_no_close_to_meet(reason):
    prices = quotes(ABCD3=[10.0, 10.0, 11.0])
    refused = prediction("ABCD3", 10.0, reason=reason)
    assert meet_outcomes(refused, prices).empty
