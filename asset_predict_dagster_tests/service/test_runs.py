"""A webserver that is not Dagster's, or is away, is told from one that answers."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from asset_predict_dagster.service.app import create_app
from asset_predict_dagster.service.checks import UNKNOWN, DagsterChecks
from asset_predict_dagster.service.runs import (
    DagsterRuns,
    DagsterUnreachable,
    RunRefused,
    Wanted,
    Which,
)
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster_tests.service.asking import refused
from asset_predict_dagster_tests.service.running import free_port, in_a_thread


def _launched(name: str) -> bytes:
    return json.dumps({"data": {"launchRun": {"__typename": name}}}).encode()


REFUSING = {
    "r0": {"results": []},
    "repositoryOrError": {"__typename": "Repository", "assetNodes": []},
    "launchRun": {"__typename": "RunConfigValidationInvalid"},
    "assetNodes": [],
}
"""By what is asked for: nothing has run, there are no assets, and no run is made."""


class Elsewhere(BaseHTTPRequestHandler):
    """What may listen where Dagster was expected; the path says what it answers."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        refusing = {name: said for name, said in REFUSING.items() if name in asked}
        status, body = {
            "/page/graphql": (200, b"<html>another program</html>"),
            "/list/graphql": (200, b"[]"),
            "/moved/graphql": (302, b""),
            "/refused/graphql": (400, json.dumps({"errors": [{"message": "no field"}]}).encode()),
            "/empty/graphql": (
                200,
                json.dumps(
                    {
                        "data": {
                            "repositoryOrError": {"__typename": "RepositoryNotFoundError"},
                            "launchRun": {"__typename": "PipelineNotFoundError"},
                        }
                    }
                ).encode(),
            ),
            "/failing/graphql": (200, _launched("PythonError")),
            "/unwilling/graphql": (200, _launched("RunConfigValidationInvalid")),
            "/refusing/graphql": (200, json.dumps({"data": refusing}).encode()),
        }[self.path]
        self.send_response(status)
        self.send_header("Location", "/empty/graphql")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("place", ["page", "list", "moved", "refused"])
def test_who_does_not_answer_as_dagster_is_unreachable(elsewhere, place):
    with pytest.raises(DagsterUnreachable):
        DagsterRuns(f"{elsewhere}/{place}").latest(Which("retrain"))


def test_a_dagster_without_our_code_location_is_unreachable(elsewhere):
    runs = DagsterRuns(f"{elsewhere}/empty/")
    with pytest.raises(DagsterUnreachable, match="RepositoryNotFoundError"):
        runs.assets()
    with pytest.raises(DagsterUnreachable, match="PipelineNotFoundError"):
        runs.launch(Wanted("retrain"))


def test_a_dagster_that_fails_may_be_asked_again_and_one_that_refuses_may_not(elsewhere):
    with pytest.raises(DagsterUnreachable, match="PythonError"):
        DagsterRuns(f"{elsewhere}/failing").launch(Wanted("retrain"))
    with pytest.raises(RunRefused, match="RunConfigValidationInvalid"):
        DagsterRuns(f"{elsewhere}/unwilling").launch(Wanted("retrain"))


def test_where_nobody_listens_is_unreachable():
    with pytest.raises(DagsterUnreachable):
        DagsterRuns(f"http://127.0.0.1:{free_port()}").latest()


@pytest.mark.parametrize(
    "route",
    [
        "/api/b3/load-data",
        "/api/b3/preprocess-data",
        "/api/b3/clear-state",
        "/scheduled/b3-data-update",
    ],
)
def test_a_run_that_dagster_refuses_is_a_refusal_in_words(elsewhere, tmp_path, route):
    app = create_app(load_settings(data=tmp_path, dagster_url=f"{elsewhere}/refusing"))
    with in_a_thread(app) as client:
        answer = client.post(route)
    assert refused(answer) == (422, "run_refused")
    assert "RunConfigValidationInvalid" in answer.json()["message"]


def test_a_dagster_without_our_checks_knows_nothing_of_the_tables(elsewhere):
    assert DagsterChecks(f"{elsewhere}/refusing").of_what_models_read() == UNKNOWN
    with pytest.raises(DagsterUnreachable):
        DagsterChecks(f"{elsewhere}/page").of_what_models_read()
