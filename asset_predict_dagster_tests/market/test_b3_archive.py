"""A folder is brought up to date from B3's archive; whatever goes wrong, it holds whole files only.

The archive is a real HTTP server with a calendar of its own to check: 2024-02-12 and -13 are
Carnival, 2024-02-14 is the session after. 2023 ends with the session of 2023-12-28.
"""

import contextlib
import os
import subprocess
import sys
import time
import traceback
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import SourceDownError
from asset_predict_dagster.market.b3_archive import B3Archive
from asset_predict_dagster.market.b3_download import Patience
from asset_predict_dagster.market.cotahist import read_cotahist
from asset_predict_dagster.market.cotahist_name import period_of
from asset_predict_dagster.market.cotahist_writer import write_cotahist
from asset_predict_dagster.market.landing import NOTES, generated_on
from asset_predict_dagster.market.sessions import sessions_between
from asset_predict_dagster.market.simulated_market import SimulatedMarket, Simulation

ASH_WEDNESDAY = date(2024, 2, 14)
FRIDAY_BEFORE = date(2024, 2, 9)


@dataclass
class Reply:
    """What the server does with one request, instead of what it has."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    promised: int | None = None
    """Content-Length, if it is to be another than the body's."""
    delay_s: float = 0.0
    """Before it answers."""
    stall_s: float = 0.0
    """Behind the body."""


class FakeArchive:
    """B3's address: files by name, each with an ETag, and a list of troubles to come first."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.troubles: list[Reply] = []
        self.requests: list[str] = []
        self.conditions: list[str | None] = []
        self.credentials: list[str | None] = []
        self.is_closing = Event()
        archive = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                archive.requests.append(name)
                archive.conditions.append(self.headers["If-None-Match"])
                archive.credentials.append(self.headers["Authorization"])
                self._send(archive.reply_to(name, self.headers["If-None-Match"]))

            def _send(self, reply: Reply) -> None:
                archive.is_closing.wait(reply.delay_s)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                length = len(reply.body) if reply.promised is None else reply.promised
                self.send_header("Content-Length", str(length))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # who asked may be gone by now
                    self.wfile.write(reply.body)
                    self.wfile.flush()
                    archive.is_closing.wait(reply.stall_s)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}/SerHist"
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def reply_to(self, name: str, condition: str | None) -> Reply:
        if self.troubles:
            return self.troubles.pop(0)
        if name not in self.files:
            return Reply(404)
        etag = f'"{hash(self.files[name])}"'
        if condition == etag:
            return Reply(304)
        return Reply(200, {"ETag": etag}, self.files[name])

    def close(self) -> None:
        self.is_closing.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def b3() -> Iterator[FakeArchive]:
    archive = FakeArchive()
    yield archive
    archive.close()


@pytest.fixture
def waits() -> list[float]:
    """The seconds it would have waited."""
    return []


@pytest.fixture
def complete(b3, waits, tmp_path) -> Callable[..., list[str]]:
    """Complete the folder `tmp_path/files` from 2024 on, waiting for nothing."""

    def run(last: date = ASH_WEDNESDAY, first_year: int = 2024, **patience) -> list[str]:
        quick = Patience(**{"read_timeout_s": 5.0, **patience})
        archive = B3Archive(b3.address, first_year, quick, sleep=waits.append)
        return archive.complete(tmp_path / "files", last)

    return run


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@cache
def file_of(name: str, generated: date, n_quotes: int = 1) -> bytes:
    """A file as B3 would publish it; the number of quotes tells versions apart."""
    period = period_of(Path(name))
    records = simulated().records_between(period.first, min(period.last, generated))
    with TemporaryDirectory() as folder:
        write_cotahist(records.head(n_quotes), Path(folder) / name, generated)
        return (Path(folder) / name).read_bytes()


@cache
def simulated() -> Simulation:
    return SimulatedMarket(seed=1).simulate(ASH_WEDNESDAY)


def put(holder: dict[str, bytes] | Path, name: str, generated: date, n_quotes: int = 1) -> None:
    """Publish a file on the server, or lay it into a folder."""
    if isinstance(holder, Path):
        (holder / name).write_bytes(file_of(name, generated, n_quotes))
    else:
        holder[name] = file_of(name, generated, n_quotes)


def put_days(holder: dict[str, bytes] | Path, first: date, last: date) -> None:
    for day in sessions_between(first, last).tolist():
        put(holder, daily(day), day)


def daily(day: date) -> str:
    return f"COTAHIST_D{day:%d%m%Y}.ZIP"


def february(*days: int) -> list[str]:
    return [daily(date(2024, 2, day)) for day in days]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != NOTES)


# What is asked for


def test_an_empty_folder_gets_the_years_and_then_the_days_they_lack(b3, complete, folder):
    put(b3.files, "COTAHIST_A2023.ZIP", date(2023, 12, 28))
    put(b3.files, "COTAHIST_A2024.ZIP", FRIDAY_BEFORE)
    put(b3.files, daily(ASH_WEDNESDAY), ASH_WEDNESDAY)
    told = complete(first_year=2023)
    assert b3.requests == ["COTAHIST_A2023.ZIP", "COTAHIST_A2024.ZIP", *february(14)]
    assert {name: (folder / name).read_bytes() for name in names_in(folder)} == b3.files
    assert read_cotahist(folder / "COTAHIST_A2023.ZIP").n_quotes == 1
    assert told == [
        f"Fetched COTAHIST_A2023.ZIP, COTAHIST_A2024.ZIP, COTAHIST_D14022024.ZIP from {b3.address}."
    ]


def test_a_few_sessions_are_fetched_day_by_day_and_carnival_is_never_asked_for(
    b3, complete, folder
):
    put(folder, "COTAHIST_A2024.ZIP", date(2024, 2, 7))
    put_days(b3.files, date(2024, 2, 1), ASH_WEDNESDAY)
    complete()
    assert b3.requests == february(8, 9, 14)


def test_ten_sessions_are_days_and_eleven_are_a_year(b3, complete, folder):
    put(folder, "COTAHIST_A2024.ZIP", date(2024, 1, 30))
    put_days(b3.files, date(2024, 1, 31), ASH_WEDNESDAY)
    complete()  # 31 January, seven sessions to 9 February, 14 February: nine
    assert "COTAHIST_A2024.ZIP" not in b3.requests
    assert len(b3.requests) == 9
    b3.requests.clear()
    for path in folder.iterdir():
        path.unlink()
    put(folder, "COTAHIST_A2024.ZIP", date(2024, 1, 26))
    put(b3.files, "COTAHIST_A2024.ZIP", FRIDAY_BEFORE)
    complete()  # 29 and 30 January as well: eleven
    assert b3.requests == ["COTAHIST_A2024.ZIP", *february(14)]
    assert generated_on(folder / "COTAHIST_A2024.ZIP") == FRIDAY_BEFORE


def test_monthly_files_in_the_folder_count(b3, complete, folder):
    put(folder, "COTAHIST_M012024.ZIP", date(2024, 1, 31))
    put_days(b3.files, date(2024, 2, 1), ASH_WEDNESDAY)
    complete()
    assert b3.requests == february(1, 2, 5, 6, 7, 8, 9, 14)


def test_a_year_fetched_while_it_ran_is_fetched_again_when_it_is_over(b3, complete, folder):
    put(folder, "COTAHIST_A2023.ZIP", date(2023, 12, 21))
    put(b3.files, "COTAHIST_A2023.ZIP", date(2023, 12, 28), n_quotes=2)
    complete(date(2023, 12, 28), first_year=2023)
    assert b3.requests == ["COTAHIST_A2023.ZIP"]
    assert generated_on(folder / "COTAHIST_A2023.ZIP") == date(2023, 12, 28)


def test_a_year_that_b3_has_not_closed_yet_is_filled_with_its_last_days(b3, complete):
    put(b3.files, "COTAHIST_A2023.ZIP", date(2023, 12, 26))
    put_days(b3.files, date(2023, 12, 27), date(2024, 1, 2))
    complete(date(2024, 1, 2), first_year=2023)
    days = [date(2023, 12, 27), date(2023, 12, 28), date(2024, 1, 2)]
    assert b3.requests == ["COTAHIST_A2023.ZIP", *map(daily, days)]


def test_years_before_the_first_are_not_asked_for(b3, complete, folder):
    put(folder, "COTAHIST_A2024.ZIP", ASH_WEDNESDAY)
    assert complete(first_year=2024) == []
    assert b3.requests == []


@cache
def all_of_2024() -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    put(files, "COTAHIST_A2024.ZIP", date(2024, 2, 8))
    put_days(files, date(2024, 1, 2), ASH_WEDNESDAY)
    return files


DAYS = sessions_between(date(2024, 1, 2), ASH_WEDNESDAY).tolist()


@given(held=st.sets(st.sampled_from(DAYS)), month=st.booleans(), last=st.sampled_from(DAYS))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_the_folder_held_every_session_is_covered_and_nothing_fetched_twice(
    held, month, last
):
    b3 = FakeArchive()
    b3.files = all_of_2024()
    with TemporaryDirectory() as name:
        folder = Path(name)
        for day in held:
            put(folder, daily(day), day)
        if month:
            put(folder, "COTAHIST_M012024.ZIP", date(2024, 1, 31))
        B3Archive(b3.address, 2024).complete(folder, last)
        known = [period_of(folder / name) for name in names_in(folder)]
    b3.close()
    wanted = sessions_between(date(2024, 1, 2), last).tolist()
    assert all(any(period.first <= day <= period.last for period in known) for day in wanted)
    assert len(set(b3.requests)) == len(b3.requests)
    asked = [period_of(Path(name)) for name in b3.requests]
    assert all(period.first in wanted for period in asked if period.kind == "daily")


# What B3 does not have


def test_the_last_two_sessions_are_late_and_older_ones_are_gaps(b3, complete, folder):
    put(folder, "COTAHIST_A2024.ZIP", date(2024, 2, 7))
    assert complete() == [
        "B3 has not published COTAHIST_D09022024.ZIP, COTAHIST_D14022024.ZIP yet.",
        "B3 has no file for 2024-02-08, though it traded on each such day.",
    ]


def test_a_year_that_b3_lacks_is_told_and_not_asked_for_day_by_day(b3, complete, folder):
    put(folder, "COTAHIST_A2024.ZIP", ASH_WEDNESDAY)
    assert complete(first_year=2022) == ["B3 has no yearly file of 2022, 2023."]
    assert b3.requests == ["COTAHIST_A2022.ZIP", "COTAHIST_A2023.ZIP"]


def test_an_old_year_whose_file_ends_early_is_told(b3, complete, folder):
    put(folder, "COTAHIST_A2023.ZIP", date(2023, 12, 28))
    put(folder, "COTAHIST_A2024.ZIP", ASH_WEDNESDAY)
    put(b3.files, "COTAHIST_A2022.ZIP", date(2022, 12, 28))  # the year ended on the 29th
    told = complete(first_year=2022)
    assert told[1] == "B3 has no file for 2022-12-29, though it traded on each such day."
    assert b3.requests == ["COTAHIST_A2022.ZIP", "COTAHIST_A2023.ZIP"]


# Corrections


def test_an_unchanged_file_is_asked_for_on_condition_and_left_alone(b3, complete, folder):
    put(b3.files, "COTAHIST_A2023.ZIP", date(2023, 12, 28))
    put(b3.files, "COTAHIST_A2024.ZIP", FRIDAY_BEFORE)
    put(b3.files, daily(ASH_WEDNESDAY), ASH_WEDNESDAY)
    complete(first_year=2023)
    before = {name: (folder / name).stat() for name in names_in(folder)}
    b3.requests.clear()
    b3.conditions.clear()
    assert complete(first_year=2023) == []
    assert b3.requests == ["COTAHIST_A2023.ZIP", *february(14)]
    assert None not in b3.conditions
    assert {name: (folder / name).stat().st_ino for name in names_in(folder)} == {
        name: stat.st_ino for name, stat in before.items()
    }


def test_the_same_bytes_again_are_no_correction(b3, complete, folder):
    put(folder, "COTAHIST_A2024.ZIP", FRIDAY_BEFORE)
    put(b3.files, daily(ASH_WEDNESDAY), ASH_WEDNESDAY)
    complete()
    before = (folder / daily(ASH_WEDNESDAY)).stat().st_ino
    b3.troubles = [Reply(200, {}, b3.files[daily(ASH_WEDNESDAY)])]  # it knows no conditions
    assert complete() == []
    assert (folder / daily(ASH_WEDNESDAY)).stat().st_ino == before


def test_a_corrected_file_is_fetched_again(b3, complete, folder):
    put(folder, "COTAHIST_A2024.ZIP", FRIDAY_BEFORE)
    put(b3.files, daily(ASH_WEDNESDAY), ASH_WEDNESDAY)
    complete()
    put(b3.files, daily(ASH_WEDNESDAY), ASH_WEDNESDAY, n_quotes=2)
    assert complete() == ["B3 has corrected COTAHIST_D14022024.ZIP: fetched again."]
    assert read_cotahist(folder / daily(ASH_WEDNESDAY)).n_quotes == 2


def test_ten_sessions_are_watched_and_the_eleventh_is_not(b3, complete, folder):
    put_days(folder, date(2024, 1, 2), ASH_WEDNESDAY)
    complete()
    assert b3.requests == [daily(day) for day in DAYS[-10:]]


def test_a_file_somebody_put_there_gives_way_to_a_newer_one_only(b3, complete, folder):
    path = folder / "COTAHIST_A2023.ZIP"
    put(folder, "COTAHIST_A2024.ZIP", ASH_WEDNESDAY)
    put(folder, path.name, date(2023, 12, 28), n_quotes=2)
    put(b3.files, path.name, date(2023, 12, 28))
    assert complete() == []
    assert read_cotahist(path).n_quotes == 2
    assert complete() == []
    assert b3.conditions == [None, f'"{hash(b3.files[path.name])}"']
    put(b3.files, path.name, date(2024, 1, 15), n_quotes=3)
    assert complete() == ["B3 has corrected COTAHIST_A2023.ZIP: fetched again."]
    assert read_cotahist(path).n_quotes == 3


def test_a_file_that_cannot_be_read_is_fetched_again(b3, complete, folder):
    put(folder, "COTAHIST_A2024.ZIP", FRIDAY_BEFORE)
    put(b3.files, daily(ASH_WEDNESDAY), ASH_WEDNESDAY)
    complete()
    (folder / daily(ASH_WEDNESDAY)).write_bytes(b"half of it")
    complete()
    assert (folder / daily(ASH_WEDNESDAY)).read_bytes() == b3.files[daily(ASH_WEDNESDAY)]


@pytest.mark.parametrize("notes", ["", "[]", '{"COTAHIST_D14022024.ZIP": 1}'])
def test_notes_that_cannot_be_read_are_written_anew(b3, complete, folder, notes):
    put(folder, "COTAHIST_A2024.ZIP", FRIDAY_BEFORE)
    put(b3.files, daily(ASH_WEDNESDAY), ASH_WEDNESDAY)
    (folder / NOTES).write_text(notes)
    complete()
    assert complete() == []
    assert b3.conditions[-1] is not None


# Trouble on the way


@pytest.fixture
def one_day(b3, folder) -> str:
    """A folder that lacks one daily file, which B3 has."""
    put(folder, "COTAHIST_A2024.ZIP", FRIDAY_BEFORE)
    put(b3.files, daily(ASH_WEDNESDAY), ASH_WEDNESDAY)
    return daily(ASH_WEDNESDAY)


def test_a_server_that_is_busy_is_asked_again_after_growing_waits(
    b3, complete, folder, waits, one_day
):
    b3.troubles = [Reply(503), Reply(500), Reply(429)]
    complete(first_wait_s=2.0)
    assert (folder / one_day).exists()
    assert len(waits) == 3
    assert 2 <= waits[0] <= 4 <= waits[1] <= 6 <= 8 <= waits[2] <= 10


def test_waits_differ_by_chance(b3, complete, waits, one_day):
    b3.troubles = [Reply(503)]
    complete()
    b3.files.pop(one_day)
    b3.troubles = [Reply(503)]
    complete()
    assert waits[0] != waits[1]


def test_a_server_that_names_its_wait_is_obeyed(b3, complete, waits, one_day):
    b3.troubles = [Reply(429, {"Retry-After": "77"})]
    complete()
    assert waits == [77.0]


def test_a_wait_until_an_hour_is_read_by_the_servers_clock(b3, complete, waits, one_day):
    asked = format_datetime(datetime.now(UTC) + timedelta(seconds=50), usegmt=True)
    b3.troubles = [Reply(503, {"Retry-After": asked})]
    complete()
    assert 48 <= waits[0] <= 51


def test_a_server_that_asks_for_too_much_patience_is_down(b3, complete, waits, one_day):
    b3.troubles = [Reply(503, {"Retry-After": "3600"})]
    with pytest.raises(SourceDownError, match=r"answers 503 .* asks for 3,600 s of patience"):
        complete()
    assert waits == []


def test_a_server_that_stays_down_changes_nothing(b3, complete, folder, waits, one_day):
    b3.troubles = [Reply(503)] * 5
    with pytest.raises(SourceDownError) as caught:
        complete()
    assert str(caught.value) == (
        f"{b3.address}/{one_day} could not be fetched (5 of 5 attempts): it answers 503 Service"
        f" Unavailable; every file fetched whole stays in {folder}, so try again later or set"
        " ASSET_PREDICT_B3_ARCHIVE to a mirror"
    )
    assert len(waits) == 4
    assert names_in(folder) == ["COTAHIST_A2024.ZIP"]


def test_what_was_fetched_before_the_trouble_stays(b3, complete, folder):
    put(b3.files, "COTAHIST_A2023.ZIP", date(2023, 12, 28))
    b3.troubles = [Reply(200, {}, b3.files["COTAHIST_A2023.ZIP"]), *[Reply(503)] * 5]
    with pytest.raises(SourceDownError):
        complete(first_year=2023)
    assert names_in(folder) == ["COTAHIST_A2023.ZIP"]


def test_a_refusal_is_not_repeated(b3, complete, waits, one_day):
    b3.troubles = [Reply(403)]
    with pytest.raises(SourceDownError, match=r"\(1 of 5 attempts\): it answers 403 Forbidden"):
        complete()
    assert waits == []


def test_no_server_at_all(b3, complete, waits, one_day):
    b3.close()
    with pytest.raises(SourceDownError, match=r"5 of 5 .*ConnectionRefusedError"):
        complete()
    assert len(waits) == 4


def test_a_server_that_does_not_answer_in_time(b3, complete, folder, waits, one_day):
    b3.troubles = [Reply(200, {}, b3.files[one_day], delay_s=1.0)]
    complete(read_timeout_s=0.1)
    assert len(waits) == 1
    assert (folder / one_day).exists()


def test_a_body_that_breaks_off_is_fetched_again(b3, complete, folder, waits, one_day):
    whole = b3.files[one_day]
    b3.troubles = [Reply(200, {}, whole[:-1], promised=len(whole))]
    complete()
    assert len(waits) == 1
    assert (folder / one_day).read_bytes() == whole


def test_a_body_that_always_breaks_off_leaves_nothing(b3, complete, folder, one_day):
    b3.troubles = [Reply(200, {}, b"PK", promised=10)] * 5
    with pytest.raises(SourceDownError, match=r"the connection failed .*IncompleteRead"):
        complete()
    assert names_in(folder) == ["COTAHIST_A2024.ZIP"]


def zipped(**members: bytes) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def without_line(line: int, content: bytes) -> bytes:
    """The same market file in a sound ZIP, one line of its text lost."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        lines = archive.read(archive.infolist()[0]).splitlines(keepends=True)
    del lines[line]
    return zipped(a=b"".join(lines))


def damaged(content: bytes) -> bytes:
    """With one byte of the packed data changed."""
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<!DOCTYPE html><html>in maintenance</html>", "a web page came instead of a ZIP"),
        (b"\n<HTML>in maintenance</HTML>", "a web page came instead of a ZIP"),
        (b"", "what came is no readable ZIP"),
        (b"PK\x03\x04 and nothing more", "what came is no readable ZIP"),
        (zipped(), r"what came: a ZIP with one file was expected but 0 were found \(none\); every"),
        (zipped(a=b"1", b=b"2"), r"one file was expected but 2 were found \(a, b\); every"),
        (
            zipped(a=b"Hello"),
            "what came, line 1: a header '00COTAHIST' .* 'Hello' was found; every",
        ),
        (
            file_of("COTAHIST_A2023.ZIP", date(2023, 12, 28)),
            "asks for 'COTAHIST.2024' in the header, 'COTAHIST.2023' found; every",
        ),
        (damaged(file_of(daily(ASH_WEDNESDAY), ASH_WEDNESDAY)), "what came is a damaged ZIP"),
        (zipped(a=b"Hello").replace(b"Hello", b"Hallo"), "its checksum is .* was promised; every"),
        # Sound to look at: the header names the right year.
        (
            file_of(daily(FRIDAY_BEFORE), FRIDAY_BEFORE),
            "quotes of 2024-02-14 were expected, 1 of 1 that came are of other days,"
            " such as 2024-02-09; every",
        ),
        (
            file_of("COTAHIST_A2024.ZIP", ASH_WEDNESDAY, n_quotes=3),
            "3 of 3 that came are of other days, such as 2024-01-02; every",
        ),
        (
            without_line(1, file_of(daily(ASH_WEDNESDAY), ASH_WEDNESDAY, n_quotes=3)),
            "what came, line 4: the trailer promises 5 records but the file has 4; every",
        ),
        (
            without_line(-1, file_of(daily(ASH_WEDNESDAY), ASH_WEDNESDAY, n_quotes=3)),
            "what came, line 4: the last record must be a trailer .*, another was found; every",
        ),
    ],
)
def test_what_is_no_market_file_never_lands(b3, complete, folder, one_day, body, message):
    b3.troubles = [Reply(200, {}, body)] * 5
    with pytest.raises(SourceDownError, match=message) as caught:
        complete()
    assert "5 of 5 attempts" in str(caught.value)
    assert ".partial" not in str(caught.value)
    assert names_in(folder) == ["COTAHIST_A2024.ZIP"]


def test_a_year_with_quotes_of_another_never_lands(b3, complete, folder):
    packed = BytesIO(file_of("COTAHIST_A2024.ZIP", date(2024, 2, 8), n_quotes=40))
    with zipfile.ZipFile(packed) as archive:
        text = archive.read(archive.infolist()[0])
    stray = text.replace(b"0120240102", b"0120230102", 1)
    b3.troubles = [Reply(200, {}, zipped(a=stray))] * 5
    expected = (
        "quotes of 2024-01-01 to 2024-12-31 were expected, 1 of 40 that came are of other"
        " days, such as 2023-01-02"
    )
    with pytest.raises(SourceDownError, match=expected):
        complete()
    assert names_in(folder) == []


def test_an_answer_that_holds_another_day_is_asked_for_again(b3, complete, folder, waits, one_day):
    b3.troubles = [Reply(200, {}, file_of(daily(FRIDAY_BEFORE), FRIDAY_BEFORE))]
    complete()
    assert len(waits) == 1
    assert (folder / one_day).read_bytes() == b3.files[one_day]


def test_a_correction_that_is_cut_off_leaves_the_file_that_was_there(b3, complete, folder, one_day):
    complete()
    whole = file_of(one_day, ASH_WEDNESDAY, n_quotes=3)
    b3.troubles = [Reply(200, {}, without_line(2, whole))] * 5
    with pytest.raises(SourceDownError, match="the trailer promises 5 records"):
        complete()
    assert (folder / one_day).read_bytes() == b3.files[one_day]
    b3.files[one_day] = whole
    assert complete() == [f"B3 has corrected {one_day}: fetched again."]


# An address with a password in it


SECRETS = ("carlos", "S3%40cret", "S3@cret")


@pytest.mark.parametrize(
    "reply",
    [
        None,
        Reply(403),
        Reply(302, {"Location": "http://carlos:S3%40cret@elsewhere/"}),
        Reply(302, {"Location": "http://127.0.0.1:99999999/"}),  # no address at all
    ],
)
def test_a_password_is_told_to_its_host_and_shown_to_nobody(b3, folder, one_day, reply):
    b3.troubles = [reply] if reply else []
    address = b3.address.replace("http://", "http://carlos:S3%40cret@")
    archive = B3Archive(address, 2024, Patience(read_timeout_s=5.0), sleep=lambda _: None)
    try:
        texts = archive.complete(folder, ASH_WEDNESDAY)
        assert texts == [f"Fetched {one_day} from {b3.address}."]
    except SourceDownError as error:
        assert reply is not None
        texts = ["".join(traceback.format_exception(error))]
        assert f"{b3.address}/{one_day} could not be fetched" in texts[0]
    told = "".join([*texts, repr(archive)])
    assert [secret for secret in SECRETS if secret in told] == []
    assert b3.credentials == ["Basic " + b64encode(b"carlos:S3@cret").decode()]


@pytest.mark.parametrize("target", ["http://127.0.0.1:99999999/", "http://[127.0.0.1/"])
def test_a_redirect_to_what_is_no_address_is_told(b3, complete, folder, one_day, target):
    b3.troubles = [Reply(302, {"Location": target})]
    with pytest.raises(SourceDownError, match="it redirects to what is no address"):
        complete()
    assert names_in(folder) == ["COTAHIST_A2024.ZIP"]


def test_without_a_user_in_the_address_nobody_is_named(b3, complete, one_day):
    complete()
    assert b3.credentials == [None]


def test_a_redirect_on_the_same_host_is_followed(b3, complete, folder, one_day):
    b3.troubles = [Reply(302, {"Location": f"/elsewhere/{one_day}"})]
    complete()
    assert (folder / one_day).exists()


def test_a_redirect_to_another_host_is_refused_and_not_followed(b3, complete, waits, one_day):
    b3.troubles = [Reply(302, {"Location": f"http://localhost:{b3.port}/{one_day}"})]
    with pytest.raises(SourceDownError, match=r"redirects to http://localhost.* not trusted"):
        complete()
    assert len(b3.requests) == 1
    assert waits == []


# Killed on the way


DOWNLOAD = """
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from asset_predict_dagster.market.b3_archive import B3Archive
B3Archive(sys.argv[1], 2024).complete(Path(sys.argv[2]), date(2024, 2, 14))
"""


def test_a_killed_download_leaves_a_partial_that_the_next_one_removes(
    b3, complete, folder, one_day
):
    whole = b3.files[one_day]
    b3.troubles = [Reply(200, {}, whole[:-1], promised=len(whole), stall_s=20)]
    child = subprocess.Popen([sys.executable, "-c", DOWNLOAD, b3.address, str(folder)])
    partial = folder / f".{one_day}.{child.pid}.partial"
    for _ in range(1000):
        if (partial / one_day).exists():
            break
        time.sleep(0.02)
    child.kill()
    child.wait()
    assert names_in(folder) == [partial.name, "COTAHIST_A2024.ZIP"]
    complete()
    assert names_in(folder) == ["COTAHIST_A2024.ZIP", one_day]


def test_the_partial_of_a_living_process_is_left_alone(complete, folder, one_day):
    parents = f".{one_day}.{os.getppid()}.partial"
    of_an_earlier_one_with_our_number = f".COTAHIST_A2023.ZIP.{os.getpid()}.partial"
    (folder / parents).mkdir()
    (folder / parents / one_day).write_bytes(b"PK")
    (folder / of_an_earlier_one_with_our_number).write_bytes(b"PK")
    complete()
    assert names_in(folder) == [parents, "COTAHIST_A2024.ZIP", one_day]
