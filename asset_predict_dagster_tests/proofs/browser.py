"""Headless Chromium on a page that talks to its server: what a person reads, and pictures."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import requests
from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--remote-debugging-port=0", "--window-size=1600,1000", "--hide-scrollbars"),
)


class Page:
    """One tab, steered by Chromium's own debugging protocol."""

    def __init__(self, socket: ClientConnection):
        self._socket = socket
        self._numbers = count(1)

    def open(self, address: str) -> None:
        self._ask("Page.navigate", url=address)

    def text(self) -> str:
        """What a reader sees."""
        said = self._ask("Runtime.evaluate", expression="document.body.innerText")
        return str(said["result"].get("value", ""))

    def wait_for(self, *words: str, seconds: float = 60) -> str:
        """The page's text, once all the words are in it."""
        until = time.monotonic() + seconds
        while not all(word in (text := self.text()) for word in words):
            assert time.monotonic() < until, f"{words} were expected on a page that says: {text}"
            time.sleep(0.5)
        return text

    def picture(self, path: Path) -> None:
        shot = self._ask("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A browser for as long as the block lasts; `profile` is a folder of its own."""
    profile.mkdir(parents=True)
    with (profile / "log").open("w") as log:
        process = subprocess.Popen(
            [str(CHROMIUM), *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=log,
            stderr=log,
        )
    try:
        port = _port(profile / "DevToolsActivePort")
        (tab,) = (
            target
            for target in requests.get(f"http://127.0.0.1:{port}/json", timeout=30).json()
            if target["type"] == "page"
        )
        with connect(tab["webSocketDebuggerUrl"], max_size=None, compression=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _port(told_in: Path) -> str:
    until = time.monotonic() + 60
    while not told_in.exists() or "\n" not in told_in.read_text():
        assert time.monotonic() < until, "Chromium did not say where it listens"
        time.sleep(0.1)
    return told_in.read_text().split("\n")[0]
