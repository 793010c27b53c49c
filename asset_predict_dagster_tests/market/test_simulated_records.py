"""The records of the simulated market keep every habit of B3's own that readers rely on."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.market.simulated_companies import PAPERS
from asset_predict_dagster.market.simulated_market import SimulatedMarket

SIMULATION = SimulatedMarket().simulate(date(2021, 12, 30))


@pytest.fixture(scope="module")
def records() -> pd.DataFrame:
    return SIMULATION.records


@pytest.fixture(scope="module")
def spot(records) -> pd.DataFrame:
    """Spot records with, of each paper's trade before, the close and DISMES, and today's event."""
    spot = records[records["market_type"] == "010"]
    before = spot.groupby("ticker")[["close", "quotation_factor", "distribution_number"]].shift()
    events = SIMULATION.corporate_actions.rename(columns={"ex_date": "session"})
    return spot.join(before.add_prefix("previous_")).merge(
        events, on=["session", "ticker"], how="left"
    )


def test_a_paper_has_one_record_per_session_and_market(records):
    assert not records.duplicated(["session", "ticker"]).any()


def test_names_cannot_be_mistaken_for_real_ones(records):
    assert records["ticker"].str.startswith("ZZ").all()
    assert records["company"].str.fullmatch(r"(SIMULADA|FII SIMUL) \d\d").all()


def test_prices_lie_between_the_extremes(records):
    inner = records[["open", "average", "close"]]
    assert (inner.min(axis=1) >= records["low"]).all()
    assert (inner.max(axis=1) <= records["high"]).all()
    assert (records["low"] > 0).all()


def test_prices_are_whole_centavos(records):
    prices = records[["open", "high", "low", "average", "close", "best_bid", "best_ask"]]
    centavos = prices.to_numpy() * 100
    np.testing.assert_allclose(centavos, np.rint(centavos), atol=1e-6)


def test_value_over_quantity_is_the_average_price(records):
    average = records["volume_brl"] / records["quantity"] * records["quotation_factor"]
    np.testing.assert_allclose(average, records["average"], atol=1e-6)


def test_trades_fit_their_field_and_their_quantity(records):
    assert records["trades"].between(1, 99_999).all()
    assert (records["trades"] <= records["quantity"]).all()


def test_the_close_lies_between_bid_and_ask(spot):
    assert (spot["best_bid"] > 0).all()
    assert (spot["best_bid"] < spot["best_ask"]).all()
    assert spot["close"].between(spot["best_bid"], spot["best_ask"]).all()


def test_liquid_papers_have_narrow_spreads(spot):
    spread = (
        ((spot["best_ask"] - spot["best_bid"]) / spot["close"]).groupby(spot["ticker"]).median()
    )
    assert spread["ZZAA3"] < 0.002 < 0.005 < spread["ZZBE3"]


def test_traded_value_follows_the_size_of_the_move(spot):
    move = (spot["close"] / spot["previous_close"]).where(spot["kind"].isna()) - 1
    both = pd.DataFrame({"move": move.abs(), "value": np.log(spot["volume_brl"])}).dropna()
    by_paper = both.groupby(spot["ticker"]).corr().xs("move", level=1)["value"]
    assert by_paper.median() > 0.1


def test_some_papers_do_not_trade_every_day(spot):
    sessions_traded = spot.groupby("ticker").size()
    assert sessions_traded["ZZBE3"] < 0.7 * sessions_traded["ZZAA3"]


def test_one_paper_is_quoted_per_thousand_until_its_grouping(spot):
    quoted = spot[spot["quotation_factor"] == 1000]
    assert set(quoted["ticker"]) == {"ZZAZ4"}
    grouping = spot[(spot["ticker"] == "ZZAZ4") & (spot["kind"] == "grouping")]
    assert quoted["session"].max() < grouping["session"].item()
    assert (quoted["close"] > 2).all()
    assert (quoted["quantity"] % 1000 == 0).all()


def test_distribution_numbers_step_by_one_on_ex_dates_and_only_there(spot):
    steps = (spot["distribution_number"] - spot["previous_distribution_number"]).dropna()
    has_event = spot["kind"].notna()[steps.index]
    assert (steps == has_event.astype(float)).all()
    assert has_event.sum() > 300


def test_every_kind_of_event_happens(spot):
    assert set(spot["kind"].dropna()) == {"cash_dividend", "split", "grouping", "bonus"}


def test_the_specification_carries_the_mark_of_the_event(spot):
    marks = spot["specification"].str[4:7].str.strip()
    by_kind = marks.groupby(spot["kind"]).agg(lambda flags: "/".join(sorted(set(flags))))
    assert by_kind.to_dict() == {
        "cash_dividend": "ED/EJ/ER",
        "split": "EB",
        "bonus": "EB",
        "grouping": "EG",
    }


def test_the_mark_stays_for_eight_sessions(spot):
    split = spot[(spot["ticker"] == "ZZAC3") & (spot["kind"] == "split")].index[0]
    of_paper = spot[spot["ticker"] == "ZZAC3"]
    at = of_paper.index.get_loc(split)
    marks = of_paper["specification"].str[4:6].iloc[at - 1 : at + 9].tolist()
    assert marks == ["  ", *["EB"] * 8, "  "]


def test_kind_and_segment_have_fixed_places(records):
    papers = {paper.ticker: paper for paper in PAPERS}
    spot = records[records["market_type"] == "010"]
    for ticker, specification in spot.groupby("ticker")["specification"].first().items():
        paper = papers[str(ticker)]
        assert specification[:4].strip() == paper.kind
        assert specification[8:10] == paper.segment


def test_a_price_step_is_explained_by_its_event_to_the_centavo(spot):
    """true return = (close x factor + dividend) / previous close - 1."""
    truth = spot.merge(SIMULATION.true_returns, on=["session", "ticker"])
    lot, previous_lot = truth["quotation_factor"], truth["previous_quotation_factor"]
    close, previous = truth["close"] / lot, truth["previous_close"] / previous_lot
    factor, amount = truth["factor"].fillna(1.0), truth["amount_brl"].fillna(0.0)
    expected = previous * (1 + truth["total_return"])
    # Half a centavo of today's price, and half a one of yesterday's grown by the return.
    tolerance = 0.005 * factor / lot + 0.005 / previous_lot * (1 + truth["total_return"])
    assert ((close * factor + amount - expected).abs() <= tolerance + 1e-9).all()


def test_funds_are_in_their_own_section_of_the_bulletin(records):
    funds = records[records["bdi_code"] == "12"]
    assert funds["specification"].str.startswith("CI").all()
    assert funds["ticker"].nunique() >= 4


def test_other_markets_are_there_to_be_filtered_out(records):
    by_market = records.groupby("market_type").size() / len(SIMULATION.sessions)
    assert set(by_market.index) == {"010", "020", "070", "080"}
    assert 30 < by_market.drop("010").sum() < 36
    assert records.loc[records["market_type"] == "020", "ticker"].str.endswith("F").all()


def test_options_expire_after_the_session_on_a_friday(records):
    options = records[records["market_type"].isin(["070", "080"])]
    assert (options["expiry"] > options["session"]).all()
    assert (options["expiry"].dt.day_of_week == 4).all()
    assert (options["strike_price"] > 0).all()
    assert records.loc[~records.index.isin(options.index), "expiry"].isna().all()
