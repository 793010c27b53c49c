"""A clean-up gives back room and nothing else: whatever it keeps can be loaded."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from deltalake import write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset_clean_up import CROWDED, clean_up
from asset_predict_dagster.dataset_versions import list_versions
from asset_predict_dagster.errors import TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.table_content import to_arrow
from asset_predict_dagster.tables import DAY, NUMBER, SMALL, TEXT, Column, Table

TICKER, CLOSE = Column("ticker", TEXT, "B3's code"), Column("close", NUMBER, "last trade")
QUOTES, FEATURES = (
    Table(name, "one ticker", ("ticker",), (TICKER, CLOSE)) for name in ("quotes", "features")
)
RAW = Table(
    "raw_quotes",
    "one session",
    ("session",),
    (Column("session", DAY, "trading day"), CLOSE, Column("year", SMALL, "calendar year")),
    partition_by=("year",),
)
NOBODY = timedelta(0)


def one(price: float) -> pd.DataFrame:
    return pd.DataFrame({"ticker": ["ZZAA3"], "close": [price]})


def sessions(*days: str) -> pd.DataFrame:
    days_ = pd.to_datetime(list(days)).as_unit("us")
    return pd.DataFrame({"session": days_, "close": 1.0, "year": days_.year})


def later(**time) -> datetime:
    return datetime.now(UTC) + timedelta(**time)


def cleaned(lake, *tables, keep=1, referenced=None, older_than=NOBODY, now=None, **options):
    """One row per table, by name; the lake is nobody else's unless a test says so."""
    found = clean_up(
        lake, tables, keep, referenced or {}, now or later(), older_than=older_than, **options
    )
    return found.set_index("table")


def readable(lake: Lake, table: Table) -> dict[int, float]:
    """Version → first price, of those that can be loaded; the others say why they cannot."""
    found = {}
    for version in list_versions(lake, table)["version"][::-1]:
        try:
            found[version] = lake.read(table, version=version)["close"].iloc[0]
        except TableError as error:
            assert f"version {version} of table '{table.name}' can no longer be read" in str(error)
    listed = list_versions(lake, table)
    assert sorted(listed.loc[listed["is_readable"], "version"]) == sorted(found)
    return found


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def six(lake) -> Lake:
    """Six versions of the quotes, at R$ 0 to R$ 5."""
    for price in range(6):
        lake.write(QUOTES, one(float(price)), came_from={"raw_quotes": price})
    return lake


def test_the_last_versions_stay_and_the_others_give_back_their_room(six):
    before = list_versions(six, QUOTES).set_index("version")
    row = cleaned(six, QUOTES, keep=2).loc["quotes"]
    assert readable(six, QUOTES) == {4: 4.0, 5: 5.0}
    assert row["versions_dropped"] == "0, 1, 2, 3"
    assert (row["n_dropped"], row["files_removed"], row["files_merged"]) == (4, 4, 0)
    assert row["bytes_freed"] == before["n_bytes"][[0, 1, 2, 3]].sum()


def test_a_clean_up_makes_no_version(six):
    cleaned(six, QUOTES)
    assert six.version(QUOTES) == 5
    assert not six.write(QUOTES, one(5.0)).changed


def test_what_was_dropped_is_still_listed_with_its_digest_and_sources(six):
    before = list_versions(six, QUOTES)
    cleaned(six, QUOTES)
    after = list_versions(six, QUOTES)
    pd.testing.assert_frame_equal(
        after.drop(columns="is_readable"), before.drop(columns="is_readable")
    )


def test_a_version_that_somebody_refers_to_stays(six):
    row = cleaned(six, QUOTES, referenced={"quotes": {1, 3}}).loc["quotes"]
    assert readable(six, QUOTES) == {1: 1.0, 3: 3.0, 5: 5.0}
    assert row["versions_dropped"] == "0, 2, 4"


def test_a_reference_to_what_never_was_keeps_nothing_and_breaks_nothing(six):
    cleaned(six, QUOTES, referenced={"quotes": {99}, "other": {1}})
    assert readable(six, QUOTES) == {5: 5.0}


def test_what_a_referenced_version_came_from_stays_too(six):
    """A model refers to features 0, which came from quotes 2."""
    six.write(FEATURES, one(2.0), came_from={"quotes": 2})
    six.write(FEATURES, one(5.0), came_from={"quotes": 5})
    cleaned(six, QUOTES, FEATURES, referenced={"features": {0}})
    assert readable(six, QUOTES) == {2: 2.0, 5: 5.0}
    assert readable(six, FEATURES) == {0: 2.0, 1: 5.0}


def test_what_a_current_table_came_from_stays_too(six):
    """The features were not computed again: a model trained on them now can be rebuilt."""
    six.write(FEATURES, one(2.0), came_from={"quotes": 2})
    cleaned(six, QUOTES, FEATURES)
    assert readable(six, QUOTES) == {2: 2.0, 5: 5.0}


def test_a_table_that_is_not_cleaned_up_counts_as_a_reference_all_the_same(six):
    six.write(FEATURES, one(2.0), came_from={"quotes": 2})
    cleaned(six, QUOTES, referenced={"features": {0}})
    assert readable(six, QUOTES) == {2: 2.0, 5: 5.0}


def test_a_dry_run_says_the_same_and_does_nothing(six):
    said = cleaned(six, QUOTES, keep=2, dry_run=True)
    assert len(readable(six, QUOTES)) == 6
    pd.testing.assert_frame_equal(cleaned(six, QUOTES, keep=2), said)


def test_cleaning_up_twice_finds_nothing_the_second_time(six):
    cleaned(six, QUOTES)
    row = cleaned(six, QUOTES).loc["quotes"]
    assert (row["versions_dropped"], row["n_dropped"], row["files_removed"]) == ("", 0, 0)


def test_files_that_a_kept_version_shares_stay(lake):
    """Version 1 only added a session: all of its files are version 2's as well."""
    lake.replace_sessions(RAW, sessions("2024-01-02"))
    lake.replace_sessions(RAW, sessions("2024-01-03"))
    lake.replace_sessions(RAW, sessions("2024-01-04"))
    row = cleaned(lake, RAW).loc["raw_quotes"]
    assert (row["n_dropped"], row["files_removed"]) == (0, 0)
    assert [len(lake.read(RAW, version=v)) for v in range(3)] == [1, 2, 3]


def test_a_version_is_dropped_once(lake):
    """Version 0 lost its 2024 first; that its 2023 goes later does not drop it again."""
    lake.replace_sessions(RAW, sessions("2023-12-28", "2024-01-02"))
    lake.replace_sessions(RAW, sessions("2024-01-02"))
    assert cleaned(lake, RAW).loc["raw_quotes", "versions_dropped"] == "0"
    lake.replace_sessions(RAW, sessions("2023-12-28"))
    row = cleaned(lake, RAW).loc["raw_quotes"]
    assert (row["versions_dropped"], row["files_removed"]) == ("1", 1)


def test_tables_that_were_not_made_are_left_out(six):
    assert cleaned(six, FEATURES, QUOTES).index.tolist() == ["quotes"]


@pytest.mark.parametrize(
    "wrong", [{"keep": 0}, {"keep": -1}, {"older_than": timedelta(hours=-1)}], ids=str
)
def test_the_last_version_cannot_be_given_up(six, wrong):
    with pytest.raises(TableError, match="expected to keep at least 1 version"):
        cleaned(six, QUOTES, **wrong)


# Others at work at the same moment


def test_what_was_current_a_moment_ago_stays_for_its_readers(six):
    hours = timedelta(hours=6)
    cleaned(six, QUOTES, older_than=hours)
    assert len(readable(six, QUOTES)) == 6
    cleaned(six, QUOTES, older_than=hours, now=later(hours=5))
    assert len(readable(six, QUOTES)) == 6
    cleaned(six, QUOTES, older_than=hours, now=later(hours=7))
    assert readable(six, QUOTES) == {5: 5.0}


def test_what_was_replaced_a_moment_ago_stays_however_old_it_is(six):
    """Version 5 was written long before; a reader that opened it yesterday is at it still."""
    long_ago = (datetime.now(UTC) - timedelta(days=40)).timestamp()
    for file in six.delta("quotes").file_uris():
        os.utime(file, (long_ago, long_ago))
    six.write(QUOTES, one(6.0))
    cleaned(six, QUOTES, older_than=timedelta(hours=1), now=later(minutes=30))
    assert 5 in readable(six, QUOTES)


def test_a_file_that_a_writer_has_not_committed_yet_stays_and_one_of_a_dead_writer_goes(six):
    folder = Path(six.root) / "quotes"
    fresh, stray = folder / "part-fresh.parquet", folder / "part-stray.parquet"
    for file, age in ((fresh, 1), (stray, 10)):
        file.write_bytes(b"rows to be")
        written = (datetime.now(UTC) - timedelta(hours=age)).timestamp()
        os.utime(file, (written, written))
    row = cleaned(six, QUOTES, keep=6, older_than=timedelta(hours=6)).loc["quotes"]
    assert fresh.exists()
    assert not stray.exists()
    assert (row["files_removed"], row["bytes_freed"], row["n_dropped"]) == (1, 10, 0)


def test_a_table_that_lacks_a_file_is_left_alone(six):
    for file in six.delta("quotes").file_uris():
        Path(file).unlink()
    with pytest.raises(TableError, match="do not agree on what the current version holds"):
        cleaned(six, QUOTES)
    assert set(readable(six, QUOTES)) == {0, 1, 2, 3, 4}


# Small files


@pytest.fixture
def crowded(lake) -> Lake:
    """A commit for each of many sessions of 2024, and one session of 2023."""
    days = pd.bdate_range("2024-01-01", periods=CROWDED + 1).strftime("%Y-%m-%d")
    lake.replace_sessions(RAW, sessions("2023-12-28", days[0]), came_from={})
    folder = f"{lake.root}/raw_quotes"
    for day in days[1:-1]:
        write_deltalake(folder, to_arrow(RAW, sessions(day)), mode="append")
    lake.replace_sessions(RAW, sessions(days[-1]), came_from={"landing": 3})
    return lake


def test_many_small_files_become_one_a_year_in_a_version_that_says_the_same(crowded):
    version, rows = crowded.version(RAW), crowded.read(RAW)
    row = cleaned(crowded, RAW, older_than=timedelta(hours=6)).loc["raw_quotes"]
    assert row["files_merged"] == CROWDED + 1
    assert len(crowded.delta("raw_quotes").file_uris()) == 2
    pd.testing.assert_frame_equal(crowded.read(RAW), rows)
    listed = list_versions(crowded, RAW)
    assert listed["version"][0] == version + 1
    assert listed["operation"][0] == "OPTIMIZE"
    assert listed["came_from"][0] == listed["came_from"][1] == "landing 3"
    pd.testing.assert_frame_equal(crowded.read(RAW, version=version), rows)


def test_a_dry_run_merges_nothing(crowded):
    version = crowded.version(RAW)
    assert cleaned(crowded, RAW, dry_run=True).loc["raw_quotes", "files_merged"] == 0
    assert crowded.version(RAW) == version


def test_few_files_are_left_as_they_are(crowded):
    days = crowded.read(RAW)["session"].dt.date.tolist()
    crowded.replace_sessions(RAW, sessions().head(0), emptied=days[-1:])
    row = cleaned(crowded, RAW).loc["raw_quotes"]
    assert (row["files_merged"], len(crowded.delta("raw_quotes").file_uris())) == (0, CROWDED + 1)


def test_a_version_and_the_one_that_merged_its_files_count_once(crowded):
    version = crowded.version(RAW)
    assert cleaned(crowded, RAW, keep=2).loc["raw_quotes", "n_dropped"] == 0  # just replaced
    assert cleaned(crowded, RAW, keep=2).loc["raw_quotes", "versions_dropped"] == str(version)
    assert {version - 1, version + 1} <= readable(crowded, RAW).keys()


@settings(max_examples=15, deadline=None)
@given(
    n_versions=st.integers(1, 6),
    keep=st.integers(1, 7),
    referenced=st.sets(st.integers(0, 6)),
    again=st.integers(1, 3),
)
def test_the_last_and_the_referenced_can_be_loaded_whatever_was_cleaned_up(
    tmp_path_factory, n_versions, keep, referenced, again
):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    for price in range(n_versions):
        lake.write(QUOTES, one(float(price)))
    kept = set(range(max(0, n_versions - keep), n_versions)) | (referenced & set(range(n_versions)))
    for _ in range(again):
        cleaned(lake, QUOTES, keep=keep, referenced={"quotes": referenced})
        assert readable(lake, QUOTES) == {version: float(version) for version in sorted(kept)}
