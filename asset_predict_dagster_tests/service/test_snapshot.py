"""The snapshot is replaced whole under requests, and what cannot be read replaces nothing."""

import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pandas as pd
import pytest

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.kinds import features_of
from asset_predict_dagster.predictions.due import MOST_LATE
from asset_predict_dagster.tables import CHAMPIONS, PREDICTIONS, QUOTES
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace
from asset_predict_dagster_tests.service.running import PATIENCE, Server, free_port, served

SETTINGS = {"ASSET_PREDICT_AS_OF": str(AS_OF)}


@pytest.fixture
def copied(market: Workplace, tmp_path) -> Path:
    """A copy of the market's data, to be changed."""
    return Path(shutil.copytree(market.settings.data, tmp_path / "data"))


def until(said: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not said():
        assert time.monotonic() < end
        time.sleep(0.05)


def health(client: httpx.Client) -> dict:
    return client.get("/api/v1/health").json()


def a_ticker(data: Path) -> str:
    table = Lake(data / "lake").read(PREDICTIONS)
    return table[table["reason"] == ""]["ticker"].iloc[0]


def test_a_new_champion_answers_without_a_restart_and_no_request_fails(copied, tmp_path):
    lake, ticker = Lake(copied / "lake"), a_ticker(copied)
    with served(tmp_path, copied, **SETTINGS) as server:
        seen: list[tuple[int, str]] = []
        over = threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=server.client.base_url, timeout=PATIENCE) as client:
                while not over.is_set():
                    answer = client.post("/api/b3/predict", json={"ticker": ticker})
                    seen.append((answer.status_code, answer.json().get("model_version", "")))

        askers = [threading.Thread(target=ask) for _ in range(2)]
        for asker in askers:
            asker.start()
        champions = lake.read(CHAMPIONS)
        is_forest = champions["model"] == "random_forest"
        champions.loc[is_forest, "model_version"] = "2"
        lake.write(CHAMPIONS, champions)
        until(lambda: health(server.client)["models"]["random_forest"]["version"] == "2")
        time.sleep(0.2)
        over.set()
        for asker in askers:
            asker.join()
        path = {"ticker": ticker, "model_version": "random_forest:1"}
        former = server.client.post("/api/v1/predict", json=path)
        path["model_version"] = "random_forest:champion"
        present = server.client.post("/api/v1/predict", json=path)
        # The same bundle under another number: a version that no longer serves can still be asked.
        assert former.json()["predictions"] == present.json()["predictions"]
        assert former.json()["model_version"] == "random_forest:1"
    assert {status for status, _ in seen} == {200}
    versions = [version for _, version in seen]
    assert (versions[0], versions[-1]) == ("1", "2")


def test_a_tampered_bundle_leaves_the_old_state_and_health_says_so(copied, tmp_path):
    lake, ticker = Lake(copied / "lake"), a_ticker(copied)
    with served(tmp_path, copied, **SETTINGS) as server:
        before = server.client.post("/api/b3/predict", json={"ticker": ticker}).json()
        champions = lake.read(CHAMPIONS)
        graphs = {d: copied / "bundles" / d / "model.onnx" for d in champions["bundle"]}
        whole = {digest: graph.read_bytes() for digest, graph in graphs.items()}
        for graph in graphs.values():
            graph.write_bytes(graph.read_bytes()[:-1] + b"!")
        lake.write(CHAMPIONS, champions.assign(reason="the same again"))
        until(lambda: health(server.client)["status"] == "degraded")
        said = health(server.client)["problem"]
        assert said.startswith("BundleError: ")
        assert "model.onnx was altered" in said
        assert str(copied) not in said + server.log.read_text()
        assert server.client.post("/api/b3/predict", json={"ticker": ticker}).json() == before
        for digest, graph in graphs.items():
            graph.write_bytes(whole[digest])
        lake.write(CHAMPIONS, champions.assign(reason="mended"))
        until(lambda: health(server.client)["status"] == "ok")


def test_where_no_model_serves_a_check_says_what_it_would_take(copied, tmp_path):
    ticker = a_ticker(copied)
    shutil.rmtree(copied / "lake/champions")
    settings = {
        **SETTINGS,
        "ASSET_PREDICT_API_KEY": "key",
        "ASSET_PREDICT_DAGSTER_URL": f"http://127.0.0.1:{free_port()}",
    }
    with served(tmp_path, copied, **settings) as server:

        def check(**headers: str) -> httpx.Response:
            asked = {"symbols": [ticker]}
            return server.client.post("/models/check", json=asked, headers=headers)

        (without,) = check().json()
        assert (without["model_exists"], "X-API-Key" in without["message"]) == (False, True)
        (with_key,) = check(**{"X-API-Key": "key"}).json()
        assert "Dagster's webserver does not answer" in with_key["message"]
        assert check(**{"X-API-Key": "another"}).status_code == 403


def test_tables_of_different_runs_are_not_mixed(copied, tmp_path):
    lake = Lake(copied / "lake")
    quotes = lake.read(QUOTES)
    with served(tmp_path, copied, **SETTINGS) as server:
        # As a killed run leaves it, the other way round: quotes know less than what they made.
        lake.write(QUOTES, quotes[quotes["session"] < quotes["session"].max()])
        until(lambda: health(server.client)["status"] == "degraded")
        assert "of different runs" in health(server.client)["problem"]
        assert health(server.client)["data_session"] == str(AS_OF)
        lake.write(QUOTES, quotes)
        until(lambda: health(server.client)["status"] == "ok")


def test_a_model_that_is_too_old_says_nothing_and_the_other_answers(copied, tmp_path):
    lake, ticker = Lake(copied / "lake"), a_ticker(copied)
    champions = lake.read(CHAMPIONS)
    is_forest = champions["model"] == "random_forest"
    # B3 opened after the session on 2021-01-04, 61 days later: a day more than it may be old.
    champions.loc[is_forest, "trained_at"] = pd.Timestamp("2020-11-04", tz="UTC")
    lake.write(CHAMPIONS, champions)
    with served(tmp_path, copied, **SETTINGS) as server:
        asked = {"ticker": ticker, "model_type": "rf"}
        answer = server.client.post("/api/b3/predict", json=asked)
        assert (answer.status_code, answer.json()["error"]) == (422, "model_expired")
        answer = server.client.post("/api/b3/predict", json={**asked, "model_type": "lstm"})
        assert (answer.status_code, answer.json()["reason"]) == (200, "")
    settings = {**SETTINGS, "ASSET_PREDICT_MODEL_EXPIRES_AFTER_DAYS": "62"}
    with served(tmp_path, copied, **settings) as server:
        assert server.client.post("/api/b3/predict", json=asked).status_code == 200


def test_a_row_unlike_all_that_was_learned_from_is_marked_and_keeps_its_numbers(copied, tmp_path):
    lake, ticker = Lake(copied / "lake"), a_ticker(copied)
    features = lake.read(FEATURES)
    is_last = (features["ticker"] == ticker) & (features["session"] == str(AS_OF))
    features.loc[is_last, list(features_of("random_forest"))] = 9.0
    lake.write(FEATURES, features)
    with served(tmp_path, copied, **SETTINGS) as server:
        found = server.client.post("/api/b3/predict", json={"ticker": ticker}).json()
        assert found["reason"] == "out_of_distribution"
        assert found["predicted_price"] > 0


@pytest.mark.parametrize(
    ("as_of", "late"), [("2021-01-04", 1), ("2021-01-08", 5), ("2021-01-11", 6)]
)
def test_late_quotes_are_told_and_too_late_ones_predict_nothing(
    market: Workplace, tmp_path, as_of, late
):
    ticker = a_ticker(market.settings.data)
    ledger = market.lake.read(PREDICTIONS)
    row = ledger[(ledger["model"] == "random_forest") & (ledger["ticker"] == ticker)]
    with served(tmp_path, market.settings.data, ASSET_PREDICT_AS_OF=as_of) as server:
        assert health(server.client)["sessions_late"] == late
        answer = server.client.post("/api/b3/predict", json={"ticker": ticker})
        found = answer.json()
        if late > MOST_LATE:
            assert (answer.status_code, found["error"]) == (503, "late_data")
            assert "Retry-After" in answer.headers
            return
        assert (found["session"], found["reason"]) == (str(AS_OF), "late_data")
        # What was said of that target session when its quotes were the latest, a horizon longer.
        told = row[row["horizon"] == 1 + late].iloc[0]
        assert found["target_session"] == f"{told['target_session']:%Y-%m-%d}"
        assert found["predicted_price"] == pytest.approx(told["predicted_price"])
        assert found["price_low"] == pytest.approx(told["price_low"])
        others = server.client.post("/models/predict", json={"symbols": [ticker]}).json()
        assert others["predictions"][ticker]["reason"] == "late_data"
        path = {"ticker": ticker, "days_ahead": 30}
        assert (
            len(server.client.post("/api/v1/predict", json=path).json()["predictions"]) == 30 - late
        )


def test_logs_that_are_kept_are_shown_as_well(market: Workplace, tmp_path):
    data = tmp_path / "data"
    with served(tmp_path, data, until=503, ENABLE_LOGS="true", **SETTINGS) as server:
        server.client.get("/nowhere")
        shown = server.log.read_text()
    kept = "".join(file.read_text() for file in (data / "logs").glob("*.jsonl"))
    assert shown.count('"status": 404') == 1
    assert kept.count('status\\": 404') == 1


def test_ctrl_c_ends_it_once_it_has_answered(tmp_path):
    with served(tmp_path, tmp_path / "data", until=503, **SETTINGS) as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(PATIENCE) == 0
        said = server.log.read_text().splitlines()
        assert said[0].endswith("/swagger    (ctrl-c ends it)")
        assert all(line.startswith("{") or "snapshot" in line for line in said[1:])


def test_an_empty_folder_is_served_and_says_what_is_missing(tmp_path):
    with served(tmp_path, tmp_path / "data", until=503, **SETTINGS) as server:
        client = server.client
        assert client.get("/api/v1/health").json()["error"] == "no_data"
        for route, body in (
            ("/api/b3/predict", {"ticker": "PETR4"}),
            ("/api/v1/predict", {"ticker": "PETR4"}),
            ("/models/predict", {"symbols": ["PETR4"]}),
            ("/models/metrics", {"symbols": ["PETR4"]}),
        ):
            answer = client.post(route, json=body)
            assert answer.status_code == 503
            assert answer.json()["error"] in ("no_data", "no_model")
            assert "Retry-After" in answer.headers
        checked = client.post("/models/check", json={"symbols": ["PETR4"]}).json()
        assert [one["model_exists"] for one in checked] == [False]
        assert client.get("/assets").json()["assets"] == []
    assert not (tmp_path / "data").exists()


def test_the_server_is_small_and_holds_nothing_that_trains(server: Server):
    assert server.resident_mb < 300
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert [name for name in ("libtorch", "sklearn", "onnxruntime_pybind") if name in maps] == []


def test_the_first_answer_comes_within_seconds_of_the_start(market: Workplace, tmp_path):
    began = time.monotonic()
    with served(tmp_path, market.settings.data, **SETTINGS):
        took = time.monotonic() - began
    # Three on a machine of its own; what tests run on has others.
    assert took < 12
