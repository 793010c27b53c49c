"""What a Dagster run tells is in the logs, whoever starts it and however it is configured."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.logs import start_logs
from asset_predict_dagster.pipeline.io_managers import LakeIOManager
from asset_predict_dagster.pipeline.run_logs import log_run
from asset_predict_dagster.settings import load_settings


@dg.op
def tells(context: dg.OpExecutionContext) -> None:
    context.log.info("two files")
    dg.get_dagster_logger().warning("one is old")


@dg.op(ins={"after": dg.In(dg.Nothing)})
def fails() -> None:
    raise RuntimeError("the disk is full")


@dg.job
def told():
    fails(tells())


@pytest.fixture
def folder(tmp_path) -> Iterator[Path]:
    start_logs(load_settings(data=tmp_path, enable_logs=True))
    yield tmp_path / "logs"
    start_logs(load_settings(enable_logs=False))


def lines(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for path in folder.iterdir() for line in path.read_text().splitlines()]


def run(tmp_path: Path, n_listening: int = 0, **options) -> str:
    """Run it; `n_listening` times somebody has asked for its log already."""
    run_id = str(uuid4())
    definitions = dg.Definitions(
        jobs=[told], resources={"io_manager": LakeIOManager(root=Lake(tmp_path / "lake").root)}
    )
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(n_listening):
            log_run(instance, run_id)
        job = definitions.resolve_job_def("told")
        job.execute_in_process(instance=instance, raise_on_error=False, run_id=run_id, **options)
    return run_id


def test_each_line_says_run_job_step_and_event(folder, tmp_path):
    run_id = run(tmp_path)
    told_by_it = lines(folder)
    assert {(line["run_id"], line["job"], line["logger"]) for line in told_by_it} == {
        (run_id, "told", "dagster")
    }
    said = [(one["level"], one["step"], one["message"]) for one in told_by_it if "event" not in one]
    assert said == [("INFO", "tells", "two files"), ("WARNING", "tells", "one is old")]
    events = [(one["event"], one.get("step")) for one in told_by_it if "event" in one]
    for event in (
        ("STEP_START", "tells"),
        ("STEP_SUCCESS", "tells"),
        ("STEP_START", "fails"),
        ("STEP_FAILURE", "fails"),
        ("PIPELINE_FAILURE", None),
    ):
        assert events.count(event) == 1


def test_a_failure_brings_its_trace(folder, tmp_path):
    run(tmp_path)
    (failure,) = [line for line in lines(folder) if line.get("event") == "STEP_FAILURE"]
    assert failure["level"] == "ERROR"
    assert "RuntimeError: the disk is full" in failure["exception"]


def test_a_run_config_that_silences_the_console_does_not_silence_the_log(folder, tmp_path):
    run(tmp_path, run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}})
    assert "two files" in {line["message"] for line in lines(folder)}


def test_of_two_runs_each_line_is_of_one(folder, tmp_path):
    runs = {run(tmp_path), run(tmp_path)}
    said = [line["run_id"] for line in lines(folder) if line["message"] == "two files"]
    assert len(said) == 2
    assert set(said) == runs


def test_a_run_that_is_listened_to_twice_is_written_once(folder, tmp_path):
    """Dagster sets its resources up anew after a failure."""
    run(tmp_path, n_listening=2)
    assert [line["message"] for line in lines(folder)].count("two files") == 1


def test_without_logs_a_run_writes_none(tmp_path):
    start_logs(load_settings(data=tmp_path, enable_logs=False))
    run(tmp_path)
    assert not (tmp_path / "logs").exists()


def test_a_job_that_dagsters_own_command_executes_is_logged(tmp_path):
    """Without a DAGSTER_HOME: the code location alone decides."""
    settings = {"ASSET_PREDICT_DATA": str(tmp_path / "data"), "ENABLE_LOGS": "true"}
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    words = ["job", "execute", "-m", "asset_predict_dagster.definitions", "-j", "housekeeping"]
    subprocess.run(
        [sys.executable, "-m", "dagster", *words],
        env=kept | settings | {"OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=240,
    )
    told_by_it = lines(tmp_path / "data" / "logs")
    assert {line["job"] for line in told_by_it} == {"housekeeping"}
    events = [line["event"] for line in told_by_it if line.get("event", "").startswith("PIPELINE")]
    assert events == ["PIPELINE_SUCCESS"]
    assert [line["message"] for line in told_by_it if "freed" in line["message"]] == [
        "0.00 MB freed, 0 records of runs dropped"
    ]
