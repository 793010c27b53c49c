"""A table of an earlier program lacks a column of today's, and goes on all the same."""

import multiprocessing
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pandas as pd
import pytest

from asset_predict_dagster.errors import TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import DAY, NUMBER, SMALL, TEXT, Column, Table

BEFORE = Table(
    "said",
    "what was said of a ticker at the close of a session",
    ("ticker", "session"),
    (
        Column("ticker", TEXT, "B3's code"),
        Column("session", DAY, "trading day"),
        Column("value", NUMBER, "what was said"),
    ),
    append_only=True,
)
LATE = Column("late", SMALL, "sessions late", minimum=0, default=0)
SAID = replace(BEFORE, key=(*BEFORE.key, LATE.name), columns=(*BEFORE.columns, LATE))


def said(days: list[int], value: float = 1.0, late: int = 0) -> pd.DataFrame:
    sessions = pd.to_datetime([f"2024-01-{day:02d}" for day in days]).as_unit("us")
    return pd.DataFrame({"ticker": "ZZAA3", "session": sessions, "value": value, "late": late})


def rows_in(lake: Lake, **how) -> list[tuple[int, int, float]]:
    stored = lake.read(SAID, **how)
    return list(zip(stored["session"].dt.day, stored["late"], stored["value"], strict=True))


@pytest.fixture
def lake(tmp_path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.insert_new(BEFORE, said([2, 3]).drop(columns="late"))
    return lake


def test_a_column_it_lacks_says_its_default(lake):
    assert rows_in(lake) == [(2, 0, 1.0), (3, 0, 1.0)]
    assert lake.read(SAID, columns=["late"])["late"].tolist() == [0, 0]
    assert lake.read_if_made(SAID)["late"].tolist() == [0, 0]
    assert lake.arrow(SAID).schema == SAID.schema
    assert broken_promises(SAID, lake.read(SAID)).empty


def test_rows_are_found_by_what_they_do_not_say(lake):
    for _ in range(2):
        assert rows_in(lake, where={"late": [0, 1]})[:2] == [(2, 0, 1.0), (3, 0, 1.0)]
        assert [row for row in rows_in(lake, where={"late": [1]}) if row[2] == 1.0] == []
        assert lake.distinct(SAID, ["late"]).iloc[0].tolist() == [0]
        lake.insert_new(SAID, said([3], value=2.0, late=1))
    assert lake.distinct(SAID, ["ticker", "late"])["late"].tolist() == [0, 1]


def test_new_rows_bring_the_column_in_one_commit_and_keep_the_first_word(lake):
    before = lake.version(BEFORE)
    written = lake.insert_new(SAID, said([3, 4], value=2.0))
    assert (written.version, written.n_rows) == (before + 1, 3)
    assert rows_in(lake) == [(2, 0, 1.0), (3, 0, 1.0), (4, 0, 2.0)]
    # The key is a wider one now: what was said later, of the same session, is another row.
    lake.insert_new(SAID, said([3, 4], value=3.0, late=1))
    assert rows_in(lake)[1:] == [(3, 0, 1.0), (3, 1, 3.0), (4, 0, 2.0), (4, 1, 3.0)]
    assert not lake.insert_new(SAID, said([2, 3, 4], value=9.0)).changed


def test_earlier_versions_say_the_default_too(lake):
    lake.insert_new(SAID, said([4], late=1))
    assert rows_in(lake, version=lake.version(SAID) - 1) == [(2, 0, 1.0), (3, 0, 1.0)]


def test_a_column_without_a_default_has_nothing_to_say(lake):
    unsaid = replace(SAID, columns=(*BEFORE.columns, replace(LATE, default=None)))
    with pytest.raises(TableError, match=r"has no columns \['late'\]"):
        lake.read(unsaid)


def insert_beside_others(root: Path, writer: int, start: Barrier) -> None:
    """Say something of the sessions 1 to 9, at the same moment as the other writers."""
    for table in range(6):
        start.wait(30)
        Lake(root / str(table)).insert_new(SAID, said(list(range(1, 10)), float(writer)))


def test_of_several_writers_one_brings_the_column_and_each_key_is_written_once(tmp_path):
    for table in range(6):
        Lake(tmp_path / str(table)).insert_new(BEFORE, said([2, 3], 9.0).drop(columns="late"))
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(3)
    writers = [
        spawn.Process(target=insert_beside_others, args=(tmp_path, writer, start))
        for writer in range(3)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    for table in range(6):
        found = rows_in(Lake(tmp_path / str(table)))
        assert [row[:2] for row in found] == [(day, 0) for day in range(1, 10)]
        assert [row[2] for row in found if row[0] in (2, 3)] == [9.0, 9.0]
