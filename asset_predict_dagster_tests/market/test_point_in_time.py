"""A column declared point-in-time says what was known that day: nothing later rewrites it.

The records and events up to a session are taken through every step again, as if it were the
last, and the rows up to it must be the same to the bit. Dividends are listed, and some splits on
a wrong day; the other share events are inferred on the way.
"""

from datetime import date
from functools import cache

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.market.adjustment import BACK_ADJUSTED, back_adjusted
from asset_predict_dagster.market.corporate_actions import combine
from asset_predict_dagster.market.inferred_actions import infer_share_events
from asset_predict_dagster.market.quotes import adjust, clean_quotes
from asset_predict_dagster.market.simulated_market import SimulatedMarket, Simulation
from asset_predict_dagster.market.universe import liquid_universe
from asset_predict_dagster.tables import QUOTES, UNIVERSE, Table
from asset_predict_dagster_tests.market.true_returns import true_events

LAST = date(2020, 1, 30)


@cache
def market(seed: int) -> Simulation:
    return SimulatedMarket(seed).simulate(LAST)


def listed_events(simulation: Simulation) -> pd.DataFrame:
    """Every dividend; and each second share event, three days before or after its own day."""
    events = true_events(simulation.corporate_actions)
    dividends = events[events["kind"] == "cash_dividend"]
    misdated = events[events["kind"] != "cash_dividend"][::2].reset_index(drop=True)
    days_off = pd.to_timedelta([3 if place % 2 else -3 for place in misdated.index], unit="D")
    return pd.concat([dividends, misdated.assign(ex_date=misdated["ex_date"] + days_off)])


def tables_as_of(seed: int, today: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """Made from what is recorded and listed up to `today`, and from nothing else."""
    simulation = market(seed)
    records, listed = simulation.records, listed_events(simulation)
    records = records[records["session"] <= today].reset_index(drop=True)
    listed = listed[listed["ex_date"] <= today].reset_index(drop=True)
    quotes = clean_quotes(records, today.date())
    quotes = adjust(quotes, combine(listed, infer_share_events(quotes, listed)))
    return {"quotes": quotes, "universe": liquid_universe(quotes)}


@cache
def tables_at_the_end(seed: int) -> dict[str, pd.DataFrame]:
    return tables_as_of(seed, pd.Timestamp(LAST))


def known_by(table: pd.DataFrame, today: pd.Timestamp) -> pd.DataFrame:
    return table[table["session"] <= today].reset_index(drop=True)


def days_of(seed: int) -> list[pd.Timestamp]:
    """Sessions to cut at: all but the last, and once more those of share events."""
    events = true_events(market(seed).corporate_actions)
    ex_dates = events.loc[events["kind"] != "cash_dividend", "ex_date"].tolist()
    return [*ex_dates * 20, *(pd.Timestamp(on) for on in market(seed).sessions[:-1])]


@pytest.mark.parametrize("table", [QUOTES, UNIVERSE], ids=lambda table: table.name)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(1, 2), data=st.data())
def test_what_comes_later_rewrites_no_column_that_is_point_in_time(table: Table, seed, data):
    now = data.draw(st.sampled_from(days_of(seed)))
    columns = list(dict.fromkeys([*table.key, *table.point_in_time_columns]))
    seen_today = tables_as_of(seed, now)[table.name]
    seen_later = known_by(tables_at_the_end(seed)[table.name], now)
    pd.testing.assert_frame_equal(seen_today[columns], seen_later[columns], check_exact=True)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_markets_above_have_events_of_every_kind_to_get_wrong(seed):
    quotes = tables_at_the_end(seed)["quotes"]
    last = quotes.groupby("ticker").last()
    truth = true_events(market(seed).corporate_actions)
    is_share = truth["kind"] != "cash_dividend"
    assert is_share.sum() >= 4
    assert (last["dividend_factor"] > 1).sum() > 30
    true_factors = truth[is_share].groupby("ticker")["factor"].prod()
    seen_factors = last.loc[last["split_factor"] != 1, "split_factor"]
    assert seen_factors.to_dict() == pytest.approx(true_factors.to_dict())


def test_back_adjusted_prices_would_be_caught():
    split = true_events(market(1).corporate_actions).query("kind == 'split'").iloc[0]
    eve = split["ex_date"] - pd.Timedelta(days=1)
    columns = list(BACK_ADJUSTED)
    seen_today = back_adjusted(tables_as_of(1, eve)["quotes"])
    seen_later = known_by(back_adjusted(tables_at_the_end(1)["quotes"]), eve)
    assert not seen_today[columns].equals(seen_later[columns])
