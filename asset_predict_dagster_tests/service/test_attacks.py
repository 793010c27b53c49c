"""Attacks: whatever is typed, in whatever place, is looked up or refused, and does nothing else."""

import socket
from collections.abc import Iterator
from hmac import compare_digest
from pathlib import Path

import httpx
import pytest

from asset_predict_dagster.service import security
from asset_predict_dagster.service.app import create_app
from asset_predict_dagster.service.security import MAX_BODY_BYTES, WRONG_KEYS_A_MINUTE
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster_tests.pipeline.conftest import Workplace
from asset_predict_dagster_tests.service.asking import refused
from asset_predict_dagster_tests.service.running import NOBODY, Server, in_a_thread
from asset_predict_dagster_tests.service.specified import ROUTES, Route

KEY = "a-key-that-nobody-guesses"
JSON = {"Content-Type": "application/json"}
MARK = "X-Evil"

HOSTILE = (
    "../../../etc/passwd",
    "..%2f..%2fetc",
    "..\\..\\windows",
    "/etc/passwd",
    "file:///etc/passwd",
    "PETR4'; DROP--",
    "' OR '1'='1",
    f"A\r\n{MARK}: 1",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "__class__",
    "\x00PETR4",
    "💣",
    "\u202e4RTEP",
    "<script>alert(1)",
    "a" * 10_000,
)


def files_of(data: Path) -> set[Path]:
    return set(data.rglob("*"))


def harmless(answer: httpx.Response, route: Route, data: Path) -> None:
    """One of the answers that are promised, in JSON, with nothing of the machine in it."""
    assert answer.status_code in route.statuses | {404}, (route.name, answer.text)
    assert answer.status_code != 500, (route.name, answer.text)
    if answer.status_code == 503:
        assert answer.json()["error"] == "dagster_unreachable"
    assert answer.headers["Content-Type"] == "application/json"
    assert MARK not in answer.headers
    for secret in ("root:", str(data), str(Path(__file__).parents[2]), "Traceback"):
        assert secret not in answer.text


@pytest.fixture
def unharmed(server: Server, finished: Workplace) -> Iterator[Path]:
    """The data folder, which has no other files afterwards, of a server without a defect."""
    data = finished.settings.data
    before = files_of(data)
    yield data
    assert files_of(data) == before
    log = server.log.read_text()
    assert '"kind": "defect"' not in log
    assert "Traceback" not in log


@pytest.mark.parametrize("typed", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_in_any_place_of_any_route_is_harmless(
    client: httpx.Client, unharmed: Path, typed
):
    for route in ROUTES:
        for name in route.fields:
            for value in (typed, [typed], {typed: typed}):
                answer = route.ask(client, "NONE3", json={**route.of("NONE3"), name: value})
                harmless(answer, route, unharmed)
        if route.body is not None:
            harmless(route.ask(client, "NONE3", json={typed: 1}), route, unharmed)
            harmless(route.ask(client, "NONE3", json=typed), route, unharmed)
        for name in route.parameters:
            if f"{{{name}}}" not in route.path:
                harmless(route.ask(client, "NONE3", params={name: typed}), route, unharmed)
                continue
            quoted = "".join(f"%{byte:02x}" for byte in typed.encode())
            path = route.path.replace(f"{{{name}}}", quoted)
            harmless(route.ask(client, "NONE3", path=_as_it_is(path)), route, unharmed)


def _as_it_is(path: str) -> httpx.URL:
    """httpx would tidy it."""
    return httpx.URL("/x").copy_with(raw_path=path.encode())


@pytest.mark.parametrize(
    "header",
    ["X-API-Key", "X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Cookie", "Authorization",
     "User-Agent", "Accept", "X-HTTP-Method-Override", "X-Original-URL", "Referer"],
)  # fmt: skip
def test_a_hostile_header_changes_no_answer(client: httpx.Client, unharmed: Path, header):
    usual = client.get("/assets")
    for typed in HOSTILE:
        sent = typed.encode().replace(b"\r\n", b" ").replace(b"\x00", b"")
        answer = client.get("/assets", headers=[(header.encode(), sent)])
        assert (answer.status_code, answer.json()) == (200, usual.json())


@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 10 * MAX_BODY_BYTES])
def test_a_body_that_is_too_large_is_refused_declared_or_not(client, size):
    declared = client.post("/api/b3/predict", content=b" " * size, headers=JSON)
    assert refused(declared) == (413, "body_too_large")
    pieces = (b" " * 1024 for _ in range(size // 1024 + 1))
    streamed = client.post("/api/b3/predict", content=pieces, headers=JSON)
    assert refused(streamed) == (413, "body_too_large")


MALFORMED = (
    (b"", JSON),
    (b"null", JSON),
    (b"[[[[", JSON),
    (b"[" * 60_000, JSON),
    (b'{"a":' * 10_000, JSON),
    (b'{"ticker": "\xff\xfe"}', JSON),
    (b'{"ticker": "\\ud800"}', JSON),
    (b'{"ticker": NaN}', JSON),
    (b'{"ticker": 1e999}', JSON),
    (b'{"ticker": ' + b"9" * 5000 + b"}", JSON),
    (b"ticker=PETR4", {"Content-Type": "application/x-www-form-urlencoded"}),
    (b"<ticker>PETR4</ticker>", {"Content-Type": "application/xml"}),
    (b'{"ticker": "PETR4"}', {"Content-Type": "text/plain"}),
    (b'{"ticker": "PETR4"}', {}),
    (b"\x1f\x8b\x08", {**JSON, "Content-Encoding": "gzip"}),
)


@pytest.mark.parametrize(("content", "headers"), MALFORMED, ids=range(len(MALFORMED)))
def test_a_body_of_another_kind_is_malformed_on_every_route(
    client: httpx.Client, unharmed: Path, content, headers
):
    for route in ROUTES:
        if route.body is not None:
            answer = client.request(route.method, route.path, content=content, headers=headers)
            assert refused(answer)[0] in (400, 422), route.name
            assert answer.json()["error"] in ("malformed", "out_of_range")


@pytest.mark.parametrize("field", ["preset", "tickers", "label"])
def test_half_a_surrogate_is_no_text_of_a_training(client: httpx.Client, unharmed: Path, field):
    for value in (rb'"\ud800"', rb'["\ud800"]'):
        content = b'{"%b": %b}' % (field.encode(), value)
        answer = client.post("/api/b3/train-model", content=content, headers=JSON)
        assert refused(answer) == (400, "malformed")


def test_a_request_that_breaks_off_harms_nobody(server: Server, client, unharmed):
    port = client.base_url.port
    for sent in (b"POST /api/b3/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\n{",
                 b"\x00\x01\x02", b"GET / HTTP/9.9\r\n\r\n"):  # fmt: skip
        with socket.create_connection(("127.0.0.1", port)) as there:
            there.sendall(sent)
    assert client.get("/api/v1/health").status_code == 200


def test_a_key_guessed_a_thousand_times_is_compared_ten_times_and_others_are_served(tmp_path):
    app = create_app(load_settings(data=tmp_path, api_key=KEY, dagster_url=NOBODY))
    start = "/api/b3/load-data"
    with in_a_thread(app) as client:
        told = [client.post(start, headers={"X-API-Key": f"guess {n}"}) for n in range(1000)]
        codes = [refused(answer) for answer in told]
        minutes = sum(answer.elapsed.total_seconds() for answer in told) / 60
        assert set(codes) == {(403, "key_wrong"), (429, "too_many_requests")}
        n_compared = codes.count((403, "key_wrong"))
        assert n_compared <= WRONG_KEYS_A_MINUTE * (1 + minutes) + 1
        # How wrong a key is shows nowhere: each is told the same.
        for almost in (KEY[:-1], KEY + "!", KEY.upper(), "", KEY * 100):
            answer = client.post(start, headers={"X-API-Key": almost})
            assert refused(answer) == (429, "too_many_requests")
        assert len({answer.text for answer in told if answer.status_code == 403}) == 1
        assert KEY not in "".join(answer.text for answer in told)
        # Not even the right one is looked at now, or a guess would show by its answer.
        answer = client.post(start, headers={"X-API-Key": KEY})
        assert refused(answer) == (429, "too_many_requests")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        # Who guesses may go on reading, and who knows the key is somebody else.
        assert client.get("/swagger").status_code == 200
        other = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(base_url=client.base_url, transport=other, timeout=60) as owner:
            answer = owner.post(start, headers={"X-API-Key": KEY})
            assert refused(answer) == (503, "dagster_unreachable")


def test_every_key_is_compared_in_constant_time(tmp_path, monkeypatch):
    compared = []

    def seen(sent: bytes, known: bytes) -> bool:
        compared.append(sent)
        return compare_digest(sent, known)

    monkeypatch.setattr(security.hmac, "compare_digest", seen)
    app = create_app(load_settings(data=tmp_path, api_key="schlüssel", dagster_url=NOBODY))
    with in_a_thread(app) as client:
        # Text that is no ASCII as well, which `compare_digest` takes as bytes alone.
        right, wrong = ("schlüssel".encode(), b"schlussel")
        for sent, answer in ((wrong, (403, "key_wrong")), (right, (503, "dagster_unreachable"))):
            headers = [(b"X-API-Key", sent)]
            assert refused(client.post("/api/b3/clear-state", headers=headers)) == answer
    assert compared == [wrong, right]
