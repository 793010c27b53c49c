"""What Dagster's checks say is heeded: tables that break a promise are not forecast from.

Dagster's webserver runs on a copy of the market, and is told of results as its checks tell them.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import httpx
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from dagster._core.events import DagsterEvent, DagsterEventType

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.kinds import features_of
from asset_predict_dagster.predictions.heeded_checks import READ_BY_MODELS
from asset_predict_dagster.service.checks import UNKNOWN, ChecksSeen, DagsterChecks
from asset_predict_dagster.service.launching import Launcher
from asset_predict_dagster.service.redaction import Places
from asset_predict_dagster.service.refresher import Refresher
from asset_predict_dagster.service.runs import DagsterRuns
from asset_predict_dagster.service.snapshot import State
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster.tables import CHAMPIONS
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace
from asset_predict_dagster_tests.service.asking import a_ticker, refused, until
from asset_predict_dagster_tests.service.dagster_dev import webserver
from asset_predict_dagster_tests.service.running import NOBODY, served

CHECK = ("features", "keeps_the_dictionary")


@dataclass(frozen=True)
class House:
    """A copy of the market, and a Dagster that can be asked about it."""

    data: Path
    instance: dg.DagsterInstance
    settings: dict[str, str]

    @property
    def lake(self) -> Lake:
        return Lake(str(self.data / "lake"))

    def says(
        self,
        passed: bool,
        check: tuple[str, str] = CHECK,
        severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    ) -> None:
        """A check has ended so."""
        self.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(check[0]),
                check_name=check[1],
                passed=passed,
                metadata={},
                severity=severity,
            )
        )


@pytest.fixture(scope="module")
def house(finished: Workplace, tmp_path_factory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("asked")
    data, home = folder / "data", folder / "home"
    shutil.copytree(finished.settings.data, data)
    shutil.copytree(finished.instance.root_directory, home)
    settings = {"ASSET_PREDICT_AS_OF": str(AS_OF)}
    with webserver(home, data, **settings) as url:
        yield House(
            data,
            dg.DagsterInstance.local_temp(str(home)),
            {**settings, "ASSET_PREDICT_DAGSTER_URL": url},
        )


@pytest.fixture
def strange(house: House) -> Iterator[Callable[[], None]]:
    """Writes features of a ticker that are unlike all that was learned from; taken back after."""
    usual = house.lake.read(FEATURES)

    def write() -> None:
        is_last = (usual["ticker"] == a_ticker(house.lake)) & (usual["session"] == str(AS_OF))
        features = usual.copy()
        features.loc[is_last, list(features_of("random_forest"))] = 9.0
        house.lake.write(FEATURES, features)

    yield write
    house.lake.write(FEATURES, usual)


def health(client: httpx.Client) -> dict:
    return client.get("/api/v1/health").json()


def test_while_a_check_fails_the_tables_before_are_served_and_it_is_told(
    house: House, strange, tmp_path
):
    asked = {"ticker": a_ticker(house.lake)}
    with served(tmp_path, house.data, **house.settings) as server:
        client = server.client
        assert health(client)["checks"] == {"status": "passed", "failed": []}
        before = client.post("/api/b3/predict", json=asked).json()
        house.says(passed=False)
        strange()
        until(lambda: health(client)["checks"]["status"] == "failed")
        told = health(client)
        assert (told["status"], told["checks"]["failed"]) == ("degraded", [": ".join(CHECK)])
        assert "waits, and is not served" in told["problem"]
        status = client.get("/api/b3/status").json()
        assert (status["checks"], status["data_reachable"]) == (told["checks"], True)
        assert client.post("/api/b3/predict", json=asked).json() == before
        # Who serves is another matter than what they look at.
        champions = house.lake.read(CHAMPIONS)
        assert before["model_status"] == "proven"
        house.lake.write(CHAMPIONS, champions.assign(status="unproven"))
        unproven = before | {"model_status": "unproven"}
        until(lambda: client.post("/api/b3/predict", json=asked).json() == unproven)
        house.lake.write(CHAMPIONS, champions)
        until(lambda: client.post("/api/b3/predict", json=asked).json() == before)
        house.says(passed=True)
        until(lambda: health(client)["checks"]["status"] == "passed")
        until(
            lambda: (
                client.post("/api/b3/predict", json=asked).json()["reason"] == "out_of_distribution"
            )
        )
        until(lambda: health(client)["status"] == "ok")


def test_a_server_that_starts_beside_a_failed_check_forecasts_nothing_until_it_passes(
    house: House, tmp_path
):
    house.says(passed=False)
    with served(tmp_path, house.data, until=503, **house.settings) as server:
        client = server.client
        assert refused(client.get("/api/v1/health")) == (503, "checks_failed")
        answer = client.post("/api/b3/predict", json={"ticker": a_ticker(house.lake)})
        assert refused(answer) == (503, "checks_failed")
        assert ": ".join(CHECK) in answer.json()["message"]
        house.says(passed=True)
        until(lambda: health(client)["status"] == "ok")


def test_new_tables_wait_for_the_checks_that_are_under_way(house: House, strange, tmp_path):
    asked = {"ticker": a_ticker(house.lake)}
    with served(tmp_path, house.data, **house.settings) as server:
        client = server.client
        run = house.instance.add_run(dg.DagsterRun("daily", status=dg.DagsterRunStatus.STARTED))
        _report(
            house,
            run,
            DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
            AssetCheckEvaluationPlanned(asset_key=dg.AssetKey(CHECK[0]), check_name=CHECK[1]),
        )
        strange()
        until(lambda: health(client)["checks"]["status"] == "under_way")
        assert "wait until their checks have ended" in health(client)["problem"]
        assert client.post("/api/b3/predict", json=asked).json()["reason"] == ""
        said = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(CHECK[0]), check_name=CHECK[1], passed=True, metadata={}
        )
        _report(house, run, DagsterEventType.ASSET_CHECK_EVALUATION, said)
        house.instance.handle_run_event(run.run_id, DagsterEvent("PIPELINE_SUCCESS", "daily"))
        until(
            lambda: (
                client.post("/api/b3/predict", json=asked).json()["reason"] == "out_of_distribution"
            )
        )


def _report(house: House, run: dg.DagsterRun, kind: DagsterEventType, said) -> None:
    event = DagsterEvent(kind.value, run.job_name, event_specific_data=said)
    house.instance.report_dagster_event(event, run.run_id)


@pytest.mark.parametrize(
    ("check", "severity"),
    [
        (CHECK, dg.AssetCheckSeverity.WARN),
        (("raw_quotes", "every_file_was_read"), dg.AssetCheckSeverity.ERROR),
        (("labels", "keeps_the_dictionary"), dg.AssetCheckSeverity.ERROR),
    ],
)
def test_a_warning_and_a_missing_file_and_another_table_hold_nothing_back(
    house: House, check, severity
):
    checks = DagsterChecks(house.settings["ASSET_PREDICT_DAGSTER_URL"])
    house.says(False, check, severity)
    assert checks.of_what_models_read() == ChecksSeen("passed")
    house.says(True, check)


def test_what_breaks_a_promise_does_so_also_while_nobody_can_be_asked(tmp_path):
    places = Places(tmp_path, str(tmp_path), tmp_path, tmp_path / "mlflow.db")
    refresher = Refresher(places, timedelta(days=60), None, DagsterChecks(NOBODY))
    these = State(dict.fromkeys(READ_BY_MODELS, 1), date(2024, 1, 2))
    others = replace(these, versions=dict.fromkeys(READ_BY_MODELS, 2))

    def known_after(known: ChecksSeen, newer: State) -> ChecksSeen:
        asyncio.run(refresher._ask(these))
        refresher.checks, refresher._asked_at = known, float("-inf")
        asyncio.run(refresher._ask(newer))
        return refresher.checks

    failed = ChecksSeen("failed", ("quotes: one",))
    assert known_after(failed, these) == failed
    assert known_after(failed, others) == UNKNOWN
    # A run that nobody hears of any more may never end: its tables are served.
    assert known_after(ChecksSeen("under_way"), these) == UNKNOWN


def test_the_files_that_a_run_left_out_are_named_without_their_folder(
    house: House, finished: Workplace
):
    settings = load_settings(**{**finished.settings.model_dump(), "data": house.data})
    url = house.settings["ASSET_PREDICT_DAGSTER_URL"]
    launcher = Launcher(DagsterRuns(url), DagsterChecks(url), Places.of(settings))
    place = Workplace(settings, house.instance)

    def left_out() -> list[dict[str, str]] | None:
        run = place.materialise("raw_quotes")
        assert run.success
        return asyncio.run(launcher.refused_files(run.run_id))

    bad = settings.landing / "COTAHIST_D29122020.TXT"
    bad.write_bytes(b"not a market file")
    (told,) = left_out() or []
    assert told["file"] == bad.name
    assert told["reason"].startswith(bad.name)
    assert str(house.data) not in told["reason"]
    bad.unlink()
    assert left_out() == []
    assert asyncio.run(launcher.refused_files("00000000-0000-0000-0000-000000000000")) is None
