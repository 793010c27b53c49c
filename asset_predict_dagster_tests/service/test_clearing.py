"""Clearing takes out of the queue what waits there, if it is taken itself; and says so."""

from collections.abc import Iterator

import httpx
import pytest

from asset_predict_dagster.service.app import create_app
from asset_predict_dagster.service.schemas.steps import ClearStarted
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster_tests.service.asking import refused
from asset_predict_dagster_tests.service.running import in_a_thread
from asset_predict_dagster_tests.service.takes_runs import RUN, TakesRuns, takes_runs


@pytest.fixture
def dagster() -> Iterator[TakesRuns]:
    """Two trainings wait in its queue."""
    with takes_runs() as running:
        running.waiting = ["first", "second"]
        yield running


@pytest.fixture
def client(dagster: TakesRuns, tmp_path) -> Iterator[httpx.Client]:
    with in_a_thread(create_app(load_settings(data=tmp_path, dagster_url=dagster.url))) as client:
        yield client


def clear(client: httpx.Client) -> httpx.Response:
    return client.post("/api/b3/clear-state", params={"wait": "false"})


def test_who_does_not_wait_is_told_what_was_taken_out_of_the_queue(client, dagster: TakesRuns):
    answer = clear(client)
    assert answer.status_code == 202, answer.text
    found = ClearStarted.model_validate(answer.json())
    assert (found.run_id, found.cancelled) == (RUN, ["first", "second"])
    assert dagster.done == ["launched", "first", "second"]


def test_a_clearing_that_is_under_way_already_takes_nothing_out(client, dagster: TakesRuns):
    dagster.clears = True
    assert refused(clear(client)) == (409, "already_queued")
    assert dagster.done == []


def test_a_clearing_that_dagster_refuses_takes_nothing_out(client, dagster: TakesRuns):
    dagster.refuses = True
    assert refused(clear(client)) == (422, "run_refused")
    assert dagster.done == []


def test_where_dagster_goes_away_in_between_it_is_told_what_was_taken_out(
    client, dagster: TakesRuns
):
    dagster.most_cancelled = 1
    answer = clear(client)
    assert refused(answer) == (503, "dagster_unreachable")
    assert answer.json()["details"] == {"cancelled": ["first"]}
