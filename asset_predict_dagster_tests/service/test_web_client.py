"""The web client that exists gets through, from files to forecasts, against `dagster dev`."""

import subprocess
import sys
from pathlib import Path

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.service.runs import ASKED_BY, REST_API, DagsterRuns, Which
from asset_predict_dagster_tests.service.asking import a_ticker
from asset_predict_dagster_tests.service.running import Server, environment

PATIENCE = 2400
"""Seconds: a few minutes, on a machine of its own."""


def test_a_web_client_gets_from_files_to_forecasts(
    launching: Server, house: Path, lake: Lake, runs: DagsterRuns
):
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "asset_predict_dagster_tests.service.web_client"),
            *(str(launching.client.base_url), a_ticker(lake)),
        ],
        env=environment(house / "data"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    assert ended.stdout.count("POST /api/b3/train-model") == 2
    # All of it was seen by Dagster.
    last = runs.latest(Which(tags={ASKED_BY: REST_API}))
    assert last is not None
    assert last.status == "completed"
