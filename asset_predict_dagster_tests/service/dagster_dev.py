"""Dagster as a person starts it: webserver, daemon and code location, in a group of their own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asset_predict_dagster.service.runs import DagsterRuns, DagsterUnreachable
from asset_predict_dagster_tests.service.running import environment, free_port

REPOSITORY = Path(__file__).parents[2]

PATIENCE = 400
"""Seconds for five processes that import much, on a busy machine."""


@contextmanager
def dagster_dev(home: Path, data: Path, **settings: str) -> Iterator[str]:
    """`dagster dev` with the project's `dagster.yaml` on that data; the webserver's address."""
    shutil.copy(REPOSITORY / "dagster.yaml", home)
    port, log = free_port(), home / "dagster_dev.log"
    url = f"http://127.0.0.1:{port}"
    command = ["-m", "dagster", "dev", "-w", str(REPOSITORY / "workspace.yaml"), "-p", str(port)]
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, *command, "-h", "127.0.0.1"],
            env=environment(data, DAGSTER_HOME=str(home), **settings),
            cwd=home,
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
    try:
        _wait_for(url, process, log)
        yield url
    finally:
        _end(process)


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    runs, end = DagsterRuns(url), time.monotonic() + PATIENCE
    while True:
        assert process.poll() is None, log.read_text()
        try:
            if runs.assets():
                return
        except DagsterUnreachable:
            assert time.monotonic() < end, log.read_text()[-2000:]
        time.sleep(0.5)


def _end(process: subprocess.Popen) -> None:
    """It outlives a SIGTERM for seconds, and its children may outlive it: the group is ended."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
