"""`dagster dev` for real: a stale model is trained again and promoted, and nobody lifts a hand.

The workplace is that of a small simulated market. Its forest was made with ten shallow trees and
looks twenty days old; what the sensor asks for trains the usual one. The schedule ticks every
minute instead of at night: everything else is as people have it.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests

from asset_predict_dagster.registry.mlflow_database import open_client
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.tables import CHAMPIONS, PREDICTIONS
from asset_predict_dagster_tests.pipeline.channel import Channel, channel_that, says
from asset_predict_dagster_tests.pipeline.conftest import Workplace
from asset_predict_dagster_tests.proofs.browser import CHROMIUM, browser
from asset_predict_dagster_tests.proofs.processes import (
    NEXT,
    TRAINED_ON,
    environment,
    workplace,
)

pytestmark = pytest.mark.proofs

PATIENCE = 600
"""Seconds for a training on two cores that others use as well; it takes one or two minutes."""

LOCATION = '''
"""The project's code location, whose schedule ticks every minute."""

import dagster as dg

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.settings import load_settings


def every_minute(schedule: dg.ScheduleDefinition) -> dg.ScheduleDefinition:
    def ask(context):
        answer = schedule.evaluate_tick(context)
        return list(answer.run_requests or []) or dg.SkipReason(answer.skip_message)

    return dg.ScheduleDefinition(
        name=schedule.name,
        job_name=schedule.job_name,
        cron_schedule="* * * * *",
        execution_timezone=schedule.execution_timezone,
        execution_fn=ask,
        required_resource_keys=set(schedule.required_resource_keys),
        default_status=schedule.default_status,
    )


def with_a_quick_schedule(usual: dg.Definitions) -> dg.Definitions:
    return dg.Definitions(
        assets=usual.assets,
        asset_checks=usual.asset_checks,
        jobs=usual.jobs,
        schedules=[
            every_minute(one) if one.name == "daily_prediction_schedule" else one
            for one in usual.schedules
        ],
        sensors=usual.sensors,
        executor=usual.executor,
        resources=usual.resources,
        loggers=usual.loggers,
    )


defs = with_a_quick_schedule(build_definitions(load_settings()))
'''

WORKSPACE = """
load_from:
  - python_file:
      relative_path: every_minute.py
      location_name: asset_predict_dagster
"""

STATE = """
query State {
  repositoriesOrError { ... on RepositoryConnection { nodes {
    schedules { name scheduleState { ticks(limit: 5) { status timestamp skipReason } } }
    sensors { name sensorState { status ticks(limit: 5) { status timestamp skipReason } } }
  } } }
  runsOrError(limit: 50) { ... on Runs { results {
    runId jobName status tags { key value }
  } } }
}
"""


@dataclass
class Running:
    """A `dagster dev` that is up, and the workplace that it looks after."""

    place: Workplace
    address: str
    log: Path

    def state(self) -> dict[str, Any]:
        """Ticks of schedules and sensors, and the last runs, as the UI asks for them."""
        answer = requests.post(f"{self.address}/graphql", json={"query": STATE}, timeout=60)
        return answer.json()["data"]

    def ticks(self) -> dict[str, list[dict[str, Any]]]:
        """Schedule or sensor → its last ticks."""
        (found,) = self.state()["repositoriesOrError"]["nodes"]
        of_schedules = {one["name"]: one["scheduleState"]["ticks"] for one in found["schedules"]}
        return of_schedules | {one["name"]: one["sensorState"]["ticks"] for one in found["sensors"]}

    def runs(self, job: str) -> list[dict[str, Any]]:
        """Its runs that nobody started by hand."""
        runs = self.state()["runsOrError"]["results"]
        asked = [
            {**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}}
            for run in runs
            if run["jobName"] == job
        ]
        return [
            run
            for run in asked
            if run["tags"].keys() & {"dagster/sensor_name", "dagster/schedule_name"}
        ]

    def wait_for(self, what: str, is_there) -> None:
        until = time.monotonic() + PATIENCE
        while not is_there():
            assert time.monotonic() < until, f"{what} was expected; the log:\n{self.end_of_log()}"
            time.sleep(2)

    def end_of_log(self) -> str:
        return self.log.read_text(errors="replace")[-6000:]


def let_it_look_old(place: Workplace, model: str, days: int) -> None:
    """In the registry and in the table: the last training was so many days ago."""
    version = Registry(place.settings.registry_database).serving(model)
    trained_at = datetime.now(UTC) - timedelta(days=days)
    open_client(place.settings.registry_database).set_model_version_tag(
        model, version.version, "trained_at", trained_at.isoformat()
    )
    champions = place.lake.read(CHAMPIONS)
    champions.loc[champions["model"] == model, "trained_at"] = pd.Timestamp(trained_at)
    place.lake.write(CHAMPIONS, champions)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def channel() -> Iterator[Channel]:
    with channel_that(says(200)) as channel:
        yield channel


@pytest.fixture(scope="module")
def running(tmp_path_factory, channel: Channel) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("dev")
    place = workplace(folder, TRAINED_ON)
    assert place.run("complete_pipeline").success
    let_it_look_old(place, "random_forest", days=20)
    (folder / "every_minute.py").write_text(LOCATION)
    (folder / "workspace.yaml").write_text(WORKSPACE)
    port = free_port()
    command = [str(Path(sys.executable).parent / "dagster"), "dev", "-w", "workspace.yaml"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "-h", "127.0.0.1", "-p", str(port)],
            # The next session has closed, and nobody has predicted it.
            env=environment(folder, NEXT) | {"ASSET_PREDICT_ALERT_WEBHOOK": channel.address},
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        found = Running(place, f"http://127.0.0.1:{port}", folder / "log")
        found.wait_for("the web server", lambda: is_up(found.address))
        yield found
    finally:
        # Five processes, some of which outlive a polite request.
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        end_of_group(process.pid)
        process.wait()


def is_up(address: str) -> bool:
    try:
        return requests.get(f"{address}/server_info", timeout=5).ok
    except requests.RequestException:
        return False


def end_of_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def test_schedules_and_sensors_tick_by_themselves(running: Running):
    expected = {
        "daily_prediction_schedule",
        "retrain_stale_models",
        "new_market_files",
        "catch_up_predictions",
        "alert_on_failure",
    }
    running.wait_for("a tick of each", lambda: all(running.ticks().get(one) for one in expected))
    failed = {
        name: tick
        for name, ticks in running.ticks().items()
        for tick in ticks
        if tick["status"] == "FAILURE"
    }
    assert not failed


def test_a_stale_model_is_trained_and_promoted_without_a_hand(running: Running):
    running.wait_for(
        "a retrain that ended well",
        lambda: any(run["status"] == "SUCCESS" for run in running.runs("retrain")),
    )
    (run,) = running.runs("retrain")
    assert run["tags"]["asset_predict/causes"] == "random_forest-stale"
    champions = running.place.lake.read(CHAMPIONS).set_index("model")
    assert champions.loc["random_forest", "model_version"] == "2"
    assert champions.loc["random_forest", "decision"] == "promoted"
    assert champions.loc["lstm", "model_version"] == "1"
    assert Registry(running.place.settings.registry_database).serving("random_forest").version == (
        "2"
    )
    age = datetime.now(UTC) - champions.loc["random_forest", "trained_at"]
    assert age < timedelta(hours=1)


def test_the_session_that_closed_is_predicted_without_a_hand(running: Running):
    def is_predicted() -> bool:
        sessions = running.place.lake.read(PREDICTIONS, columns=["session"])["session"]
        return sessions.max() == pd.Timestamp(NEXT)

    running.wait_for(f"a prediction of {NEXT}", is_predicted)


def test_a_run_that_was_typed_and_failed_is_told_of(running: Running, channel: Channel):
    """It belongs to no code location that the daemon knows."""
    folder = running.log.parent
    nothing = environment(folder, NEXT) | {"ASSET_PREDICT_DATA": str(folder / "nothing")}
    command = [str(Path(sys.executable).parent / "dagster"), "job", "execute"]
    command += ["-m", "asset_predict_dagster.definitions", "-j", "retrain"]
    done = subprocess.run(command, env=nothing, cwd=folder, capture_output=True)
    assert done.returncode != 0
    running.wait_for(
        "an alert", lambda: any(told["job"] == "retrain" for _, told in channel.received)
    )
    (told,) = [told for _, told in channel.received if told["job"] == "retrain"]
    assert "has not been made yet" in told["error"]


@pytest.mark.skipif(CHROMIUM is None, reason="the browser is not here: apt-get install chromium")
def test_a_browser_shows_it(running: Running, tmp_path: Path):
    (run,) = running.runs("retrain")
    promoted = f"Materialized in run {run['runId'][:8]}"
    pages = {
        "runs": ("/runs", ["retrain", "Success", "daily_prediction"]),
        "sensors": ("/automation", ["retrain_stale_models", "daily_prediction_schedule"]),
        # Its groups are closed until one clicks.
        "lineage": ("/asset-groups", ["models", "registry", "predictions"]),
        "champions": ("/assets/champions?view=events", [promoted, "2 promoted: "]),
    }
    shots = tmp_path / "shots"
    shots.mkdir()
    with browser(tmp_path / "profile") as page:
        for name, (path, words) in pages.items():
            page.open(running.address + path)
            page.wait_for(*words)
            page.picture(shots / f"{name}.png")
    print(f"pictures: {shots}")
    assert all(shot.stat().st_size > 20_000 for shot in shots.iterdir())
