"""Yahoo's bars land as B3 would have written them, whole, and never twice the same way.

`bars` has the shape that yfinance 1.7.0 gives (`Ticker.history`, auto_adjust=False), as its
source says; the tests at the end hold it against yfinance itself, before a server of our own.
"""

import json
import threading
from collections.abc import Iterator
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import MarketFileError, SettingsError, SourceDownError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.ingestion import ingest
from asset_predict_dagster.market.records import RECORD_TYPES
from asset_predict_dagster.market.sessions import sessions_between
from asset_predict_dagster.market.universe import asset_class
from asset_predict_dagster.market.yahoo import Yahoo
from asset_predict_dagster.market.yahoo_bars import (
    as_traded,
    doubts_of,
    events_of,
    paper_of,
    records_of,
)
from asset_predict_dagster.market.yahoo_download import Answer, download
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import CORPORATE_ACTIONS, RAW_QUOTES

PETROBRAS = "PETROBRAS   PN      N2"
SAO_PAULO = "America/Sao_Paulo"
NONE = float("nan")


def bars(*rows: tuple) -> pd.DataFrame:
    """Rows of (day, open, high, low, close, volume, dividend, split) in yfinance's shape."""
    days, *columns = zip(*rows, strict=True)
    opens, highs, lows, closes, volumes, dividends, splits = map(list, columns)
    return pd.DataFrame(
        {
            "Open": opens, "High": highs, "Low": lows, "Close": closes, "Adj Close": closes,
            "Volume": np.array(volumes, dtype=np.int64),
            "Dividends": dividends, "Stock Splits": splits,
        },
        index=pd.DatetimeIndex(pd.to_datetime(list(days)), name="Date")
        .as_unit("s")
        .tz_localize(SAO_PAULO),
    ).astype({"Dividends": "float64", "Stock Splits": "float64"})  # fmt: skip


# Splits undone

SPLIT_IN_TWO = bars(
    ("2024-02-08", 10.0, 11.0, 9.0, 10.5, 2_000, 0.0, 0.0),
    ("2024-02-09", 10.0, 10.0, 10.0, 10.0, 2_002, 0.5, 0.0),
    ("2024-02-14", NONE, NONE, NONE, NONE, 0, 0.0, 0.0),
    ("2024-02-15", 10.1, 10.3, 9.9, 10.2, 3_000, 0.0, 2.0),
    ("2024-02-16", 10.2, 10.2, 10.2, 10.2, 0, 0.0, 0.0),
)
"""1→2 on the 15th, R$ 1 per old share on the 9th; halted on the 14th, no trade on the 16th."""


def test_before_a_split_prices_are_doubled_and_volumes_halved():
    records = records_of("PETR4", as_traded(Answer(SPLIT_IN_TWO)), PETROBRAS)
    columns = ["open", "high", "low", "close", "quantity", "volume_brl"]
    assert records["session"].dt.day.tolist() == [8, 9, 15]
    assert records[columns].to_numpy().tolist() == [
        [20.0, 22.0, 18.0, 21.0, 1_000, 20_333.33],  # (22 + 18 + 21) / 3 × 1,000
        [20.0, 20.0, 20.0, 20.0, 1_001, 20_020.0],
        [10.1, 10.3, 9.9, 10.2, 3_000, 30_400.0],
    ]


def test_a_dividend_before_a_split_was_paid_per_old_share():
    events = events_of("PETR4", as_traded(Answer(SPLIT_IN_TWO))).set_index("kind")
    assert events.loc["cash_dividend", "amount_brl"] == 1.0
    assert events.loc["cash_dividend", "ex_date"] == pd.Timestamp("2024-02-09")
    assert events.loc["split", "factor"] == 2.0
    assert events.loc["split", "ex_date"] == pd.Timestamp("2024-02-15")
    assert set(events["source"]) == {"yahoo"}
    assert set(events["confidence"]) == {1.0}


def test_a_dividend_on_the_day_of_a_split_was_paid_per_old_share():
    told = bars(("2024-02-08", 5.0, 5.0, 5.0, 5.0, 10, 0.0, 0.0),
                ("2024-02-09", 5.0, 5.0, 5.0, 5.0, 10, 0.5, 2.0))  # fmt: skip
    events = events_of("PETR4", as_traded(Answer(told))).set_index("kind")
    assert events.loc["cash_dividend", "amount_brl"] == 1.0


def test_before_a_grouping_of_ten_prices_are_a_tenth_and_volumes_ten_times():
    told = bars(("2024-02-08", 50.0, 51.0, 49.0, 50.1, 100, 0.0, 0.0),
                ("2024-02-09", 50.0, 50.0, 50.0, 50.0, 100, 0.0, 0.1))  # fmt: skip
    days = as_traded(Answer(told))
    assert days[["open", "high", "low", "close", "quantity"]].iloc[0].tolist() == [
        5.0, 5.1, 4.9, 5.01, 1_000,
    ]  # fmt: skip
    assert events_of("PETR4", days)[["kind", "factor"]].to_numpy().tolist() == [["grouping", 0.1]]


def test_yahoos_single_precision_is_rounded_to_centavos():
    told = bars(("2024-02-09", *[float(np.float32(12_345.67))] * 4, 100, 0.0, 0.0))
    assert told["Close"].tolist() == [12_345.669921875]
    assert records_of("PETR4", as_traded(Answer(told)), "")["close"].tolist() == [12_345.67]


SPLITS = st.sampled_from([0.0, 0.0, 0.0, 2.0, 3.0, 10.0, 0.1, 0.5])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1_000, 99_999), SPLITS), min_size=1, max_size=6))
def test_what_yahoo_adjusts_is_undone(centavos_and_splits):
    days = [str(day) for day in sessions_between(date(2024, 2, 1), date(2024, 2, 29))]
    told = []
    for place, (centavos, split) in enumerate(centavos_and_splits):
        later = np.prod([after or 1.0 for _, after in centavos_and_splits[place + 1 :]])
        price, volume = centavos / 100 / later, round(10**7 * later)
        told.append((days[place], price, price, price, price, volume, 0.0, split))
    traded = records_of("PETR4", as_traded(Answer(bars(*told))), PETROBRAS)
    assert traded["close"].tolist() == [centavos / 100 for centavos, _ in centavos_and_splits]
    assert set(traded["quantity"]) == {10**7}


def test_a_split_whose_step_the_prices_still_show_is_doubted():
    adjusted = as_traded(Answer(SPLIT_IN_TWO))
    stepping = as_traded(
        Answer(bars(("2024-02-08", 20.0, 20.0, 20.0, 20.0, 10, 0.0, 0.0),
                    ("2024-02-09", 10.2, 10.2, 10.2, 10.2, 10, 0.0, 2.0)))
    )  # fmt: skip
    [sentence] = doubts_of({"VALE3": adjusted, "PETR4": stepping})
    assert sentence.startswith("Yahoo lists a split of PETR4 on 2024-02-09 (factor 2), but")


# Records


def test_what_yahoo_does_not_know_is_missing_or_b3s_none():
    records = records_of("PETR4", as_traded(Answer(SPLIT_IN_TWO)), PETROBRAS)
    assert records.dtypes.astype(str).to_dict() == RECORD_TYPES
    assert records[["forward_days", "average", "trades", "expiry"]].isna().all(axis=None)
    assert records.iloc[0][
        ["market_type", "currency", "best_bid", "best_ask", "quotation_factor", "isin",
         "distribution_number", "strike_indexer"]
    ].tolist() == ["010", "R$", 0.0, 0.0, 1, "", 0, "0"]  # fmt: skip


@pytest.mark.parametrize(
    ("ticker", "name", "paper", "kind"),
    [
        ("PETR4", PETROBRAS, ("PETROBRAS", "PN      N2", "02"), "preferred"),
        ("ITUB4", "ITAUUNIBANCOPN  EDJ N1", ("ITAUUNIBANCO", "PN      N1", "02"), "preferred"),
        ("USIM5", "USIMINAS    PNA     N1", ("USIMINAS", "PNA     N1", "02"), "preferred"),
        ("TAEE11", "TAESA       UNT     N2", ("TAESA", "UNT     N2", "02"), "unit"),
        ("KNRI11", "FII KINEA   CI  ER", ("FII KINEA", "CI", "12"), "real_estate_fund"),
        ("BBPO11", "FDO INV IMOBCI", ("FDO INV IMOB", "CI", "12"), "real_estate_fund"),
        ("BOVA11", "ISHARES BOVACI", ("ISHARES BOVA", "CI", "14"), "etf"),
        ("AAPL34", "APPLE       DRN", ("APPLE", "DRN", "34"), "bdr"),
        ("VALE3", "Vale S.A.", ("Vale S.A.", "ON", "02"), "common"),
        ("PETR4", "", ("PETR", "PN", "02"), "preferred"),
        ("BRAP6", "Bradespar", ("Bradespar", "PNB", "02"), "preferred"),
        ("SANB11", "Banco Santander", ("Banco Santan", "", "02"), "other"),
    ],
)
def test_the_kind_of_paper_comes_from_the_name_or_the_digits(ticker, name, paper, kind):
    assert paper_of(ticker, name) == paper
    company, specification, bdi_code = ([part] for part in paper)
    classes = asset_class(pd.Series(specification), pd.Series(bdi_code), pd.Series(company))
    assert classes.tolist() == [kind]


# Refreshes

DAYS = [day.astype(date) for day in sessions_between(date(2024, 1, 2), date(2024, 3, 28))]
FIRST = date(2024, 1, 1)


class RecordedYahoo:
    """Yahoo as it was once: `closes` by ticker and day, 100 papers a day, the splits by day."""

    def __init__(self, closes: dict[str, dict[date, float]]):
        self.closes = closes
        self.splits: dict[tuple[str, date], float] = {}
        self.dividends: dict[tuple[str, date], float] = {}
        self.asked: list[tuple[str, date]] = []
        self.n_failures = 0

    def __call__(self, symbol: str, first: date) -> Answer | None:
        self.asked.append((symbol, first))
        if self.n_failures:
            self.n_failures -= 1
            raise SourceDownError("Yahoo gave no answer")
        ticker = symbol.removesuffix(".SA")
        rows = [
            (day, *[close] * 4, 100,
             self.dividends.get((ticker, day), 0.0), self.splits.get((ticker, day), 0.0))
            for day, close in self.closes.get(ticker, {}).items()
            if day >= first
        ]  # fmt: skip
        return Answer(bars(*rows), PETROBRAS) if rows else None


def steady(n_days: int, close: float = 10.0) -> dict[date, float]:
    """The first `n_days` sessions of 2024 at one price."""
    return dict.fromkeys(DAYS[:n_days], close)


class Setting:
    """A folder, a Yahoo, and a lake."""

    def __init__(self, root: Path):
        self.folder, self.lake = root / "landing", Lake(root / "lake")
        self.yahoo = RecordedYahoo({"PETR4": steady(20), "VALE3": steady(20, 60.0)})
        self.waited: list[float] = []

    def source(self, *tickers: str) -> Yahoo:
        return Yahoo(
            self.folder, tickers or ("PETR4", "VALE3"), FIRST, self.yahoo, self.waited.append
        )

    def refresh(self, n_days: int, *tickers: str) -> list[str]:
        """Up to the session number `n_days` of 2024."""
        self.yahoo.asked.clear()
        return self.source(*tickers).refresh(DAYS[n_days - 1])

    def landed(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("yahoo_0*.parquet"))

    def closes(self, ticker: str = "PETR4") -> list[float]:
        """As the lake holds them once it has taken in what landed, in order of sessions."""
        ingest(self.lake, self.source())
        raw = self.lake.read(RAW_QUOTES)
        assert broken_promises(RAW_QUOTES, raw).empty
        return raw.loc[raw["ticker"] == ticker, "close"].tolist()

    def next_session(self, n_days: int) -> None:
        for closes in self.yahoo.closes.values():
            closes[DAYS[n_days - 1]] = list(closes.values())[-1]


@pytest.fixture
def setting(tmp_path) -> Setting:
    return Setting(tmp_path)


def test_the_first_refresh_lands_the_whole_history_in_one_file(setting):
    assert setting.refresh(20) == []
    assert setting.yahoo.asked == [("PETR4.SA", FIRST), ("VALE3.SA", FIRST)]
    assert setting.landed() == ["yahoo_000001_2024-01-02_2024-01-29.parquet"]
    source = setting.source()
    [batch] = source.batches()
    delivery = source.read(batch)
    assert (delivery.kind, delivery.generated_on) == ("yearly", date(2024, 1, 29))
    assert (delivery.n_quotes, delivery.n_filtered) == (40, 0)
    assert (delivery.first, delivery.last) == (date(2024, 1, 2), date(2024, 1, 29))
    assert delivery.records.dtypes.astype(str).to_dict() == RECORD_TYPES | {"line": "int64"}
    assert delivery.records["line"].tolist() == list(range(1, 41))
    assert source.origin == "Yahoo Finance"
    assert setting.closes() == [10.0] * 20
    assert setting.closes("VALE3") == [60.0] * 20


def test_what_is_landed_is_not_asked_for_again(setting):
    setting.refresh(20)
    assert setting.refresh(20) == []
    assert setting.yahoo.asked == []
    assert len(setting.landed()) == 1


def test_a_new_session_lands_with_the_ten_sessions_before_it_for_every_paper(setting):
    setting.refresh(20)
    before = setting.source().batches()
    setting.next_session(21)
    assert setting.refresh(21) == []
    whole, short = setting.source().batches()
    assert [whole] == before
    delivery = setting.source().read(short)
    assert (delivery.kind, delivery.generated_on) == ("monthly", DAYS[20])
    assert (delivery.first, delivery.last) == (DAYS[10], DAYS[20])
    assert (
        delivery.records.groupby("session")["ticker"].agg(list).tolist()
        == [["PETR4", "VALE3"]] * 11
    )
    assert setting.closes() == [10.0] * 21


def test_a_late_correction_is_taken_over(setting):
    setting.refresh(20)
    setting.next_session(21)
    setting.yahoo.closes["PETR4"][DAYS[18]] = 10.5
    setting.refresh(21)
    assert setting.closes()[17:] == [10.0, 10.5, 10.0, 10.0]


def test_after_a_split_the_records_landed_before_stay_as_they_were_traded(setting):
    setting.refresh(20)
    # 1→2 on the next session: from then on Yahoo shows half of every price before.
    setting.yahoo.closes["PETR4"] = steady(21, 5.0)
    setting.yahoo.closes["VALE3"] = steady(21, 60.0)
    setting.yahoo.splits["PETR4", DAYS[20]] = 2.0
    assert setting.refresh(21) == []
    assert setting.closes() == [10.0] * 20 + [5.0]


def test_splits_after_the_session_asked_about_are_undone_and_not_told(setting):
    setting.yahoo.closes["PETR4"] = steady(21, 5.0)
    setting.yahoo.splits["PETR4", DAYS[20]] = 2.0
    setting.refresh(20)
    assert setting.closes() == [10.0] * 20
    assert setting.source().corporate_actions(DAYS[20]).empty


def test_another_list_of_papers_fetches_the_whole_history_anew(setting):
    setting.refresh(20, "PETR4")
    assert setting.refresh(20, "VALE3", "PETR4") == []
    assert setting.yahoo.asked == [("VALE3.SA", FIRST), ("PETR4.SA", FIRST)]
    assert setting.closes("VALE3") == [60.0] * 20
    setting.refresh(20, "VALE3")
    assert setting.closes("PETR4") == []
    assert setting.refresh(20, "VALE3") == []
    assert setting.yahoo.asked == []


def test_another_list_for_an_earlier_session_forgets_nothing_that_landed(setting):
    setting.refresh(20, "PETR4")
    setting.refresh(15)
    assert setting.closes("PETR4") == [10.0] * 20
    assert setting.closes("VALE3") == [60.0] * 20


def test_a_history_fetched_anew_speaks_though_its_papers_lag_behind(setting):
    setting.refresh(20)
    setting.yahoo.closes["ITUB4"] = steady(19, 30.0)
    assert setting.refresh(20, "ITUB4") == [
        "Yahoo has no bar after 2024-01-26 yet, 2024-01-29 was asked for"
    ]
    assert setting.closes("ITUB4") == [30.0] * 19


def test_a_paper_that_answers_nothing_is_told_and_keeps_what_landed_of_it(setting):
    setting.refresh(20)
    setting.next_session(21)
    vale = setting.yahoo.closes.pop("VALE3")
    assert setting.refresh(21) == [
        "Yahoo answered nothing for VALE3; what was landed of them is kept"
    ]
    assert setting.closes("PETR4") == [10.0] * 21
    assert setting.closes("VALE3") == [60.0] * 20
    setting.yahoo.closes["VALE3"] = vale
    assert setting.refresh(21) == []  # the 21st is landed
    assert setting.yahoo.asked == []
    setting.next_session(22)
    setting.refresh(22)
    assert setting.closes("VALE3") == [60.0] * 22


def test_a_paper_silent_for_longer_than_the_overlap_comes_back_without_a_hole(setting):
    setting.refresh(20)
    vale = dict(setting.yahoo.closes.pop("VALE3"))
    for n_days in (25, 30, 35):
        setting.yahoo.closes["PETR4"] = steady(n_days)
        setting.refresh(n_days)
    assert setting.closes("VALE3") == [60.0] * 20
    setting.yahoo.closes |= {"PETR4": steady(36), "VALE3": vale | steady(36, 60.0)}
    setting.refresh(36)
    assert setting.yahoo.asked[-1] == ("VALE3.SA", FIRST)
    assert setting.closes("VALE3") == [60.0] * 36


def test_a_vanished_paper_survives_a_history_fetched_anew(setting):
    setting.refresh(20)
    del setting.yahoo.closes["VALE3"]
    setting.yahoo.closes["ITUB4"] = steady(20, 30.0)
    setting.refresh(20, "PETR4", "VALE3", "ITUB4")
    assert setting.closes("ITUB4") == [30.0] * 20
    assert setting.closes("VALE3") == [60.0] * 20


def test_sessions_that_no_refresh_saw_are_made_good(setting):
    setting.refresh(20)
    setting.yahoo.closes = {"PETR4": steady(50), "VALE3": steady(50, 60.0)}
    setting.refresh(50)
    assert setting.closes() == [10.0] * 50


def test_a_session_that_yahoo_does_not_have_yet_is_asked_for_again(setting):
    setting.yahoo.closes = {"PETR4": steady(19), "VALE3": steady(19, 60.0)}
    assert setting.refresh(20) == [
        "Yahoo has no bar after 2024-01-26 yet, 2024-01-29 was asked for"
    ]
    assert setting.refresh(20) == [
        "Yahoo has no bar after 2024-01-26 yet, 2024-01-29 was asked for"
    ]
    assert len(setting.landed()) == 1
    setting.next_session(20)
    assert setting.refresh(20) == []
    assert setting.closes() == [10.0] * 20


def test_a_paper_without_a_bar_on_the_last_session_is_told(setting):
    del setting.yahoo.closes["VALE3"][DAYS[19]]
    [sentence] = setting.refresh(20)
    assert sentence.startswith("Yahoo has no bar of VALE3 on 2024-01-29, and had one the session b")


def test_a_day_on_which_b3_did_not_trade_is_landed_for_the_caller_to_reject(setting):
    carnival = date(2024, 2, 13)
    setting.yahoo.closes = {"PETR4": {carnival: 10.0, date(2024, 2, 14): 10.0}}
    source = setting.source("PETR4")
    source.refresh(date(2024, 2, 14))
    records = source.read(source.batches()[0]).records
    assert pd.Timestamp(carnival) in records["session"].tolist()


def test_one_record_that_cannot_be_takes_no_other_with_it(setting):
    setting.yahoo.closes["PETR4"][DAYS[3]] = -1.0
    source = setting.source()
    source.refresh(DAYS[19])
    ingestion = ingest(setting.lake, source, max_rejected_share=0.1)
    assert (len(ingestion.new_rejects), ingestion.n_new_records) == (1, 39)


# Yahoo down


def test_a_failure_is_tried_again_after_a_while(setting):
    setting.yahoo.n_failures = 2
    setting.refresh(20)
    assert setting.waited == [5.0, 30.0]
    assert setting.closes() == [10.0] * 20


def test_when_yahoo_stays_down_nothing_is_landed(setting):
    setting.refresh(20)
    landed = {path.name: path.read_bytes() for path in setting.folder.iterdir()}
    setting.next_session(21)
    setting.yahoo.asked.clear()
    setting.yahoo.n_failures = 99
    with pytest.raises(SourceDownError, match="Yahoo gave no answer"):
        setting.source().refresh(DAYS[20])
    assert setting.waited == [5.0, 30.0, 120.0]
    assert len(setting.yahoo.asked) == 4
    assert {path.name: path.read_bytes() for path in setting.folder.iterdir()} == landed


def test_when_yahoo_knows_none_of_the_papers_it_is_said_so(setting):
    with pytest.raises(SourceDownError, match="no trade from 2024-01-01 to 2024-01-29 of any of Z"):
        setting.source("ZZZZ3").refresh(DAYS[19])
    assert not setting.folder.exists()
    with pytest.raises(MarketFileError, match="holds no bars of Yahoo yet"):
        setting.source().batches()


# The folder


def test_a_folder_whose_whole_history_is_gone_is_fetched_anew(setting):
    setting.refresh(20)
    setting.next_session(21)
    setting.refresh(21)
    (setting.folder / setting.landed()[0]).unlink()
    setting.refresh(21)
    assert setting.yahoo.asked == [("PETR4.SA", FIRST), ("VALE3.SA", FIRST)]
    assert setting.landed()[-1] == "yahoo_000003_2024-01-02_2024-01-30.parquet"


def test_a_damaged_file_is_refused_by_name(setting):
    setting.refresh(20)
    (setting.folder / setting.landed()[0]).write_bytes(b"PAR1 no more")
    source = setting.source()
    with pytest.raises(MarketFileError, match=r"yahoo_000001_.*delete every yahoo_\*\.parquet"):
        source.read(source.batches()[0])
    with pytest.raises(MarketFileError, match="yahoo_000001_"):
        source.refresh(DAYS[20])


def test_what_a_killed_refresh_left_is_no_batch(setting):
    setting.refresh(20)
    (setting.folder / ".yahoo_000002_2024-01-15_2024-01-30.parquet.7.partial").touch()
    assert len(setting.source().batches()) == 1


def test_a_folder_that_cannot_be_written_is_said_so(setting):
    setting.folder.write_text("a file")
    with pytest.raises(SettingsError, match="landing: File exists; point ASSET_PREDICT_DATA at"):
        setting.source().refresh(DAYS[19])


# Corporate actions


def told(source: Yahoo, last: date) -> list[tuple]:
    events = source.corporate_actions(last)
    assert broken_promises(CORPORATE_ACTIONS, events).empty
    size = events["amount_brl"].fillna(events["factor"])
    return list(zip(events["ticker"], events["ex_date"].dt.date, events["kind"], size, strict=True))


def test_events_are_landed_and_merged_with_those_told_before(setting):
    setting.yahoo.dividends["VALE3", DAYS[4]] = 0.3
    setting.refresh(20)
    setting.next_session(21)
    setting.yahoo.dividends["PETR4", DAYS[20]] = 0.2
    # Told late, and longer ago than prices are taken over again.
    setting.yahoo.dividends["PETR4", DAYS[2]] = 0.1
    setting.refresh(21)
    assert told(setting.source(), DAYS[20]) == [
        ("PETR4", DAYS[2], "cash_dividend", 0.1),
        ("PETR4", DAYS[20], "cash_dividend", 0.2),
        ("VALE3", DAYS[4], "cash_dividend", 0.3),
    ]
    assert len(told(setting.source(), DAYS[19])) == 2


def test_an_event_that_yahoo_takes_back_is_gone(setting):
    setting.yahoo.dividends["PETR4", DAYS[4]] = 0.3
    setting.refresh(20)
    setting.yahoo.dividends.clear()
    setting.next_session(21)
    setting.refresh(21)
    assert told(setting.source(), DAYS[20]) == []


def test_a_persons_own_list_stays_as_it_is_and_its_word_counts(setting):
    setting.folder.mkdir()
    own = setting.folder / "corporate_actions.csv"
    own.write_text(f"ticker,ex_date,kind,amount_brl\nPETR4,{DAYS[4]},cash_dividend,0.31\n")
    before = own.read_bytes()
    setting.yahoo.dividends |= {("PETR4", DAYS[4]): 0.3, ("VALE3", DAYS[5]): 0.7}
    setting.refresh(20)
    assert own.read_bytes() == before
    assert told(setting.source(), DAYS[19]) == [
        ("PETR4", DAYS[4], "cash_dividend", 0.31),
        ("VALE3", DAYS[5], "cash_dividend", 0.7),
    ]


# yfinance itself, before a server of our own


def noon(day: str) -> int:
    return int(
        datetime.fromisoformat(f"{day}T10:00").replace(tzinfo=ZoneInfo(SAO_PAULO)).timestamp()
    )


def chart() -> dict:
    """SPLIT_IN_TWO as Yahoo's service writes it."""
    days = [noon(str(day.date())) for day in SPLIT_IN_TWO.index]
    quote = {
        name.lower(): [None if value != value else value for value in SPLIT_IN_TWO[name].tolist()]
        for name in ("Open", "High", "Low", "Close", "Volume")
    }
    events = {
        "dividends": {str(days[1]): {"amount": 0.5, "date": days[1]}},
        "splits": {str(days[3]): {"date": days[3], "numerator": 2, "denominator": 1}},
    }
    indicators = {"quote": [quote], "adjclose": [{"adjclose": quote["close"]}]}
    return {"meta": META, "timestamp": days, "events": events, "indicators": indicators}


META = {"currency": "BRL", "exchangeTimezoneName": SAO_PAULO, "instrumentType": "EQUITY",
        "shortName": PETROBRAS, "validRanges": ["1d", "max"]}  # fmt: skip
HALTED = {"meta": META, "indicators": {"quote": [{}], "adjclose": [{}]}}
UNKNOWN = {"code": "Not Found", "description": "No data found, symbol may be delisted"}


class YahoosService(BaseHTTPRequestHandler):
    """Answers by symbol: an unknown paper, a halted one, a limit on requests, or the split."""

    def do_GET(self):
        status, result, error = 200, chart(), None
        if "ZZZZ3" in self.path:
            status, result, error = 404, None, UNKNOWN
        elif "HALT3" in self.path and "period1" in self.path:
            result = HALTED
        elif "MANY3" in self.path:
            status = 429
        body = {"chart": {"result": result and [result], "error": error}}
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format, *arguments):
        pass


@pytest.fixture
def service(tmp_path, monkeypatch) -> Iterator[ThreadingHTTPServer]:
    """yfinance asks this server for bars, and reaches nothing else."""
    yfinance = pytest.importorskip("yfinance", reason="the extra `yahoo` is not installed")
    with ThreadingHTTPServer(("127.0.0.1", 0), YahoosService) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr("yfinance.base._BASE_URL_", address)
        monkeypatch.setattr("yfinance.scrapers.history._BASE_URL_", address)
        monkeypatch.setattr("yfinance.scrapers.quote._QUOTE_SUMMARY_URL_", address)
        monkeypatch.setattr("yfinance.base._tz_info_fetch_ctr", 0)
        yfinance.set_tz_cache_location(str(tmp_path / "cache"))
        yfinance.config.network.proxy = {"https": address}
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
        yfinance.config.network.proxy = None


def test_yfinance_gives_the_shape_that_the_tests_are_written_with(service):
    answer = download("PETR4.SA", FIRST)
    assert answer is not None
    assert answer.short_name == PETROBRAS
    # It drops a day without bar or event, and an event of a day without a bar would stay.
    with_something = SPLIT_IN_TWO.drop(pd.Timestamp("2024-02-14", tz=SAO_PAULO))
    pd.testing.assert_frame_equal(answer.bars, with_something, check_freq=False)


@pytest.mark.parametrize("symbol", ["ZZZZ3.SA", "HALT3.SA"])
def test_a_paper_unknown_or_without_a_trade_is_no_failure(service, symbol):
    assert download(symbol, FIRST) is None


def test_a_limit_on_requests_is_a_failure_and_not_an_empty_answer(service):
    with pytest.raises(SourceDownError, match=r"for MANY3.SA: YFRateLimitError: Too Many Requests"):
        download("MANY3.SA", FIRST)


def test_a_service_that_is_gone_is_a_failure(service):
    service.socket.close()
    with pytest.raises(SourceDownError, match=r"Yahoo gave no answer for PETR4.SA: .*try again la"):
        download("PETR4.SA", FIRST)


def test_without_the_package_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "yfinance", None)
    with pytest.raises(SettingsError, match=r"pip install asset-predict-dagster\[yahoo\]"):
        download("PETR4.SA", FIRST)
