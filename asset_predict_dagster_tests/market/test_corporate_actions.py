"""Events are read as they stand, or refused with the line that is wrong."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.corporate_actions import (
    combine,
    no_events,
    one_row_per_event,
    read_corporate_actions,
    refuse_impossible,
)
from asset_predict_dagster.market.listed_companies import read_listed_companies
from asset_predict_dagster.market.simulated import complete_files
from asset_predict_dagster.market.simulated_market import SimulatedMarket
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import CORPORATE_ACTIONS
from asset_predict_dagster_tests.market.real_panel import PANEL, PANEL_END, needs_panel

HEADER = "ticker,ex_date,kind,amount_brl,factor"
LAST = date(2024, 12, 31)


def write(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "corporate_actions.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return folder


def test_each_line_is_one_event(tmp_path):
    write(
        tmp_path,
        "ZZAA3,2024-03-01,split,,2",
        "ZZAA3,2024-02-01,cash_dividend,0.25,",
        "ZZAB4,2024-02-01,grouping,,0.1",
        "ZZAC11,2024-02-01,bonus,,1.03",
    )
    events = read_corporate_actions(tmp_path, LAST)
    expected = pd.DataFrame(
        {
            "ticker": ["ZZAA3", "ZZAA3", "ZZAB4", "ZZAC11"],
            "ex_date": pd.to_datetime(["2024-02-01", "2024-03-01", "2024-02-01", "2024-02-01"]),
            "kind": ["cash_dividend", "split", "grouping", "bonus"],
            "amount_brl": [0.25, np.nan, np.nan, np.nan],
            "factor": [np.nan, 2.0, 0.1, 1.03],
            "source": "csv",
            "confidence": 1.0,
            "evidence": None,
            "disputed": None,
        }
    ).astype({"ex_date": "datetime64[us]", "evidence": "str", "disputed": "str"})
    pd.testing.assert_frame_equal(events, expected)
    assert broken_promises(CORPORATE_ACTIONS, events).empty


def test_no_file_is_no_event_and_can_be_stored(tmp_path):
    events = read_corporate_actions(tmp_path, LAST)
    assert events.empty
    assert Lake(tmp_path / "lake").write(CORPORATE_ACTIONS, events).n_rows == 0


@pytest.mark.parametrize("lines", [[], ["ZZAA3,2025-01-02,cash_dividend,1,"]])
def test_a_file_without_an_event_by_then_is_as_no_file(tmp_path, lines):
    events = read_corporate_actions(write(tmp_path, *lines), LAST)
    nothing = read_corporate_actions(tmp_path / "nowhere", LAST)
    pd.testing.assert_frame_equal(events, nothing)


def test_an_event_of_the_last_day_counts_and_one_of_the_next_does_not(tmp_path):
    write(tmp_path, "ZZAA3,2024-12-31,cash_dividend,0.25,", "ZZAB4,2025-01-01,cash_dividend,0.25,")
    assert read_corporate_actions(tmp_path, LAST)["ticker"].tolist() == ["ZZAA3"]


def test_two_dividends_of_one_day_are_added(tmp_path):
    write(
        tmp_path,
        "ZZAA3,2024-02-01,cash_dividend,0.25,",
        "ZZAA3,2024-02-01,cash_dividend,0.50,",
        "ZZAA3,2024-02-02,cash_dividend,1.00,",
    )
    events = read_corporate_actions(tmp_path, LAST)
    assert events["amount_brl"].tolist() == [0.75, 1.0]
    assert events["factor"].isna().all()


def test_two_bonuses_of_one_day_are_multiplied(tmp_path):
    write(tmp_path, "ZZAA3,2024-02-01,bonus,,1.5", "ZZAA3,2024-02-01,bonus,,2")
    assert read_corporate_actions(tmp_path, LAST)["factor"].tolist() == [3.0]


def test_a_dividend_and_a_split_of_one_day_stay_two_events(tmp_path):
    write(tmp_path, "ZZAA3,2024-02-01,split,,2", "ZZAA3,2024-02-01,cash_dividend,0.25,")
    assert read_corporate_actions(tmp_path, LAST)["kind"].tolist() == ["cash_dividend", "split"]


def test_events_that_change_no_price_are_listed_without_a_size(tmp_path):
    kinds = ["other", "spin_off", "subscription"]
    write(tmp_path, *(f"ZZAA3,2024-02-01,{kind},," for kind in kinds))
    events = read_corporate_actions(tmp_path, LAST)
    assert events["kind"].tolist() == kinds
    assert events[["amount_brl", "factor"]].isna().all(axis=None)
    assert broken_promises(CORPORATE_ACTIONS, events).empty


def test_the_factor_may_be_left_out_where_only_dividends_are_listed(tmp_path):
    write(tmp_path, "ZZAA3,2024-02-01,cash_dividend,0.25", header=HEADER.removesuffix(",factor"))
    assert read_corporate_actions(tmp_path, LAST)["amount_brl"].tolist() == [0.25]


def test_columns_may_come_in_any_order_and_blank_lines_between_the_events(tmp_path):
    write(
        tmp_path,
        "",
        "0.25,cash_dividend,ZZAA3,2024-02-01",
        "",
        header="amount_brl,kind,ticker,ex_date",
    )
    assert read_corporate_actions(tmp_path, LAST)["ticker"].tolist() == ["ZZAA3"]


GOOD = "ZZAA3,2024-02-01,cash_dividend,0.25,"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ZZAA3,01/02/2024,cash_dividend,1,", "line 4: ex_date is not a date written as 2024-12"),
        ("ZZAA3,2024-02-30,cash_dividend,1,", "line 4: ex_date is not a date"),
        ("ZZAA3,,cash_dividend,1,", "line 4: ex_date is not a date"),
        (",2024-02-01,cash_dividend,1,", "line 4: the ticker is missing"),
        ("ZZAA3,2024-02-01,DESDOBRAMENTO,,2", "line 4: kind is none of cash_dividend, split"),
        ("ZZAA3,2024-02-01,,1,", "line 4: kind is none of"),
        ("ZZAA3,2024-02-01,cash_dividend,,", "line 4: a dividend needs an amount_brl above zero"),
        ("ZZAA3,2024-02-01,cash_dividend,0,", "line 4: a dividend needs an amount_brl above zero"),
        ("ZZAA3,2024-02-01,cash_dividend,-1,", "line 4: a dividend needs an amount_brl"),
        ("ZZAA3,2024-02-01,split,,", "line 4: a share event needs a factor above zero"),
        ("ZZAA3,2024-02-01,grouping,,0", "line 4: a share event needs a factor above zero"),
        (
            "ZZAA3,2024-02-01,spin_off,,0.8",
            "line 4: an event of kind .*spin_off.* changes no price",
        ),
        ("ZZAA3,2024-02-01,subscription,5,", "line 4: an event of kind .* changes no price"),
        ("ZZAA3,2024-02-01,cash_dividend,ten,", "line 4, amount_brl: expected a number.*'ten'"),
        ('ZZAA3,2024-02-01,cash_dividend,"0,25",', "line 4, amount_brl: expected a number"),
        ("ZZAA3,2024-02-01,cash_dividend,inf,", "line 4, amount_brl: expected a number"),
        ("ZZAA3,2024-02-01,split,,1e999", "line 4, factor: expected a number"),
        ("ZZAA3,2024-02-01,split,,2,2", "cannot be read as CSV: .*line 4, saw 6"),
    ],
)
def test_a_wrong_line_is_named_and_the_file_refused(tmp_path, line, message):
    write(tmp_path, GOOD, "", line, GOOD)
    with pytest.raises(MarketFileError, match=f"corporate_actions.csv: {message}"):
        read_corporate_actions(tmp_path, LAST)


def test_a_wrong_event_is_refused_even_if_it_is_still_to_come(tmp_path):
    write(tmp_path, "ZZAA3,2030-01-02,split,,-2")
    with pytest.raises(MarketFileError, match="line 2: a share event"):
        read_corporate_actions(tmp_path, LAST)


def test_a_comma_at_the_end_of_every_line_is_no_value(tmp_path):
    write(tmp_path, f"{GOOD},", f"{GOOD},")
    assert read_corporate_actions(tmp_path, LAST)["amount_brl"].tolist() == [0.5]


def test_a_value_too_many_in_the_first_line_is_not_dropped(tmp_path):
    write(tmp_path, f"{GOOD},paid in March")
    with pytest.raises(MarketFileError, match="cannot be read as CSV"):
        read_corporate_actions(tmp_path, LAST)


def test_a_column_that_is_missing_is_named(tmp_path):
    write(tmp_path, "ZZAA3,2024-02-01", header="ticker,ex_date")
    with pytest.raises(MarketFileError, match=r"columns \['kind', 'amount_brl'\] are missing"):
        read_corporate_actions(tmp_path, LAST)


@pytest.mark.parametrize("content", [b"", b"ticker,ex_date\n\xe9,\n", b'ticker,"ex_date\n'])
def test_a_file_that_is_no_csv_is_refused_by_name(tmp_path, content):
    (tmp_path / "corporate_actions.csv").write_bytes(content)
    with pytest.raises(MarketFileError, match=r"corporate_actions.csv: c.*"):
        read_corporate_actions(tmp_path, LAST)


def test_the_simulated_markets_events_are_read_as_they_happened(tmp_path):
    market, last = SimulatedMarket(), date(2018, 10, 1)
    complete_files(tmp_path, market, last)
    truth = market.simulate(last).corporate_actions
    read = read_corporate_actions(tmp_path, last)
    assert {"cash_dividend", "split"} <= set(truth["kind"])
    in_order = truth.sort_values(["ticker", "ex_date"], ignore_index=True)
    told = ["ticker", "ex_date", "kind", "amount_brl", "factor"]
    pd.testing.assert_frame_equal(read[told], in_order[told], check_exact=True)


@needs_panel
def test_the_real_dividends_keep_the_dictionary():
    events = read_corporate_actions(PANEL, PANEL_END)
    assert events["ticker"].nunique() == 45
    assert set(events["kind"]) == {"cash_dividend"}
    assert broken_promises(CORPORATE_ACTIONS, events).empty


# Rows of another reader


def events_of(*rows: tuple, source: str = "csv", ticker: str = "ZZAA3") -> pd.DataFrame:
    """(ex-date, kind, R$ per share or shares after / before, confidence if not 1)."""
    frame = pd.DataFrame(
        [
            {
                "ticker": ticker,
                "ex_date": pd.Timestamp(ex_date),
                "kind": kind,
                "amount_brl": value if kind == "cash_dividend" else np.nan,
                "factor": value if kind in ("split", "grouping", "bonus") else np.nan,
                "source": source,
                "confidence": confidence[0] if confidence else 1.0,
                "evidence": None,
                "disputed": None,
            }
            for ex_date, kind, value, *confidence in rows
        ],
        columns=CORPORATE_ACTIONS.column_names,
    )
    return frame.astype(no_events().dtypes)


def told(events: pd.DataFrame) -> list[tuple]:
    """(source, ex-date, kind, amount or factor) of each row."""
    size = events["amount_brl"].fillna(events["factor"])
    days = events["ex_date"].dt.strftime("%m-%d")
    return list(zip(events["source"], days, events["kind"], size, strict=True))


def test_whoever_reads_events_can_refuse_what_cannot_be():
    rows = events_of(("2024-02-01", "split", 2.0), ("2024-02-01", "cash_dividend", -1.0))
    with pytest.raises(MarketFileError, match="table b3: row 1: a dividend needs an amount_brl"):
        refuse_impossible("table b3", rows)


def test_what_is_said_of_rows_with_one_key_is_kept():
    rows = events_of(("2024-02-01", "bonus", 1.5), ("2024-02-01", "bonus", 2.0), source="b3")
    rows["evidence"] = ["BONIFICACAO", "DESDOBRAMENTO"]
    [event] = one_row_per_event(rows, LAST).to_dict("records")
    assert (event["factor"], event["source"]) == (3.0, "b3")
    assert event["evidence"] == "BONIFICACAO, DESDOBRAMENTO"


# Events that several sources tell of


def test_nothing_and_nothing_is_nothing():
    pd.testing.assert_frame_equal(combine(), no_events())
    pd.testing.assert_frame_equal(combine(no_events(), no_events()), no_events())


def test_one_sources_events_stay_as_they_are():
    events = events_of(
        ("2024-02-01", "cash_dividend", 0.5),
        ("2024-02-01", "split", 2.0),
        ("2024-02-02", "split", 2),
    )
    pd.testing.assert_frame_equal(combine(events, no_events()), events)
    pd.testing.assert_frame_equal(combine(no_events(), events), events)


def test_cash_of_one_day_is_the_same_money_told_again():
    csv = events_of(("2024-02-01", "cash_dividend", 0.5))
    b3 = events_of(
        ("2024-02-01", "cash_dividend", 0.48), ("2024-02-02", "cash_dividend", 0.1), source="b3"
    )
    assert told(combine(csv, b3)) == [
        ("csv", "02-01", "cash_dividend", 0.5),
        ("b3", "02-02", "cash_dividend", 0.1),
    ]
    assert told(combine(b3, csv))[0] == ("b3", "02-01", "cash_dividend", 0.48)


def test_the_share_events_of_one_day_are_those_of_the_first_source_whatever_it_calls_them():
    csv = events_of(("2024-02-01", "split", 2.0))
    b3 = events_of(("2024-02-01", "bonus", 1.5), source="b3")
    assert told(combine(csv, b3)) == [("csv", "02-01", "split", 2.0)]


def test_cash_of_one_source_and_shares_of_another_are_both_true():
    csv = events_of(("2024-02-01", "cash_dividend", 0.5), ("2024-02-01", "other", np.nan))
    b3 = events_of(("2024-02-01", "split", 2.0), ("2024-02-01", "spin_off", np.nan), source="b3")
    kinds = [(source, kind) for source, _, kind, _ in told(combine(csv, b3))]
    assert kinds == [
        ("csv", "cash_dividend"), ("csv", "other"), ("b3", "spin_off"), ("b3", "split"),
    ]  # fmt: skip


def test_the_same_event_of_another_ticker_is_another_event():
    one = events_of(("2024-02-01", "split", 2.0))
    other = events_of(("2024-02-01", "split", 2.0), source="b3", ticker="ZZAB3")
    assert len(combine(one, other)) == 2


@pytest.mark.parametrize(
    ("listed", "found", "n_left"),
    [
        (("2024-02-09", "split", 2.0), ("2024-02-14", "split", 2.0), 1),  # the next session
        (("2024-02-01", "split", 2.0), ("2024-02-08", "split", 2.0), 1),  # 5 sessions later
        (("2024-02-01", "split", 2.0), ("2024-02-09", "split", 2.0), 2),  # 6 sessions later
        (("2024-02-01", "bonus", 1.033), ("2024-02-02", "bonus", 1.05), 1),
        (("2024-02-01", "grouping", 0.1), ("2024-02-02", "grouping", 0.02), 2),
    ],
)
def test_an_inferred_event_gives_way_to_one_listed_some_sessions_before(listed, found, n_left):
    csv, inferred = events_of(listed), events_of((*found, 0.99), source="inferred")
    assert told(combine(csv, inferred))[0][0] == "csv"
    assert len(combine(csv, inferred)) == n_left


def test_a_listed_event_gives_way_to_one_that_the_price_showed_before():
    """The earlier day stays: the prices of the days between are published by then."""
    csv = events_of(("2024-02-06", "split", 2.0))
    inferred = events_of(("2024-02-02", "split", 2.0, 0.99), source="inferred")
    assert told(combine(csv, inferred)) == [("inferred", "02-02", "split", 2.0)]


def test_an_inferred_event_that_is_not_applied_gives_way_even_to_a_later_one():
    csv = events_of(("2024-02-06", "split", 2.0))
    inferred = events_of(("2024-02-02", "split", 2.0, 0.6), source="inferred")
    assert told(combine(csv, inferred)) == [("csv", "02-06", "split", 2.0)]


# What the sources say against each other


def disputed(*frames: pd.DataFrame) -> list:
    return combine(*frames)["disputed"].astype(object).replace(np.nan, None).tolist()


@pytest.mark.parametrize(
    ("kind", "listed", "other", "note"),
    [
        ("cash_dividend", 0.960004, 0.096, "b3: 0.096"),
        ("cash_dividend", 1.00, 1.02, "b3: 1.02"),
        ("cash_dividend", 1.02, 1.00, "b3: 1"),
        ("cash_dividend", 1.00, 1.009, None),
        ("cash_dividend", 0.089998, 0.09, None),
        ("split", 2.0, 3.0, "b3: 3"),
        ("grouping", 0.1, 0.01, "b3: 0.01"),
    ],
)
def test_the_event_that_stays_says_what_the_other_source_tells_instead(kind, listed, other, note):
    csv = events_of(("2024-02-01", kind, listed))
    b3 = events_of(("2024-02-01", kind, other), source="b3")
    assert disputed(csv, b3) == [note]
    assert told(combine(csv, b3)) == [("csv", "02-01", kind, listed)]


def test_a_share_event_of_another_kind_and_factor_is_named_with_its_kind():
    csv = events_of(("2024-02-01", "split", 2.0))
    bonus = events_of(("2024-02-01", "bonus", 1.5), source="b3")
    assert disputed(csv, bonus) == ["b3: bonus 1.5"]


def test_the_same_factor_under_another_name_is_no_dispute():
    csv = events_of(("2024-02-01", "split", 2.0))
    assert disputed(csv, events_of(("2024-02-01", "bonus", 2.0), source="b3")) == [None]


def test_the_share_events_of_a_day_are_compared_by_what_they_come_to():
    csv = events_of(("2024-02-01", "split", 2.0), ("2024-02-01", "bonus", 1.5))
    three = events_of(("2024-02-01", "split", 3.0), source="b3")
    two, four = (events_of(("2024-02-01", "split", n), source="b3") for n in (2.0, 4.0))
    assert disputed(csv, three) == [None, None]
    assert disputed(csv, two) == ["b3: split 2", "b3: split 2"]
    assert disputed(csv, four) == ["b3: split 4", "b3: split 4"]


def test_every_source_that_differs_is_noted_and_only_on_the_event_in_question():
    csv = events_of(("2024-02-01", "cash_dividend", 1.0), ("2024-02-02", "cash_dividend", 1.0))
    b3 = events_of(("2024-02-01", "cash_dividend", 2.0), source="b3")
    yahoo = events_of(("2024-02-01", "cash_dividend", 3.0), source="yahoo")
    assert disputed(csv, b3, yahoo) == ["b3: 2, yahoo: 3", None]
    other_paper = events_of(("2024-02-02", "cash_dividend", 2.0), source="b3", ticker="ZZAB3")
    assert disputed(csv, other_paper) == [None, None, None]


def test_what_one_source_alone_knows_is_not_disputed():
    csv = events_of(("2024-02-01", "cash_dividend", 1.0), ("2024-02-01", "spin_off", np.nan))
    b3 = events_of(("2024-02-01", "split", 2.0), ("2024-02-01", "spin_off", np.nan), source="b3")
    assert disputed(csv, b3) == [None, None, None]


def test_a_factor_told_for_another_day_is_noted_with_its_day():
    csv = events_of(("2024-02-01", "bonus", 1.05))
    same, larger = (
        events_of(("2024-02-02", "bonus", factor), source="b3") for factor in (1.05, 1.10)
    )
    assert disputed(csv, same) == [None]
    assert disputed(csv, larger) == ["b3: 1.1 on 2024-02-02"]


def test_an_inferred_factor_disputes_nothing_but_can_be_disputed():
    listed = events_of(("2024-02-02", "bonus", 1.05))
    after = events_of(("2024-02-05", "bonus", 1.10, 0.9), source="inferred")
    same_day = events_of(("2024-02-02", "bonus", 1.10, 0.9), source="inferred")
    before = events_of(("2024-02-01", "bonus", 1.10, 0.9), source="inferred")
    assert disputed(listed, after) == disputed(listed, same_day) == [None]
    assert told(combine(listed, before))[0][0] == "inferred"
    assert disputed(listed, before) == ["csv: 1.05 on 2024-02-02"]


def test_a_dispute_outlives_the_next_merger():
    csv = events_of(("2024-02-02", "split", 2.0))
    both = combine(csv, events_of(("2024-02-02", "split", 3.0), source="b3"))
    assert disputed(both, no_events()) == ["b3: 3"]
    before = events_of(("2024-02-01", "split", 2.0, 0.9), source="inferred")
    assert disputed(both, before) == ["b3: 3"]
    assert broken_promises(CORPORATE_ACTIONS, combine(both, before)).empty


@needs_panel
def test_of_the_real_dividends_of_ambev_b3_disputes_one():
    """2015-01-08: the file beside the prices lists R$ 0.960004, B3 R$ 0.0960."""
    listed = read_corporate_actions(PANEL, PANEL_END)
    b3 = read_listed_companies(PANEL.parent / "b3_api", PANEL_END)
    found = combine(listed, b3).dropna(subset="disputed")
    assert told(found) == [("csv", "01-08", "cash_dividend", 0.960004)]
    assert found[["ticker", "disputed"]].to_numpy().tolist() == [["ABEV3", "b3: 0.096"]]
