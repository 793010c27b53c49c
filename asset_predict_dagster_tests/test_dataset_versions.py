"""Each version says when it was made, how large it is and what it came from, to the root."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from deltalake import write_deltalake

from asset_predict_dagster.dataset_versions import lineage, list_versions, with_sources
from asset_predict_dagster.errors import MissingTableError, TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.table_content import content_digest, to_arrow
from asset_predict_dagster.tables import NUMBER, TEXT, Column, Table

COLUMNS = (Column("ticker", TEXT, "B3's code"), Column("close", NUMBER, "last trade"))
RAW, ACTIONS, QUOTES, FEATURES, UNIVERSE = (
    Table(name, "one ticker", ("ticker",), COLUMNS)
    for name in ("raw_quotes", "corporate_actions", "quotes", "features", "universe")
)


def one(price: float, *tickers: str) -> pd.DataFrame:
    return pd.DataFrame({"ticker": tickers or ("ZZAA3",), "close": price})


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def grown(lake) -> Lake:
    """Two days: raw 0 → quotes 0 → universe 0 → features 0, then raw 1 → quotes 1 → features 1.

    The universe of the second day comes out as on the first.
    """
    for day, price in enumerate((10.0, 11.0)):
        lake.write(RAW, one(price), came_from={})
        if day == 0:
            lake.write(ACTIONS, one(1.0))
        lake.write(QUOTES, one(price), came_from={"raw_quotes": day, "corporate_actions": 0})
        lake.write(UNIVERSE, one(5.0), came_from={"quotes": day})
        lake.write(FEATURES, one(price), came_from={"quotes": day, "universe": 0})
    return lake


def test_every_version_is_listed_the_latest_first(lake):
    began = datetime.now(UTC) - timedelta(seconds=1)
    lake.write(QUOTES, one(1.0, "ZZAA3", "ZZAB3"), came_from={"raw_quotes": 4})
    lake.write(QUOTES, one(2.0))
    lake.write(QUOTES, one(2.0), came_from={"raw_quotes": 9})
    listed = list_versions(lake, QUOTES)
    assert listed["version"].tolist() == [1, 0]
    assert listed["n_rows"].tolist() == [1, 2]
    assert listed["n_bytes"].tolist()[0] == lake.write(QUOTES, one(2.0)).n_bytes
    assert listed["digest"].tolist() == [
        content_digest(QUOTES, frame) for frame in (one(2.0), one(1.0, "ZZAA3", "ZZAB3"))
    ]
    assert listed["came_from"].isna().tolist() == [True, False]
    assert listed["came_from"][1] == "raw_quotes 4"
    assert listed["operation"].tolist() == ["WRITE", "WRITE"]
    assert listed["is_readable"].all()
    assert listed["created_at"].is_monotonic_decreasing
    assert listed["created_at"].between(began, datetime.now(UTC)).all()


def test_rows_added_in_place_are_counted_with_those_before(lake):
    lake.insert_new(QUOTES, one(1.0), came_from={"raw_quotes": 0, "corporate_actions": 2})
    lake.insert_new(QUOTES, one(2.0, "ZZAA3", "ZZAB3", "ZZAC3"), came_from={"raw_quotes": 1})
    listed = list_versions(lake, QUOTES).set_index("version")
    assert listed["n_rows"].to_dict() == {0: 0, 1: 1, 2: 3}
    assert listed["operation"].to_dict() == {0: "WRITE", 1: "MERGE", 2: "MERGE"}
    assert listed["came_from"].to_dict() == {
        0: "raw_quotes 0, corporate_actions 2",
        1: "raw_quotes 0, corporate_actions 2",
        2: "raw_quotes 1",
    }
    assert listed["digest"].isna().all()


def test_a_version_without_its_files_is_not_readable(lake):
    lake.write(QUOTES, one(1.0))
    lake.write(QUOTES, one(2.0))
    for file in lake.delta(QUOTES.name, 0).file_uris():
        Path(file).unlink()
    assert list_versions(lake, QUOTES)["is_readable"].tolist() == [True, False]


def test_a_log_that_another_program_cut_short_is_read_from_where_it_begins(lake):
    folder = Path(lake.root) / "quotes"
    for price in (1.0, 2.0, 3.0):
        write_deltalake(folder, to_arrow(QUOTES, one(price)), mode="append")
    lake.delta(QUOTES.name, 1).create_checkpoint()
    (folder / "_delta_log/00000000000000000000.json").unlink()
    listed = list_versions(lake, QUOTES)
    assert listed["version"].tolist() == [2, 1]
    assert listed["n_rows"].tolist() == [3, 2]


def test_a_table_that_was_never_made_has_no_versions(lake):
    with pytest.raises(MissingTableError, match="table 'quotes' has not been made yet"):
        list_versions(lake, QUOTES)


def test_a_version_is_followed_to_the_raw_quotes(grown):
    found = lineage(grown, FEATURES, 1)
    assert list(zip(found["table"], found["version"], strict=True)) == [
        ("features", 1),
        ("quotes", 1),
        ("universe", 0),
        ("raw_quotes", 1),
        ("corporate_actions", 0),
        ("quotes", 0),
        ("raw_quotes", 0),
    ]
    came_from = found.set_index(["table", "version"])["came_from"]
    assert came_from["features", 1] == "quotes 1, universe 0"
    assert came_from["raw_quotes", 1] == ""
    assert came_from.isna()["corporate_actions", 0]
    listed = list_versions(grown, FEATURES)
    assert found["created_at"][0] == listed["created_at"][0]


def test_the_first_day_did_not_come_from_the_second(grown):
    found = lineage(grown, FEATURES, 0)
    assert set(found["version"]) == {0}
    assert found["table"].is_unique


def test_a_source_that_is_not_in_the_lake_is_named_all_the_same(lake):
    lake.write(QUOTES, one(1.0), came_from={"raw_quotes": 7})
    found = lineage(lake, QUOTES, 0)
    assert found["table"].tolist() == ["quotes", "raw_quotes"]
    assert found["version"].tolist() == [0, 7]
    assert found["created_at"].isna().tolist() == [False, True]


def test_a_version_that_never_was_has_no_lineage(grown):
    with pytest.raises(TableError, match="version 9 of table 'features' cannot be opened"):
        lineage(grown, FEATURES, 9)


def test_versions_are_closed_under_what_they_came_from(grown):
    assert with_sources(grown, {"quotes": {1}, "features": {0}}) == {
        "quotes": {0, 1},
        "features": {0},
        "raw_quotes": {0, 1},
        "corporate_actions": {0},
        "universe": {0},
    }
    assert with_sources(grown, {}) == {}
