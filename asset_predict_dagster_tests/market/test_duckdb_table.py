"""A table in DuckDB is read as B3's files are: by month, and only what changed."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import MarketFileError, SettingsError, SourceDownError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.cotahist_folder import CotahistFolder
from asset_predict_dagster.market.duckdb_table import DuckDBTable
from asset_predict_dagster.market.ingestion import ingest
from asset_predict_dagster.market.records import RECORD_TYPES
from asset_predict_dagster.tables import CORPORATE_ACTIONS, RAW_QUOTES
from asset_predict_dagster.warehouse import publish
from asset_predict_dagster_tests.market.market_files import put, record

NEEDED = {
    "session": "DATE",
    "ticker": "VARCHAR",
    "market_type": "VARCHAR",
    "bdi_code": "VARCHAR",
    "company": "VARCHAR",
    "specification": "VARCHAR",
    "open": "DOUBLE",
    "high": "DOUBLE",
    "low": "DOUBLE",
    "close": "DOUBLE",
    "quantity": "BIGINT",
    "volume_brl": "DOUBLE",
    "quotation_factor": "INTEGER",
}
TOKEN = "a-token-nobody-may-see"


def row(session: str, close: float | None = 10.0, ticker: str | None = "ZZAA3", market="010"):
    """A record of the needed columns, 100 papers at one price."""
    prices = (close,) * 4
    return (session, ticker, market, "02", "ZZ", "ON", *prices, 100, 100 * (close or 0.0), 1)


def fill(path: Path, *rows: tuple, table: str = "raw_quotes", columns=NEEDED) -> DuckDBTable:
    """A database with a table of these rows, in place of one it had."""
    kinds = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE OR REPLACE TABLE {table} ({kinds})")
        if rows:
            places = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
    return DuckDBTable(str(path))


def digests(table: DuckDBTable) -> dict[str, str]:
    return {batch.name: batch.digest for batch in table.batches()}


def read_month(table: DuckDBTable, month: str):
    return table.read(next(batch for batch in table.batches() if batch.name == month))


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "b3.duckdb"


# Months


def test_each_calendar_month_is_a_batch_generated_on_its_last_session(path):
    table = fill(path, row("2024-02-09"), row("2024-01-31"), row("2024-02-08"))
    assert list(digests(table)) == ["2024-01", "2024-02"]
    february = read_month(table, "2024-02")
    assert (february.kind, february.generated_on) == ("monthly", date(2024, 2, 9))
    assert (february.first, february.last) == (date(2024, 2, 1), date(2024, 2, 29))
    assert (february.n_quotes, february.n_filtered) == (2, 0)
    assert february.records["session"].dt.day.tolist() == [8, 9]
    assert february.records["line"].tolist() == [1, 2]
    assert (table.origin, table.refresh(date(2024, 2, 9))) == ("B3", [])


def log_of(path: Path, *origins: str) -> None:
    """A table `ingested_files` beside the records, as a published warehouse has one."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE ingested_files (file VARCHAR, origin VARCHAR)")
        for place, origin in enumerate(origins):
            connection.execute("INSERT INTO ingested_files VALUES (?, ?)", [str(place), origin])


def test_prices_are_of_whom_the_log_beside_them_says(path):
    table = fill(path, row("2024-01-31"))
    log_of(path, "a simulated market", "a simulated market")
    assert table.origin == "a simulated market"


def test_prices_of_two_origins_in_one_database_are_refused(path):
    table = fill(path, row("2024-01-31"))
    log_of(path, "B3", "a simulated market")
    with pytest.raises(MarketFileError, match="B3 and a simulated market found"):
        table.origin  # noqa: B018


def test_a_new_session_changes_the_digest_of_its_month_alone(path):
    before = digests(fill(path, row("2024-01-31"), row("2024-02-08")))
    after = digests(fill(path, row("2024-01-31"), row("2024-02-08"), row("2024-02-09")))
    assert before["2024-01"] == after["2024-01"]
    assert before["2024-02"] != after["2024-02"]


ROWS = [
    row("2024-02-08", 10.0),
    row("2024-02-08", 10.0),
    row("2024-02-08", 7.0, "ZZAB3"),
    row("2024-02-09", 11.0),
    row("2024-02-09", 0.5, "ZZAAB10", "070"),
]


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations(ROWS))
def test_the_order_of_the_rows_says_nothing(path, order):
    expected, shuffled = fill(path, *ROWS), path.with_name("shuffled.duckdb")
    table = fill(shuffled, *order)
    assert digests(table) == digests(expected)
    pd.testing.assert_frame_equal(
        read_month(table, "2024-02").records, read_month(expected, "2024-02").records
    )


def test_any_other_value_makes_another_digest(path):
    table = fill(path, row("2024-02-08"), row("2024-02-09"))
    seen = {digests(table)["2024-02"]}
    for name in NEEDED:
        value = "DATE '2024-02-15'" if name == "session" else "'7'"
        with duckdb.connect(str(path)) as connection:
            connection.execute(
                f"UPDATE raw_quotes SET {name} = {value} WHERE session <> '2024-02-08'"
            )
        seen.add(digests(table)["2024-02"])
    assert len(seen) == 1 + len(NEEDED)


def test_a_row_that_stands_twice_is_not_as_if_it_did_not_stand(path):
    once = digests(fill(path, row("2024-02-09")))
    assert digests(fill(path, *[row("2024-02-09")] * 3)) != once


# Markets


def test_other_markets_are_counted_and_left_in_the_table(path):
    table = fill(path, row("2024-02-08", 0.5, "ZZAAB10", "070"), row("2024-02-09"))
    delivery = read_month(table, "2024-02")
    assert (delivery.n_quotes, delivery.n_filtered) == (2, 1)
    assert delivery.records["ticker"].tolist() == ["ZZAA3"]
    assert delivery.records["line"].tolist() == [2]


def test_a_market_that_b3_does_not_have_is_delivered_for_the_caller_to_reject(path):
    delivery = read_month(fill(path, row("2024-02-09", market="999")), "2024-02")
    assert (delivery.n_filtered, delivery.records["market_type"].tolist()) == (0, ["999"])


# Columns


def test_what_a_table_does_not_say_is_what_b3_writes_for_none(path):
    [said] = read_month(fill(path, row("2024-02-09")), "2024-02").records.to_dict("records")
    absent = {name: said[name] for name in RECORD_TYPES if name not in NEEDED}
    assert {name for name, value in absent.items() if pd.isna(value)} == {
        "forward_days", "average", "trades", "expiry",
    }  # fmt: skip
    assert {name: value for name, value in absent.items() if not pd.isna(value)} == {
        "currency": "R$",
        "best_bid": 0.0,
        "best_ask": 0.0,
        "strike_price": 0.0,
        "strike_indexer": "0",
        "strike_points": 0.0,
        "isin": "",
        "distribution_number": 0,
    }


def test_columns_without_a_value_say_what_columns_that_are_not_there_say(path):
    absent = fill(path, row("2024-02-09"))
    expected, digest = read_month(absent, "2024-02").records, digests(absent)
    columns = NEEDED | {"best_bid": "DOUBLE", "trades": "INTEGER", "isin": "VARCHAR"}
    empty = fill(path, (*row("2024-02-09"), None, None, None), columns=columns)
    assert digests(empty) == digest
    pd.testing.assert_frame_equal(read_month(empty, "2024-02").records, expected)


def test_records_have_the_types_of_the_files_reader_whatever_the_tables(path):
    columns = NEEDED | {
        "session": "TIMESTAMP",
        "close": "DECIMAL(18, 2)",
        "quantity": "UINTEGER",
        "ticker": "ENUM('ZZAA3')",
        "year": "VARCHAR",
        "source_file": "INTEGER",
    }
    table = fill(path, (*row("2024-02-09", 10.25), "?", 0), columns=columns)
    records = read_month(table, "2024-02").records
    assert records.dtypes.astype(str).to_dict() == RECORD_TYPES | {"line": "int64"}
    assert records.loc[0, ["session", "ticker", "close", "quantity"]].tolist() == [
        pd.Timestamp("2024-02-09"), "ZZAA3", 10.25, 100,
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["session", "market_type", "close", "quotation_factor"])
def test_a_needed_column_that_is_missing_is_named(path, name):
    columns = {column: kind for column, kind in NEEDED.items() if column != name}
    table = fill(path, columns=columns)
    with pytest.raises(MarketFileError, match=rf"raw_quotes: a column {name} \([A-Z]+\) was exp"):
        table.batches()


@pytest.mark.parametrize(
    ("name", "expected", "kind"),
    [("close", "DOUBLE", "VARCHAR"), ("quantity", "BIGINT", "DOUBLE"), ("session", "DATE", "TIME"),
     ("market_type", "VARCHAR", "INTEGER"), ("expiry", "DATE", "TIMESTAMP WITH TIME ZONE")],
)  # fmt: skip
def test_a_column_of_another_type_is_named_with_what_was_found(path, name, expected, kind):
    table = fill(path, columns=NEEDED | {name: kind})
    with pytest.raises(
        MarketFileError, match=f"column {name}: {expected} was expected, {kind} found; cast it"
    ):
        table.batches()


def test_a_missing_price_is_delivered_for_the_caller_to_reject(path):
    records = read_month(fill(path, row("2024-02-09", None)), "2024-02").records
    assert records["close"].isna().tolist() == [True]


def test_a_record_without_a_ticker_is_refused_with_its_place(path):
    table = fill(path, row("2024-02-08"), row("2024-02-09", ticker=None))
    with pytest.raises(MarketFileError, match="column ticker: NULL found at 2024-02-09 010"):
        table.batches()


def test_a_day_with_a_time_of_day_is_refused(path):
    table = fill(path, row("2024-02-09 18:30"), columns=NEEDED | {"session": "TIMESTAMP"})
    with pytest.raises(MarketFileError, match="session: a day was expected, 2024-02-09 18:30:00 f"):
        table.batches()


# The database


def test_a_database_that_is_not_there_is_said_so(tmp_path):
    for nowhere in (tmp_path / "none.duckdb", tmp_path):
        with pytest.raises(SettingsError, match=f"{nowhere}: a database file was expected, none"):
            DuckDBTable(str(nowhere)).batches()


def test_a_file_that_is_no_database_is_said_so(path):
    path.write_text("ticker,close\n" * 2_000)
    with pytest.raises(SettingsError, match=r"cannot be opened as a DuckDB database: .* not a val"):
        DuckDBTable(str(path)).batches()


def test_a_database_without_the_table_is_said_so(path):
    raw_quotes = pd.DataFrame({"session": [1]})  # no table, though DuckDB would find it here
    table = fill(path, table="closes", columns={"close": "DOUBLE"})
    with pytest.raises(MarketFileError, match="a table raw_quotes was expected, there is none"):
        table.batches()
    assert len(raw_quotes) == 1


def test_an_empty_table_is_said_so(path):
    with pytest.raises(MarketFileError, match="the table raw_quotes is empty"):
        fill(path).batches()


def test_a_month_that_vanished_since_is_said_so(path):
    [batch] = fill(path, row("2024-02-09")).batches()
    with pytest.raises(MarketFileError, match=r"records of 2024-02 were expected, none found"):
        fill(path, row("2024-01-31")).read(batch)


def test_a_database_that_another_program_writes_to_is_down(path):
    table = fill(path, row("2024-02-09"))
    code = (
        f"import duckdb, sys; held = duckdb.connect({str(path)!r}); print('held', flush=True);"
        " sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(SourceDownError, match="is in use by a program that writes to it"):
            table.batches()
        writer.communicate()
    assert len(table.batches()) == 1


def test_a_database_that_this_program_writes_to_is_down(path):
    table = fill(path, row("2024-02-09"))
    with (
        duckdb.connect(str(path)),
        pytest.raises(SourceDownError, match="is in use by a program that writes to it"),
    ):
        table.batches()


def test_the_file_is_let_go_after_each_call(path):
    table = fill(path, row("2024-02-09"))
    table.read(table.batches()[0])
    table.corporate_actions(date(2024, 2, 9))
    fill(path, row("2024-02-08"))
    assert read_month(table, "2024-02").generated_on == date(2024, 2, 8)


def test_the_file_is_let_go_when_it_was_refused(path):
    table = fill(path, row("2024-02-09", ticker=None))
    with pytest.raises(MarketFileError) as kept:
        table.batches()
    fill(path, row("2024-02-08"))
    assert "NULL" in str(kept.value)


def test_a_view_is_as_good_as_a_table(path):
    table = fill(path, row("2024-02-09"), table="stored")
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE VIEW raw_quotes AS SELECT * FROM stored")
    assert len(read_month(table, "2024-02").records) == 1


# The token


def test_the_token_is_shown_nowhere():
    table = DuckDBTable("md:b3", TOKEN)
    assert TOKEN not in f"{table!r} {vars(table)} {table.token}"


def test_a_message_of_duckdb_that_holds_the_token_is_shown_without_it(path):
    path.write_text("no database")
    table = DuckDBTable(str(path), "valid DuckDB")
    with pytest.raises(SettingsError, match=r"it is not a \*\*\* database file") as caught:
        table.batches()
    assert caught.value.__suppress_context__


def test_a_token_in_the_address_is_refused_without_repeating_it():
    with pytest.raises(SettingsError, match="holds a token") as caught:
        DuckDBTable(f"md:b3?motherduck_token={TOKEN}", TOKEN)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("token", [None, ""])
def test_motherduck_without_a_token_is_said_so(token):
    with pytest.raises(SettingsError, match="ASSET_PREDICT_DUCKDB=md:b3 needs MOTHERDUCK_TOKEN"):
        DuckDBTable("md:b3", token)


def test_motherduck_that_cannot_be_reached_is_down_and_the_token_stays_secret(tmp_path):
    code = (
        "from asset_predict_dagster.errors import SourceDownError\n"
        "from asset_predict_dagster.market.duckdb_table import DuckDBTable\n"
        "try:\n"
        f"    DuckDBTable('md:b3', {TOKEN!r}).batches()\n"
        "except SourceDownError:\n"
        "    import traceback; traceback.print_exc()\n"
    )
    # Nothing installed, and a proxy that nobody runs: DuckDB cannot fetch what it needs.
    cut_off = {"HOME": str(tmp_path), "HTTP_PROXY": "http://127.0.0.1:9"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=cut_off, capture_output=True, text=True, check=True
    )
    assert "md:b3 cannot be reached: IO Error" in run.stderr
    assert TOKEN not in run.stderr


# Corporate actions

EVENT = {"ticker": "VARCHAR", "ex_date": "DATE", "kind": "VARCHAR", "amount_brl": "DOUBLE",
         "factor": "DOUBLE"}  # fmt: skip
LAST = date(2024, 2, 9)


def with_events(path: Path, *events: tuple, columns=EVENT) -> DuckDBTable:
    return fill(path, *events, table="corporate_actions", columns=columns)


def test_a_database_without_events_has_none(path):
    events = fill(path, row("2024-02-09")).corporate_actions(LAST)
    assert list(events.columns) == CORPORATE_ACTIONS.column_names
    assert events.empty


def test_events_up_to_the_session_are_told_by_duckdb_and_certain(path):
    table = with_events(
        path,
        ("ZZAA3", "2024-02-09", "split", None, 2.0),
        ("ZZAA3", "2024-02-08", "cash_dividend", 0.5, None),
        ("ZZAA3", "2024-02-14", "split", None, 3.0),
    )
    events = table.corporate_actions(LAST)
    assert events["ex_date"].dt.day.tolist() == [8, 9]
    assert events["kind"].tolist() == ["cash_dividend", "split"]
    assert events["amount_brl"].fillna(0).tolist() == [0.5, 0.0]
    assert events["factor"].fillna(0).tolist() == [0.0, 2.0]
    assert set(events["source"]) == {"duckdb"}
    assert set(events["confidence"]) == {1.0}
    assert events["evidence"].isna().all()


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (("ZZAA3", "2024-02-09", "split", None, 0.0), "a share event needs a factor above zero"),
        (("ZZAA3", "2024-02-09", "cash_dividend", -1.0, None), "needs an amount_brl above zero"),
        (("ZZAA3", "2024-02-09", "desdobramento", None, 2.0), "kind is none of"),
        ((None, "2024-02-09", "split", None, 2.0), "column ticker: NULL found at 2024-02-09 split"),
    ],
)
def test_an_event_that_cannot_be_is_refused(path, event, reason):
    with pytest.raises(MarketFileError, match=reason):
        with_events(path, event).corporate_actions(LAST)


@pytest.mark.parametrize(("source", "confidence"), [("rumour", 1.0), ("csv", 1.5)])
def test_an_event_of_no_known_source_or_confidence_is_refused(path, source, confidence):
    columns = EVENT | {"source": "VARCHAR", "confidence": "DOUBLE"}
    event = ("ZZAA3", "2024-02-09", "split", None, 2.0, source, confidence)
    with pytest.raises(MarketFileError, match=r"a source of .* and a confidence from 0 to 1 were"):
        with_events(path, event, columns=columns).corporate_actions(LAST)


# Our own published database


@pytest.fixture
def published(tmp_path) -> tuple[Lake, DuckDBTable]:
    """A lake of two months, and the database published of it."""
    folder = tmp_path / "files"
    folder.mkdir()
    prices = {"open": 10.0, "high": 11.0, "low": 9.0, "average": 10.0, "quantity": 100,
              "volume_brl": 1_000.0, "trades": 7}  # fmt: skip
    put(folder, "COTAHIST_D02012019.TXT", [record(2, 10.0) | prices])
    put(
        folder,
        "COTAHIST_D03012019.TXT",
        [record(3, 10.5, "ZZAB3") | prices, record(3, 9.0) | prices],
    )
    (folder / "corporate_actions.csv").write_text(
        "ticker,ex_date,kind,amount_brl,factor\nZZAA3,2019-01-03,split,,2\n"
    )
    lake, source = Lake(tmp_path / "lake"), CotahistFolder(folder)
    ingest(lake, source)
    lake.write(CORPORATE_ACTIONS, source.corporate_actions(date(2019, 1, 3)))
    target = tmp_path / "warehouse.duckdb"
    with duckdb.connect() as connection:
        publish(connection, lake, (RAW_QUOTES, CORPORATE_ACTIONS), target)
    return lake, DuckDBTable(str(target))


def test_the_published_database_read_back_makes_the_same_lake(published, tmp_path):
    lake, table = published
    again = Lake(tmp_path / "again")
    ingest(again, table)
    raw, expected = again.read(RAW_QUOTES), lake.read(RAW_QUOTES)
    assert len(raw) == 3
    assert set(raw["source_file"]) == {"2019-01"}
    pd.testing.assert_frame_equal(
        raw.drop(columns="source_file"), expected.drop(columns="source_file")
    )
    again.write(CORPORATE_ACTIONS, table.corporate_actions(date(2019, 1, 3)))
    pd.testing.assert_frame_equal(again.read(CORPORATE_ACTIONS), lake.read(CORPORATE_ACTIONS))


def test_the_same_table_again_changes_nothing_in_the_lake(published, tmp_path):
    _, table = published
    again = Lake(tmp_path / "again")
    ingest(again, table)
    before = again.version(RAW_QUOTES)
    assert ingest(again, table).n_known == 1
    assert again.version(RAW_QUOTES) == before
