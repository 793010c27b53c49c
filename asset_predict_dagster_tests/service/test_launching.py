"""What a client starts is a run of a real Dagster: step by step from files to a champion."""

import shutil
from pathlib import Path

import pytest

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.service.runs import DagsterRuns, Which
from asset_predict_dagster.service.schemas import b3, models, steps, tasks
from asset_predict_dagster.tables import CHAMPIONS, EVALUATION, LABELS, QUOTES
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace
from asset_predict_dagster_tests.service.asking import a_ticker, made, polled, refused, until
from asset_predict_dagster_tests.service.conftest import LAUNCHED
from asset_predict_dagster_tests.service.running import Server, served

SMALL = {"model_type": "rf", "n_estimators": 20}


@pytest.fixture(scope="module")
def client(launching: Server):
    return launching.client


@pytest.mark.parametrize("route", ["training-status", "pipeline-status", "status"])
def test_the_run_that_made_the_market_is_told(client, finished: Workplace, route):
    found = b3.RunAnswer.model_validate(client.get(f"/api/b3/{route}").json())
    (run,) = finished.instance.get_runs(limit=1)
    assert (found.status, found.error) == ("completed", None)
    assert (found.run_id, found.job) == (run.run_id, "complete_pipeline")


def test_the_status_says_what_is_served(client, lake: Lake):
    client.post("/api/b3/predict", json={"ticker": a_ticker(lake)})
    found = b3.StatusAnswer.model_validate(client.get("/api/b3/status").json())
    assert found.pipeline_state.model_dump() == {
        "has_raw_data": True,
        "has_processed_data": True,
        "has_split_data": True,
        "has_trained_model": True,
    }
    assert (found.model_loaded, found.data_reachable, found.problem) == (True, True, None)
    assert (found.data_session, found.sessions_late) == (AS_OF, 0)
    champions = lake.read(CHAMPIONS)
    assert {name: one.version for name, one in found.models.items()} == dict(
        zip(champions["model"], champions["model_version"], strict=True)
    )
    assert found.prediction_latency_ms.n >= 1
    assert 0 < found.prediction_latency_ms.p50 <= found.prediction_latency_ms.p99


def test_from_files_to_a_champion_step_by_step(client, lake: Lake, runs: DagsterRuns):
    loaded = steps.Loaded.model_validate(made(client, "/api/b3/load-data"))
    quotes = lake.read(QUOTES)
    assert loaded.data_shape == list(quotes.shape)
    assert loaded.columns == list(quotes.columns)

    features = steps.Preprocessed.model_validate(made(client, "/api/b3/preprocess-data"))
    assert features.features_shape == [len(quotes), len(features.feature_columns) + 2]
    assert set(features.feature_columns) == set(FEATURES.column_names) - {"ticker", "session"}
    actions = lake.read(LABELS)["action"].value_counts(normalize=True)
    assert features.target_distribution == pytest.approx(actions.to_dict())

    body = {"model_type": "rf", "test_size": 0.2, "val_size": 0.2, "model_dir": "models"}
    split = steps.SplitAnswer.model_validate(made(client, "/api/b3/split-data", body))
    assert split.ignored == ["model_dir"]

    body = {**SMALL, "model_dir": "models", "price_col": "close"}
    first = client.post("/api/b3/train-model", json=body)
    again = client.post("/api/b3/train-model", json=body)
    assert first.status_code == 202, first.text
    begun = steps.TrainingStarted.model_validate(first.json())
    assert (begun.training_status, begun.model_type) == ("running", "random_forest")
    assert (begun.ignored, begun.scoped) == (["model_dir", "price_col"], "")
    assert refused(again) == (409, "already_queued")
    assert again.json()["details"]["run_id"] == begun.run_id
    assert polled(client, begun.run_id)["status"] == "completed"
    run = runs.find(begun.run_id)
    assert run is not None
    assert run.tags["asset_predict/trains"] == "yes"

    early = client.post("/api/b3/save-model", json={"model_type": "rf"})
    assert refused(early) == (422, "not_evaluated")
    judged = steps.EvaluateAnswer.model_validate(
        made(client, "/api/b3/evaluate-model", {"model_type": "rf"})
    )
    assert (judged.model_type, judged.model_version) == ("random_forest", "2")
    validation, test = judged.evaluation.validation, judged.evaluation.test
    assert sum(map(sum, test.confusion_matrix or [])) == split.test_size
    assert sum(map(sum, validation.confusion_matrix or [])) == split.validation_size
    assert validation.metrics["n_rows"] == split.validation_size
    matrix = test.confusion_matrix or []
    right = sum(row[place] for place, row in enumerate(matrix))
    assert test.metrics["accuracy"] == pytest.approx(right / split.test_size)
    assert test.labels == ["buy", "hold", "sell"]
    assert judged.horizon == 1
    assert judged.regression["r2"] == pytest.approx(test.metrics["r2_price"])
    assert {"naive", "naive_price", "ridge"} <= set(judged.baselines)

    body = {"model_type": "rf", "model_name": "../mine"}
    saved = steps.SaveAnswer.model_validate(made(client, "/api/b3/save-model", body))
    assert (saved.version, saved.ignored) == ("2", ["model_name"])
    champion = lake.read(CHAMPIONS).set_index("model").loc["random_forest"]
    assert (saved.decision, saved.serving_version) == (
        champion["decision"],
        champion["model_version"],
    )
    assert saved.message == champion["reason"]

    body = {"ticker": a_ticker(lake), "model_type": "rf"}
    until(
        lambda: (
            client.post("/api/b3/predict", json=body).json()["model_version"]
            == saved.serving_version
        )
    )


def test_a_ticker_is_trained_for_itself_and_asked_by_its_version(client, lake: Lake):
    ticker = a_ticker(lake)
    body = {
        "ticker": f"{ticker.lower()}.sa",
        "start_date": "2018-01-02",
        "end_date": "2020-12-30",
        "epochs": 1,
        "lookback": 10,
        "hidden_size": 16,
        "num_layers": 1,
    }
    answer = client.post("/api/v1/train", json=body)
    assert answer.status_code == 200, answer.text
    queued = tasks.TaskQueued.model_validate(answer.json())
    assert refused(client.post("/api/v1/train", json=body)) == (409, "already_queued")
    said = polled(client, queued.task_id, f"/api/v1/train/{queued.task_id}")
    task = tasks.TaskAnswer.model_validate(said)
    assert (task.status, task.ticker, task.error) == ("completed", ticker, None)
    path = {"ticker": ticker, "model_version": task.model_version}
    answer = client.post("/api/v1/predict", json=path)
    assert answer.status_code in (200, 422), answer.text
    saved = client.post("/api/b3/save-model", json={"model_type": "lstm"}).json()
    assert (saved["decision"], saved["run_id"]) == ("scoped", None)
    assert f"tickers={ticker}" in saved["message"]
    assert client.get("/api/v1/health").json()["models"]["lstm"]["version"] == "1"


def test_a_training_is_not_asked_for_twice_whoever_asks(client, lake: Lake, runs: DagsterRuns):
    first = client.post("/models/retrain", json={"symbol": a_ticker(lake).lower()})
    assert first.status_code == 200, first.text
    begun = models.Retrained.model_validate(first.json())
    for route in ("/api/b3/complete-training", "/models/retrain"):
        body = {"symbol": a_ticker(lake)} if "models" in route else SMALL
        assert refused(client.post(route, json=body)) == (409, "already_queued")
    run = runs.find(begun.run_id)
    assert run is not None
    assert (run.job, run.tags["asset_predict/trains"]) == ("retrain", "yes")
    runs.cancel(begun.run_id)
    said = polled(client, begun.run_id)
    assert said["status"] == "failed"
    assert "cancelled" in said["error"]


def test_a_whole_pipeline_trains_the_model_that_was_asked_for(client, runs: DagsterRuns):
    answer = client.post("/api/b3/complete-pipeline", json=SMALL)
    assert answer.status_code == 202, answer.text
    run_id = steps.TrainingStarted.model_validate(answer.json()).run_id
    said = polled(client, run_id, "/api/b3/pipeline-status")
    assert said == {"status": "completed", "error": None, "run_id": run_id,
                    "job": "complete_pipeline"}  # fmt: skip
    assert set(runs.noted(run_id, "model_version")) == {"random_forest_model"}
    assert client.get("/api/b3/training-status").json()["run_id"] == run_id


def test_a_scoped_training_ends_with_its_figures_and_nobody_else_serves(client, lake: Lake):
    serving = lake.version(CHAMPIONS)
    body = {"model_type": "lstm", "test_size": "0.25", "n_seeds": 1, "lr": 0.01, "epochs": 1}
    answer = client.post("/api/b3/complete-training", json=body)
    assert answer.status_code == 202, answer.text
    begun = steps.TrainingStarted.model_validate(answer.json())
    assert begun.scoped == "test_size=0.25"
    assert polled(client, begun.run_id)["status"] == "completed"
    figures = lake.read(EVALUATION)
    scoped = figures[figures["window"].str.startswith("scoped_")]
    assert "lstm" in set(scoped["model"])
    assert lake.version(CHAMPIONS) == serving


def test_new_files_are_asked_for_and_counted(client, lake: Lake):
    answer = client.post("/scheduled/b3-data-update", params={"wait": "false"})
    assert answer.status_code == 202, answer.text
    begun = steps.Started.model_validate(answer.json())
    assert polled(client, begun.run_id, "/api/b3/status")["status"] == "completed"
    found = steps.UpdateAnswer.model_validate(made(client, "/scheduled/b3-data-update"))
    quotes = lake.read(QUOTES)
    assert found.statistics == {
        "total_records": len(quotes),
        "date_range": [str(quotes["session"].min().date()), str(AS_OF)],
    }
    assert (found.refused_files, "refused_files" in found.model_fields_set) == ([], True)


STARTED_TWICE = (
    "/api/b3/load-data",
    "/api/b3/preprocess-data",
    "/api/b3/split-data",
    "/api/b3/evaluate-model",
    "/api/b3/save-model",
    "/api/b3/clear-state",
    "/api/b3/complete-pipeline",
    "/scheduled/b3-data-update",
)


@pytest.mark.parametrize("route", STARTED_TWICE)
def test_a_step_goes_on_and_is_not_begun_twice(client, runs: DagsterRuns, route):
    at_once = {"params": {"wait": "false"}, "json": {}}
    first = client.post(route, **at_once)
    assert first.status_code == 202, first.text
    begun = first.json()["run_id"]
    again = client.post(route, **at_once)
    assert refused(again) == (409, "already_queued")
    assert again.json()["details"]["run_id"] == begun
    runs.cancel(begun)
    until(lambda: runs.unfinished(Which()) is None)


def test_a_step_that_fails_says_which_and_nothing_of_the_inside(client, house: Path, lake: Lake):
    away = house / "away"
    shutil.move(house / "data/lake/universe", away)
    try:
        answer = client.post("/api/b3/split-data", json={})
    finally:
        shutil.move(away, house / "data/lake/universe")
    assert refused(answer) == (500, "run_failed")
    assert "the step folds failed" in answer.json()["message"]
    assert str(house) not in answer.text


def test_where_no_model_serves_a_check_queues_one_training(
    house: Path, lake: Lake, dagster: str, runs: DagsterRuns, tmp_path
):
    data = Path(shutil.copytree(house / "data", tmp_path / "data"))
    shutil.rmtree(data / "lake/champions")
    settings = {**LAUNCHED, "ASSET_PREDICT_DAGSTER_URL": dagster}
    ticker = a_ticker(lake)
    with served(tmp_path, data, **settings) as server:
        client = server.client
        nobody = client.post("/models/check", json={"symbols": ["NONE3"] * 50}).json()
        assert [one["model_exists"] for one in nobody] == [False] * 50
        assert runs.unfinished(Which("retrain")) is None
        for symbols in (["NONE3", ticker], [ticker]):
            said = client.post("/models/check", json={"symbols": symbols}).json()
            assert said[-1]["model_exists"] is False
            assert said[-1]["message"] == "no model serves yet; a training is queued"
        asked = runs.unfinished(Which("retrain"))
        assert asked is not None
        runs.cancel(asked.run_id)
        polled(client, asked.run_id)
        said = client.post("/models/check", json={"symbols": [ticker]}).json()
        assert "POST /models/retrain" in said[0]["message"]
        assert runs.unfinished(Which("retrain")) is None


def test_what_was_cleared_is_forgotten_and_the_champion_stays(
    client, house: Path, lake: Lake, runs: DagsterRuns
):
    serving = lake.read(CHAMPIONS)
    broken_off = house / "data/checkpoints/lstm.of_a_killed_training"
    broken_off.parent.mkdir(exist_ok=True)
    broken_off.write_bytes(b"what it would go on from")
    shares = {"model_type": "lstm", "test_size": 0.25, "val_size": 0.2}
    made(client, "/api/b3/split-data", shares)
    long = {"model_type": "lstm", "n_seeds": 20, "epochs": 1000, "early_stopping_patience": 1000}
    begun = client.post("/api/b3/train-model", json=long).json()
    assert begun["scoped"] == "test_size=0.25"
    under_way = begun["run_id"]
    is_training = house / "data/checkpoints/lstm.fit"
    until(lambda: is_training.exists())
    waiting = client.post("/api/b3/train-model", json=SMALL).json()["run_id"]

    cleared = steps.ClearAnswer.model_validate(made(client, "/api/b3/clear-state"))
    assert cleared.cancelled == [waiting]
    said = client.get("/api/b3/training-status").json()
    assert (said["status"], said["run_id"]) == ("running", under_way)
    assert broken_off.exists()
    runs.cancel(under_way)
    until(lambda: runs.unfinished(Which()) is None)
    made(client, "/api/b3/clear-state")
    assert client.get("/api/b3/training-status").json()["status"] == "idle"
    assert not broken_off.exists()
    begun = client.post("/api/b3/train-model", json={"model_type": "lstm"}).json()
    assert "scoped" not in begun
    runs.cancel(begun["run_id"])
    assert lake.read(CHAMPIONS).equals(serving)
    for route in ("evaluate-model", "save-model"):
        answer = client.post(f"/api/b3/{route}", json={"model_type": "rf"})
        assert refused(answer) == (422, "nothing_trained")
    body = {"ticker": a_ticker(lake)}
    assert client.post("/api/b3/predict", json=body).status_code == 200


def test_a_task_that_never_was_is_not_found(client, runs: DagsterRuns):
    other = runs.latest()
    assert other is not None
    for task in ("00000000-0000-0000-0000-000000000000", other.run_id):
        assert refused(client.get(f"/api/v1/train/{task}")) == (404, "unknown_task")
    assert refused(client.get("/api/v1/train/first")) == (400, "malformed")
