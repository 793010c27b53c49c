"""What the lake holds depends on which files the folder has, and on nothing that came before."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import MarketFileError, SettingsError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.cotahist import read_cotahist
from asset_predict_dagster.market.cotahist_layout import FIELDS
from asset_predict_dagster.market.cotahist_writer import write_cotahist
from asset_predict_dagster.market.sources import ingest, market_files
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import INGESTED_FILES, RAW_QUOTES

DTYPES = {"text": "str", "integer": "int64", "decimal": "float64", "date": "datetime64[us]"}
PLAIN = {"text": "", "integer": 0, "decimal": 0.0, "date": None}
SPOT, CALL = "010", "070"


def record(day: int, close: float, ticker: str = "ZZAA3", market_type: str = SPOT) -> dict:
    """A quote of a day of January 2019; what it does not say is blank or 0."""
    return {
        **{field.name: PLAIN[field.kind] for field in FIELDS},
        "record_type": "01",
        "session": date(2019, 1, day),
        "ticker": ticker,
        "market_type": market_type,
        "forward_days": None,
        "close": close,
        "quotation_factor": 1,
    }


def put(folder: Path, name: str, records: list[dict], made_on: date = date(2019, 2, 1)) -> Path:
    """A file as B3 would write it."""
    dtypes = {field.name: DTYPES[field.kind] for field in FIELDS} | {"forward_days": "Int64"}
    table = pd.DataFrame(records, columns=list(dtypes), dtype=object).astype(dtypes)
    write_cotahist(table, folder / name, made_on)
    return folder / name


def closes_in(lake: Lake) -> dict[tuple[int, str], float]:
    """(day of January 2019, ticker) → close, as the lake holds them."""
    raw = lake.read(RAW_QUOTES)
    keys = zip(raw["session"].dt.day, raw["ticker"], strict=True)
    return dict(zip(keys, raw["close"], strict=True))


def versions(lake: Lake) -> tuple[int | None, int | None]:
    return lake.version(RAW_QUOTES), lake.version(INGESTED_FILES)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


# The folder


def test_no_folder_is_said_so(tmp_path):
    with pytest.raises(MarketFileError, match=r"nowhere is not a folder; ASSET_PREDICT_COTAHIST"):
        market_files(tmp_path / "nowhere")


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MarketFileError, match="file is not a folder"):
        market_files(tmp_path / "file")


def test_an_empty_folder_is_said_so_and_no_table_is_made(lake, folder):
    with pytest.raises(MarketFileError, match="holds no COTAHIST file"):
        ingest(lake, folder)
    assert versions(lake) == (None, None)


def test_market_files_are_told_by_their_names_in_any_case(folder):
    names = ["COTAHIST_A2019.ZIP", "cotahist_d02012019.txt", "COTAHIST_M012019.TXT"]
    for name in (*names, "corporate_actions.csv", "market.json", ".COTAHIST_A2018.ZIP.7.partial"):
        (folder / name).touch()
    assert {path.name for path in market_files(folder)} == set(names)


def test_a_folder_named_like_a_file_is_refused_by_name(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    (folder / "COTAHIST_A2019.ZIP").mkdir()
    with pytest.raises(MarketFileError, match=r"COTAHIST_A2019.ZIP cannot be read"):
        ingest(lake, folder)
    assert versions(lake) == (None, None)


# One look at the folder


def test_records_come_as_b3_wrote_them_with_their_file_and_year(lake, folder):
    path = put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0), record(2, 7.5, "ZZAB3")])
    ingest(lake, folder)
    raw = lake.read(RAW_QUOTES)
    written = read_cotahist(path).records.drop(columns="record_type")
    # What is missing throughout has no type of its own in the lake's answer.
    assert raw["forward_days"].isna().all()
    pd.testing.assert_frame_equal(
        raw[written.columns].drop(columns="forward_days"), written.drop(columns="forward_days")
    )
    assert set(raw["source_file"]) == {"COTAHIST_D02012019.TXT"}
    assert set(raw["year"]) == {2019}
    assert broken_promises(RAW_QUOTES, raw).empty


def test_what_was_read_of_each_file_is_logged(lake, folder):
    put(
        folder,
        "COTAHIST_M012019.ZIP",
        [record(2, 10.0), record(4, 11.0), record(4, 0.5, "ZZAAA10", CALL)],
        made_on=date(2019, 1, 5),
    )
    ingestion = ingest(lake, folder)
    assert (len(ingestion.new_files), ingestion.n_known, len(ingestion.new_records)) == (1, 0, 2)
    log = lake.read(INGESTED_FILES)
    assert broken_promises(INGESTED_FILES, log).empty
    [entry] = log.drop(columns=["digest", "origin"]).to_dict("records")
    assert entry == {
        "file": "COTAHIST_M012019.ZIP",
        "kind": "monthly",
        "generated_on": pd.Timestamp("2019-01-05"),
        "first_session": pd.Timestamp("2019-01-02"),
        "last_session": pd.Timestamp("2019-01-04"),
        "n_quotes": 3,
        "n_kept": 2,
    }


def test_other_markets_are_left_in_the_file_unless_asked_for(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0), record(2, 0.5, "ZZAAA10", CALL)])
    ingest(lake, folder)
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0}
    calls = Lake(f"{lake.root}-of-calls")
    ingest(calls, folder, markets=(CALL,))
    assert closes_in(calls) == {(2, "ZZAAA10"): 0.5}


def test_files_without_a_record_of_the_market_make_tables_without_rows(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 0.5, "ZZAAA10", CALL)])
    assert len(ingest(lake, folder).new_records) == 0
    assert lake.read(RAW_QUOTES).empty
    assert lake.read(INGESTED_FILES)["n_kept"].tolist() == [0]
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 10.0)])
    ingest(lake, folder)
    assert closes_in(lake) == {(3, "ZZAA3"): 10.0}


# What cannot be


def test_a_day_on_which_b3_did_not_trade_refuses_its_file(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    put(folder, "COTAHIST_D06012019.TXT", [record(6, 10.0)])
    with pytest.raises(MarketFileError, match=r"D06012019.TXT holds quotes of 2019-01-06, a day"):
        ingest(lake, folder)
    assert versions(lake) == (None, None)


def test_a_price_that_cannot_be_refuses_its_file(lake, folder):
    prices = {"bdi_code": "02", "open": 10.0, "high": 10.5, "low": 9.5}
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0) | prices])
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0) | prices])
    with pytest.raises(MarketFileError, match=r"D03012019.TXT: ZZAA3 on 2019-01-03: expected 0 < "):
        ingest(lake, folder)
    assert versions(lake) == (None, None)


def test_one_lake_holds_the_prices_of_one_origin(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    ingest(lake, folder)
    before = versions(lake)
    with pytest.raises(SettingsError, match="holds prices of B3, and these would be of a market"):
        ingest(lake, folder, origin="a market simulated with seed 7, signal strength 0.08")
    assert versions(lake) == before


# Again


def test_the_same_files_again_change_nothing(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0)])
    ingest(lake, folder)
    before = versions(lake)
    again = ingest(lake, folder)
    assert (len(again.new_files), again.n_known, len(again.new_records)) == (0, 2, 0)
    assert versions(lake) == before


def test_a_new_file_is_read_and_the_known_ones_are_not(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    ingest(lake, folder)
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0)])
    ingestion = ingest(lake, folder)
    assert ingestion.new_files["file"].tolist() == ["COTAHIST_D03012019.TXT"]
    assert (ingestion.n_known, len(ingestion.new_records)) == (1, 1)
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0, (3, "ZZAA3"): 11.0}


def test_a_corrected_file_replaces_its_records(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0), record(2, 7.5, "ZZAB3")])
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0)])
    ingest(lake, folder)
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.5)])
    ingestion = ingest(lake, folder)
    assert (len(ingestion.new_files), ingestion.n_known, len(ingestion.new_records)) == (1, 1, 1)
    assert closes_in(lake) == {(2, "ZZAA3"): 10.5, (3, "ZZAA3"): 11.0}
    assert len(lake.read(INGESTED_FILES)) == 2


def test_a_session_that_a_corrected_file_no_longer_holds_vanishes(lake, folder):
    put(folder, "COTAHIST_M012019.TXT", [record(2, 10.0), record(3, 11.0), record(4, 12.0)])
    ingest(lake, folder)
    put(folder, "COTAHIST_M012019.TXT", [record(2, 10.0), record(4, 12.0)])
    ingest(lake, folder)
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0, (4, "ZZAA3"): 12.0}


def test_a_file_corrected_to_hold_nothing_takes_all_its_records_away(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0)])
    ingest(lake, folder)
    put(folder, "COTAHIST_D03012019.TXT", [])
    ingest(lake, folder)
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0}


def test_a_session_given_up_by_a_file_goes_back_to_the_one_it_outranked(lake, folder):
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0)], made_on=date(2019, 1, 3))
    put(folder, "COTAHIST_M012019.TXT", [record(2, 20.0), record(3, 21.0)])
    ingest(lake, folder)
    assert closes_in(lake) == {(2, "ZZAA3"): 20.0, (3, "ZZAA3"): 21.0}
    put(folder, "COTAHIST_M012019.TXT", [record(2, 22.0)])
    ingestion = ingest(lake, folder)
    assert closes_in(lake) == {(2, "ZZAA3"): 22.0, (3, "ZZAA3"): 11.0}
    assert ingestion.new_files["file"].tolist() == ["COTAHIST_M012019.TXT"]


def test_an_older_edition_put_in_place_of_a_newer_one_speaks_as_the_older_one(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)], made_on=date(2019, 1, 20))
    put(folder, "COTAHIST_M012019.TXT", [record(2, 20.0)], made_on=date(2019, 1, 31))
    ingest(lake, folder)
    assert closes_in(lake) == {(2, "ZZAA3"): 20.0}
    put(folder, "COTAHIST_M012019.TXT", [record(2, 19.0)], made_on=date(2019, 1, 10))
    ingest(lake, folder)
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0}


def test_the_records_of_a_file_that_left_the_folder_stay(lake, folder):
    left = put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    ingest(lake, folder)
    left.unlink()
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0)])
    ingest(lake, folder)
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0, (3, "ZZAA3"): 11.0}


@pytest.mark.parametrize("name", ["COTAHIST_D04012019.TXT", "COTAHIST_D01012019.TXT"])
def test_a_bad_file_among_good_ones_leaves_every_table_as_it_was(lake, folder, name):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    ingest(lake, folder)
    before, held, log = versions(lake), lake.read(RAW_QUOTES), lake.read(INGESTED_FILES)
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 99.0)])
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0)])
    (folder / name).write_bytes((folder / "COTAHIST_D03012019.TXT").read_bytes()[:-20])
    with pytest.raises(MarketFileError, match=name):
        ingest(lake, folder)
    assert versions(lake) == before
    pd.testing.assert_frame_equal(lake.read(RAW_QUOTES), held)
    pd.testing.assert_frame_equal(lake.read(INGESTED_FILES), log)
    (folder / name).unlink()
    ingest(lake, folder)
    assert closes_in(lake) == {(2, "ZZAA3"): 99.0, (3, "ZZAA3"): 11.0}


def test_a_bad_file_keeps_the_first_tables_from_being_made(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    (folder / "COTAHIST_D03012019.ZIP").write_bytes(b"not a ZIP")
    with pytest.raises(MarketFileError, match="COTAHIST_D03012019"):
        ingest(lake, folder)
    assert versions(lake) == (None, None)


@pytest.mark.parametrize("corrected", [[record(2, 21.0)], [record(3, 31.0)], []])
def test_a_run_killed_before_its_log_is_made_good_by_the_next(lake, folder, corrected):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)], made_on=date(2019, 1, 2))
    ingest(lake, folder)
    log = lake.read(INGESTED_FILES)
    put(folder, "COTAHIST_M012019.TXT", [record(2, 20.0), record(3, 30.0)])
    ingest(lake, folder)
    lake.write(INGESTED_FILES, log)  # as if the month had never been logged
    put(folder, "COTAHIST_M012019.TXT", corrected)
    ingest(lake, folder)
    expected = {(2, "ZZAA3"): 10.0} | {
        (quote["session"].day, "ZZAA3"): quote["close"] for quote in corrected
    }
    assert closes_in(lake) == expected


# Whatever the order


@dataclass(frozen=True)
class Edition:
    """A file as B3 published it on one day: its close is the edition's own."""

    name: str
    length: int  # daily 0, monthly 1, yearly 2
    made_on: date
    days: frozenset[int]
    close: float


DAYS = (2, 3, 4)
MADE_ON = st.integers(5, 7).map(lambda day: date(2019, 1, day))
CENTAVOS = st.integers(1, 9_999).map(lambda centavos: centavos / 100)


def editions(name: str, length: int, days: tuple[int, ...]) -> st.SearchStrategy[Edition]:
    held = st.sets(st.sampled_from(days)).map(frozenset)
    return st.builds(Edition, st.just(name), st.just(length), MADE_ON, held, CENTAVOS)


EDITIONS = (
    *(editions(f"COTAHIST_D{day:02d}012019.TXT", 0, (day,)) for day in DAYS),
    editions("COTAHIST_M012019.ZIP", 1, DAYS),
    editions("COTAHIST_A2019.TXT", 2, DAYS),
)
ANY_EDITION = st.one_of(EDITIONS)
ONE_OF_EACH = st.tuples(*EDITIONS)


def arrive(lake: Lake, folder: Path, edition: Edition) -> None:
    put(
        folder,
        edition.name,
        [record(day, edition.close) for day in sorted(edition.days)],
        edition.made_on,
    )
    ingest(lake, folder)


def spoken(in_folder: list[Edition]) -> dict[tuple[int, str], float]:
    """The plain rule: made last, then the longer period."""
    closes = {}
    for day in DAYS:
        holders = [edition for edition in in_folder if day in edition.days]
        if holders:
            speaker = max(holders, key=lambda edition: (edition.made_on, edition.length))
            closes[day, "ZZAA3"] = speaker.close
    return closes


def test_of_a_day_a_month_and_a_year_the_one_made_last_speaks(lake, folder):
    put(folder, "COTAHIST_A2019.TXT", [record(2, 1.0), record(3, 1.0)], date(2019, 1, 5))
    put(folder, "COTAHIST_M012019.TXT", [record(2, 2.0), record(3, 2.0)], date(2019, 1, 4))
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 3.0)], date(2019, 1, 6))
    ingest(lake, folder)
    assert closes_in(lake) == {(2, "ZZAA3"): 1.0, (3, "ZZAA3"): 3.0}


def test_of_two_made_on_one_day_the_longer_period_speaks(lake, folder):
    for name, close in (("D02012019", 1.0), ("A2019", 3.0), ("M012019", 2.0)):
        put(folder, f"COTAHIST_{name}.TXT", [record(2, close)])
    ingest(lake, folder)
    assert closes_in(lake) == {(2, "ZZAA3"): 3.0}


@settings(max_examples=8, deadline=None)
@given(files=ONE_OF_EACH.flatmap(st.permutations))
def test_days_months_and_years_in_any_order_give_the_same_records(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("files")
    lake = Lake(tmp_path_factory.mktemp("lake"))
    for edition in files:
        arrive(lake, folder, edition)
    assert closes_in(lake) == spoken(files)
    at_once = Lake(tmp_path_factory.mktemp("lake"))
    ingest(at_once, folder)
    pd.testing.assert_frame_equal(lake.read(RAW_QUOTES), at_once.read(RAW_QUOTES))
    pd.testing.assert_frame_equal(lake.read(INGESTED_FILES), at_once.read(INGESTED_FILES))


@settings(max_examples=20, deadline=None)
@given(arrivals=st.lists(ANY_EDITION, min_size=2, max_size=6))
def test_corrections_leave_no_trace_of_what_they_correct(tmp_path_factory, arrivals):
    folder = tmp_path_factory.mktemp("files")
    lake = Lake(tmp_path_factory.mktemp("lake"))
    in_folder = {}
    for edition in arrivals:
        arrive(lake, folder, edition)
        in_folder[edition.name] = edition
        assert closes_in(lake) == spoken(list(in_folder.values()))
