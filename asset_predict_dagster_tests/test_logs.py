"""Logs are whole lines of JSON, one file a day, and hold no secret."""

import json
import logging
import multiprocessing
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from asset_predict_dagster.cli import main
from asset_predict_dagster.logs import (
    HIDDEN,
    JsonLines,
    clean_up_logs,
    log_of_this_process,
    start_logs,
)
from asset_predict_dagster.settings import Settings, load_settings

_log = logging.getLogger("asset_predict_dagster.of_a_test")

MONTH = timedelta(days=30)


@pytest.fixture(autouse=True)
def a_fresh_process(monkeypatch):
    """No knob of whoever runs the tests reaches them, and no log outlives a test."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)
    yield
    start_logs(load_settings())


@pytest.fixture
def settings(tmp_path) -> Settings:
    return load_settings(data=tmp_path, enable_logs=True)


def lines(settings: Settings) -> list[dict[str, str]]:
    """What stands in the logs, a day after the other."""
    paths = sorted(settings.logs.glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def at(moment: str, **facts: object) -> logging.LogRecord:
    created = datetime.fromisoformat(moment).timestamp()
    return logging.makeLogRecord({"created": created, "levelname": "INFO", "name": "x", **facts})


def test_a_line_says_when_how_grave_who_and_what(settings):
    start_logs(settings)
    before = datetime.now(UTC)
    _log.warning("%s of %s files", 2, 3)
    (line,) = lines(settings)
    told = datetime.fromisoformat(line.pop("time"))
    assert before - timedelta(seconds=1) < told <= datetime.now(UTC)
    assert line == {
        "level": "WARNING",
        "logger": "asset_predict_dagster.of_a_test",
        "message": "2 of 3 files",
    }


def test_an_error_brings_its_trace_and_a_message_of_many_lines_is_one(settings):
    start_logs(settings)
    try:
        raise RuntimeError("the disk\nis full")
    except RuntimeError:
        _log.exception("it\nfailed \u2028 ação")
    (line,) = lines(settings)
    assert line["message"] == "it\nfailed \u2028 ação"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("RuntimeError: the disk\nis full")


def test_each_day_has_its_file(tmp_path):
    log = JsonLines(tmp_path)
    for moment in ("2024-01-05T23:59:59+00:00", "2024-01-06T00:00:01+00:00"):
        log.handle(at(moment, msg="tick"))
    # In Brazil it is still the evening of the 6th.
    log.handle(at("2024-01-06T21:30:00-03:00", msg="tick"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "2024-01-05.jsonl",
        "2024-01-06.jsonl",
        "2024-01-07.jsonl",
    ]


def test_without_the_knob_nothing_is_written(tmp_path):
    start_logs(load_settings(data=tmp_path))
    assert log_of_this_process() is None
    _log.warning("nobody hears this")
    assert list(tmp_path.iterdir()) == []


def test_the_knob_alone_writes_nothing(settings):
    start_logs(settings)
    assert not settings.logs.exists()


def test_starting_twice_writes_once(settings):
    start_logs(settings)
    start_logs(settings)
    _log.info("once")
    assert [line["message"] for line in lines(settings)] == ["once"]


def test_what_dagster_tells_itself_is_not_told_twice(tmp_path):
    log = JsonLines(tmp_path)
    log.handle(at("2024-01-05T12:00:00+00:00", msg="taken", dagster_meta={"run_id": "1"}))
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_makes_no_sense_is_still_a_line(tmp_path):
    log = JsonLines(tmp_path)
    log.handle(at("2024-01-05T12:00:00+00:00", msg="%d files", args=("three",)))
    log.handle(at("2024-01-05T12:00:01+00:00", msg="%(a)s %(b)s", args=({"a": 1},)))
    log.handle(at("2024-01-05T12:00:02+00:00", msg="x", job=Path("daily")))
    (path,) = tmp_path.iterdir()
    first, second, third = map(json.loads, path.read_text().splitlines())
    assert first["message"] == "%d files ('three',)"
    assert second["message"].startswith("%(a)s %(b)s")
    assert third["job"] == "daily"


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("asked for its text")


def test_a_value_that_raises_when_it_is_told_ends_no_run(tmp_path, capsys):
    JsonLines(tmp_path).handle(
        at("2024-01-05T12:00:00+00:00", msg="it says %s", args=(Unspeakable(),))
    )
    assert "RuntimeError: asked for its text" in capsys.readouterr().err


def test_a_log_that_cannot_be_written_stops_nothing_and_says_so_once(tmp_path, capsys):
    (tmp_path / "logs").write_text("a file where the folder should be")
    start_logs(load_settings(data=tmp_path, enable_logs=True))
    _log.info("one")
    _log.info("two")
    said = capsys.readouterr().err
    assert said.count("cannot be written") == 1


# Secrets


TOKEN = 'eyJ-"quoted"-t\\oken'


@pytest.mark.parametrize("form", [TOKEN, "eyJ-%22quoted%22-t%5Coken", 'eyJ-"quoted"-t\\\\oken'])
def test_a_secret_setting_is_in_no_line(tmp_path, form):
    start_logs(load_settings(data=tmp_path, enable_logs=True, motherduck_token=TOKEN))
    try:
        raise RuntimeError(f"connect {form}")
    except RuntimeError:
        _log.exception("md:b3?motherduck_token=%s", form)
    (path,) = (tmp_path / "logs").iterdir()
    assert "quoted" not in path.read_text()
    (line,) = map(json.loads, path.read_text().splitlines())
    assert line["message"] == f"md:b3?motherduck_token={HIDDEN}"
    assert line["exception"].endswith(f"RuntimeError: connect {HIDDEN}")


def test_of_a_secret_address_neither_the_whole_nor_what_follows_its_host_is_told(tmp_path):
    """A client that cannot connect names the host and, apart from it, the path with its key."""
    log = JsonLines(tmp_path, ["https://hooks.example/T0/SEKRETKEY?x=1"])
    said = "host='hooks.example': Max retries exceeded with url: /T0/SEKRETKEY?x=1 (refused)"
    log.handle(at("2024-01-05T12:00:00+00:00", msg=said))
    (path,) = tmp_path.iterdir()
    told = json.loads(path.read_text())["message"]
    assert told == f"host='hooks.example': Max retries exceeded with url: {HIDDEN} (refused)"


def test_a_secret_address_is_hidden_without_its_query_too(tmp_path):
    log = JsonLines(tmp_path, ["https://hooks.example/T0/SEKRETKEY?x=1"])
    said = "POST /T0/SEKRETKEY failed; https://hooks.example/T0/SEKRETKEY is down"
    log.handle(at("2024-01-05T12:00:00+00:00", msg=said))
    (path,) = tmp_path.iterdir()
    assert json.loads(path.read_text())["message"] == f"POST {HIDDEN} failed; {HIDDEN} is down"


def test_every_secret_of_the_settings_is_hidden(tmp_path):
    """Whatever setting is a secret, now or later, is one by its type."""
    secret = [n for n, f in Settings.model_fields.items() if "SecretStr" in str(f.annotation)]
    assert "motherduck_token" in secret
    values = {name: f"https://secret.example/{name}" for name in secret}
    start_logs(load_settings(data=tmp_path, enable_logs=True, **values))
    for value in values.values():
        _log.info("it is %s", value)
    (path,) = (tmp_path / "logs").iterdir()
    assert [json.loads(line)["message"] for line in path.read_text().splitlines()] == [
        f"it is {HIDDEN}"
    ] * len(secret)


# Several processes


def write_many(folder: str, name: str) -> None:
    log = JsonLines(Path(folder))
    for number in range(200):
        log.handle(at("2024-01-05T12:00:00+00:00", msg=f"{name} {number} " + name * 3000))


def test_processes_that_write_at_once_leave_whole_lines(tmp_path):
    processes = multiprocessing.get_context("spawn")
    writers = [
        processes.Process(target=write_many, args=(str(tmp_path), name)) for name in ("a", "b")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    (path,) = tmp_path.iterdir()
    told = [json.loads(line)["message"].split() for line in path.read_text().splitlines()]
    for name in ("a", "b"):
        mine = [message for message in told if message[0] == name]
        assert [message[1] for message in mine] == [str(number) for number in range(200)]
        assert {message[2] for message in mine} == {name * 3000}


# Retention


def test_a_file_goes_when_its_day_ended_more_than_a_month_ago(tmp_path):
    for name in ("2024-01-04.jsonl", "2024-01-05.jsonl", "2024-02-04.jsonl", "notes.jsonl"):
        (tmp_path / name).write_text("{}\n")
    now = datetime(2024, 2, 4, 12, tzinfo=UTC)
    assert clean_up_logs(tmp_path, now, MONTH, dry_run=True)["file"].tolist() == [
        "2024-01-04.jsonl"
    ]
    found = clean_up_logs(tmp_path, now, MONTH)
    assert found.to_dict("records") == [{"file": "2024-01-04.jsonl", "n_bytes": 3}]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "2024-01-05.jsonl",
        "2024-02-04.jsonl",
        "notes.jsonl",
    ]


def test_without_logs_there_is_nothing_to_clean(tmp_path):
    assert clean_up_logs(tmp_path / "logs", datetime.now(UTC), MONTH).empty


# The command line


def test_a_command_logs_what_was_typed_and_why_it_failed(settings, monkeypatch, capsys):
    monkeypatch.setenv("ASSET_PREDICT_DATA", str(settings.data))
    monkeypatch.setenv("ENABLE_LOGS", "true")
    monkeypatch.setattr(sys, "argv", ["asset-predict", "versions", "quotes"])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert said.count("has not been made yet") == 1
    first, last = lines(settings)
    assert first["message"] == "asset-predict versions quotes"
    assert (last["level"], f"asset-predict: {last['message']}\n") == ("ERROR", said)


def test_with_logs_off_a_failure_is_said_once(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ASSET_PREDICT_DATA", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["asset-predict", "versions", "quotes"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.count("has not been made yet") == 1
