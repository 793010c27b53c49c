"""A web server on this machine that takes alerts, and answers as it is told to."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pydantic import SecretStr

from asset_predict_dagster.pipeline.alerts import AlertChannel

TOKEN = "s3cr3t-t0k3n"


class Channel:
    """Where alerts go; what came, as path and message."""

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
