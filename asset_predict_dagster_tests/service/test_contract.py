"""Every answer that the specification promises of a route is one that a test has seen.

What all routes have in common is asked of each of them here; `SEEN` says where the rest is.
"""

import importlib
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from asset_predict_dagster.service import security
from asset_predict_dagster.service.app import create_app
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster_tests.service.asking import refused
from asset_predict_dagster_tests.service.running import NOBODY, in_a_thread, served
from asset_predict_dagster_tests.service.specified import NO_TASK, ROUTES, Route

KEY = "a-key-that-nobody-guesses"
NONE = "NONE3"
LONG = "P" * 21

OUT_OF_RANGE = {
    "ticker": LONG,
    "symbol": LONG,
    "symbols": [],
    "model_type": "xgboost",
    "days": 0,
    "page": 0,
    "task_id": f"{NO_TASK}0",
}
OF_ANOTHER_KIND = {"wait": "perhaps", "days": "few", "page": "first", "task_id": "first"}

SEEN = {
    200: {
        "/api/b3/predict": "test_routes.test_a_prediction_is_the_one_that_the_ledger_holds",
        "/api/b3/training-status": "test_launching.test_the_run_that_made_the_market_is_told",
        "/api/b3/pipeline-status": "test_launching.test_the_run_that_made_the_market_is_told",
        "/api/b3/status": "test_launching.test_the_status_says_what_is_served",
        "/api/v1/train":
            "test_launching.test_a_ticker_is_trained_for_itself_and_asked_by_its_version",
        "/api/v1/train/{task_id}":
            "test_launching.test_a_ticker_is_trained_for_itself_and_asked_by_its_version",
        "/api/v1/predict": "test_routes.test_a_path_has_a_point_for_each_session",
        "/api/v1/drift/detect": "test_routes.test_drift_of_a_ticker_is_told_with_its_scores",
        "/api/v1/health": "test_routes.test_health_says_what_requests_are_answered_from",
        "/asset/{ticker}": "test_assets.test_an_asset_has_its_latest_quote_and_the_indicators",
        "/asset/{ticker}/history": "test_assets.test_a_history_has_the_last_sessions_in_order",
        "/assets": "test_assets.test_the_pages_of_the_assets_hold_each_ticker_once",
        "/scheduled/b3-data-update": "test_launching.test_new_files_are_asked_for_and_counted",
        "/models/check": "test_some_symbols.test_symbols_are_checked_one_by_one",
        "/models/metrics": "test_some_symbols.test_metrics_are_of_the_symbol_itself_out_of_sample",
        "/models/predict": "test_some_symbols.test_prices_of_some_symbols_come_with_their_change",
        "/models/retrain": "test_launching.test_a_training_is_not_asked_for_twice_whoever_asks",
        "/api/b3/clear-state":
            "test_launching.test_what_was_cleared_is_forgotten_and_the_champion_stays",
        "steps": "test_launching.test_from_files_to_a_champion_step_by_step",
    },
    202: {
        "/api/b3/train-model": "test_launching.test_from_files_to_a_champion_step_by_step",
        "/api/b3/complete-pipeline":
            "test_launching.test_a_whole_pipeline_trains_the_model_that_was_asked_for",
        "/api/b3/complete-training":
            "test_launching.test_a_scoped_training_ends_with_its_figures_and_nobody_else_serves",
        "steps": "test_launching.test_a_step_goes_on_and_is_not_begun_twice",
    },
    404: {"/api/v1/train/{task_id}": "test_launching.test_a_task_that_never_was_is_not_found"},
    409: {
        "/api/b3/train-model": "test_launching.test_from_files_to_a_champion_step_by_step",
        "/api/b3/complete-training":
            "test_launching.test_a_training_is_not_asked_for_twice_whoever_asks",
        "/api/b3/complete-pipeline": "test_launching.test_a_step_goes_on_and_is_not_begun_twice",
        "/models/retrain": "test_launching.test_a_training_is_not_asked_for_twice_whoever_asks",
        "/api/v1/train":
            "test_launching.test_a_ticker_is_trained_for_itself_and_asked_by_its_version",
        "steps": "test_launching.test_a_step_goes_on_and_is_not_begun_twice",
    },
    422: {"steps": "test_runs.test_a_run_that_dagster_refuses_is_a_refusal_in_words"},
}  # fmt: skip
"""Status → path → the test that sees it; `steps` are the routes of one stage."""

STEPS = (
    "/api/b3/load-data",
    "/api/b3/preprocess-data",
    "/api/b3/split-data",
    "/api/b3/evaluate-model",
    "/api/b3/save-model",
    "/api/b3/clear-state",
    "/scheduled/b3-data-update",
)


def may(status: int) -> pytest.MarkDecorator:
    """Each route that may answer so."""
    found = [route for route in ROUTES if status in route.statuses]
    return pytest.mark.parametrize("route", found, ids=lambda route: route.name)


def with_one(route: Route, values: dict) -> dict | None:
    """What to ask of the route with one of those values in its place; None: it has no place."""
    for name, value in values.items():
        if name in route.fields:
            return {"json": {**route.of(NONE), name: value}}
        if name in route.parameters and f"{{{name}}}" not in route.path:
            return {"params": {name: value}}
        if name in route.parameters:
            return {"path": route.path.format(**{"ticker": NONE, "task_id": NO_TASK, name: value})}
    return None


def is_asked_here(route: Route, status: int) -> bool:
    """Whether a test of this module has each such route answer so."""
    if status == 404:
        return "task_id" not in route.parameters
    if status == 422:
        return with_one(route, OUT_OF_RANGE) is not None
    return status in (400, 401, 403, 408, 413, 429, 500, 503)


def test_every_answer_of_every_route_is_seen_by_a_test():
    unseen = []
    for route in ROUTES:
        for status in route.statuses:
            path = route.path.removeprefix("/api") if "/models/" in route.path else route.path
            known = SEEN.get(status, {})
            test = known.get(path) or (known.get("steps") if path in STEPS else None)
            if test is None and not is_asked_here(route, status):
                unseen.append((route.name, status))
    assert unseen == []


def test_the_tests_that_see_them_are_there():
    for test in {test for tests in SEEN.values() for test in tests.values()}:
        module, name = test.split(".")
        assert callable(getattr(importlib.import_module(f"{__package__}.{module}"), name))


@may(400)
def test_what_cannot_be_read_is_malformed(client: httpx.Client, route: Route):
    wrong = {"content": b"{"} if route.body is not None else with_one(route, OF_ANOTHER_KIND)
    assert wrong is not None
    assert refused(route.ask(client, NONE, **wrong)) == (400, "malformed")


@pytest.fixture(scope="module")
def locked(tmp_path_factory) -> Iterator[httpx.Client]:
    settings = load_settings(data=tmp_path_factory.mktemp("locked"), api_key=KEY)
    with in_a_thread(create_app(settings)) as client:
        yield client


@may(401)
def test_what_starts_a_run_needs_the_key(locked: httpx.Client, route: Route):
    assert refused(route.ask(locked, NONE)) == (401, "key_missing")


@may(403)
def test_who_asks_for_another_host_is_not_served(client: httpx.Client, route: Route):
    answer = route.ask(client, NONE, headers={"Host": "evil.site"})
    assert refused(answer) == (403, "host_refused")


@may(404)
def test_who_is_not_there_is_not_found_before_dagster_is_asked(client: httpx.Client, route: Route):
    if "task_id" in route.parameters:
        assert refused(route.ask(client, NONE)) == (503, "dagster_unreachable")
        return
    of_none = {"json": {"tickers": [NONE]}} if "tickers" in route.fields else {}
    assert refused(route.ask(client, NONE, **of_none)) == (404, "unknown_ticker")


@may(408)
def test_a_body_that_does_not_come_is_not_waited_for(
    locked: httpx.Client, route: Route, monkeypatch
):
    monkeypatch.setattr(security, "BODY_SECONDS", 0.05)
    with socket.create_connection((locked.base_url.host, locked.base_url.port or 0)) as there:
        lines = (f"POST {route.path} HTTP/1.1", "Host: localhost", "Content-Length: 9", "", "{")
        there.sendall("\r\n".join(lines).encode())
        assert there.recv(100).startswith(b"HTTP/1.1 408 ")


@may(413)
def test_a_body_that_is_too_large_is_not_read(client: httpx.Client, route: Route):
    content = b" " * (security.MAX_BODY_BYTES + 1)
    assert refused(route.ask(client, NONE, content=content)) == (413, "body_too_large")


@may(422)
def test_what_is_out_of_range_is_refused(client: httpx.Client, route: Route):
    wrong = with_one(route, OUT_OF_RANGE)
    if wrong is None:  # nothing is sent; what Dagster refuses is in test_runs
        assert route.path in STEPS
        return
    assert refused(route.ask(client, NONE, **wrong)) == (422, "out_of_range")


def test_no_route_is_asked_more_often_than_is_allowed(tmp_path):
    settings = load_settings(data=tmp_path, requests_a_second=1, dagster_url=NOBODY)
    with in_a_thread(create_app(settings)) as client:
        for route in ROUTES:
            # One a second is let through, whenever it comes.
            answers = [route.ask(client, NONE) for _ in range(2)]
            late = [answer for answer in answers if answer.status_code == 429]
            assert late, route.name
            assert refused(late[0]) == (429, "too_many_requests")
            assert late[0].headers["Retry-After"] == "1"


def test_a_defect_is_told_without_the_inside_by_every_route(tmp_path):
    app = create_app(load_settings(data=tmp_path, dagster_url=NOBODY))
    with in_a_thread(app) as client:
        whole = app.state.refresher, app.state.launcher
        broken = SimpleNamespace(snapshot=object(), problem="", held="")
        app.state.refresher, app.state.launcher = broken, None
        for route in ROUTES:
            answer = route.ask(client, NONE)
            assert refused(answer) == (500, "internal"), route.name
            assert "object" not in answer.text
        app.state.refresher, app.state.launcher = whole


def test_where_nothing_can_be_reached_every_route_says_when_to_come_again(tmp_path: Path):
    log = tmp_path / "data/lake/quotes/_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("no table")
    with served(tmp_path, tmp_path / "data", until=503) as server:
        for route in ROUTES:
            answer = route.ask(server.client, NONE)
            status, code = refused(answer)
            assert (status, code in ("lake_unreachable", "dagster_unreachable")) == (503, True)
            assert int(answer.headers["Retry-After"]) > 0
            assert str(tmp_path) not in answer.text
