"""A webserver that answers as Dagster's does: it takes runs, which never end."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from asset_predict_dagster.service.runs import CLEARS

RUN = "00000000-0000-0000-0000-00000000000a"
"""The id of each run that it takes."""


@dataclass
class TakesRuns:
    """What it is asked, in order, and how it answers.

    `waiting` are the runs in its queue; `clears`: a run that clears is under way; `refuses`: it
    takes no run; `most_cancelled`: how many it cancels before it is away.
    """

    url: str
    waiting: list[str] = field(default_factory=list)
    clears: bool = False
    refuses: bool = False
    most_cancelled: int = 100
    done: list[str] = field(default_factory=list)

    @property
    def cancelled(self) -> list[str]:
        return [one for one in self.done if one in self.waiting]

    def answer(self, query: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        """`data` of the answer; None: it is away."""
        if "launchRun" in query:
            if self.refuses:
                return {"launchRun": {"__typename": "RunConfigValidationInvalid"}}
            self.done.append("launched")
            return {"launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": RUN}}}
        if "terminateRun" in query:
            if len(self.cancelled) == self.most_cancelled:
                return None
            self.done.append(asked["id"])
            return {"terminateRun": {"__typename": "TerminateRunSuccess"}}
        if "runsOrError" in query:
            return {"r0": {"results": [_run(one) for one in self._runs(asked["f0"])]}}
        if "runOrError" in query:
            return {"runOrError": {"__typename": "Run", **_run(asked["id"], "STARTED")}}
        if "repositoryOrError" in query:
            return {"repositoryOrError": {"__typename": "Repository", "assetNodes": []}}
        return {"assetNodes": []}

    def _runs(self, which: dict[str, Any]) -> list[str]:
        if which.get("statuses") == ["QUEUED", "NOT_STARTED"]:
            return [one for one in self.waiting if one not in self.done][:1]
        return [RUN] if self.clears and which.get("pipelineName") == CLEARS else []


def _run(run_id: str, status: str = "QUEUED") -> dict[str, Any]:
    return {"runId": run_id, "status": status, "jobName": CLEARS, "creationTime": 1.0, "tags": []}


@contextmanager
def takes_runs() -> Iterator[TakesRuns]:
    """It, on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            data = dagster.answer(sent["query"], sent["variables"])
            self.send_response(200 if data else 503)
            self.end_headers()
            self.wfile.write(json.dumps({"data": data}).encode())

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    dagster = TakesRuns(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield dagster
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
