"""The snapshot is replaced whole under requests, and what cannot be read replaces nothing."""

import shutil
import signal
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
from asset_predict_dagster_tests.service.asking import a_ticker, until
from asset_predict_dagster_tests.service.running import PATIENCE, Server, free_port, served

SETTINGS = {"ASSET_PREDICT_AS_OF": str(AS_OF)}


@pytest.fixture
def copied(finished: Workplace, tmp_path) -> Path:
    """A copy of the market's data, to be changed."""
    return Path(shutil.copytree(finished.settings.data, tmp_path / "data"))


def health(client: httpx.Client) -> dict:
    return client.get("/api/v1/health").json()


def test_a_tampered_bundle_leaves_the_old_state_and_health_says_so(copied, tmp_path):
    lake = Lake(copied / "lake")
    ticker = a_ticker(lake)
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


def test_a_damaged_bundle_silences_one_model_until_it_is_mended(copied, tmp_path):
    lake = Lake(copied / "lake")
    ticker = a_ticker(lake)
    digest = lake.read(CHAMPIONS).set_index("model").loc["lstm", "bundle"]
    graph = copied / "bundles" / digest / "model.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1] + b"!")
    with served(tmp_path, copied, **SETTINGS) as server:
        said = health(server.client)
        assert (said["status"], set(said["models"])) == ("degraded", {"random_forest"})
        assert said["problem"].startswith("lstm 1 is passed over: ")
        assert str(copied) not in said["problem"] + server.log.read_text()
        for model_type, found in (("rf", 200), ("lstm", 503)):
            asked = {"ticker": ticker, "model_type": model_type}
            assert server.client.post("/api/b3/predict", json=asked).status_code == found
        graph.write_bytes(whole)
        until(lambda: health(server.client)["status"] == "ok")


def test_who_served_before_answers_for_a_champion_that_cannot_be_opened(copied, tmp_path):
    lake = Lake(copied / "lake")
    ticker = a_ticker(lake)
    champions = lake.read(CHAMPIONS)
    is_forest = champions["model"] == "random_forest"
    champions.loc[is_forest, ["model_version", "bundle"]] = ["2", "0" * 64]
    lake.write(CHAMPIONS, champions)
    with served(tmp_path, copied, **SETTINGS) as server:
        found = server.client.post("/api/b3/predict", json={"ticker": ticker}).json()
        assert (found["model_version"], found["model_source"]) == ("1", "predecessor")
        assert health(server.client)["problem"].startswith("random_forest 2 is passed over: ")


def test_where_no_model_serves_a_check_says_what_it_would_take(copied, tmp_path):
    ticker = a_ticker(Lake(copied / "lake"))
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
    lake = Lake(copied / "lake")
    ticker = a_ticker(lake)
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
    lake = Lake(copied / "lake")
    ticker = a_ticker(lake)
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
    finished: Workplace, tmp_path, as_of, late
):
    ticker = a_ticker(finished.lake)
    ledger = finished.lake.read(PREDICTIONS, where={"ticker": [ticker]})
    # What was said of that target session when its quotes were the latest, a horizon longer.
    rows = ledger[ledger["horizon"] == 1 + late].set_index("model")
    with served(tmp_path, finished.settings.data, ASSET_PREDICT_AS_OF=as_of) as server:
        assert health(server.client)["sessions_late"] == late
        answer = server.client.post("/api/b3/predict", json={"ticker": ticker})
        # The action is of the session after the quotes, which is over.
        assert (answer.status_code, answer.json()["error"]) == (422, "late_data")
        told = answer.json()["details"]
        assert (told["session"], told["sessions_late"]) == (str(AS_OF), late)
        others = server.client.post("/models/predict", json={"symbols": [ticker]}).json()
        path = server.client.post("/api/v1/predict", json={"ticker": ticker, "days_ahead": 30})
        (checked,) = server.client.post("/models/check", json={"symbols": [ticker]}).json()
        assert checked["model_exists"] is True
        if late > MOST_LATE:
            assert "predicted_price" not in told
            assert others["predictions"][ticker]["error"].startswith("late_data: ")
            assert (path.status_code, path.json()["error"]) == (422, "late_data")
            return
        row = rows.loc["random_forest"]
        assert told["target_session"] == f"{row['target_session']:%Y-%m-%d}"
        for name in ("predicted_price", "price_low", "price_high"):
            assert told[name] == pytest.approx(row[name])
        said = others["predictions"][ticker]
        assert (said["status"], said["reason"]) == ("success", "late_data")
        row = rows.loc["lstm"]
        assert said["predicted_price"] == pytest.approx(row["predicted_price"])
        points = path.json()["predictions"]
        assert (len(points), path.json()["reason"]) == (30 - late, "late_data")
        assert points[0]["session"] == told["target_session"]
        assert points[0]["predicted_price"] == pytest.approx(row["predicted_price"])


def test_logs_that_are_kept_are_shown_as_well(finished: Workplace, tmp_path):
    data = tmp_path / "data"
    with served(tmp_path, data, until=503, ENABLE_LOGS="true", **SETTINGS) as server:
        server.client.get("/nowhere")
        until(lambda: '"status": 404' in server.log.read_text())
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


def test_the_first_answer_costs_seconds(finished: Workplace, tmp_path):
    with served(tmp_path, finished.settings.data, **SETTINGS) as server:
        # Of the processor: by the clock it depends on who else is at work.
        assert server.processor_seconds < 6
