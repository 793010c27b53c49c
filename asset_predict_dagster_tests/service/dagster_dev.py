"""Dagster as a person starts it: webserver, daemon and code location, in a group of their own.

`webserver` is the first of them with its code location: what it knows can be asked, nothing runs.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from asset_predict_dagster.service.runs import DagsterRuns, DagsterUnreachable
from asset_predict_dagster_tests.service.running import environment, free_port

REPOSITORY = Path(__file__).parents[2]

PATIENCE = 400
"""Seconds for five processes that import much, on a busy machine."""


def dagster_dev(home: Path, data: Path, **settings: str) -> AbstractContextManager[str]:
    """`dagster dev` with the project's `dagster.yaml` on that data; the webserver's address."""
    return _started(("dagster", "dev"), home, data, settings)


def webserver(home: Path, data: Path, **settings: str) -> AbstractContextManager[str]:
    """Dagster's webserver alone, likewise."""
    return _started(("dagster_webserver",), home, data, settings)


@contextmanager
def _started(
    command: tuple[str, ...], home: Path, data: Path, settings: Mapping[str, str]
) -> Iterator[str]:
    shutil.copy(REPOSITORY / "dagster.yaml", home)
    port, log = free_port(), home / "dagster.log"
    url = f"http://127.0.0.1:{port}"
    place = ["-w", str(REPOSITORY / "workspace.yaml"), "-p", str(port), "-h", "127.0.0.1"]
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, *place],
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
