"""A webserver that is not Dagster's, or is away, is told from one that answers."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from asset_predict_dagster.service.runs import (
    DagsterRuns,
    DagsterUnreachable,
    RunRefused,
    Wanted,
    Which,
)
from asset_predict_dagster_tests.service.running import free_port


def _launched(name: str) -> bytes:
    return json.dumps({"data": {"launchRun": {"__typename": name}}}).encode()


class Elsewhere(BaseHTTPRequestHandler):
    """What may listen where Dagster was expected; the path says what it answers."""

    def do_POST(self) -> None:
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
