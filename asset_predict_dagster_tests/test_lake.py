"""A version means a change, a first word stays, and a refused table leaves the lake as it was."""

import multiprocessing
import os
import time
from datetime import date
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deltalake import write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import MissingTableError, TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.lake_log import versions
from asset_predict_dagster.table_content import content_digest, to_arrow
from asset_predict_dagster.tables import (
    DAY,
    FLAG,
    INSTANT,
    NUMBER,
    SMALL,
    TEXT,
    WHOLE,
    Column,
    Table,
    widen,
)

CLOSES = Table(
    "closes",
    "one ticker's close in one session",
    ("ticker", "session"),
    (
        Column("ticker", TEXT, "B3's code"),
        Column("session", DAY, "trading day"),
        Column("close", NUMBER, "last trade", required=False),
        Column("trades", WHOLE, "number of trades", required=False),
    ),
)
BY_YEAR = Table(
    "closes_by_year",
    CLOSES.row,
    CLOSES.key,
    (*CLOSES.columns, Column("year", SMALL, "calendar year")),
    partition_by=("year",),
)
NOON = pd.Timestamp("2024-01-02 12:00")
SANTOS = "America/Sao_Paulo"


def closes(prices: dict[str, float], ticker: str = "ZZAA3") -> pd.DataFrame:
    """One row per day of `prices`, one trade each."""
    days = pd.to_datetime(list(prices)).as_unit("us")
    return pd.DataFrame({"ticker": ticker, "session": days, "close": prices.values(), "trades": 1})


def by_year(prices: dict[str, float]) -> pd.DataFrame:
    frame = closes(prices)
    return frame.assign(year=frame["session"].dt.year)


THREE_DAYS = closes({"2024-01-02": 10.0, "2024-01-03": 11.0, "2024-01-04": 12.0})


def prices_in(lake: Lake, table: Table = CLOSES, version: int | None = None) -> dict[str, float]:
    stored = lake.read(table, version=version)
    return dict(zip(stored["session"].dt.strftime("%Y-%m-%d"), stored["close"], strict=True))


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


# A table written whole


def test_what_is_written_is_read_back_with_the_dictionarys_types(lake):
    everything = Table(
        "everything",
        "one row",
        ("name",),
        (
            Column("name", TEXT, "a text"),
            Column("day", DAY, "a day", required=False),
            Column("at", INSTANT, "an instant", required=False),
            Column("price", NUMBER, "a number", required=False),
            Column("trades", WHOLE, "a whole number"),
            Column("horizon", SMALL, "a small one"),
            Column("is_halted", FLAG, "a flag"),
        ),
    )
    rows = pd.DataFrame(
        {
            "name": pd.array(["Água de Março", "água"], dtype="str"),
            "day": pd.to_datetime(["2024-01-02", None]).as_unit("us"),
            "at": pd.to_datetime(["2024-01-02 21:00", None], utc=True).as_unit("us"),
            "price": [0.1 + 0.2, np.nan],
            "trades": [2**53 + 1, 0],
            "horizon": np.array([1, 30], dtype="int32"),
            "is_halted": [True, False],
        }
    )
    lake.write(everything, rows)
    pd.testing.assert_frame_equal(lake.read(everything), rows, check_exact=True)


def test_rows_come_back_sorted_by_the_key(lake):
    lake.write(CLOSES, pd.concat([closes({"2024-01-03": 1.0}, "ZZAB3"), THREE_DAYS[::-1]]))
    stored = lake.read(CLOSES)
    assert stored["ticker"].tolist() == ["ZZAA3"] * 3 + ["ZZAB3"]
    assert stored["close"].tolist() == [10.0, 11.0, 12.0, 1.0]


def test_some_columns_come_in_the_order_asked_for_and_still_sorted(lake):
    lake.write(CLOSES, THREE_DAYS[::-1])
    stored = lake.read(CLOSES, columns=["trades", "close"])
    assert stored.columns.tolist() == ["trades", "close"]
    assert stored["close"].tolist() == [10.0, 11.0, 12.0]


def test_the_arrow_table_has_the_dictionarys_schema(lake):
    lake.write(CLOSES, THREE_DAYS)
    assert lake.arrow(CLOSES).schema == CLOSES.schema
    assert lake.arrow(CLOSES)["close"].to_pylist() == [10.0, 11.0, 12.0]


def test_the_same_content_twice_keeps_the_version(lake):
    first = lake.write(CLOSES, THREE_DAYS)
    again = lake.write(CLOSES, THREE_DAYS)
    assert (first.version, first.n_rows, first.changed) == (0, 3, True)
    assert (again.version, again.n_rows, again.changed) == (0, 3, False)
    assert first.n_bytes == again.n_bytes > 0
    assert lake.version(CLOSES) == 0


def test_rows_and_columns_in_another_order_are_the_same_content(lake):
    lake.write(CLOSES, THREE_DAYS)
    shuffled = THREE_DAYS.iloc[[2, 0, 1], ::-1]
    assert not lake.write(CLOSES, shuffled).changed


@pytest.mark.parametrize(
    "trades",
    [
        [1.0, np.nan, 3.0],
        pd.array([1, None, 3], dtype="Int64"),
        pd.Series([1, None, 3], dtype=object),
    ],
    ids=["float64", "Int64", "object"],
)
def test_a_missing_number_is_the_same_however_pandas_writes_it(lake, trades):
    lake.write(CLOSES, THREE_DAYS.assign(trades=pd.array([1, pd.NA, 3], dtype="Int64")))
    assert not lake.write(CLOSES, THREE_DAYS.assign(trades=trades)).changed


def test_one_bit_more_is_another_content(lake):
    lake.write(CLOSES, THREE_DAYS)
    written = lake.write(CLOSES, THREE_DAYS.assign(close=[10.0, 11.0, np.nextafter(12.0, 13.0)]))
    assert (written.version, written.changed) == (1, True)


def test_a_table_without_rows_can_be_written_and_read(lake):
    assert lake.write(CLOSES, THREE_DAYS.head(0)).n_rows == 0
    assert lake.read(CLOSES).dtypes.astype(str).tolist() == [
        "str",
        "datetime64[us]",
        "float64",
        "int64",
    ]


@pytest.mark.parametrize("by", ["write", "insert_new", "both"])
def test_rows_can_be_chosen_by_their_texts_however_they_were_written(lake, by):
    two = pd.concat([THREE_DAYS, closes({"2024-01-02": 20.0}, ticker="ZZAB3")], ignore_index=True)
    if by == "both":
        lake.write(CLOSES, two.iloc[:2])
        lake.insert_new(CLOSES, two.iloc[2:])
    else:
        getattr(lake, by)(CLOSES, two)
    for tickers in (["ZZAA3"], ["ZZAB3"], ["ZZAB3", "ZZAA3"], ["ZZAC3"], []):
        wanted = two[two["ticker"].isin(tickers)]["close"].tolist()
        assert lake.read(CLOSES, ["close"], where={"ticker": tickers})["close"].tolist() == wanted
    assert lake.read(CLOSES, where={"ticker": ["ZZAA3"], "trades": [1]})["close"].max() == 12.0


def test_an_older_version_can_be_read(lake):
    lake.write(CLOSES, THREE_DAYS)
    lake.write(CLOSES, THREE_DAYS.head(1).assign(close=99.0))
    assert prices_in(lake) == {"2024-01-02": 99.0}
    assert prices_in(lake, version=0) == {
        "2024-01-02": 10.0,
        "2024-01-03": 11.0,
        "2024-01-04": 12.0,
    }


def test_a_version_that_never_was_is_named(lake):
    lake.write(CLOSES, THREE_DAYS)
    with pytest.raises(TableError, match="version 7 of table 'closes' cannot be opened"):
        lake.read(CLOSES, version=7)


def test_a_table_whose_log_is_damaged_is_said_to_be_in_one_sentence(lake):
    """The engine adds its own stack, a line for each frame."""
    lake.write(CLOSES, THREE_DAYS)
    (entry,) = Path(lake.root, "closes", "_delta_log").glob("*.json")
    entry.write_text("not what was written")
    with pytest.raises(TableError, match="table 'closes' cannot be opened in ") as said:
        lake.read(CLOSES)
    assert str(said.value).endswith("; put its folder back as it was")
    assert "Json error" in str(said.value)
    assert "\n" not in str(said.value)


def test_a_column_can_join_and_leave_a_table_written_whole(lake):
    wider = widen(CLOSES, [Column("open", NUMBER, "first trade")])
    lake.write(CLOSES, THREE_DAYS)
    lake.write(wider, THREE_DAYS.assign(open=9.0))
    assert lake.read(wider)["open"].tolist() == [9.0] * 3
    lake.write(CLOSES, THREE_DAYS)
    assert "open" not in lake.read(CLOSES)
    with pytest.raises(TableError, match=r"no columns \['open'\].*materialise the asset 'closes'"):
        lake.read(wider)


def test_a_column_that_nobody_knows_is_refused_by_name(lake):
    lake.write(CLOSES, THREE_DAYS)
    with pytest.raises(TableError, match=r"table 'closes' .* has no columns \['spread'\]"):
        lake.read(CLOSES, columns=["close", "spread"])


# A table that is not there, or cannot be


def test_a_missing_table_names_the_asset_to_materialise(lake):
    for read in (lake.read, lake.arrow):
        with pytest.raises(MissingTableError, match="materialise the asset 'closes'"):
            read(CLOSES)
    assert not lake.exists(CLOSES)
    assert lake.version(CLOSES) is None
    assert lake.read_if_made(CLOSES) is None


def test_a_table_that_was_made_is_read_if_made(lake):
    lake.write(CLOSES, THREE_DAYS)
    assert lake.exists(CLOSES)
    read = lake.read_if_made(CLOSES)
    assert read is not None
    pd.testing.assert_frame_equal(read, lake.read(CLOSES))


@pytest.mark.parametrize("write", ["write", "insert_new", "replace_sessions"])
def test_a_lake_that_cannot_be_written_is_one_clear_sentence(tmp_path, write):
    (tmp_path / "file").write_text("in the way of the folder")
    lake = Lake(tmp_path / "file" / "lake")
    with pytest.raises(TableError, match="check ASSET_PREDICT_LAKE and ASSET_PREDICT_D") as refusal:
        getattr(lake, write)(BY_YEAR, by_year({"2024-01-02": 10.0}))
    assert "table 'closes_by_year' cannot be written to" in str(refusal.value)
    assert str(tmp_path / "file") in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_trailing_slash_names_the_same_lake(tmp_path):
    Lake(tmp_path / "lake").write(CLOSES, THREE_DAYS)
    assert Lake(f"{tmp_path}/lake/").exists(CLOSES)


# What is not of the dictionary


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (THREE_DAYS.drop(columns="close"), r"missing columns \['close'\], unknown columns none"),
        (THREE_DAYS.assign(spread=1.0), r"missing columns none, unknown columns \['spread'\]"),
        (THREE_DAYS.rename(columns={"close": "x"}), r"\['close'\], unknown columns \['x'\]"),
        (THREE_DAYS.assign(close="ten"), "column 'close': expected double"),
        (THREE_DAYS.assign(trades=[1.0, 1.5, 2.0]), "column 'trades': expected int64"),
        (THREE_DAYS.assign(ticker=[1, 2, 3]), "column 'ticker': expected string"),
        (THREE_DAYS.assign(ticker=["ZZAA3", 2, "ZZAB3"]), "column 'ticker': expected string"),
        (THREE_DAYS.assign(session=[NOON] * 3), "'session': expected days.*found 2024-01-02 12:00"),
        (
            THREE_DAYS.assign(session=THREE_DAYS["session"].dt.tz_localize(SANTOS)),
            "'session': expected days.*found datetime64.*America/Sao_Paulo",
        ),
        (THREE_DAYS.assign(session="yesterday"), "column 'session': expected date32"),
    ],
)
def test_a_refused_table_is_named_and_nothing_is_written(lake, frame, message):
    with pytest.raises(TableError, match=f"table 'closes'.*{message}"):
        lake.write(CLOSES, frame)
    assert not lake.exists(CLOSES)
    lake.write(CLOSES, THREE_DAYS)
    for write in (lake.write, lake.insert_new):
        with pytest.raises(TableError):
            write(CLOSES, frame)
    assert lake.version(CLOSES) == 0


# First write wins


def test_the_first_write_of_a_key_wins(lake):
    first = lake.insert_new(CLOSES, closes({"2024-01-02": 10.0, "2024-01-03": 11.0}))
    assert (first.n_rows, first.changed) == (2, True)
    second = lake.insert_new(CLOSES, closes({"2024-01-03": 99.0, "2024-01-04": 12.0}))
    assert (second.n_rows, second.changed) == (3, True)
    assert prices_in(lake) == {"2024-01-02": 10.0, "2024-01-03": 11.0, "2024-01-04": 12.0}


def test_what_was_inserted_once_is_never_changed_by_inserting(lake):
    lake.insert_new(CLOSES, THREE_DAYS)
    version = lake.version(CLOSES)
    written = lake.insert_new(CLOSES, THREE_DAYS.assign(close=99.0))
    assert (written.changed, written.version, lake.version(CLOSES)) == (False, version, version)
    assert prices_in(lake)["2024-01-02"] == 10.0


def test_rows_of_a_text_are_read_from_what_was_inserted(lake):
    lake.insert_new(CLOSES, pd.concat([THREE_DAYS, closes({"2024-01-02": 5.0}, ticker="ZZAB4")]))
    assert lake.read(CLOSES, where={"ticker": ["ZZAB4"]})["close"].tolist() == [5.0]
    assert len(lake.read(CLOSES, where={"ticker": ["ZZAA3"]})) == len(THREE_DAYS)


def test_a_day_is_compared_with_its_own_session_alone(lake):
    """Of years of days an insertion reads none: their files may as well be gone."""
    for day, price in (("2024-01-02", 1.0), ("2024-01-03", 2.0), ("2024-01-04", 3.0)):
        lake.insert_new(CLOSES, closes({day: price}))
    others = [file for file in lake.delta(CLOSES.name).file_uris() if _closes_of(file) != [2.0]]
    assert len(others) == 2
    for file in others:
        Path(file).rename(f"{file}.away")
    assert not lake.insert_new(CLOSES, closes({"2024-01-03": 9.0})).changed
    both = pd.concat([closes({"2024-01-03": 9.0}), closes({"2024-01-03": 4.0}, "ZZAB3")])
    assert lake.insert_new(CLOSES, both).changed
    assert lake.insert_new(CLOSES, closes({"2024-01-05": 5.0})).changed
    for file in others:
        Path(f"{file}.away").rename(file)
    assert lake.read(CLOSES)["close"].tolist() == [1.0, 2.0, 3.0, 5.0, 4.0]


def _closes_of(file: str) -> list[float]:
    return pd.read_parquet(file)["close"].tolist()


def test_a_table_whose_key_has_no_session_keeps_its_first_word_too(lake):
    codes = Table("codes", "one code", ("name",), (Column("name", TEXT, "its name"),))
    lake.insert_new(codes, pd.DataFrame({"name": ["a", "b"]}))
    written = lake.insert_new(codes, pd.DataFrame({"name": ["b", "c"]}))
    assert written.n_rows == 3


def test_inserting_nothing_makes_the_table(lake):
    assert lake.insert_new(CLOSES, THREE_DAYS.head(0)).n_rows == 0
    assert lake.read(CLOSES).empty


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.concat([THREE_DAYS, THREE_DAYS.head(1)]), "1 rows repeat another's"),
        (THREE_DAYS.assign(ticker=["ZZAA3", None, "ZZAA3"]), r"\['ticker'\] have missing values"),
    ],
)
def test_a_key_that_is_not_sound_never_enters_an_append_only_table(lake, frame, message):
    with pytest.raises(TableError, match=message):
        lake.insert_new(CLOSES, frame)
    assert not lake.exists(CLOSES)


@settings(max_examples=12, deadline=None)
@given(
    batches=st.lists(st.lists(st.integers(1, 6), unique=True, max_size=6), min_size=1, max_size=4)
)
def test_inserting_is_a_dictionary_that_keeps_its_first_value(tmp_path_factory, batches):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    expected: dict[str, float] = {}
    for writer, days in enumerate(batches):
        said = {f"2024-01-{day:02d}": float(writer) for day in days}
        lake.insert_new(CLOSES, closes(said))
        for day, price in said.items():
            expected.setdefault(day, price)
    assert prices_in(lake) == dict(sorted(expected.items()))


N_WRITERS, N_TABLES = 4, 12


def insert_beside_others(root: Path, writer: int, start: Barrier) -> None:
    """Add ten sessions to each of some tables, at the same moment as the other writers.

    Writer k says the sessions 2k + 1 … 2k + 10 of January, so that they overlap.
    """
    for table in range(N_TABLES):
        days = [f"2024-01-{day:02d}" for day in range(2 * writer + 1, 2 * writer + 11)]
        start.wait(30)
        Lake(root / str(table)).insert_new(CLOSES, closes(dict.fromkeys(days, float(writer))))


def test_of_several_writers_at_once_each_key_is_written_exactly_once(tmp_path):
    # Processes of their own, as runs of the pipeline are; the tables are not there yet.
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(N_WRITERS)
    writers = [
        spawn.Process(target=insert_beside_others, args=(tmp_path, writer, start))
        for writer in range(N_WRITERS)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * N_WRITERS
    for table in range(N_TABLES):
        stored = Lake(tmp_path / str(table)).read(CLOSES)
        assert stored["session"].dt.day.tolist() == list(range(1, 17))
        for day, writer in zip(stored["session"].dt.day, stored["close"], strict=True):
            assert 2 * writer + 1 <= day <= 2 * writer + 10


# Sessions swapped


def test_the_records_of_a_session_are_swapped_and_the_others_stay(lake):
    lake.replace_sessions(BY_YEAR, by_year({"2023-12-28": 1.0, "2024-01-02": 2.0}))
    lake.replace_sessions(BY_YEAR, by_year({"2024-01-02": 3.0, "2024-01-03": 4.0}))
    assert prices_in(lake, BY_YEAR) == {"2023-12-28": 1.0, "2024-01-02": 3.0, "2024-01-03": 4.0}


def test_a_swapped_session_loses_the_tickers_that_it_no_longer_has(lake):
    both = pd.concat([by_year({"2024-01-02": 1.0}), by_year({"2024-01-02": 2.0})])
    both["ticker"] = ["ZZAA3", "ZZAB3"]
    lake.replace_sessions(BY_YEAR, both)
    lake.replace_sessions(BY_YEAR, both.head(1))
    assert lake.read(BY_YEAR)["ticker"].tolist() == ["ZZAA3"]


def test_an_emptied_session_is_dropped_in_the_same_commit(lake):
    lake.replace_sessions(BY_YEAR, by_year({"2023-12-28": 1.0, "2024-01-02": 2.0}))
    version = lake.version(BY_YEAR)
    written = lake.replace_sessions(
        BY_YEAR, by_year({"2024-01-03": 4.0}), emptied=[date(2023, 12, 28)]
    )
    assert prices_in(lake, BY_YEAR) == {"2024-01-02": 2.0, "2024-01-03": 4.0}
    assert (written.version, written.n_rows) == (version + 1, 2)


def test_a_session_can_be_emptied_without_another_record(lake):
    days = by_year({"2023-12-28": 1.0, "2024-01-02": 2.0})
    lake.replace_sessions(BY_YEAR, days)
    lake.replace_sessions(BY_YEAR, days.head(0), emptied=[date(2024, 1, 2)])
    assert prices_in(lake, BY_YEAR) == {"2023-12-28": 1.0}


def test_swapping_no_session_makes_the_table_and_changes_nothing_later(lake):
    nothing = by_year({"2024-01-02": 1.0}).head(0)
    assert lake.replace_sessions(BY_YEAR, nothing).changed
    again = lake.replace_sessions(BY_YEAR, nothing)
    assert (again.version, again.n_rows, again.changed) == (0, 0, False)


def test_an_added_session_leaves_the_files_of_the_others_untouched(lake):
    year = [str(day.date()) for day in pd.bdate_range("2024-01-01", "2024-06-28")]
    hole, later = year.pop(50), "2024-07-01"
    lake.replace_sessions(BY_YEAR, by_year(dict.fromkeys(year, 1.0)))
    before = set(lake.delta(BY_YEAR.name).file_uris())
    for day in (later, hole):
        lake.replace_sessions(BY_YEAR, by_year({day: 2.0}))
    after = set(lake.delta(BY_YEAR.name).file_uris())
    assert before < after
    assert len(after - before) == 2
    assert len(lake.read(BY_YEAR)) == len(year) + 2


# Where a version came from

SOURCES = {"raw_quotes": 12, "corporate_actions": 3}


@pytest.mark.parametrize("write", ["write", "insert_new", "replace_sessions"])
def test_a_version_records_the_versions_it_came_from(lake, write):
    first = getattr(lake, write)(
        BY_YEAR, by_year({"2024-01-02": 1.0}), came_from={"raw_quotes": 11}
    )
    assert first.came_from == {"raw_quotes": 11}
    second = getattr(lake, write)(BY_YEAR, by_year({"2024-01-03": 2.0}), came_from=SOURCES)
    assert second.came_from == SOURCES
    assert list(second.came_from) == ["raw_quotes", "corporate_actions"]


@pytest.mark.parametrize("write", ["write", "insert_new"])
def test_a_write_that_changes_nothing_keeps_the_sources_of_the_first(lake, write):
    getattr(lake, write)(CLOSES, THREE_DAYS, came_from=SOURCES)
    again = getattr(lake, write)(CLOSES, THREE_DAYS, came_from={"raw_quotes": 13})
    assert not again.changed
    assert again.came_from == SOURCES


def test_a_source_that_nobody_names_is_not_the_same_as_none(lake):
    assert lake.write(CLOSES, THREE_DAYS).came_from is None
    assert lake.write(CLOSES, THREE_DAYS.head(1), came_from={}).came_from == {}


def test_every_read_is_told_with_its_version(tmp_path):
    told = []
    lake = Lake(tmp_path / "lake", on_read=lambda name, version: told.append((name, version)))
    lake.write(CLOSES, THREE_DAYS)
    lake.write(CLOSES, THREE_DAYS.head(1))
    lake.version(CLOSES)
    assert told == []
    lake.read(CLOSES)
    lake.read(CLOSES, version=0)
    lake.arrow(CLOSES)
    assert told == [("closes", 1), ("closes", 0), ("closes", 1)]


# A version that is gone


def test_a_version_whose_files_are_gone_says_so(lake):
    lake.write(CLOSES, THREE_DAYS)
    lake.write(CLOSES, THREE_DAYS.head(1))
    for file in lake.delta(CLOSES.name, 0).file_uris():
        Path(file).unlink()
    with pytest.raises(TableError, match=r"version 0 of table 'closes' can no longer be read"):
        lake.read(CLOSES, version=0)
    assert prices_in(lake) == {"2024-01-02": 10.0}


def test_a_version_that_the_log_forgot_is_not_a_table_that_was_never_made(lake):
    lake.write(CLOSES, THREE_DAYS)
    lake.write(CLOSES, THREE_DAYS.head(1))
    lake.delta(CLOSES.name).create_checkpoint()
    (Path(lake.root) / "closes/_delta_log/00000000000000000000.json").unlink()
    with pytest.raises(TableError, match="version 0 of table 'closes' cannot be opened") as refusal:
        lake.read(CLOSES, version=0)
    assert not isinstance(refusal.value, MissingTableError)


def test_no_version_is_forgotten_however_old(lake):
    """Delta forgets what is older than 30 days at every hundredth commit, unless told not to."""
    folder = f"{lake.root}/closes"
    for price in range(99):  # as programs before this one wrote, without the table's property
        write_deltalake(
            folder, to_arrow(CLOSES, THREE_DAYS.assign(close=float(price))), mode="overwrite"
        )
    long_ago = time.time() - 40 * 86_400
    for file in Path(folder, "_delta_log").iterdir():
        os.utime(file, (long_ago, long_ago))
    lake.write(CLOSES, THREE_DAYS)
    assert Path(folder, "_delta_log/_last_checkpoint").exists()
    assert prices_in(lake, version=0)["2024-01-02"] == 0.0


def test_other_programs_are_asked_to_forget_none_either(lake):
    lake.insert_new(CLOSES, THREE_DAYS)
    configuration = lake.delta(CLOSES.name).metadata().configuration
    assert configuration["delta.enableExpiredLogCleanup"] == "false"


def test_a_table_that_is_written_every_day_is_opened_from_a_checkpoint_and_forgets_nothing(lake):
    for n in range(12):
        lake.write(CLOSES, THREE_DAYS.assign(close=THREE_DAYS["close"] + n))
    stored = lake.delta(CLOSES.name)
    checkpoints = Path(stored.table_uri.removeprefix("file://"), "_delta_log").glob("*.checkpoint*")
    assert [path.name for path in checkpoints] == [f"{9:020}.checkpoint.parquet"]
    assert [version.number for version in versions(stored)] == list(range(12))
    assert lake.read(CLOSES, version=0)["close"].tolist() == THREE_DAYS["close"].tolist()


# Digests


def test_a_digest_does_not_depend_on_the_order_of_rows():
    assert content_digest(CLOSES, THREE_DAYS) == content_digest(CLOSES, THREE_DAYS[::-1])
    other = THREE_DAYS.assign(close=[10.0, 11.0, 12.5])
    assert content_digest(CLOSES, THREE_DAYS) != content_digest(CLOSES, other)


def test_what_is_left_out_does_not_count_even_where_it_is_part_of_the_key():
    versions = THREE_DAYS.head(2).assign(ticker=["8", "9"], session=pd.Timestamp("2024-01-02"))
    # Two versions on, texts sort the other way round.
    later = versions.assign(ticker=["9", "10"])
    assert to_arrow(CLOSES, versions)["close"].to_pylist() == [10.0, 11.0]
    assert to_arrow(CLOSES, later)["close"].to_pylist() == [11.0, 10.0]
    one, other = (content_digest(CLOSES, frame, without=["ticker"]) for frame in (versions, later))
    assert one == other
