"""A run that was killed leaves nothing behind that the next one does not put right."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.pipeline.tables import ASSET_TABLES
from asset_predict_dagster.table_content import content_digest

pytestmark = pytest.mark.proofs

INSTANCE = Path(__file__).parents[2] / "dagster.yaml"
COMMAND = [
    *(str(Path(sys.executable).parent / "dagster"), "job", "execute"),
    *("-m", "asset_predict_dagster.definitions", "-j", "complete_pipeline"),
]


def environment(folder: Path) -> dict[str, str]:
    """Everything in `folder`, a Dagster instance that outlives its processes included."""
    home = folder / "dagster_home"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(INSTANCE, home / "dagster.yaml")
    return {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "ASSET_PREDICT_DATA": str(folder / "data"),
        "ASSET_PREDICT_AS_OF": "2020-12-30",
        "ASSET_PREDICT_SOURCE": "simulated",
    }


def contents(folder: Path) -> dict[str, str]:
    lake = Lake(folder / "data" / "lake")
    return {
        name: content_digest(table, lake.read(table), without=table.volatile)
        for name, table in ASSET_TABLES.items()
        if name != "model_health" and lake.exists(table)
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("undisturbed")
    subprocess.run(COMMAND, env=environment(folder), cwd=folder, check=True)
    return contents(folder)


@pytest.mark.parametrize("sign", ["seed 42 epoch 2", "lstm version 1", "random_forest version 1"])
def test_a_run_killed_at_any_stage_is_made_good_by_the_next(
    undisturbed: dict[str, str], tmp_path: Path, sign: str
):
    log = tmp_path / "log"
    with log.open("w") as written:
        run = subprocess.Popen(
            COMMAND,
            env=environment(tmp_path),
            cwd=tmp_path,
            stderr=written,
            stdout=written,
            start_new_session=True,
        )
    while sign not in log.read_text():
        assert run.poll() is None, log.read_text()
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    subprocess.run(COMMAND, env=environment(tmp_path), cwd=tmp_path, check=True, timeout=300)
    assert contents(tmp_path) == undisturbed


def test_two_first_runs_at_once_leave_what_one_alone_leaves(
    undisturbed: dict[str, str], tmp_path: Path
):
    # Dagster's own databases race when two processes make them at once: now and then they are left
    # with a schema of two versions, which no later command opens. What is tested is our tables.
    show = [COMMAND[0], "instance", "info"]
    subprocess.run(show, env=environment(tmp_path), cwd=tmp_path, check=True)
    runs = [subprocess.Popen(COMMAND, env=environment(tmp_path), cwd=tmp_path) for _ in range(2)]
    assert sorted(run.wait(timeout=600) for run in runs)[0] == 0
    subprocess.run(COMMAND, env=environment(tmp_path), cwd=tmp_path, check=True, timeout=300)
    assert contents(tmp_path) == undisturbed
