"""A split is known by what B3's records show that day: a step, a mark and a price cut to fit."""

from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.market.corporate_actions import APPLIED_CONFIDENCE, no_events
from asset_predict_dagster.market.cotahist import read_cotahist
from asset_predict_dagster.market.inferred_actions import infer_share_events
from asset_predict_dagster.market.quotes import clean_quotes
from asset_predict_dagster.market.simulated_market import SimulatedMarket
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import CORPORATE_ACTIONS
from asset_predict_dagster_tests.market.hand_made_quotes import raw
from asset_predict_dagster_tests.market.real_panel import needs_panel, panel_quotes
from asset_predict_dagster_tests.market.true_returns import against_the_truth

SESSIONS = pd.DatetimeIndex(pd.bdate_range("2023-10-02", periods=42)).as_unit("us")
EX_DATE = SESSIONS[40]
END = date(2024, 12, 31)
REAL_FILES = Path(__file__).parents[2] / ".." / "shared" / "data" / "cotahist_real"


def record(on: pd.Timestamp, open_: float, close: float, ticker: str, **changed) -> dict:
    both = {"open": open_, "high": max(open_, close), "low": min(open_, close), "close": close}
    return raw(2, close, ticker) | {"session": on} | both | changed


def paper(
    opens_at: float,
    mark: str,
    number: int = 113,
    mark_before: str = "",
    ticker: str = "ZZAA3",
    before: float = 20.0,
    **changed,
) -> list[dict]:
    """40 calm sessions that all close at `before`, and the one after them. DISMES was 112."""
    moves = [before * (1 + 0.004 * (-1) ** day) for day in range(40)]
    calm = [
        record(on, open_, before, ticker, specification=f"ON  {mark_before}".strip(),
               distribution_number=112, **changed)
        for on, open_ in zip(SESSIONS[:40], moves, strict=True)
    ]  # fmt: skip
    specification = f"ON  {mark}".strip()
    last = record(EX_DATE, opens_at, opens_at, ticker, specification=specification,
                  distribution_number=number)  # fmt: skip
    return [*calm, last]


def inferred(records: list[dict], known: pd.DataFrame | None = None) -> pd.DataFrame:
    quotes = clean_quotes(pd.DataFrame(records), END)
    return infer_share_events(quotes, no_events() if known is None else known)


def found(*args, **kwargs) -> list[tuple[str, float]]:
    """Kind and factor of what is inferred with the confidence to be applied."""
    events = inferred(*args, **kwargs)
    events = events[events["confidence"] >= APPLIED_CONFIDENCE]
    return list(zip(events["kind"], events["factor"], strict=True))


def known_event(kind: str, value: float = np.nan, on: pd.Timestamp = EX_DATE) -> pd.DataFrame:
    row = {
        "ticker": "ZZAA3",
        "ex_date": on,
        "kind": kind,
        "amount_brl": value if kind == "cash_dividend" else np.nan,
        "factor": value if kind == "split" else np.nan,
        "source": "csv",
        "confidence": 1.0,
    }
    return pd.DataFrame([row], columns=CORPORATE_ACTIONS.column_names).astype(no_events().dtypes)


# What a step, a mark and a price say


def test_a_halved_price_under_the_mark_of_new_shares_is_a_split():
    [event] = inferred(paper(10.05, "EB")).to_dict("records")
    assert (event["ticker"], event["ex_date"]) == ("ZZAA3", EX_DATE)
    assert (event["kind"], event["factor"], event["source"]) == ("split", 2.0, "inferred")
    assert event["confidence"] > 0.98
    assert event["evidence"] == "DISMES 112→113, EB, open/previous close 0.5025"
    assert np.isnan(event["amount_brl"])


@pytest.mark.parametrize(
    ("opens_at", "mark", "expected"),
    [
        (197.4, "EG", ("grouping", 0.1)),
        (1010.0, "EG", ("grouping", 0.02)),
        (18.20, "EB", ("bonus", 1.1)),  # 20 / 1.1 is 18.18
        (19.04, "EB", ("bonus", 1.05)),  # 20 / 1.05 is 19.05
        (4.97, "EB", ("split", 4.0)),
        (9.95, "", ("split", 2.0)),  # B3 forgot the mark
        (199.0, "ED", ("grouping", 0.1)),  # no dividend makes a price rise
        (9.6, "EDB", ("split", 2.0)),  # and 4 % in cash, not known
    ],
)
def test_what_a_price_cut_to_fit_is_taken_for(opens_at, mark, expected):
    assert found(paper(opens_at, mark)) == [expected]


@pytest.mark.parametrize(
    ("opens_at", "mark"),
    [
        (19.2, "ED"),  # a dividend of 4 %
        (18.18, "EJ"),  # one of 9 %, as a bonus of 10 % would look
        (10.0, "ERA"),  # half of the fund paid back
        (10.0, "ED"),  # a split, or the company sold: the price alone cannot say
        (18.18, "ES"),  # rights to subscribe, worth 9 %
        (20.0, "EB"),  # new shares, and nobody is the poorer: no factor fits
        (11.8, "EB"),  # 1.69 new shares for one are on no list
        (14.0, ""),
        (20.0, "EG"),
    ],
)
def test_what_is_not_taken_for_a_share_event(opens_at, mark):
    assert found(paper(opens_at, mark)) == []


@pytest.mark.parametrize("opens_at", [10.0, 18.18, 200.0])
def test_without_a_step_of_the_distribution_number_a_price_only_jumped(opens_at):
    assert inferred(paper(opens_at, "EB", number=112)).empty
    assert inferred(paper(opens_at, "EB", number=100)).empty


def test_a_mark_that_stays_from_an_event_before_says_nothing_of_this_one():
    assert found(paper(18.18, "EB")) == [("bonus", 1.1)]
    assert inferred(paper(18.18, "EDB", mark_before="EB")).empty
    assert found(paper(18.18, "EDB", mark_before="ED")) == [("bonus", 1.1)]


def test_the_same_mark_again_is_the_same_kind_of_event_again():
    assert found(paper(18.18, "EB", mark_before="EB")) == [("bonus", 1.1)]


def test_a_price_per_thousand_shares_becomes_one_per_share_by_the_grouping_alone():
    records = paper(23.1, "EG", before=23.0, quotation_factor=1000)
    records[-1] |= {"quotation_factor": 1}
    [event] = inferred(records).to_dict("records")
    assert (event["kind"], event["factor"]) == ("grouping", 0.001)
    # A centavo is a part in 2,300 of the 23.00 quoted before, not almost half of R$ 0.023.
    assert event["confidence"] > 0.95


def test_a_change_of_the_quotation_factor_alone_is_no_event():
    records = paper(0.042, "", before=42.0, quotation_factor=1000)
    records[-1] |= {"quotation_factor": 1}
    assert inferred(records).empty


def test_a_night_in_which_all_fell_by_a_tenth_is_no_bonus():
    others = [paper(18.18, "", 112, ticker=f"ZZB{letter}3") for letter in "ABCDEFGHIJ"]
    alone = paper(18.18, "EB")
    assert found(alone) == [("bonus", 1.1)]
    assert inferred([*alone, *(record for other in others for record in other)]).empty


def test_how_far_a_paper_moves_overnight_decides_how_sure_one_can_be():
    calm, wild = paper(18.30, "EB"), paper(18.30, "EB")
    for day, row in enumerate(wild[:-1]):
        row["open"] = 20.0 * (1 + 0.04 * (-1) ** day)
    [sure], unsure = inferred(calm)["confidence"], inferred(wild)["confidence"]
    assert sure > 0.9
    assert unsure.empty or unsure.item() < 0.9


def test_the_first_session_of_a_paper_is_no_step_from_another():
    first = record(EX_DATE, 10.0, 10.0, "ZZAA4", specification="ON  EB", distribution_number=200)
    assert inferred([*paper(20.0, "", 112), first]).empty


# What is known already


def test_known_cash_is_taken_out_of_the_price_first():
    # 20 less 2 in cash is 18; two shares of 9.
    known = known_event("cash_dividend", 2.0)
    [event] = inferred(paper(9.0, "EDB"), known).to_dict("records")
    assert (event["kind"], event["factor"]) == ("split", 2.0)
    assert "open/previous close less R$ 2 of cash 0.5" in event["evidence"]
    assert inferred(paper(18.0, "EDB"), known).empty


def test_cash_of_unknown_size_beside_a_bonus_leaves_its_factor_in_doubt():
    # 20 / 1.15 is 17.39; so is a bonus of 10 % and a dividend of 4.4 %.
    assert found(paper(17.39, "EB")) == [("bonus", 1.15)]
    assert found(paper(17.39, "EDB")) == []


@pytest.mark.parametrize("on", [40, 39.5])
def test_where_a_share_event_is_known_nothing_is_inferred(on):
    days = EX_DATE if on == 40 else EX_DATE - pd.Timedelta(hours=12)
    assert inferred(paper(10.0, "EB"), known_event("split", 2.0, days)).empty


def test_a_share_event_known_for_another_paper_or_day_does_not_hide_one():
    elsewhere = known_event("split", 2.0).assign(ticker="ZZBB3")
    long_ago = known_event("split", 2.0, SESSIONS[20])
    for known in (elsewhere, long_ago):
        assert found(paper(10.0, "EB"), known) == [("split", 2.0)]


def test_a_known_spin_off_explains_a_price_cut():
    assert found(paper(10.0, "")) == [("split", 2.0)]
    assert found(paper(10.0, ""), known_event("spin_off")) == []


# Whole markets


@cache
def simulated_quotes(seed: int) -> pd.DataFrame:
    last = date(2022, 3, 31)
    return clean_quotes(SimulatedMarket(seed).simulate(last).records, last)


def test_what_is_inferred_keeps_the_dictionary():
    events = infer_share_events(simulated_quotes(1), no_events())
    assert len(events) >= 5
    assert broken_promises(CORPORATE_ACTIONS, events).empty
    pd.testing.assert_series_equal(events.dtypes, no_events().dtypes)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(1, 2), data=st.data())
def test_what_is_recorded_later_changes_no_event(seed, data):
    quotes = simulated_quotes(seed)
    all_events = infer_share_events(quotes, no_events())
    days = st.sampled_from(sorted(set(quotes["session"]))) | st.sampled_from(
        all_events["ex_date"].tolist()
    )
    today = data.draw(days)
    seen_today = infer_share_events(
        quotes[quotes["session"] <= today].reset_index(drop=True), no_events()
    )
    known_today = all_events[all_events["ex_date"] <= today].reset_index(drop=True)
    pd.testing.assert_frame_equal(seen_today, known_today, check_exact=True)


def test_with_the_dividends_supplied_the_returns_of_a_simulated_market_are_the_true_ones():
    truth = against_the_truth(seed=42, last=date(2021, 12, 30))
    assert truth.n_wrong_kinds == 0
    assert truth.with_everything["holds"].all()
    broken = truth.with_inferred[~truth.with_inferred["holds"]]
    assert len(truth.with_inferred) > 30_000
    assert len(broken) <= truth.n_not_applied


@needs_panel
def test_twelve_real_years_of_dividends_and_crashes_hold_no_split():
    """Prices of the panel are split-adjusted, so each event found would be a wrong one. AMER3's
    crash, UGPA3's misquoted past and the days of March 2020 are among them."""
    quotes = panel_quotes()
    steps = quotes.groupby("ticker")["distribution_number"].diff() > 0
    assert steps.sum() == 1_134
    assert infer_share_events(quotes, no_events()).empty


@pytest.mark.skipif(not REAL_FILES.is_dir(), reason="B3's real files are not beside this checkout")
def test_of_165_real_steps_of_january_2021_one_is_suspected_and_none_applied():
    """Among them funds that paid back a half (LOFT11B) or a third (DMAC11) of their price. BSLI3
    went ex bonus and fell from R$ 156 to 17.99 at the open and 38.00 at the close."""
    last = date(2021, 1, 31)
    quotes = clean_quotes(read_cotahist(REAL_FILES / "COTAHIST_A2021.ZIP").records, last)
    assert (quotes.groupby("ticker")["distribution_number"].diff() > 0).sum() == 165
    events = infer_share_events(quotes, no_events())
    assert events["ticker"].tolist() == ["BSLI3"]
    assert events["confidence"].item() < APPLIED_CONFIDENCE
