"""A server as a person starts it: the command, in a process of its own, on a free port.

`in_a_thread` is for an app that has something which no person's has.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI

PATIENCE = 300
"""Seconds: the server answers in three, and on a machine that others keep busy in many more."""

_KEPT = ("PATH", "HOME", "PYTHONPATH", "OMP_NUM_THREADS")

NOBODY = "http://127.0.0.1:1"
"""Where no Dagster is, whatever else runs on the machine."""


@dataclass(frozen=True)
class Server:
    """A server that answers: its process, its log, and a client of it."""

    process: subprocess.Popen
    log: Path
    client: httpx.Client

    @property
    def resident_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    @property
    def processor_seconds(self) -> float:
        """What it and the processes that it has ended took of the processor."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        return sum(map(int, stat.rpartition(")")[2].split()[11:15])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        return there.getsockname()[1]


def environment(data: Path, **settings: str) -> dict[str, str]:
    """What the command is started with, and nothing of whoever runs the tests."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    known = {"ASSET_PREDICT_DATA": str(data), "ASSET_PREDICT_DAGSTER_URL": NOBODY}
    return {**kept, **known, **settings}


@contextmanager
def served(folder: Path, data: Path, *, until: int = 200, **settings: str) -> Iterator[Server]:
    """`asset-predict serve` on that data, once `/api/v1/health` answers with `until`.

    Its log is in `folder`, in which it is started.
    """
    port, log = free_port(), folder / "server.log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "asset_predict_dagster", "serve", "--port", str(port)],
            env=environment(data, **settings),
            cwd=folder,
            stdout=written,
            stderr=written,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            wait_for(client, until, process, log)
            yield Server(process, log, client)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def wait_for(client: httpx.Client, status: int, process: subprocess.Popen, log: Path) -> None:
    """Wait until the server's health is that."""
    end = time.monotonic() + PATIENCE
    seen: object = None
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            seen = client.get("/api/v1/health")
            if seen.status_code == status and seen.json().get("error") != "starting":
                return
        except httpx.TransportError as error:
            seen = error
        time.sleep(0.05)
    raise AssertionError(f"no health {status} in {PATIENCE} s: {seen}; {log.read_text()}")


@contextmanager
def in_a_thread(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of the app, which runs in this process."""
    port = free_port()
    config = uvicorn.Config(app, port=port, log_config=None, access_log=False, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
