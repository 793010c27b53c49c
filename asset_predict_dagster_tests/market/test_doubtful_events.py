"""Listed events that prices, calendar, codes or another source speak against are named."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.market.corporate_actions import (
    combine,
    no_events,
    read_corporate_actions,
)
from asset_predict_dagster.market.doubtful_events import COLUMNS, doubtful_events
from asset_predict_dagster.market.quotes import adjust, clean_quotes
from asset_predict_dagster.market.simulated_market import SimulatedMarket
from asset_predict_dagster.tables import CORPORATE_ACTIONS
from asset_predict_dagster_tests.market.hand_made_quotes import day, quotes_of, raw, traded
from asset_predict_dagster_tests.market.hand_made_quotes import events as bare_events
from asset_predict_dagster_tests.market.real_panel import (
    PANEL,
    PANEL_END,
    needs_panel,
    panel_quotes,
)
from asset_predict_dagster_tests.market.true_returns import true_events

# Twelve sessions at R$ 20, and the ex-date's price from the 18th on: nights of 0.
QUIET = dict.fromkeys((2, 3, 4, 5, 8, 9, 10, 11, 12, 15, 16, 17), 20.0)
EX_DATE = 18


def listed(*rows: tuple[int, str, float], ticker: str = "ZZAA3", source: str = "csv"):
    said = {"source": source, "confidence": 0.9 if source == "inferred" else 1.0}
    told = bare_events(*rows, ticker=ticker).assign(**said, evidence=None, disputed=None)
    return told[CORPORATE_ACTIONS.column_names].astype(no_events().dtypes)


def falls_to(price: float) -> pd.DataFrame:
    return traded(QUIET | {EX_DATE: price, 19: price, 22: price})


def named(quotes: pd.DataFrame, events: pd.DataFrame) -> list[tuple]:
    """(ticker, day of the month, kind) of each event named."""
    found = doubtful_events(quotes, events)
    return list(zip(found["ticker"], found["ex_date"].dt.day, found["kind"], strict=True))


@pytest.mark.parametrize(
    ("price", "kind", "size"),
    [
        (10.0, "split", 2.0),
        (200.0, "grouping", 0.1),
        (18.18, "bonus", 1.1),
        (19.8, "cash_dividend", 0.2),
        (16.0, "cash_dividend", 4.0),
        (15.2, "cash_dividend", 4.0),  # 5 % of news: large, but it fell as it should
        (20.0, "cash_dividend", 0.6),  # 3 %, and the night made up for it
    ],
)
def test_an_event_that_the_price_followed_is_not_named(price, kind, size):
    assert named(falls_to(price), listed((EX_DATE, kind, size))) == []


@pytest.mark.parametrize(
    ("price", "kind", "size"),
    [
        (10.0, "split", 1.2),  # 2 for 1 in truth: a false fall of 40 %
        (20.0, "split", 1.5),  # nothing in truth: a false rise of 50 %
        (19.05, "bonus", 1.1),  # 1.05 in truth
        (200.0, "grouping", 0.01),  # 0.1 in truth
        (19.2, "cash_dividend", 8.0),  # 0.80 in truth: 4 % of the price, tenfold
        (19.88, "cash_dividend", 1.2),  # 0.12 in truth, tenfold
        (17.0, "cash_dividend", 0.3),  # 3.00 in truth
        (19.2, "cash_dividend", 20.0),  # all that the paper was worth
        (19.2, "cash_dividend", 30.0),
    ],
)
def test_an_event_that_the_price_contradicts_is_named(price, kind, size):
    assert named(falls_to(price), listed((EX_DATE, kind, size))) == [("ZZAA3", EX_DATE, kind)]


def test_the_reason_tells_the_prices():
    """From R$ 20, 1.25 new shares for one should open at R$ 16."""
    found = doubtful_events(falls_to(10.0), listed((EX_DATE, "split", 1.25)))
    assert found["why"].tolist() == [
        "opened at R$ 10 after a close of R$ 20; about R$ 16 were expected"
    ]
    assert list(found.columns) == COLUMNS


def test_news_of_the_night_say_nothing_of_a_small_dividend():
    """-5 %, of which the dividend is 0.5 %: without it 4.5 % are left as well."""
    assert named(falls_to(19.0), listed((EX_DATE, "cash_dividend", 0.1))) == []


def test_what_is_unusual_is_measured_by_the_papers_own_nights():
    """Nights of 5 %: a bonus of 10 % that never was leaves no more over than one of them."""
    nights = [20.0, 21.0] * 6
    closes = dict(zip(QUIET, nights, strict=True)) | {EX_DATE: 20.0}
    event = listed((EX_DATE, "bonus", 1.1))
    assert named(traded(closes), event) == []
    assert named(traded(QUIET | {EX_DATE: 20.0}), event) == [("ZZAA3", EX_DATE, "bonus")]


def test_a_day_on_which_all_papers_fall_contradicts_no_event():
    """Eleven papers open 20 % lower; so does the one that is ex-dividend, and 10 % of cash."""
    crash = [
        raw(of_january, price, f"ZZM{letter}3")
        for letter in "ABCDEFGHIJK"
        for of_january, price in (QUIET | {EX_DATE: 16.0}).items()
    ]
    own = [raw(of_january, price) for of_january, price in (QUIET | {EX_DATE: 14.4}).items()]
    dividend = listed((EX_DATE, "cash_dividend", 2.0))
    assert named(quotes_of(*crash, *own), dividend) == []
    assert named(quotes_of(*own), dividend) == [("ZZAA3", EX_DATE, "cash_dividend")]


def test_cash_and_shares_of_one_day_are_judged_together():
    """(20 - 2) / 2 = 9."""
    both = listed((EX_DATE, "cash_dividend", 2.0), (EX_DATE, "split", 2.0))
    assert named(falls_to(9.0), both) == []
    assert len(named(falls_to(18.0), both)) == 2


def test_an_event_without_a_trade_on_its_day_is_judged_by_the_next_session():
    quotes = traded(QUIET | {22: 10.0})
    assert named(quotes, listed((EX_DATE, "split", 2.0))) == []
    assert named(quotes, listed((EX_DATE, "split", 4.0))) == [("ZZAA3", EX_DATE, "split")]


def test_a_day_without_trading_is_named_whatever_the_price_did():
    """2024-01-20 was a Saturday; the price fell by half on the Monday after."""
    quotes = traded(QUIET | {18: 20.0, 19: 20.0, 22: 10.0})
    found = doubtful_events(quotes, listed((20, "split", 2.0)))
    assert found["why"].tolist() == ["B3 does not trade on that Saturday"]


def test_a_code_that_is_never_quoted_is_named():
    events = pd.concat([listed((EX_DATE, "split", 2.0), ticker="TYPO9"), listed((18, "split", 2))])
    found = doubtful_events(falls_to(10.0), events)
    assert found[["ticker", "why"]].to_numpy().tolist() == [["TYPO9", "no quotes of this code"]]


def test_history_that_was_cut_is_no_doubt():
    quotes = pd.concat([falls_to(20.0), traded({10: 5.0, 11: 5.0}, "ZZAB3")])
    quotes = quotes[quotes["session"] > day(2)].reset_index(drop=True)
    before_and_after = listed((2, "split", 2.0), (31, "split", 2.0))
    late_and_gone = listed((9, "split", 2.0), (12, "split", 2.0), ticker="ZZAB3")
    older_than_all = listed((2, "split", 2.0), ticker="ZZAC3")
    assert named(quotes, pd.concat([before_and_after, late_and_gone, older_than_all])) == []


def test_a_disputed_event_is_named_with_what_is_said_against_it():
    ours = listed((EX_DATE, "cash_dividend", 0.2), (19, "cash_dividend", 0.2))
    b3 = listed((EX_DATE, "cash_dividend", 0.25), source="b3")
    found = doubtful_events(falls_to(19.8), combine(ours, b3))
    assert found[["source", "why"]].to_numpy().tolist() == [["csv", "disputed, b3: 0.25"]]


def test_all_that_speaks_against_an_event_is_said_at_once():
    quotes = traded(QUIET | {18: 20.0, 19: 20.0, 22: 20.0})
    [why] = doubtful_events(quotes, listed((20, "split", 2.0)))["why"]
    assert why.startswith("opened at R$ 20") and why.endswith(
        "; B3 does not trade on that Saturday"
    )


def test_inferred_events_and_kinds_of_no_size_are_held_against_no_price():
    assert named(falls_to(20.0), listed((EX_DATE, "split", 2.0), source="inferred")) == []
    assert named(falls_to(10.0), listed((EX_DATE, "spin_off", np.nan))) == []
    beside_a_wrong_split = listed((EX_DATE, "spin_off", np.nan), (EX_DATE, "split", 2.0))
    assert named(falls_to(20.0), beside_a_wrong_split) == [("ZZAA3", EX_DATE, "split")]


def test_without_events_or_quotes_there_is_nothing_to_doubt():
    quotes = falls_to(20.0)
    for found in (
        doubtful_events(quotes, no_events()),
        doubtful_events(quotes.iloc[:0], no_events()),
        doubtful_events(quotes.iloc[:0], listed((EX_DATE, "split", 2.0))),
    ):
        assert found.empty
        assert list(found.columns) == COLUMNS


# A whole market


@pytest.fixture(scope="module", params=[1, 901])
def simulated(request) -> tuple[pd.DataFrame, pd.DataFrame]:
    last = date(2019, 12, 30)
    simulation = SimulatedMarket(request.param).simulate(last)
    return clean_quotes(simulation.records, last), true_events(simulation.corporate_actions)


def test_no_true_event_of_the_simulated_market_is_named(simulated):
    quotes, events = simulated
    assert len(events) > 100
    assert named(adjust(quotes, events), events) == []


def test_a_wrong_factor_a_wrong_day_and_a_wrong_code_are_named_and_nothing_else(simulated):
    quotes, events = simulated
    split = events[events["factor"] == 2.0].index[0]
    ticker = events.loc[split, "ticker"]
    wrong = events.copy()
    wrong.loc[split, "factor"] = 1.2
    saturday = events.loc[[split]].assign(ex_date=pd.Timestamp("2019-06-15"), factor=1.5)
    typo = events.loc[[split]].assign(ticker="TYPO9")
    listed = pd.concat([wrong, saturday, typo], ignore_index=True).astype(no_events().dtypes)
    found = doubtful_events(adjust(quotes, listed), listed)
    assert found[["ticker", "factor"]].to_numpy().tolist() == [
        [ticker, 1.2], [ticker, 1.5], ["TYPO9", 2.0],
    ]  # fmt: skip


@needs_panel
def test_of_1134_real_dividends_seven_are_named():
    """ABEV3 paid R$ 0.0960 (B3), and PETR4 lists R$ 1.75 where PETR3 lists R$ 3.35; of the other
    five nobody here knows, but their prices did not fall."""
    found = doubtful_events(panel_quotes(), read_corporate_actions(PANEL, PANEL_END))
    days = found["ex_date"].dt.strftime("%Y-%m-%d")
    assert list(zip(found["ticker"], days, strict=True)) == [
        ("ABEV3", "2015-01-08"),
        ("CMIG4", "2022-03-29"),
        ("CYRE3", "2022-04-25"),
        ("ELET6", "2022-04-25"),
        ("MRFG3", "2021-12-20"),
        ("PETR4", "2022-11-22"),
        ("YDUQ3", "2016-11-11"),
    ]
