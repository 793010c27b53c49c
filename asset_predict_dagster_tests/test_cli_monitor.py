"""`asset-predict monitor` opens MLflow's UI on the project's registry, and ends when told to."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster_tests.registry.trainings import training_with_tables

NOON = datetime(2024, 1, 8, 12, tzinfo=UTC)
PATIENCE = 90
"""Seconds: MLflow's server starts in six, and on a busy machine in more."""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A data folder with one training in its registry, moved since it was made."""
    made = tmp_path_factory.mktemp("made") / "data"
    Registry(made / "mlflow.db").register(training_with_tables("lstm", 1), NOON, "dagster-run-1")
    return Path(shutil.move(made, tmp_path_factory.mktemp("moved") / "data"))


def free_port() -> int:
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        return there.getsockname()[1]


def monitor(data: Path, folder: Path, *arguments: str) -> subprocess.Popen:
    """The command, started in `folder`."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-m", "asset_predict_dagster", "monitor", *arguments],
        env={**keep, "ASSET_PREDICT_DATA": str(data)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ask(address: str, question: dict | None = None) -> bytes:
    body = None if question is None else json.dumps(question).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
        return answer.read()


def refused(data: Path, folder: Path, *arguments: str) -> str:
    """The one sentence with which the command ends."""
    said, complaint = (started := monitor(data, folder, *arguments)).communicate(timeout=PATIENCE)
    assert (started.returncode, said) == (1, "")
    assert complaint.count("\n") == 1
    return complaint


def test_trainings_and_their_figures_are_seen_in_a_browser_until_ctrl_c(data, tmp_path):
    port = free_port()
    server = monitor(data, tmp_path, "--port", str(port))
    try:
        assert server.stdout is not None
        said = [server.stdout.readline(), server.stdout.readline()]
        root = f"http://127.0.0.1:{port}"
        assert said[1].startswith(root)
        assert b"<html" in ask(f"{root}/").lower()
        api = f"{root}/api/2.0/mlflow"
        found = json.loads(ask(f"{api}/experiments/search", {"max_results": 10}))["experiments"]
        trainings = {entry["name"]: entry["experiment_id"] for entry in found}["trainings"]
        (run,) = json.loads(ask(f"{api}/runs/search", {"experiment_ids": [trainings]}))["runs"]
        assert run["info"]["run_name"] == "lstm 1"
        assert {"key": "dagster_run_id", "value": "dagster-run-1"} in run["data"]["tags"]
        run_id = run["info"]["run_id"]
        listed = json.loads(ask(f"{api}/artifacts/list?run_id={run_id}&path=figures"))["files"]
        assert "figures/reliability.png" in {entry["path"] for entry in listed}
        figure = ask(f"{root}/get-artifact?run_uuid={run_id}&path=figures/reliability.png")
        kept = data / "mlflow_artifacts" / run_id / "artifacts/figures/reliability.png"
        assert figure == kept.read_bytes()
        assert "is in use" in refused(data, tmp_path, "--port", str(port))
        server.send_signal(signal.SIGINT)
        assert server.wait(PATIENCE) == 0
    finally:
        server.terminate()
        server.communicate(timeout=PATIENCE)
    end = time.monotonic() + PATIENCE
    while _is_listening(port) and time.monotonic() < end:
        time.sleep(0.1)
    assert not _is_listening(port)
    assert list(tmp_path.iterdir()) == []


def _is_listening(port: int) -> bool:
    with socket.socket() as there:
        return there.connect_ex(("127.0.0.1", port)) == 0


def test_a_data_folder_in_which_nothing_was_trained_is_one_clear_sentence(tmp_path):
    said = refused(tmp_path / "data", tmp_path)
    assert "there is no registry" in said
    assert "run the job complete_pipeline" in said
    assert list(tmp_path.iterdir()) == []
