"""A ticker is liquid by what was known that day, and stays in the past after it vanished."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.market.universe import (
    FORECAST_CLASSES,
    MIN_TRADED_SHARE,
    MIN_TRADED_VALUE_BRL,
    WINDOW,
    asset_class,
    liquid_universe,
)
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import ASSET_CLASSES, UNIVERSE

SESSIONS = pd.DatetimeIndex(pd.bdate_range("2023-01-02", periods=200)).as_unit("us")
LIQUID = 2_000_000.0
EXPECTED = Path(__file__).parents[2] / ".." / "shared" / "data" / "cotahist_expected"
needs_real_files = pytest.mark.skipif(
    not EXPECTED.is_dir(), reason="B3's own files are not beside this checkout (../shared/data)"
)


def trades(ticker: str, values: dict[int, float], specification: str = "ON", bdi: str = "02"):
    """Quotes of one ticker: number of the session → R$ traded in it."""
    return pd.DataFrame(
        {
            "ticker": ticker,
            "session": SESSIONS[list(values)],
            "volume_brl": list(values.values()),
            "specification": specification,
            "bdi_code": bdi,
            "company": "ZZ TOP",
        }
    )


def every_session(n_sessions: int, ticker: str = "ZZAA3", first: int = 0) -> pd.DataFrame:
    """A liquid ticker without a gap."""
    return trades(ticker, dict.fromkeys(range(first, n_sessions), LIQUID))


def universe_of(*tickers: pd.DataFrame) -> pd.DataFrame:
    quotes = pd.concat(tickers).sort_values(["ticker", "session"], ignore_index=True)
    return liquid_universe(quotes)


def rows_of(table: pd.DataFrame, ticker: str) -> pd.DataFrame:
    return table[table["ticker"] == ticker].reset_index(drop=True)


def last_of(table: pd.DataFrame, ticker: str) -> pd.Series:
    return rows_of(table, ticker).iloc[-1]


def test_a_ticker_is_in_from_its_63rd_session_on():
    table = universe_of(every_session(70))
    assert table["in_universe"].tolist() == [False] * 62 + [True] * 8
    assert set(table["reason"][:62]) == {"too_new"}
    assert set(table["reason"][62:]) == {""}


def test_a_new_listing_counts_from_its_own_first_session():
    table = universe_of(every_session(100), every_session(100, "ZZAB3", first=30))
    assert rows_of(table, "ZZAB3")["in_universe"].tolist() == [False] * 62 + [True] * 8


def test_the_sessions_before_a_listing_are_no_sessions_without_trades():
    table = rows_of(universe_of(every_session(40), every_session(40, "ZZAB3", first=30)), "ZZAB3")
    assert table["traded_share"].tolist() == [1.0] * 10
    assert table["traded_value_brl"].tolist() == [LIQUID] * 10


@pytest.mark.parametrize(("n_missed", "reason"), [(6, ""), (7, "too_few_sessions")])
def test_nine_tenths_of_the_sessions_must_have_traded(n_missed, reason):
    # 57 of 63 are 90.5 %, 56 are 88.9 %.
    days = [0, *range(1 + n_missed, WINDOW)]
    row = last_of(
        universe_of(every_session(WINDOW), trades("ZZAB3", dict.fromkeys(days, LIQUID))), "ZZAB3"
    )
    assert row["traded_share"] == pytest.approx((WINDOW - n_missed) / WINDOW)
    assert row["reason"] == reason


@pytest.mark.parametrize(
    ("value", "reason"), [(MIN_TRADED_VALUE_BRL, ""), (999_999.99, "too_little_value")]
)
def test_a_million_reais_a_session_is_enough(value, reason):
    row = universe_of(trades("ZZAA3", dict.fromkeys(range(WINDOW), value))).iloc[-1]
    assert row["traded_value_brl"] == value
    assert row["reason"] == reason


def test_one_block_trade_does_not_make_a_paper_liquid():
    values = dict.fromkeys(range(WINDOW), 1_000.0) | {40: 9e9}
    assert universe_of(trades("ZZAA3", values)).iloc[-1]["reason"] == "too_little_value"


def test_a_session_without_trades_counts_as_zero_in_the_median():
    # Of five sessions 2, 4 and none, none, 6 million: the median of 0, 0, 2, 4, 6 is 2.
    gapped = trades("ZZAB3", {0: 2e6, 1: 4e6, 4: 6e6})
    row = last_of(universe_of(every_session(5), gapped), "ZZAB3")
    assert row["traded_value_brl"] == 2e6
    assert row["traded_share"] == pytest.approx(3 / 5)


def test_what_lies_further_back_than_the_window_is_forgotten():
    values = dict.fromkeys(range(10), 0.01) | dict.fromkeys(range(10, 73), LIQUID)
    table = universe_of(trades("ZZAA3", values))
    assert table.iloc[-1]["traded_value_brl"] == LIQUID


def test_a_ticker_that_vanished_stays_in_for_the_days_it_was_liquid():
    vanished = every_session(80, "ZZAB3")
    table = rows_of(universe_of(every_session(150), vanished), "ZZAB3")
    assert len(table) == 80
    assert table["in_universe"].tolist() == [False] * 62 + [True] * 18


ETF = trades("ZZAE11", dict.fromkeys(range(70), LIQUID), "CI", bdi="14")


def test_the_class_of_paper_is_the_first_reason_given():
    table = universe_of(ETF)
    assert set(table["reason"]) == {"asset_class"}
    assert not table["in_universe"].any()


def test_an_etf_is_let_in_by_setting_and_a_share_left_out():
    quotes = pd.concat([every_session(70), ETF], ignore_index=True)
    table = liquid_universe(quotes, classes=("etf",))
    assert rows_of(table, "ZZAE11")["in_universe"].tolist() == [False] * 62 + [True] * 8
    assert set(rows_of(table, "ZZAA3")["reason"]) == {"asset_class"}


def test_a_bdr_stays_in_when_b3_moves_it_to_another_section():
    bdr = trades("ZZAP34", dict.fromkeys(range(70), LIQUID), "DRN", bdi="02")
    bdr.loc[65:, "bdi_code"] = "34"
    table = liquid_universe(bdr, classes=("bdr",))
    assert table["in_universe"].tolist() == [False] * 62 + [True] * 8
    assert set(liquid_universe(bdr)["reason"]) == {"asset_class"}


@pytest.mark.parametrize(
    ("specification", "bdi", "company", "expected"),
    [
        # 12 February 2003
        ("ON *", "02", "AMAZONIA", "common"),
        ("PN *EJ  N1", "02", "BRADESCO", "preferred"),
        ("PNA*", "02", "COELCE", "preferred"),
        ("PNB*", "58", "MENDES JR", "preferred"),
        ("UNT*    N1", "14", "UNIBANCO", "unit"),
        ("BDR", "14", "TELEFONICA", "bdr"),
        ("CI *", "14", "FINAM", "other"),  # of tax credits
        ("R42*EJ", "02", "TELES RCTB", "other"),  # a receipt for many papers
        ("PRC*", "02", "PAUL F LUZ", "other"),
        ("IBO", "02", "IBOVESPA", "other"),
        ("DIR*PRE N1", "10", "BRADESCO", "other"),
        ("BNS*B", "22", "BRASIL", "other"),
        # 2016
        ("PNC", "02", "TEC BLUMENAU", "preferred"),
        ("PN", "08", "INEPAR", "preferred"),  # in judicial recovery, and a preferred share
        ("CIA ER", "12", "FII GWI RI", "real_estate_fund"),
        ("CI  ER  MB", "12", "FII ALMIRANT", "real_estate_fund"),
        ("DR3", "02", "COSAN LTD", "bdr"),
        ("CI", "14", "ISHARES BOVA", "etf"),
        ("CI  ER", "14", "FIA TOP DIV", "other"),
        ("CI", "14", "FISET PESCA", "other"),
        ("TPR     NM", "14", "MMX MINER", "other"),
        # January 2021
        ("ON  EDJ NM", "02", "WEG", "common"),
        ("ON      MB", "02", "MRS LOGIST", "common"),
        ("PNF", "02", "ALFA CONSORC", "preferred"),
        ("UNT     N2", "08", "RENOVA", "unit"),
        ("CI", "05", "FII AQUILLA", "real_estate_fund"),  # under sanction, and still one
        ("DIR", "12", "FII VINCILOG", "other"),
        ("DRN", "02", "SILVER TRUST", "bdr"),
        ("CI  ATZ", "14", "ISHARES BOVA", "etf"),
        ("CI", "14", "FIP XP INFRA", "other"),
        ("FIDC", "14", "FDC KINEAINF", "other"),
        # 8 November 2024
        ("PN      N2", "58", "GOL", "preferred"),  # in recovery abroad
        ("CI  ER", "12", "BTG HOTEL FI", "real_estate_fund"),
        ("CI  ER", "13", "FIAGRO KINEA", "other"),
        ("DRN", "34", "APPLE", "bdr"),
        ("DR2", "35", "INTER CO", "bdr"),
        ("UNT", "35", "PPLA", "unit"),
        ("DRE ED", "36", "BKR 20YR TRS", "bdr"),
        ("CI", "14", "B INDEX MOME", "etf"),
        ("CI", "14", "SAFRAETFIBOV", "etf"),
        ("CI  ER", "14", "KINEA INFRAF", "other"),
        ("CI  ER", "14", "SPARTA CDII", "other"),
        ("CPA     MB", "58", "CEPAC - CTBA", "other"),
        # made up
        ("", "02", "", "other"),
        ("ONE", "02", "", "other"),
        ("PNAB", "02", "", "other"),
    ],
)
def test_the_class_is_what_a_person_calls_the_paper(specification, bdi, company, expected):
    found = asset_class(pd.Series([specification]), pd.Series([bdi]), pd.Series([company]))
    assert found.tolist() == [expected]


def real_papers(file: str) -> pd.DataFrame:
    """The spot records of a file of B3, classed."""
    fields = ["CODNEG", "CODBDI", "ESPECI", "NOMRES", "TPMERC"]
    records = pd.read_parquet(EXPECTED / f"{file}.parquet", columns=fields)
    records = records[records["TPMERC"] == "010"].apply(lambda column: column.str.rstrip())
    kind = asset_class(records["ESPECI"], records["CODBDI"], records["NOMRES"])
    return records.assign(asset_class=kind)


CENSUS = {
    # common, preferred, unit, real_estate_fund, etf, bdr, other: records of the spot market
    "COTAHIST_D12022003": (58, 119, 1, 0, 0, 1, 9),
    "COTAHIST_A2016": (574, 234, 34, 226, 37, 89, 25),
    "COTAHIST_A2021": (4362, 1727, 192, 3388, 357, 6643, 503),
    "COTAHIST_D08112024": (264, 80, 11, 295, 95, 514, 82),
}


@needs_real_files
@pytest.mark.parametrize("file", CENSUS)
def test_every_paper_of_b3s_files_is_counted_in_its_class(file):
    counts = real_papers(file)["asset_class"].value_counts()
    assert tuple(int(counts.get(name, 0)) for name in ASSET_CLASSES) == CENSUS[file]


@needs_real_files
def test_what_is_other_in_2024_is_known_by_section():
    # Rights (10, and 1 on an FII), Fiagros (13), funds that follow no index and one TPR (14),
    # subscription bonuses (22), a building right (58).
    other = real_papers("COTAHIST_D08112024").query("asset_class == 'other'")
    sections = other["CODBDI"].value_counts().sort_index().to_dict()
    assert sections == {"10": 7, "12": 1, "13": 31, "14": 34, "22": 8, "58": 1}


@needs_real_files
def test_no_paper_changes_its_class_between_2003_and_2024():
    papers = pd.concat([real_papers(file) for file in CENSUS])
    n_classes = papers.groupby("CODNEG")["asset_class"].nunique()
    assert n_classes[n_classes > 1].empty
    # 376 BDRs traded in section 02 in 2021 or before, and in 34-36 in 2024.
    moved = papers[papers["asset_class"] == "bdr"].groupby("CODNEG")["CODBDI"].nunique()
    assert (moved > 1).sum() == 376


def test_a_flag_that_comes_and_goes_does_not_change_the_class():
    paper = every_session(70)
    paper.loc[65, "specification"] = "ON  ED"
    assert universe_of(paper)["in_universe"].tolist() == [False] * 62 + [True] * 8


# A small market: per ticker the sessions it trades in, and what it trades

N_SESSIONS = 90


@st.composite
def markets(draw) -> pd.DataFrame:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    tickers = [every_session(N_SESSIONS, "ZZAA3")]
    for name in ("ZZAB4", "ZZAC11")[: draw(st.integers(1, 2))]:
        first, last = sorted(draw(st.tuples(st.integers(0, 40), st.integers(60, N_SESSIONS))))
        is_traded = rng.random(last - first) < draw(st.sampled_from([0.5, 0.9, 0.97, 1.0]))
        days = first + np.flatnonzero(is_traded)
        values = np.round(rng.lognormal(np.log(1e6), draw(st.sampled_from([0.1, 1.0, 3.0])), 99), 2)
        if len(days):
            paper = draw(st.sampled_from([("PN", "02"), ("CI", "14"), ("DRN", "34")]))
            tickers.append(trades(name, {int(on): float(values[on]) for on in days}, *paper))
    return pd.concat(tickers).sort_values(["ticker", "session"], ignore_index=True)


@settings(max_examples=50, deadline=None)
@given(
    quotes=markets(),
    today=st.integers(0, N_SESSIONS - 1),
    classes=st.sampled_from([FORECAST_CLASSES, ASSET_CLASSES, ("bdr",)]),
)
def test_nothing_after_today_changes_todays_universe(quotes, today, classes):
    seen_later = liquid_universe(quotes, classes)
    is_known = quotes["session"] <= SESSIONS[today]
    seen_today = liquid_universe(quotes[is_known].reset_index(drop=True), classes)
    pd.testing.assert_frame_equal(
        seen_today, seen_later[is_known].reset_index(drop=True), check_exact=True
    )


@settings(max_examples=15, deadline=None)
@given(quotes=markets())
def test_the_universe_is_what_a_plain_loop_finds(quotes):
    table = liquid_universe(quotes, ASSET_CLASSES)
    assert broken_promises(UNIVERSE, table).empty
    calendar = sorted(set(quotes["session"]))
    volume = {(row.ticker, row.session): row.volume_brl for row in quotes.itertuples()}
    first = quotes.groupby("ticker")["session"].min()
    for row in table.itertuples():
        listed = [on for on in calendar if first[row.ticker] <= on <= row.session]
        window = [volume.get((row.ticker, on)) for on in listed[-WINDOW:]]
        share = np.mean([value is not None for value in window])
        median = np.median([value or 0.0 for value in window])
        assert row.traded_share == pytest.approx(share)
        assert row.traded_value_brl == pytest.approx(median)
        if len(listed) < WINDOW:
            expected = "too_new"
        elif share < MIN_TRADED_SHARE:
            expected = "too_few_sessions"
        else:
            expected = "too_little_value" if median < MIN_TRADED_VALUE_BRL else ""
        assert (row.reason, row.in_universe) == (expected, expected == "")
