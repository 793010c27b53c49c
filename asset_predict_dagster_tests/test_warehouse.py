"""The published database says what the lake says, and is never seen half made."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from asset_predict_dagster.errors import TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.adjustment import back_adjusted
from asset_predict_dagster.tables import DAY, NUMBER, QUOTES, TEXT, Column, Table, widen
from asset_predict_dagster.warehouse import publish

CLOSES = Table(
    "closes",
    "one ticker's close in one session",
    ("ticker", "session"),
    (
        Column("ticker", TEXT, "B3's code"),
        Column("session", DAY, "trading day"),
        Column("close", NUMBER, "the day's last trade", "R$ per share", required=False),
    ),
)
NOTES = Table("notes", "one note", ("note",), (Column("note", TEXT, "what was noted"),))


def closes(*prices: float | None) -> pd.DataFrame:
    days = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04"]).as_unit("us")
    return pd.DataFrame({"ticker": "ZZAA3", "session": days[: len(prices)], "close": prices})


@pytest.fixture
def lake(tmp_path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.write(CLOSES, closes(10.0, None))
    return lake


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "published" / "warehouse.duckdb"


def publish_to(target: Path, lake: Lake, *tables: Table) -> dict[str, int]:
    with duckdb.connect() as connection:
        return publish(connection, lake, tables, target)


def rows_in(target: Path, query: str = "FROM closes ORDER BY session") -> list[tuple]:
    with duckdb.connect(str(target), read_only=True) as reader:
        return reader.execute(query).fetchall()


def test_a_table_is_published_under_its_name_with_its_rows(lake, target):
    assert publish_to(target, lake, CLOSES) == {"closes": 2}
    assert rows_in(target, "FROM main.closes ORDER BY session") == [
        ("ZZAA3", date(2024, 1, 2), 10.0),
        ("ZZAA3", date(2024, 1, 3), None),
    ]


def test_a_table_that_is_not_made_yet_is_left_out(lake, target):
    assert publish_to(target, lake, CLOSES, NOTES) == {"closes": 2}
    assert rows_in(target, "SHOW TABLES") == [("closes",)]


def test_a_table_without_rows_is_published_with_its_columns(lake, target):
    lake.write(NOTES, pd.DataFrame({"note": []}, dtype="str"))
    assert publish_to(target, lake, CLOSES, NOTES) == {"closes": 2, "notes": 0}
    assert rows_in(target, "SELECT column_type FROM (DESCRIBE notes)") == [("VARCHAR",)]


def test_every_meaning_and_unit_travels_as_a_comment(lake, target):
    publish_to(target, lake, CLOSES)
    assert rows_in(target, "SELECT comment FROM duckdb_tables()") == [(CLOSES.row,)]
    assert rows_in(
        target, "SELECT column_name, comment FROM duckdb_columns() WHERE NOT internal"
    ) == [
        ("ticker", "B3's code"),
        ("session", "trading day"),
        ("close", "the day's last trade [R$ per share]"),
    ]


def test_publishing_anew_replaces_what_was_there(lake, target):
    publish_to(target, lake, CLOSES)
    lake.write(CLOSES, closes(10.0, 11.0, 12.0))
    assert publish_to(target, lake, CLOSES) == {"closes": 3}
    assert len(rows_in(target)) == 3
    assert list(target.parent.iterdir()) == [target]


def test_one_connection_can_publish_twice(lake, target):
    with duckdb.connect() as connection:
        for _ in range(2):
            assert publish(connection, lake, [CLOSES], target) == {"closes": 2}


def test_a_reader_that_holds_the_old_one_open_keeps_a_whole_one(lake, target):
    publish_to(target, lake, CLOSES)
    lake.write(CLOSES, closes(99.0))
    # Another process, as a notebook is: DuckDB shares what one process opens twice.
    reader = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys\n"
            "held = duckdb.connect(sys.argv[1], read_only=True)\n"
            "print('open', flush=True), sys.stdin.readline()\n"
            "print(held.execute('SELECT close FROM closes ORDER BY session').fetchall())",
            str(target),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        publish_to(target, lake, CLOSES)
        old, _ = reader.communicate("\n")
    assert old == "[(10.0,), (None,)]\n"
    assert [close for *_, close in rows_in(target)] == [99.0]


def test_a_failure_half_way_leaves_the_old_one_and_nothing_else(lake, target):
    publish_to(target, lake, CLOSES)
    lake.write(CLOSES, closes(99.0))
    lake.write(NOTES, pd.DataFrame({"note": ["one"]}))
    with duckdb.connect() as connection:
        unmet = widen(NOTES, [Column("author", TEXT, "who noted it")])
        with pytest.raises(TableError, match="author"):
            publish(connection, lake, [CLOSES, unmet], target)
        assert [close for *_, close in rows_in(target)] == [10.0, None]
        assert list(target.parent.iterdir()) == [target]
        assert publish(connection, lake, [CLOSES, NOTES], target) == {"closes": 1, "notes": 1}


def test_what_a_dead_writer_left_beside_the_old_one_does_not_spoil_the_new_one(lake, target):
    publish_to(target, lake, CLOSES)
    script = (
        "import duckdb, os, sys\n"
        "writer = duckdb.connect(sys.argv[1])\n"
        "writer.execute('CREATE TABLE scratch AS SELECT 1')\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(target)], check=True)
    assert (target.parent / "warehouse.duckdb.wal").exists()
    publish_to(target, lake, CLOSES)
    assert len(rows_in(target)) == 2


def test_a_folder_with_a_quote_in_its_name_can_be_published_to(lake, tmp_path):
    target = tmp_path / "Joana d'Arc" / "warehouse.duckdb"
    assert publish_to(target, lake, CLOSES) == {"closes": 2}
    assert len(rows_in(target)) == 2


# Back-adjusted prices, for charts


def simulated_quotes() -> pd.DataFrame:
    from asset_predict_dagster_tests.market.simulated_tables import market_as_of

    return market_as_of(date(2019, 10, 1)).quotes


def test_the_view_of_back_adjusted_prices_is_what_the_function_says(lake, target):
    quotes = simulated_quotes()
    lake.write(QUOTES, quotes)
    assert set(publish_to(target, lake, QUOTES)) == {"quotes"}
    with duckdb.connect(str(target), read_only=True) as reader:
        view = reader.execute("FROM quotes_back_adjusted ORDER BY ticker, session").df()
    assert (quotes["split_factor"] != 1).any() and (quotes["dividend_factor"] != 1).any()
    expected = back_adjusted(quotes)
    view = view.astype(expected.dtypes.to_dict())
    pd.testing.assert_frame_equal(view, expected, check_exact=True)


def test_the_view_says_what_it_holds_and_that_nothing_should_learn_from_it(lake, target):
    lake.write(QUOTES, simulated_quotes())
    publish_to(target, lake, QUOTES)
    [(comment,)] = rows_in(target, "SELECT comment FROM duckdb_views() WHERE NOT internal")
    assert "never learn from them" in comment
    columns = rows_in(
        target,
        "SELECT column_name, comment FROM duckdb_columns()"
        " WHERE table_name = 'quotes_back_adjusted' ORDER BY column_index",
    )
    assert [name for name, _ in columns] == ["ticker", "session", "open", "high", "low", "close"]
    assert dict(columns)["close"] == (
        "last trade, back-adjusted [R$ per share of the ticker's last session]"
    )
    assert all(comment for _, comment in columns)


def test_the_view_works_under_whatever_name_the_database_is_opened(lake, target):
    lake.write(QUOTES, simulated_quotes())
    publish_to(target, lake, QUOTES)
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{target}' AS another (READ_ONLY)")
        [(n_rows,)] = connection.execute(
            "SELECT count(*) FROM another.main.quotes_back_adjusted"
        ).fetchall()
    assert n_rows == len(simulated_quotes())


def test_without_quotes_there_is_no_view_of_them(lake, target):
    publish_to(target, lake, CLOSES)
    assert rows_in(target, "SELECT view_name FROM duckdb_views() WHERE NOT internal") == []
