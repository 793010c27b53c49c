"""A simulated market of two years, the chain over it, and a stretch of it to test at."""

from dataclasses import dataclass
from datetime import date
from functools import cache

import pandas as pd

from asset_predict_dagster.dataset.another_future import up_to
from asset_predict_dagster.dataset.chain import Chain, Tables
from asset_predict_dagster.dataset.leak_audit import draw_sample
from asset_predict_dagster.market.renames import read_renames
from asset_predict_dagster.market.simulated_market import SimulatedMarket
from asset_predict_dagster_tests.market.true_returns import true_events

LAST = date(2019, 12, 30)


@dataclass(frozen=True)
class Market:
    chain: Chain
    records: pd.DataFrame


@cache
def market() -> Market:
    simulation = SimulatedMarket(1).simulate(LAST)
    events = true_events(simulation.corporate_actions)
    dividends = events[events["kind"] == "cash_dividend"].reset_index(drop=True)
    return Market(Chain(dividends, read_renames(None, LAST)), simulation.records)


@cache
def as_of(day: pd.Timestamp) -> Tables:
    """What the chain makes of the records up to a session."""
    return market().chain.tables(up_to(market().records, day))


def whole() -> Tables:
    """What it makes of all of them."""
    return as_of(pd.Timestamp(LAST))


@cache
def stretch() -> tuple[pd.DataFrame, list[pd.Timestamp]]:
    return draw_sample(market().records, 3, seed=2, latest=True)
