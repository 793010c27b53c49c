"""What B3's listed-company service answers, read as events: each once, each meaning one thing.

The company is invented: XPTO, with common (XPTO3), preferred (XPTO4) and units (XPTO11).
2024-02-09 is the Friday before Carnival; the session after it is 2024-02-14.
"""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.market.listed_companies import read_listed_companies
from asset_predict_dagster.tables import CORPORATE_ACTIONS

SAMPLE = Path(__file__).parents[2] / ".." / "shared" / "data" / "b3_api"

LAST = date(2024, 6, 28)
ON, PN, UNIT = "BRXPTOACNOR1", "BRXPTOACNPR8", "BRXPTOCDAM12"
OLD_ON, OLDER_ON = "BRXPTOA04OR8", "BRXPTOACNOR9"

DETAILS = {
    "issuingCompany": "XPTO",
    "code": "XPTO3",
    "otherCodes": [
        {"code": "XPTO3", "isin": ON},
        {"code": "XPTO3F", "isin": ON},
        {"code": "XPTO4", "isin": PN},
        {"code": "XPTO11", "isin": UNIT},
    ],
}


def cash(rate: str, isin: str = ON, label: str = "DIVIDENDO", **more) -> dict:
    """A row of the supplement's cash."""
    return {
        "assetIssued": isin,
        "paymentDate": "15/03/2024",
        "rate": rate,
        "relatedTo": "Anual/2023",
        "approvedOn": "01/02/2024",
        "isinCode": isin,
        "label": label,
        "lastDatePrior": "09/02/2024",
        "remarks": "",
    } | more


def shares(label: str, factor: str, isin: str = ON, **more) -> dict:
    """A row of the supplement's share events."""
    return {
        "assetIssued": isin,
        "factor": factor,
        "approvedOn": "01/02/2024",
        "isinCode": isin,
        "label": label,
        "lastDatePrior": "09/02/2024",
        "remarks": "",
    } | more


def history(value: str, kind: str = "ON", label: str = "DIVIDENDO", **more) -> dict:
    """A row of the cash history."""
    return {
        "typeStock": kind,
        "dateApproval": "01/02/2024",
        "valueCash": value,
        "ratio": "1",
        "corporateAction": label,
        "lastDatePriorEx": "09/02/2024",
        "dateClosingPricePriorExDate": "09/02/2024",
        "closingPricePriorExDate": "10,00",
        "quotedPerShares": "1",
        "corporateActionPrice": "",
    } | more


def pages(*rows: dict) -> dict:
    return {"page": {"pageNumber": 1, "totalRecords": len(rows)}, "results": list(rows)}


def save(folder: Path, name: str, answer: object, encoding: str = "utf-8") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_bytes(json.dumps(answer, ensure_ascii=False).encode(encoding))
    return path


@pytest.fixture
def read(tmp_path) -> Callable[..., pd.DataFrame]:
    """The events told by the supplement's lists and the rows of the history."""

    def events(
        *rows: dict, last: date = LAST, details: object = DETAILS, **lists: list[dict]
    ) -> pd.DataFrame:
        save(tmp_path, "GetDetailsCompany", details)
        save(tmp_path, "GetListedSupplementCompany", [{"code": "XPTO", **lists}])
        save(tmp_path, "GetListedCashDividends", pages(*rows))
        return read_listed_companies(tmp_path, last)

    return events


def told(events: pd.DataFrame) -> list[tuple]:
    """(ticker, kind, amount or factor) of each event."""
    size = events["amount_brl"].fillna(events["factor"])
    return list(zip(events["ticker"], events["kind"], size, strict=True))


# B3's own answers


@pytest.mark.skipif(
    not SAMPLE.is_dir(), reason="B3's answers are not beside this checkout (../shared/data)"
)
class TestAmbev:
    """29 payments on 24 days from 2014 to 2021, and the subscription of April 2014."""

    def test_each_event_is_there_once(self):
        events = read_listed_companies(SAMPLE, LAST)
        assert events.groupby("kind").size().to_dict() == {"cash_dividend": 24, "subscription": 1}
        assert set(events["ticker"]) == {"ABEV3"}

    @pytest.mark.parametrize(
        ("ex_date", "amount_brl", "evidence"),
        [
            # Last day with the right 17/12/2021, a Friday; both files tell of both payments.
            ("2021-12-20", 0.1334 + 0.4702, "DIVIDENDO + JRS CAP PROPRIO"),
            ("2015-03-02", 0.03 + 0.06, "JRS CAP PROPRIO + JRS CAP PROPRIO"),
            ("2014-04-03", 0.06 + 0.07, "DIVIDENDO + DIVIDENDO"),
            # 30/12/2014 was the year's last session.
            ("2015-01-02", 0.13, "JRS CAP PROPRIO"),
        ],
    )
    def test_a_day_worked_out_by_hand(self, ex_date, amount_brl, evidence):
        events = read_listed_companies(SAMPLE, LAST).set_index("ex_date")
        event = events.loc[pd.Timestamp(ex_date)]
        assert event["amount_brl"] == pytest.approx(amount_brl, abs=1e-12)
        assert event["evidence"] == evidence

    def test_all_that_it_paid(self):
        # Sum of the 29 valueCash of the file.
        paid = read_listed_companies(SAMPLE, LAST)["amount_brl"].sum()
        assert paid == pytest.approx(4.7946, abs=1e-12)


# The table


def test_a_folder_without_answers_has_no_events(tmp_path):
    (tmp_path / "COTAHIST_A2024.ZIP").write_bytes(b"")
    events = read_listed_companies(tmp_path, LAST)
    assert events.empty
    assert list(events.columns) == CORPORATE_ACTIONS.column_names
    assert read_listed_companies(tmp_path / "nowhere", LAST).empty


def test_the_columns_are_those_of_the_dictionary_with_or_without_events(read, tmp_path):
    events = read(history("0,10"))
    assert events.dtypes.equals(read_listed_companies(tmp_path / "nowhere", LAST).dtypes)
    assert events.dtypes.astype(str).to_dict() == {
        "ticker": "str",
        "ex_date": "datetime64[us]",
        "kind": "str",
        "amount_brl": "float64",
        "factor": "float64",
        "source": "str",
        "confidence": "float64",
        "evidence": "str",
        "disputed": "str",
    }
    assert events.iloc[0].to_dict() | {"factor": None, "disputed": None} == {
        "ticker": "XPTO3",
        "ex_date": pd.Timestamp("2024-02-14"),
        "kind": "cash_dividend",
        "amount_brl": 0.1,
        "factor": None,
        "source": "b3",
        "confidence": 1.0,
        "evidence": "DIVIDENDO",
        "disputed": None,
    }


def test_companies_may_lie_in_folders_of_their_own(tmp_path):
    save(tmp_path / "b3_api" / "XPTO", "GetDetailsCompany", DETAILS)
    save(tmp_path / "b3_api" / "XPTO", "GetListedCashDividends", pages(history("0,10")))
    other = {"issuingCompany": "ACME", "code": "ACME3", "otherCodes": None}
    save(tmp_path / "b3_api" / "ACME", "GetDetailsCompany", other)
    save(tmp_path / "b3_api" / "ACME", "GetListedCashDividends", pages(history("0,20")))
    events = read_listed_companies(tmp_path, LAST)
    assert told(events) == [("ACME3", "cash_dividend", 0.2), ("XPTO3", "cash_dividend", 0.1)]


def test_one_company_in_two_folders_would_count_twice(tmp_path):
    save(tmp_path, "GetDetailsCompany", DETAILS)
    save(tmp_path / "XPTO", "GetDetailsCompany", DETAILS)
    with pytest.raises(MarketFileError, match=r"XPTO is told of in .* as well"):
        read_listed_companies(tmp_path, LAST)


def test_an_event_after_the_last_session_is_left_out(read):
    rows = [history("0,10"), history("0,20", lastDatePriorEx="31/12/9999")]
    assert len(read(*rows, last=date(2024, 2, 14))) == 1
    assert read(*rows, last=date(2024, 2, 9)).empty
    carnival = date(2024, 2, 12)
    assert read(*rows, last=carnival).empty


def test_an_event_before_b3s_files_begin_is_left_out(read):
    assert read(subscriptions=[cash("1", lastDatePrior="14/11/1974")]).empty


# Cash


def test_cash_of_one_day_is_added(read):
    rows = [history("0,10"), history("0,2", label="JRS CAP PROPRIO"), history("0,05", kind="PN")]
    assert told(read(*rows)) == [
        ("XPTO3", "cash_dividend", 0.3),
        ("XPTO4", "cash_dividend", 0.05),
    ]


def test_a_payment_in_both_files_counts_once(read):
    rows = [history("0,1334"), history("0,734315", kind="PN")]
    supplement = [cash("0,13340000000"), cash("0,73431450000", PN), cash("0,01000000000")]
    assert told(read(*rows, cashDividends=supplement)) == [
        ("XPTO3", "cash_dividend", 0.1434),
        ("XPTO4", "cash_dividend", 0.734315),
    ]


def test_a_payment_that_only_the_supplement_tells_of_is_kept(read):
    assert told(read(cashDividends=[cash("0,50000000000")])) == [("XPTO3", "cash_dividend", 0.5)]


def test_rows_of_older_isins_of_the_class_are_one_payment(read):
    supplement = [cash("0,50000000000", isin) for isin in (ON, OLD_ON, OLDER_ON)]
    assert told(read(cashDividends=supplement)) == [("XPTO3", "cash_dividend", 0.5)]


def test_instalments_are_payments_of_their_own(read):
    instalments = [
        cash("0,35000000000", isin, paymentDate=day)
        for day in ("20/08/2024", "21/09/2024")
        for isin in (ON, OLD_ON)
    ]
    twice = [("XPTO3", "cash_dividend", 0.7)]
    assert told(read(cashDividends=instalments)) == twice
    assert told(read(history("0,35"), history("0,35"))) == twice
    assert told(read(history("0,35"), history("0,35"), cashDividends=instalments)) == twice
    assert told(read(history("0,35"), cashDividends=instalments)) == twice


def test_cash_per_thousand_shares_becomes_cash_per_share(read):
    # R$ 5.15 per 1,000 shares, which cost R$ 103: 5 %.
    old = history(
        "5,15",
        ratio="1000",
        quotedPerShares="1000",
        closingPricePriorExDate="103,00",
        corporateActionPrice="5,000000",
    )
    assert told(read(old)) == [("XPTO3", "cash_dividend", 0.00515)]
    assert told(read(old, cashDividends=[cash("5,15000000000")])) == [
        ("XPTO3", "cash_dividend", 0.00515)
    ]


@pytest.mark.parametrize(
    ("per_cent_of_price", "amount_brl"),
    [("5,000000", 0.00515), ("5000,000000", 5.15), ("", 5.15), ("0", 5.15)],
)
def test_where_the_two_lots_differ_the_dividend_yield_decides(read, per_cent_of_price, amount_brl):
    row = history(
        "5,15",
        ratio="1",
        quotedPerShares="1000",
        closingPricePriorExDate="103,00",
        corporateActionPrice=per_cent_of_price,
    )
    assert told(read(row)) == [("XPTO3", "cash_dividend", amount_brl)]


@pytest.mark.parametrize("label", ["JRS CAP PROPRIO", "RENDIMENTO", "REST CAP DIN", "AMORTIZACAO"])
def test_every_kind_of_cash_is_cash(read, label):
    assert told(read(history("1.234,5", label=label))) == [("XPTO3", "cash_dividend", 1234.5)]


def test_cash_under_an_unknown_name_or_of_no_size_is_listed_and_changes_nothing(read):
    events = read(history("0,25", label="PREMIO"), history("0", kind="PN"))
    assert events["kind"].tolist() == ["other", "other"]
    assert events["evidence"].tolist() == ["PREMIO (R$ 0.25 per share)", "DIVIDENDO"]
    assert events[["amount_brl", "factor"]].isna().all(axis=None)


# Shares


@pytest.mark.parametrize(
    ("label", "written", "kind", "factor"),
    [
        ("DESDOBRAMENTO", "100,00000000000", "split", 2.0),
        ("DESDOBRAMENTO", "7.900,00", "split", 80.0),
        ("GRUPAMENTO", "0,10000000000", "grouping", 0.1),
        ("BONIFICACAO", "3,00000000000", "bonus", 1.03),
        ("BONIFICAÇÃO", "3,00", "bonus", 1.03),
    ],
)
def test_a_factor_means_what_its_name_says(read, label, written, kind, factor):
    events = read(stockDividends=[shares(label, written)])
    assert told(events) == [("XPTO3", kind, factor)]
    assert events["evidence"].tolist() == [label]


def test_one_split_told_for_three_isins_is_one_split(read):
    rows = [shares("DESDOBRAMENTO", "100,00", isin) for isin in (ON, OLD_ON, OLDER_ON)]
    assert told(read(stockDividends=rows)) == [("XPTO3", "split", 2.0)]


def test_a_split_of_every_class_is_one_for_each(read):
    rows = [shares("DESDOBRAMENTO", "100,00", isin) for isin in (ON, PN, UNIT)]
    assert [ticker for ticker, *_ in told(read(stockDividends=rows))] == [
        "XPTO11",
        "XPTO3",
        "XPTO4",
    ]


def test_a_grouping_and_a_split_of_one_day_are_two_events(read):
    rows = [shares("GRUPAMENTO", "0,01"), shares("DESDOBRAMENTO", "9.900,00")]
    assert told(read(stockDividends=rows)) == [
        ("XPTO3", "grouping", 0.01),
        ("XPTO3", "split", 100.0),
    ]


def test_two_bonuses_of_one_day_multiply(read):
    rows = [shares("BONIFICACAO", "20,00"), shares("BONIFICACAO", "50,00")]
    events = read(stockDividends=rows)
    assert told(events) == [("XPTO3", "bonus", 1.8)]
    assert events["evidence"].tolist() == ["BONIFICACAO + BONIFICACAO"]


def test_a_bonus_in_another_class_multiplies_neither(read):
    events = read(stockDividends=[shares("BONIFICACAO", "26,28", ON, assetIssued=PN)])
    assert events["kind"].tolist() == ["other"]
    assert events["evidence"].tolist() == ["BONIFICACAO in XPTO4"]
    assert events["factor"].isna().all()


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("CIS RED CAP", "spin_off"),
        ("REST CAP ACOES", "spin_off"),
        ("RESG TOTAL RV", "other"),
        ("INCORPORACAO", "other"),
        ("SOMETHING NEW", "other"),
    ],
)
def test_what_is_no_ratio_of_shares_has_no_factor(read, label, kind):
    events = read(stockDividends=[shares(label, "100,00")])
    assert events["kind"].tolist() == [kind]
    assert events["factor"].isna().all()
    assert events["evidence"].tolist() == [label]


def test_a_right_to_subscribe_is_listed(read):
    events = read(subscriptions=[shares("SUBSCRICAO", "", OLD_ON), shares("SUBSCRICAO", "", ON)])
    assert events[["ticker", "kind", "evidence"]].to_numpy().tolist() == [
        ["XPTO3", "subscription", "SUBSCRICAO"]
    ]


# Papers


@pytest.mark.parametrize(
    ("kind", "ticker"),
    [
        ("ON", "XPTO3"),
        ("PN", "XPTO4"),
        ("UNT", "XPTO11"),
        ("PNA", "XPTO5"),  # converted since: the code that the class had
        ("REC", "XPTO REC"),
    ],
)
def test_a_kind_of_paper_has_a_code(read, kind, ticker):
    assert read(history("0,10", kind=kind))["ticker"].tolist() == [ticker]


@pytest.mark.parametrize(
    ("isin", "ticker"),
    [
        (UNIT, "XPTO11"),
        ("BRXPTOUNT005", "XPTO11"),
        ("BRXPTOACNPB4", "XPTO6"),
        ("BRXPTOR01OR2", "BRXPTOR01OR2"),  # a receipt has no code here
    ],
)
def test_an_isin_has_the_code_of_its_class(read, isin, ticker):
    assert read(cashDividends=[cash("0,10", isin)])["ticker"].tolist() == [ticker]


def test_a_paper_with_a_code_of_its_own_keeps_it(read):
    receipt = {"code": "XPTO9", "isin": "BRXPTOR01OR2"}
    details = DETAILS | {"otherCodes": [*DETAILS["otherCodes"], receipt]}
    events = read(cashDividends=[cash("0,10", receipt["isin"])], details=details)
    assert events["ticker"].tolist() == ["XPTO9"]


def test_the_quotas_of_a_fund(read):
    fund = {"issuingCompany": "XPTO", "otherCodes": [{"code": "XPTO11", "isin": "BRXPTOCTF001"}]}
    events = read(history("0,90", kind="CI", label="RENDIMENTO"), details=fund)
    assert told(events) == [("XPTO11", "cash_dividend", 0.9)]


def test_of_two_codes_of_a_class_the_regular_one_counts(read):
    both = [{"code": "XPTO54", "isin": PN}, {"code": "XPTO4", "isin": PN}]
    events = read(history("0,10", kind="PN"), details=DETAILS | {"otherCodes": both})
    assert events["ticker"].tolist() == ["XPTO4"]


def test_two_regular_codes_of_one_class_contradict_each_other(read):
    both = [{"code": "XPTO3", "isin": ON}, {"code": "OLDX3", "isin": OLDER_ON}]
    with pytest.raises(MarketFileError, match="one code was expected for ON, found OLDX3, XPTO3"):
        read(details=DETAILS | {"otherCodes": both})


# Answers


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda answer: [answer],
        lambda answer: json.dumps(answer),
        lambda answer: {"page": {"totalRecords": 1}, "results": [answer]},
    ],
)
def test_an_answer_may_come_wrapped(read, wrapped):
    assert len(read(history("0,10"), details=wrapped(DETAILS))) == 1


def test_several_pages_may_stand_in_one_list(read, tmp_path):
    read()
    save(
        tmp_path,
        "GetListedCashDividends",
        [
            {"page": {"totalRecords": 2}, "results": [history("0,10")]},
            {"page": {"totalRecords": 2}, "results": [history("0,20")]},
        ],
    )
    events = read_listed_companies(tmp_path, LAST)
    assert told(events) == [("XPTO3", "cash_dividend", 0.3)]


@pytest.mark.parametrize("promised", [343, None])
def test_fewer_records_than_promised_are_refused(read, tmp_path, promised):
    read()
    page = {"page": {"totalRecords": promised}, "results": []}
    save(tmp_path, "GetListedCashDividends", page)
    with pytest.raises(MarketFileError, match=f"promises {promised} records but 0 are there"):
        read_listed_companies(tmp_path, LAST)


@pytest.mark.parametrize("nothing", ["", [], {}])
def test_b3_may_know_nothing(tmp_path, nothing):
    save(tmp_path, "GetDetailsCompany", DETAILS)
    save(tmp_path, "GetListedSupplementCompany", nothing)
    (tmp_path / "GetListedCashDividends.json").write_bytes(b"")
    assert read_listed_companies(tmp_path, LAST).empty


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_letters_with_accents_in_either_encoding(tmp_path, encoding):
    save(tmp_path, "GetDetailsCompany", DETAILS | {"activity": "Fabricação"}, encoding)
    answer = [{"code": "XPTO", "stockDividends": [shares("BONIFICAÇÃO", "3,00")]}]
    save(tmp_path, "GetListedSupplementCompany", answer, encoding)
    assert read_listed_companies(tmp_path, LAST)["evidence"].tolist() == ["BONIFICAÇÃO"]


@pytest.mark.parametrize("broken", [b'{"code": ', b"<html>down</html>", b"[1]", b'{"results": 5}'])
def test_what_is_no_answer_is_refused_by_its_path(read, tmp_path, broken):
    read()
    path = tmp_path / "GetListedCashDividends.json"
    path.write_bytes(broken)
    with pytest.raises(MarketFileError, match="fetch the answer again") as caught:
        read_listed_companies(tmp_path, LAST)
    assert str(path) in str(caught.value)


def test_answers_of_two_companies_in_one_folder_are_refused(read):
    with pytest.raises(MarketFileError, match=r"one company was expected .* ACME and XPTO"):
        read(details=DETAILS | {"issuingCompany": "ACME"})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (history("a lot"), "a number such as 1.234,56 was expected as valueCash, found 'a lot'"),
        (history("0.133"), "expected as valueCash, found '0.133'"),
        (history("0,10", lastDatePriorEx=""), "a day such as .* expected as lastDatePriorEx"),
    ],
)
def test_an_event_without_its_number_or_day_is_refused(read, row, message):
    with pytest.raises(MarketFileError, match=message):
        read(row)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (shares("GRUPAMENTO", "0,00"), "a number above zero was expected as factor"),
        (shares("DESDOBRAMENTO", ""), "a number such as 1.234,56 was expected as factor"),
        (shares("DESDOBRAMENTO", "100,00", ""), "an ISIN was expected as isinCode"),
    ],
)
def test_a_share_event_without_its_ratio_or_paper_is_refused(read, row, message):
    with pytest.raises(MarketFileError, match=message):
        read(stockDividends=[row])
