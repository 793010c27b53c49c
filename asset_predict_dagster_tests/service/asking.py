"""What tests ask of a server again and again."""

import time
from collections.abc import Callable

import httpx
import pandas as pd

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.service.schemas.common import ErrorAnswer
from asset_predict_dagster.tables import PREDICTIONS

PATIENCE = 300
"""Seconds that a run may take on a busy machine."""


def a_ticker(lake: Lake) -> str:
    """One that is forecast."""
    table = lake.read(PREDICTIONS)
    return table[table["reason"] == ""]["ticker"].iloc[0]


def until(said: Callable[[], bool]) -> None:
    """Wait until it is so."""
    end = time.monotonic() + PATIENCE
    while not said():
        assert time.monotonic() < end
        time.sleep(0.05)


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an answer, which has the shape of every error."""
    assert set(answer.json()) == {"status", "error", "message", "details"}
    return answer.status_code, answer.json()["error"]


def refusal(answer: httpx.Response) -> ErrorAnswer:
    """The answer, which has the shape of every error."""
    refused(answer)
    return ErrorAnswer.model_validate(answer.json())


def of_reason(said: pd.DataFrame, reason: str, model: str = "random_forest") -> str:
    """A ticker of which the model says so."""
    rows = said.loc[model]
    return rows[rows["reason"] == reason].index[0]


def polled(client: httpx.Client, run_id: str, route: str = "/api/b3/training-status") -> dict:
    """What a client sees that polls until the run has ended."""
    end = time.monotonic() + PATIENCE
    while True:
        said = client.get(route).json()
        if said.get("run_id", said.get("task_id")) == run_id and said["status"] in (
            "completed",
            "failed",
        ):
            return said
        assert said["status"] in ("queued", "running"), said
        assert time.monotonic() < end, said
        time.sleep(0.5)


def made(client: httpx.Client, route: str, body: dict | None = None) -> dict:
    """What a step answers once it is made; on a busy machine not before it is asked again."""
    end = time.monotonic() + PATIENCE
    while (answer := client.post(route, json=body)).status_code == 202:
        assert time.monotonic() < end
        polled(client, answer.json()["run_id"], "/api/b3/status")
    assert answer.status_code == 200, answer.text
    return answer.json()
