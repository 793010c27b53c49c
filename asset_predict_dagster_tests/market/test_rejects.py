"""A record that can be read but cannot be true is told apart, with the field that gives it away."""

from datetime import date

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.market.rejects import sift
from asset_predict_dagster.market.sources import Delivery
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import REJECTED_RECORDS
from asset_predict_dagster_tests.market.market_files import frame, record

GOOD = record(2, 10.0) | {"low": 9.0, "high": 11.0}


def delivered(records: list[dict], **more) -> Delivery:
    table = frame(records).drop(columns="record_type")
    table["line"] = range(2, len(table) + 2)
    made_on = more.pop("made_on", date(2019, 1, 2))
    return Delivery("daily", made_on, len(records), 0, table, **more)


def reasons(records: list[dict], **more) -> list[tuple[int, str, str]]:
    """(line, field, reason) of what is rejected."""
    sound, rejected = sift("COTAHIST_D02012019.TXT", delivered(records, **more))
    assert len(sound) + len(rejected) == len(records)
    assert broken_promises(REJECTED_RECORDS, rejected).empty
    return list(rejected[["line", "field", "reason"]].itertuples(index=False, name=None))


def test_a_good_record_is_sound():
    assert reasons([GOOD]) == []


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"market_type": "099"}, "TPMERC", "B3 has no such market"),
        ({"ticker": ""}, "CODNEG", "it has no code"),
        ({"session": date(2019, 1, 5)}, "DATA", "B3 did not trade on that day"),
        ({"quotation_factor": 0}, "FATCOT", "a price is of one paper or more"),
        ({"open": 0.0}, "PREABE", "a price is above zero"),
        ({"average": 0.0}, "PREMED", "a price is above zero"),
        ({"close": 0.0}, "PREULT", "a price is above zero"),
        ({"low": 11.01}, "PREMIN", "the lowest price is above the highest"),
        ({"open": 8.99}, "PREABE", "it is not between the lowest and the highest price"),
        ({"close": 11.01}, "PREULT", "it is not between the lowest and the highest price"),
        ({"average": 11.01}, "PREMED", "it is not between the lowest and the highest price"),
        ({"trades": 0}, "TOTNEG", "there is volume without a trade"),
        ({"quantity": 0}, "QUATOT", "there is a price, and nothing was traded"),
        ({"volume_brl": 0.0}, "VOLTOT", "that is less than all papers at the lowest price"),
        ({"volume_brl": 100_000.0}, "VOLTOT", "that is more than all papers at the highest price"),
        ({"quantity": 100_000}, "VOLTOT", "that is less than all papers at the lowest price"),
        ({"quotation_factor": 1000}, "VOLTOT", "that is more than all papers at the highest price"),
        ({"currency": "US$"}, "MODREF", "B3 quotes in R$"),
        ({"session": date(2019, 1, 3)}, "DATA", "the file was made on 2019-01-02, before that"),
    ],
)
def test_a_record_that_cannot_be_true_is_rejected(change, field, reason):
    assert reasons([GOOD, record(2, 7.0, "ZZAB3"), GOOD | {"ticker": "ZZAC3"} | change]) == [
        (4, field, reason)
    ]


def test_a_share_worth_less_than_half_a_centavo_has_no_volume_in_centavos():
    price = dict.fromkeys(("open", "high", "low", "average", "close"), 0.57)
    tiny = GOOD | price | {"quantity": 1, "quotation_factor": 1000, "volume_brl": 0.0}
    assert reasons([tiny]) == []


def test_a_day_that_the_name_of_the_file_does_not_promise_is_rejected():
    promised = {"first": date(2019, 1, 3), "last": date(2019, 1, 31), "made_on": date(2019, 2, 1)}
    [(line, field, _)] = reasons([record(3, 10.0), GOOD], **promised)
    assert (line, field) == (3, "DATA")


def test_a_record_is_rejected_once_however_much_is_wrong_with_it():
    assert len(reasons([GOOD | {"open": 0.0, "close": 0.0, "trades": 0}])) == 1


def test_a_record_told_twice_counts_once():
    assert reasons([GOOD, GOOD, GOOD]) == [
        (3, "CODNEG", "it repeats an earlier record"),
        (4, "CODNEG", "it repeats an earlier record"),
    ]


def test_of_two_records_that_disagree_nobody_knows_the_true_one():
    other = GOOD | {"close": 10.5}
    assert [line for line, _, _ in reasons([GOOD, other, record(2, 7.0, "ZZAB3")])] == [2, 3]


def test_forwards_of_one_paper_differ_by_their_term():
    forward = GOOD | {"market_type": "030", "forward_days": 30}
    assert reasons([forward, forward | {"forward_days": 60}]) == []


def test_what_a_source_does_not_say_is_not_held_against_it():
    silent = delivered([GOOD])
    silent.records["average"] = float("nan")
    silent.records["trades"] = pd.array([pd.NA], dtype="Int64")
    assert sift("a table", silent)[1].empty


def test_a_price_without_end_is_no_price():
    endless = delivered([GOOD, record(2, 7.0, "ZZAB3")])
    endless.records.loc[0, ["high", "close", "volume_brl"]] = float("inf")
    assert sift("a table", endless)[1]["field"].tolist() == ["PREMAX"]


def test_many_repeated_records_are_told_apart_as_a_plain_loop_would():
    quotes = [record(2, 10.0, f"ZZ{n % 7}A3") | {"trades": 1 + n % 3} for n in range(40)]
    seen: dict[str, list[int]] = {}
    for quote in quotes:
        seen.setdefault(quote["ticker"], []).append(quote["trades"])
    assert all(len(set(trades)) > 1 for trades in seen.values())
    same = [record(2, 5.0, "ZZAA3")] * 3
    assert [line for line, _, _ in reasons([*quotes, *same])] == [43, 44, *range(2, 42)]


def test_a_rejected_record_takes_no_silent_one_with_it():
    silent = delivered([GOOD, GOOD | {"ticker": "ZZAB3", "open": 0.0}])
    silent.records["trades"] = pd.array([pd.NA, pd.NA], dtype="Int64")
    sound, rejected = sift("a table", silent)
    assert (sound["ticker"].tolist(), rejected["ticker"].tolist()) == (["ZZAA3"], ["ZZAB3"])


@given(
    prices=st.lists(
        st.integers(0, 300).map(lambda centavos: centavos / 100), min_size=5, max_size=5
    )
)
def test_what_is_sound_keeps_low_to_high(prices):
    names = ("open", "high", "low", "average", "close")
    open_, high, low, average, close = prices
    quote = GOOD | dict(zip(names, prices, strict=True)) | {"volume_brl": round(100 * high, 2)}
    sound, _ = sift("a file", delivered([quote]))
    is_possible = 0 < low <= min(open_, average, close) and max(open_, average, close) <= high
    assert len(sound) == int(is_possible)
