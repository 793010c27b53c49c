"""After a training and a promotion the server answers with the new version, without a restart."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import httpx
import pytest

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace
from asset_predict_dagster_tests.service.asking import a_ticker, until
from asset_predict_dagster_tests.service.running import PATIENCE, served

ANOTHER = {"random_forest": {"n_estimators": 10}}


@pytest.fixture
def place(finished: Workplace, tmp_path) -> Workplace:
    """A copy of the market, in which a forest of other settings is trained."""
    shutil.copytree(finished.settings.data, tmp_path / "data")
    shutil.copytree(finished.instance.root_directory, tmp_path / "home")
    settings = load_settings(**{**finished.settings.model_dump(), "data": tmp_path / "data"})
    instance = dg.DagsterInstance.local_temp(str(tmp_path / "home"))
    return Workplace(settings, instance, ANOTHER)


def promote(place: Workplace, version: str) -> None:
    job = build_definitions(place.settings).resolve_job_def("move_champion")
    config = {"model": "random_forest", "version": version}
    run = {"ops": {"moved_champion": {"config": config}}}
    assert job.execute_in_process(run_config=run, instance=place.instance).success


@dataclass
class Asker:
    """Asks the same again and again, and remembers what it was told."""

    client: httpx.Client
    body: dict[str, str]
    told: list[tuple[int, dict]] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> dict:
        answer = self.client.post("/api/b3/predict", json=self.body)
        self.told.append((answer.status_code, answer.json()))
        return answer.json()

    def ask_until_over(self) -> None:
        while not self.is_over.is_set():
            self.ask()


@contextmanager
def asking(address: httpx.URL, body: dict[str, str]) -> Iterator[list[Asker]]:
    """Two that ask at once, as long as the block goes on."""
    over = threading.Event()
    askers = [
        Asker(httpx.Client(base_url=address, timeout=PATIENCE), body, is_over=over) for _ in "ab"
    ]
    threads = [threading.Thread(target=asker.ask_until_over) for asker in askers]
    for thread in threads:
        thread.start()
    yield askers
    over.set()
    for thread, asker in zip(threads, askers, strict=True):
        thread.join()
        asker.client.close()


def test_every_answer_is_whole_of_the_old_version_or_whole_of_the_new_one(
    place: Workplace, tmp_path: Path
):
    body = {"ticker": a_ticker(place.lake), "model_type": "rf"}
    as_of = {"ASSET_PREDICT_AS_OF": str(AS_OF)}
    with served(tmp_path, place.settings.data, **as_of) as server:
        ask = Asker(server.client, body).ask
        old = ask()
        assert place.materialise("random_forest_model").success
        assert ask() == old
        with asking(server.client.base_url, body) as askers:
            promote(place, "2")
            until(lambda: ask()["model_version"] == "2")
            new = ask()
            until(lambda: all(asker.told[-1][1] == new for asker in askers))
        assert (old["model_version"], new["model_version"]) == ("1", "2")
        for name in ("prediction_probabilities", "expected_return", "price_low"):
            assert old[name] != new[name]
        for asker in askers:
            assert {status for status, _ in asker.told} == {200}
            versions = [said["model_version"] for _, said in asker.told]
            assert versions == sorted(versions)
            assert all(said in (old, new) for _, said in asker.told)
        assert {said["model_version"] for asker in askers for _, said in asker.told} == {"1", "2"}
        health = server.client.get("/api/v1/health").json()
        assert health["models"]["random_forest"]["version"] == "2"

        # Who no longer serves can still be asked, by its number.
        path = {"ticker": body["ticker"], "model_version": "random_forest:1", "days_ahead": 1}
        former = server.client.post("/api/v1/predict", json=path).json()
        assert former["predictions"][0]["predicted_price"] == old["predicted_price"]

        promote(place, "1")
        until(lambda: ask() == old)
