"""A run that failed is told once, and a channel that is dead harms nobody."""

import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dagster as dg
import pytest
from pydantic import SecretStr

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.errors import AlertError, MarketFileError, SettingsError
from asset_predict_dagster.pipeline.alerts import (
    AlertChannel,
    alert_on_failure,
    alert_on_missing_prices,
)
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.settings import load_settings

TOKEN = "s3cr3t-t0k3n"
SENTENCE = "COTAHIST_A2020.TXT: the trailer promises 3 quotes but the file has 2"


class Channel:
    """A web server on this machine that takes alerts, and answers as it is told to."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]):
        channel = self
        self.received: list[tuple[str, dict]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                channel.received.append((self.path, json.loads(body)))
                answer(self)

            do_GET = do_POST

            def log_message(self, *args):
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hooks/{TOKEN}?to=team"

    def takes(self, timeout: float = 5.0) -> AlertChannel:
        return AlertChannel(SecretStr(self.address), timeout)


@contextmanager
def channel_that(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[Channel]:
    channel = Channel(answer)
    serving = threading.Thread(target=channel.server.serve_forever, daemon=True)
    serving.start()
    yield channel
    channel.server.shutdown()
    channel.server.server_close()
    serving.join()


def says(status: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()

    return answer


def drips(handler: BaseHTTPRequestHandler) -> None:
    """One byte at a time, so that no read takes too long and the answer never ends."""
    for letter in b"HTTP/1.1 200 " + b"x" * 100:
        time.sleep(0.1)
        handler.wfile.write(bytes([letter]))
        handler.wfile.flush()


def hangs(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(2)


@dg.op
@says_why
def refused() -> None:
    raise MarketFileError(SENTENCE)


@dg.job(tags={"asset_predict/session": "2024-02-09"})
def ingesting():
    refused()


@dg.op
def broken() -> None:
    raise ZeroDivisionError("division by zero")


@dg.job
def with_a_bug():
    broken()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


class Daemon:
    """What Dagster's daemon does with the sensor: it remembers where it has got to."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        channel: AlertChannel,
        sensor: dg.SensorDefinition = alert_on_failure,
    ):
        self.instance, self.channel, self.cursor = instance, channel, None
        self.sensor = sensor
        self.tick()  # from here on it looks at what fails

    def tick(self):
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"alerts": self.channel}
        ) as context:
            tick = self.sensor.evaluate_tick(context)
        self.cursor = tick.cursor
        return [reaction.error for reaction in tick.dagster_run_reactions or ()]


def test_a_failed_run_is_told_with_its_sentence_and_only_once(instance: dg.DagsterInstance):
    with channel_that(says(204)) as channel:
        daemon = Daemon(instance, channel.takes())
        run = ingesting.execute_in_process(instance=instance, raise_on_error=False)
        assert daemon.tick() == [None]
        assert daemon.tick() == []
    ((path, told),) = channel.received
    assert path == f"/hooks/{TOKEN}?to=team"
    when = datetime.fromisoformat(told.pop("time"))
    assert when.utcoffset() is not None
    assert told == {
        "job": "ingesting",
        "run_id": run.run_id,
        "error": SENTENCE,
        "step": "refused",
        "tags": {
            "asset_predict/session": "2024-02-09",
            "dagster/failure_reason": "STEP_FAILURE",
        },
    }


def test_of_a_bug_it_tells_what_was_raised(instance: dg.DagsterInstance):
    with channel_that(says(200)) as channel:
        daemon = Daemon(instance, channel.takes())
        with_a_bug.execute_in_process(instance=instance, raise_on_error=False)
        daemon.tick()
    ((_, told),) = channel.received
    assert (told["step"], told["error"]) == ("broken", "ZeroDivisionError: division by zero")


def test_a_run_whose_process_was_killed_is_told_without_a_step(instance: dg.DagsterInstance):
    with channel_that(says(200)) as channel:
        daemon = Daemon(instance, channel.takes())
        run = instance.create_run_for_job(ingesting, status=dg.DagsterRunStatus.STARTED)
        instance.report_run_failed(run, "the process of this run is gone")
        daemon.tick()
    ((_, told),) = channel.received
    assert (told["step"], told["error"]) == ("", "the process of this run is gone")


def test_a_run_that_succeeds_is_not_told(instance: dg.DagsterInstance):
    @dg.job
    def quiet():
        pass

    with channel_that(says(200)) as channel:
        daemon = Daemon(instance, channel.takes())
        quiet.execute_in_process(instance=instance)
        assert daemon.tick() == []
    assert channel.received == []


@dg.asset(
    check_specs=[
        dg.AssetCheckSpec(name, asset="raw_quotes")
        for name in ("source_answered", "every_file_was_read", "of_another_kind")
    ]
)
def raw_quotes():
    yield dg.MaterializeResult()
    yield dg.AssetCheckResult(check_name="source_answered", passed=True)
    yield dg.AssetCheckResult(
        check_name="every_file_was_read", passed=False, metadata={"offending": SENTENCE}
    )
    yield dg.AssetCheckResult(check_name="of_another_kind", passed=False)


def test_a_run_that_went_on_without_a_file_is_told_with_the_reason(instance: dg.DagsterInstance):
    with channel_that(says(200)) as channel:
        daemon = Daemon(instance, channel.takes(), alert_on_missing_prices)
        run = dg.materialize([raw_quotes], instance=instance)
        assert daemon.tick() == [None]
        assert daemon.tick() == []
    ((_, told),) = channel.received
    assert (told["step"], told["error"]) == ("every_file_was_read", SENTENCE)
    assert told["run_id"] == run.run_id


DEAD = {
    "refuses": (says(500), "it answers 500"),
    "sends elsewhere": (says(302, Location="/elsewhere"), "it answers 302"),
    "sends elsewhere for good": (says(308, Location="/elsewhere"), "it answers 308"),
    "hangs": (hangs, r"no answer \(TimeoutError\)"),
    "drips": (drips, r"no answer \(\w+\)"),
    "hangs up": (lambda handler: handler.connection.close(), r"no answer \(\w+\)"),
    "speaks no HTTP": (lambda handler: handler.wfile.write(b"hello\r\n"), r"no answer \(\w+\)"),
}


@pytest.mark.parametrize("kind", DEAD)
def test_a_dead_channel_is_named_without_its_address(kind: str):
    answer, why = DEAD[kind]
    with channel_that(answer) as channel, pytest.raises(AlertError, match=why) as caught:
        channel.takes(timeout=0.3).send({"job": "retrain"})
    assert [path for path, _ in channel.received] == [f"/hooks/{TOKEN}?to=team"]
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_a_channel_that_nobody_serves_is_dead():
    with channel_that(says(200)) as channel:
        nobody = channel.takes(timeout=0.3)
    with pytest.raises(AlertError, match="ConnectionRefusedError"):
        nobody.send({"job": "retrain"})


@pytest.mark.parametrize("kind", ["refuses", "hangs", "hangs up"])
def test_a_dead_channel_fails_neither_the_sensor_nor_the_run(
    instance: dg.DagsterInstance, kind: str, caplog, capfd
):
    caplog.set_level(logging.DEBUG)  # whatever a library has to say
    with channel_that(DEAD[kind][0]) as channel:
        daemon = Daemon(instance, channel.takes(timeout=0.3))
        run = ingesting.execute_in_process(instance=instance, raise_on_error=False)
        assert daemon.tick() == [None]
    said = caplog.text + capfd.readouterr().err
    assert said.count(f"ingesting {run.run_id} failed at refused: {SENTENCE}") == 1
    assert said.count(f"the alert of {run.run_id} was not delivered: ") == 1
    assert TOKEN not in said
    assert all(TOKEN not in str(event) for event in instance.all_logs(run.run_id))


def test_without_a_channel_the_line_in_the_log_is_all(instance: dg.DagsterInstance, capfd):
    daemon = Daemon(instance, AlertChannel())
    ingesting.execute_in_process(instance=instance, raise_on_error=False)
    assert daemon.tick() == [None]
    said = capfd.readouterr().err
    assert f"failed at refused: {SENTENCE}" in said
    assert "was not delivered" not in said


def test_nothing_that_dagster_shows_holds_the_address(tmp_path):
    settings = load_settings(data=tmp_path, alert_webhook=f"https://hooks.example/{TOKEN}")
    definitions = build_definitions(settings)
    assert TOKEN not in repr(settings)
    assert TOKEN not in repr((definitions.resources or {})["alerts"])
    resources = definitions.get_repository_def().get_top_level_resources()
    assert TOKEN not in repr({name: made.config_schema for name, made in resources.items()})
    assert alert_on_failure.default_status == dg.DefaultSensorStatus.RUNNING


@pytest.mark.parametrize(
    "address",
    [
        f"hooks.example/{TOKEN}",
        f"ftp://hooks.example/{TOKEN}",
        f"https://me:{TOKEN}@hooks.example/",  # it would be sent without the password
        f"https://hooks.example:99999x/{TOKEN}",
    ],
)
def test_a_wrong_address_is_refused_and_not_repeated(address: str):
    with pytest.raises(SettingsError, match="ASSET_PREDICT_ALERT_WEBHOOK should be") as caught:
        load_settings(alert_webhook=address)
    assert TOKEN not in str(caught.value)
