"""Who may ask, how much and how often; and nothing of the inside in what anybody is told."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import Depends
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.service.access import HEADERS
from asset_predict_dagster.service.app import create_app
from asset_predict_dagster.service.security import (
    MAX_BODY_BYTES,
    Allowance,
    is_loopback,
    require_key,
)
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster_tests.service.running import NOBODY, environment, in_a_thread

KEY = "a-key-that-nobody-guesses"
JSON = {"Content-Type": "application/json"}


@contextmanager
def app_on(data: Path, **settings: object) -> Iterator[httpx.Client]:
    """The app in a thread, with a route that starts something and one that has a defect."""
    app = create_app(load_settings(data=data, dagster_url=NOBODY, **settings))

    @app.post("/launch", dependencies=[Depends(require_key)])
    async def launch() -> str:
        return "launched"

    @app.get("/defect")
    async def defect() -> str:
        raise KeyError(f"secret of {data}")

    with in_a_thread(app) as client:
        yield client


def code_of(answer: httpx.Response) -> tuple[int, str]:
    said = answer.json()
    assert set(said) == {"status", "error", "message", "details"}
    return answer.status_code, said["error"]


def test_without_a_key_this_machine_may_launch(tmp_path):
    with app_on(tmp_path) as client:
        assert client.post("/launch").json() == "launched"


def test_a_key_is_needed_for_what_starts_something_and_for_nothing_else(tmp_path):
    with app_on(tmp_path, api_key=KEY) as client:
        assert code_of(client.post("/launch")) == (401, "key_missing")
        assert code_of(client.post("/launch", headers={"X-API-Key": "another"})) == (
            403,
            "key_wrong",
        )
        assert client.post("/launch", headers={"X-API-Key": KEY}).json() == "launched"
        assert client.get("/swagger").status_code == 200


def test_a_page_of_another_origin_is_refused_unless_it_is_listed(tmp_path):
    mine = "https://my.site"
    with app_on(tmp_path, cors_origins=(mine,)) as client:
        for origin in ("https://evil.site", "null", "https://my.site.evil", "http://my.site"):
            answer = client.get("/swagger", headers={"Origin": origin})
            assert code_of(answer) == (403, "origin_refused")
            assert "Access-Control-Allow-Origin" not in answer.headers
        answer = client.get("/swagger", headers={"Origin": mine})
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == mine
        asked = {"Origin": mine, "Access-Control-Request-Method": "POST"}
        assert client.options("/api/b3/predict", headers=asked).status_code == 200
        own = str(client.base_url).rstrip("/")
        assert client.get("/swagger", headers={"Origin": own}).status_code == 200


def test_a_listed_page_may_read_why_it_was_refused(tmp_path):
    mine = "https://my.site"
    with app_on(tmp_path, cors_origins=(mine,), requests_a_second=1) as client:
        large = b" " * (MAX_BODY_BYTES + 1)
        answers = [
            client.post("/api/b3/predict", content=large, headers={"Origin": mine})
            for _ in range(3)
        ]
    assert {answer.status_code for answer in answers} == {413, 429}
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == mine
        assert answer.headers["Vary"] == "Origin"


def test_another_name_for_this_machine_is_refused(client):
    for host in ("evil.site", "evil.site:80", "10.0.0.1"):
        assert code_of(client.get("/assets", headers={"Host": host})) == (403, "host_refused")
    assert client.get("/assets", headers={"Host": "localhost"}).status_code == 200


def test_whoever_claims_to_ask_for_somebody_else_is_not_believed(client):
    claim = {"X-Forwarded-For": "10.0.0.1", "X-Forwarded-Proto": "https"}
    assert client.get("/assets", headers=claim).status_code == 200


def test_a_client_that_asks_too_often_waits(tmp_path):
    with app_on(tmp_path, requests_a_second=5) as client:
        found = [client.get("/swagger").status_code for _ in range(30)]
        assert found.count(200) >= 5
        assert 429 in found
        answer = client.get("/swagger")
        if answer.status_code == 429:
            assert answer.headers["Retry-After"] == "1"


@given(st.integers(1, 50), st.lists(st.floats(0, 0.5), min_size=1, max_size=200))
def test_an_allowance_never_gives_more_than_its_rate(n, pauses):
    allowance, now, given_at = Allowance(n, 1.0), 0.0, []
    for pause in pauses:
        now += pause
        if allowance.take("one", now) == 0:
            given_at.append(now)
    # In any second and what was saved before it.
    for first in given_at:
        assert sum(first <= at < first + 1 for at in given_at) <= 2 * n + 1
    assert allowance.take("another", now) == 0


def test_an_allowance_says_how_long_to_wait():
    allowance = Allowance(2, 1.0)
    assert [allowance.take("one", 0.0) for _ in range(3)] == [0.0, 0.0, 0.5]
    assert allowance.wait("one", 0.25) == pytest.approx(0.25)
    assert allowance.take("one", 0.5) == 0.0


def test_only_this_machines_own_names_are_loopback():
    assert [h for h in ("127.0.0.1", "127.9.9.9", "::1", "localhost") if not is_loopback(h)] == []
    others = ("0.0.0.0", "::", "10.0.0.1", "localhost.evil.site", "", "127.0.0.1.evil.site")
    assert [host for host in others if is_loopback(host)] == []


@pytest.mark.parametrize("name", ["..%2f__init__.py", "%2e%2e/app.py", "swagger-ui.css.map", ""])
def test_no_file_is_served_but_those_that_the_page_names(client, name):
    answer = client.get(httpx.URL("/x").copy_with(raw_path=f"/swagger/files/{name}".encode()))
    assert code_of(answer) == (404, "not_found")


def test_every_answer_carries_the_security_headers(client):
    for answer in (
        client.get("/api/v1/health"),
        client.get("/nowhere"),
        client.post("/api/b3/predict", json={}),
        client.get("/assets", headers={"Host": "evil.site"}),
    ):
        for name, value in HEADERS.items():
            assert answer.headers[name.decode()] == value.decode()
        assert "server" not in answer.headers


def test_a_defect_says_nothing_of_the_inside_to_the_caller_or_the_log(tmp_path, caplog):
    with app_on(tmp_path) as client, caplog.at_level("INFO"):
        answer = client.get("/defect")
    assert code_of(answer) == (500, "internal")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    said = answer.text + caplog.text
    assert "secret" not in said
    assert str(tmp_path) not in said
    assert "Traceback" not in said
    assert "KeyError in test_security.py, line" in caplog.text


def test_each_answer_is_a_line_of_json_that_names_the_route_and_not_what_was_asked(server):
    secret = "SECRET1234"
    server.client.get(f"/asset/{secret}")
    server.client.post("/api/b3/predict", json={"ticker": secret}, headers={"X-API-Key": secret})
    server.client.post("/api/models/predict", json={"symbols": [secret]})
    time.sleep(0.2)
    log = server.log.read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    last = [line for line in lines if line["kind"] == "access"][-3:]
    assert [(one["route"], one["status"]) for one in last] == [
        ("/asset/{ticker}", 404),
        ("/api/b3/predict", 404),
        ("/api/models/predict", 200),
    ]
    assert all(one["ms"] > 0 and one["client"] == "127.0.0.1" for one in last)
    assert secret not in log


def serve(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess:
    """The command, of which an end is expected."""
    return subprocess.run(
        [sys.executable, "-m", "asset_predict_dagster", "serve", *arguments],
        env=environment(folder / "data", **settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_without_a_key_the_server_binds_to_this_machine_alone(tmp_path, host):
    ended = serve(tmp_path, "--host", host)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert f"without ASSET_PREDICT_API_KEY only this machine is served, and {host}" in ended.stderr


@pytest.mark.parametrize("origins", ["*", "my.site", "https://my.site/page", "https://a@b"])
def test_origins_are_named_whole(tmp_path, origins):
    ended = serve(tmp_path, ASSET_PREDICT_CORS_ORIGINS=origins)
    assert ended.returncode == 1
    assert "ASSET_PREDICT_CORS_ORIGINS" in ended.stderr


def test_a_port_that_is_taken_is_one_clear_end(tmp_path, server):
    ended = serve(tmp_path, "--port", str(server.client.base_url.port))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert "is in use" in ended.stderr


def test_the_key_is_shown_nowhere():
    settings = load_settings(api_key=KEY)
    assert KEY not in f"{settings!r} {settings} {settings.model_dump()}"
