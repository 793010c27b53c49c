"""What the lake holds depends on which files the folder has, and on nothing that came before."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import MarketFileError, SettingsError, TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.cotahist import read_cotahist
from asset_predict_dagster.market.cotahist_folder import CotahistFolder
from asset_predict_dagster.market.ingestion import ingest
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import (
    INGESTED_FILES,
    INGESTED_SESSIONS,
    RAW_QUOTES,
    REJECTED_RECORDS,
    Table,
)
from asset_predict_dagster_tests.market.market_files import put, record

CALL = "070"


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


# One look at the folder


def test_records_come_as_b3_wrote_them_with_their_file_and_year(lake, folder):
    path = put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0), record(2, 7.5, "ZZAB3")])
    ingest(lake, CotahistFolder(folder))
    raw = lake.read(RAW_QUOTES)
    written = read_cotahist(path).records.drop(columns=["record_type", "line"])
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
    ingestion = ingest(lake, CotahistFolder(folder))
    assert (len(ingestion.new_files), ingestion.n_known, ingestion.n_new_records) == (1, 0, 2)
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
        "n_filtered": 1,
        "n_rejected": 0,
        "n_kept": 2,
    }


def test_other_markets_are_left_in_the_file_unless_asked_for(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0), record(2, 0.5, "ZZAAA10", CALL)])
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0}
    calls = Lake(f"{lake.root}-of-calls")
    ingest(calls, CotahistFolder(folder, markets=(CALL,)))
    assert closes_in(calls) == {(2, "ZZAAA10"): 0.5}


def test_files_without_a_record_of_the_market_make_tables_without_rows(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 0.5, "ZZAAA10", CALL)])
    assert ingest(lake, CotahistFolder(folder)).n_new_records == 0
    assert lake.read(RAW_QUOTES).empty
    assert lake.read(INGESTED_FILES)["n_kept"].tolist() == [0]
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 10.0)])
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(3, "ZZAA3"): 10.0}


# What cannot be


def test_a_file_with_too_much_that_cannot_be_is_refused_whole(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0), record(3, 5.0, "ZZAB3") | {"high": 4}])
    [refused] = ingest(lake, CotahistFolder(folder)).refused.to_dict("records")
    assert refused["file"] == "COTAHIST_D03012019.TXT"
    assert re.search(
        r"1 of 2 records cannot be true, more than 0.50%.*line 3, ZZAB3 on 2019-01-03: PREMIN 5.0,"
        r" but the lowest price is above the highest",
        refused["reason"],
    )
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0}


def test_a_few_records_that_cannot_be_go_to_a_table_of_their_own(lake, folder):
    sound = [record(2, 10.0), record(2, 7.5, "ZZAB3"), record(2, 3.0, "ZZAC3")]
    bad = record(2, 9.0, "ZZAD3") | {"trades": 0}
    put(folder, "COTAHIST_D02012019.TXT", [*sound, bad])
    ingestion = ingest(lake, CotahistFolder(folder), max_rejected_share=0.25)
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0, (2, "ZZAB3"): 7.5, (2, "ZZAC3"): 3.0}
    [rejected] = lake.read(REJECTED_RECORDS).to_dict("records")
    assert rejected == {
        "file": "COTAHIST_D02012019.TXT",
        "line": 5,
        "session": pd.Timestamp("2019-01-02"),
        "ticker": "ZZAD3",
        "market_type": "010",
        "field": "TOTNEG",
        "value": "0",
        "reason": "there is volume without a trade",
    }
    [entry] = ingestion.new_files.to_dict("records")
    assert (entry["n_quotes"], entry["n_rejected"], entry["n_kept"]) == (4, 1, 3)


def test_the_rejects_of_a_corrected_file_go_with_it(lake, folder):
    bad = record(2, 9.0, "ZZAD3") | {"trades": 0}
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0), bad])
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 10.0), bad | {"session": date(2019, 1, 3)}])
    ingest(lake, CotahistFolder(folder), max_rejected_share=0.5)
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0), bad | {"trades": 3}])
    ingest(lake, CotahistFolder(folder), max_rejected_share=0.5)
    assert lake.read(REJECTED_RECORDS)["file"].tolist() == ["COTAHIST_D03012019.TXT"]
    assert closes_in(lake)[2, "ZZAD3"] == 9.0


def test_each_file_that_is_read_is_told(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0)])
    told: list[str] = []
    ingest(lake, CotahistFolder(folder), report=told.append)
    assert told == [
        "1 of 2: COTAHIST_D02012019.TXT, 1 records kept",
        "2 of 2: COTAHIST_D03012019.TXT, 1 records kept",
    ]


def test_it_is_logged_which_file_speaks_for_a_session(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)], made_on=date(2019, 1, 2))
    put(folder, "COTAHIST_M012019.TXT", [record(2, 20.0), record(3, 30.0)])
    ingest(lake, CotahistFolder(folder))
    log = lake.read(INGESTED_SESSIONS)
    assert broken_promises(INGESTED_SESSIONS, log).empty
    assert log[["file", "n_kept", "speaks"]].to_numpy().tolist() == [
        ["COTAHIST_D02012019.TXT", 1, False],
        ["COTAHIST_M012019.TXT", 1, True],
        ["COTAHIST_M012019.TXT", 1, True],
    ]


def test_one_lake_holds_the_prices_of_one_origin(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    ingest(lake, CotahistFolder(folder))
    before = versions(lake)
    with pytest.raises(
        SettingsError, match="holds prices of B3, and these would be of a simulated market"
    ):
        ingest(lake, CotahistFolder(folder, origin="a simulated market"))
    assert versions(lake) == before


# Again


def test_the_same_files_again_change_nothing(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0)])
    ingest(lake, CotahistFolder(folder))
    before = versions(lake)
    again = ingest(lake, CotahistFolder(folder))
    assert (len(again.new_files), again.n_known, again.n_new_records) == (0, 2, 0)
    assert versions(lake) == before


def test_a_new_file_is_read_and_the_known_ones_are_not(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    ingest(lake, CotahistFolder(folder))
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0)])
    ingestion = ingest(lake, CotahistFolder(folder))
    assert ingestion.new_files["file"].tolist() == ["COTAHIST_D03012019.TXT"]
    assert (ingestion.n_known, ingestion.n_new_records) == (1, 1)
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0, (3, "ZZAA3"): 11.0}


def test_a_corrected_file_replaces_its_records(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0), record(2, 7.5, "ZZAB3")])
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0)])
    ingest(lake, CotahistFolder(folder))
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.5)])
    ingestion = ingest(lake, CotahistFolder(folder))
    assert (len(ingestion.new_files), ingestion.n_known, ingestion.n_new_records) == (1, 1, 1)
    assert closes_in(lake) == {(2, "ZZAA3"): 10.5, (3, "ZZAA3"): 11.0}
    assert len(lake.read(INGESTED_FILES)) == 2


def test_a_session_that_a_corrected_file_no_longer_holds_vanishes(lake, folder):
    put(folder, "COTAHIST_M012019.TXT", [record(2, 10.0), record(3, 11.0), record(4, 12.0)])
    ingest(lake, CotahistFolder(folder))
    put(folder, "COTAHIST_M012019.TXT", [record(2, 10.0), record(4, 12.0)])
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0, (4, "ZZAA3"): 12.0}


def test_a_file_corrected_to_hold_nothing_takes_all_its_records_away(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0)])
    ingest(lake, CotahistFolder(folder))
    put(folder, "COTAHIST_D03012019.TXT", [])
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0}


def test_a_session_given_up_by_a_file_goes_back_to_the_one_it_outranked(lake, folder):
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0)], made_on=date(2019, 1, 3))
    put(folder, "COTAHIST_M012019.TXT", [record(2, 20.0), record(3, 21.0)])
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(2, "ZZAA3"): 20.0, (3, "ZZAA3"): 21.0}
    put(folder, "COTAHIST_M012019.TXT", [record(2, 22.0)])
    ingestion = ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(2, "ZZAA3"): 22.0, (3, "ZZAA3"): 11.0}
    assert ingestion.new_files["file"].tolist() == ["COTAHIST_M012019.TXT"]


def test_an_older_edition_put_in_place_of_a_newer_one_speaks_as_the_older_one(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)], made_on=date(2019, 1, 20))
    put(folder, "COTAHIST_M012019.TXT", [record(2, 20.0)], made_on=date(2019, 1, 31))
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(2, "ZZAA3"): 20.0}
    put(folder, "COTAHIST_M012019.TXT", [record(2, 19.0)], made_on=date(2019, 1, 10))
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0}


def test_the_records_of_a_file_that_left_the_folder_stay(lake, folder):
    left = put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    ingest(lake, CotahistFolder(folder))
    left.unlink()
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0)])
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0, (3, "ZZAA3"): 11.0}


@pytest.mark.parametrize("name", ["COTAHIST_D04012019.TXT", "COTAHIST_D01012019.TXT"])
def test_a_bad_file_among_good_ones_is_left_out_whole_until_it_is_mended(lake, folder, name):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    ingest(lake, CotahistFolder(folder))
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 99.0)])
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0)])
    (folder / name).write_bytes((folder / "COTAHIST_D03012019.TXT").read_bytes()[:-20])
    for n_new in (2, 0):
        ingestion = ingest(lake, CotahistFolder(folder))
        assert (len(ingestion.new_files), ingestion.n_new_records) == (n_new, n_new)
        assert ingestion.refused["file"].tolist() == [name]
        assert name in ingestion.refused["reason"][0]
        assert closes_in(lake) == {(2, "ZZAA3"): 99.0, (3, "ZZAA3"): 11.0}
        assert name not in set(lake.read(INGESTED_FILES)["file"])
    (folder / name).unlink()
    assert ingest(lake, CotahistFolder(folder)).refused.empty


def test_a_corrected_file_that_is_broken_leaves_the_records_of_its_earlier_edition(lake, folder):
    path = put(folder, "COTAHIST_M012019.TXT", [record(2, 10.0), record(3, 11.0)])
    ingest(lake, CotahistFolder(folder))
    path.write_bytes(path.read_bytes()[:-20])
    put(folder, "COTAHIST_D04012019.TXT", [record(4, 12.0)])
    ingestion = ingest(lake, CotahistFolder(folder))
    assert ingestion.refused["file"].tolist() == [path.name]
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0, (3, "ZZAA3"): 11.0, (4, "ZZAA3"): 12.0}
    put(folder, path.name, [record(2, 20.0)])
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(2, "ZZAA3"): 20.0, (4, "ZZAA3"): 12.0}


def test_a_broken_file_does_not_take_back_a_session_that_another_one_speaks_for(lake, folder):
    """The day gave it up to the month; of the broken day nothing can be read again."""
    day = put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)], made_on=date(2019, 1, 2))
    put(folder, "COTAHIST_M012019.TXT", [record(2, 20.0), record(3, 21.0)])
    ingest(lake, CotahistFolder(folder))
    day.write_bytes(day.read_bytes()[:-20])
    put(folder, "COTAHIST_M012019.TXT", [record(3, 21.0)])
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(3, "ZZAA3"): 21.0}


def test_bad_files_alone_make_no_first_tables(lake, folder):
    for name in ("COTAHIST_D02012019.ZIP", "COTAHIST_D03012019.ZIP"):
        (folder / name).write_bytes(b"not a ZIP")
    with pytest.raises(MarketFileError, match="COTAHIST_D02012019"):
        ingest(lake, CotahistFolder(folder))
    assert versions(lake) == (None, None)


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
NAMES = (
    *(f"COTAHIST_D{day:02d}012019.TXT" for day in DAYS),
    "COTAHIST_M012019.ZIP",
    "COTAHIST_A2019.TXT",
)
ANY_EDITION = st.one_of(EDITIONS)
ONE_OF_EACH = st.tuples(*EDITIONS)


def write(folder: Path, edition: Edition) -> None:
    quotes = [record(day, edition.close) for day in sorted(edition.days)]
    put(folder, edition.name, quotes, edition.made_on)


def arrive(lake: Lake, folder: Path, edition: Edition) -> None:
    write(folder, edition)
    ingest(lake, CotahistFolder(folder))


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
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(2, "ZZAA3"): 1.0, (3, "ZZAA3"): 3.0}


def test_of_two_made_on_one_day_the_longer_period_speaks(lake, folder):
    for name, close in (("D02012019", 1.0), ("A2019", 3.0), ("M012019", 2.0)):
        put(folder, f"COTAHIST_{name}.TXT", [record(2, close)])
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(2, "ZZAA3"): 3.0}


class Killed(Exception):
    """Stands for the end of the process."""


class DyingLake(Lake):
    """A lake whose process ends after some writes."""

    def __init__(self, root: str, n_writes: int):
        super().__init__(root)
        self._left = n_writes

    def write(self, *args, **options):
        self._live()
        return super().write(*args, **options)

    def replace_sessions(self, *args, **options):
        self._live()
        return super().replace_sessions(*args, **options)

    def _live(self):
        if self._left == 0:
            raise Killed
        self._left -= 1


class DisturbedLake(Lake):
    """A lake in which something happens just before a table is written, once."""

    def __init__(self, root: str, table: Table, happens: Callable[[], object]):
        super().__init__(root)
        self._table, self._happens = table, [happens]

    def write(self, table: Table, *args, **options):
        if table is self._table and self._happens:
            self._happens.pop()()
        return super().write(table, *args, **options)


def test_a_run_whose_records_another_one_wrote_over_does_not_sign(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    ingest(lake, CotahistFolder(folder))
    stale = lake.read(RAW_QUOTES)
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 20.0)])
    disturbed = DisturbedLake(
        lake.root, REJECTED_RECORDS, lambda: lake.replace_sessions(RAW_QUOTES, stale)
    )
    with pytest.raises(TableError, match=r"'raw_quotes' is at version .* another run ingests"):
        ingest(disturbed, CotahistFolder(folder))
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0}
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(2, "ZZAA3"): 20.0}


def test_a_run_that_was_overtaken_by_a_whole_one_does_not_sign(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])

    def overtake():
        put(folder, "COTAHIST_D02012019.TXT", [record(2, 20.0)])
        ingest(lake, CotahistFolder(folder))

    with pytest.raises(TableError, match="another run ingests at this moment"):
        ingest(DisturbedLake(lake.root, INGESTED_SESSIONS, overtake), CotahistFolder(folder))
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(2, "ZZAA3"): 20.0}


def test_a_file_that_changes_while_it_is_read_is_said_so(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)])
    more = [record(2, 10.0), record(2, 5.0, "ZZAB3")]
    disturbed = DisturbedLake(
        lake.root, INGESTED_FILES, lambda: put(folder, "COTAHIST_D02012019.TXT", more)
    )
    with pytest.raises(MarketFileError, match="was changed while it was read; run again"):
        ingest(disturbed, CotahistFolder(folder))
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(2, "ZZAA3"): 10.0, (2, "ZZAB3"): 5.0}


def test_a_file_made_in_the_future_would_speak_for_ever_and_is_refused(lake, folder):
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0)], made_on=date(2999, 1, 1))
    with pytest.raises(MarketFileError, match="made on 2999-01-01, it says, and today is 2019-01"):
        ingest(lake, CotahistFolder(folder), today=date(2019, 1, 3))
    assert versions(lake) == (None, None)


def test_sessions_that_go_are_told(lake, folder):
    put(folder, "COTAHIST_M012019.TXT", [record(2, 10.0), record(3, 11.0), record(4, 12.0)])
    ingest(lake, CotahistFolder(folder))
    put(folder, "COTAHIST_M012019.TXT", [record(3, 11.0)])
    told: list[str] = []
    ingest(lake, CotahistFolder(folder), report=told.append)
    assert told[-1] == "2 sessions are in no batch any more and go: 2019-01-02 to 2019-01-04"


@pytest.mark.parametrize("n_writes", range(8))
def test_a_session_that_was_to_go_back_to_an_older_file_does_so_after_a_kill(
    lake, folder, n_writes
):
    put(folder, "COTAHIST_D03012019.TXT", [record(3, 11.0)], made_on=date(2019, 1, 3))
    put(folder, "COTAHIST_M012019.TXT", [record(2, 20.0), record(3, 21.0), record(4, 24.0)])
    ingest(lake, CotahistFolder(folder))
    put(folder, "COTAHIST_M012019.TXT", [record(2, 22.0)])
    with pytest.raises(Killed):
        ingest(DyingLake(lake.root, n_writes), CotahistFolder(folder))
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == {(2, "ZZAA3"): 22.0, (3, "ZZAA3"): 11.0}


@settings(max_examples=40, deadline=None)
@given(
    before=st.lists(ANY_EDITION, max_size=3),
    during=st.lists(ANY_EDITION, min_size=1, max_size=3),
    after=st.lists(ANY_EDITION, min_size=1, max_size=2),
    goes=st.sampled_from(NAMES),
    n_writes=st.integers(0, 5),
)
def test_a_run_killed_between_two_writes_is_made_good_by_the_next(
    tmp_path_factory, before, during, after, goes, n_writes
):
    """Whatever was read before, and whatever is corrected, arrives or goes before the next."""
    folder = tmp_path_factory.mktemp("files")
    lake = Lake(tmp_path_factory.mktemp("lake"))
    for edition in before:
        arrive(lake, folder, edition)
    for edition in during:
        write(folder, edition)
    with pytest.raises(Killed):
        ingest(DyingLake(lake.root, n_writes), CotahistFolder(folder))
    for edition in after:
        write(folder, edition)
    in_folder = {edition.name: edition for edition in [*before, *during, *after]}
    if goes in in_folder and goes not in {edition.name for edition in [*before, *after]}:
        (folder / goes).unlink()  # begun, and never read to its end
        del in_folder[goes]
    ingest(lake, CotahistFolder(folder))
    assert closes_in(lake) == spoken(list(in_folder.values()))
    at_once = Lake(tmp_path_factory.mktemp("lake"))
    ingest(at_once, CotahistFolder(folder))
    for table in (RAW_QUOTES, INGESTED_FILES, INGESTED_SESSIONS, REJECTED_RECORDS):
        pd.testing.assert_frame_equal(lake.read(table), at_once.read(table))


@settings(max_examples=8, deadline=None)
@given(files=ONE_OF_EACH.flatmap(st.permutations))
def test_days_months_and_years_in_any_order_give_the_same_records(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("files")
    lake = Lake(tmp_path_factory.mktemp("lake"))
    for edition in files:
        arrive(lake, folder, edition)
    assert closes_in(lake) == spoken(files)
    at_once = Lake(tmp_path_factory.mktemp("lake"))
    ingest(at_once, CotahistFolder(folder))
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
