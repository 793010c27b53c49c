"""What cannot be trained is refused before Dagster is asked: no Dagster runs here, and no 503."""

import pytest

from asset_predict_dagster.tables import QUOTES
from asset_predict_dagster_tests.service.asking import of_reason, refused


@pytest.mark.parametrize(
    ("route", "body", "status", "code"),
    [
        ("/api/b3/train-model", {"model_type": "xgboost"}, 422, "out_of_range"),
        ("/api/b3/train-model", {"n_estimators": 0}, 422, "out_of_range"),
        ("/api/b3/train-model", {"n_trees": 3}, 400, "malformed"),
        ("/api/b3/train-model", {"model_type": "rf", "units": 3}, 400, "malformed"),
        ("/api/b3/train-model", {"model_type": "lstm", "lr": 2}, 422, "out_of_range"),
        ("/api/b3/train-model", {"preset": "../x"}, 422, "out_of_range"),
        ("/api/b3/train-model", {"preset": {"a": 1}}, 400, "malformed"),
        ("/api/b3/train-model", {"preset": "long" * 2000}, 422, "out_of_range"),
        ("/api/b3/train-model", {"n_estimators": "9" * 5000 + ","}, 400, "malformed"),
        ("/api/b3/train-model", {"long" * 1000: 3}, 400, "malformed"),
        ("/api/b3/train-model", {"model_dir": 3}, 400, "malformed"),
        ("/api/b3/train-model", {"model_type": "lstm", "epochs": "abc"}, 400, "malformed"),
        ("/api/b3/train-model", {"model_type": "lstm", "epochs": [1]}, 400, "malformed"),
        ("/api/b3/train-model", {"n_estimators": None}, 400, "malformed"),
        ("/api/b3/train-model", {"model_type": None}, 400, "malformed"),
        ("/api/b3/train-model", {"test_size": True}, 400, "malformed"),
        ("/api/b3/train-model", {"start": "2019-13-01"}, 400, "malformed"),
        ("/api/b3/train-model", {"start": 5}, 400, "malformed"),
        ("/api/b3/train-model", {"start": "2020-01-02", "end": "2019-01-02"}, 422, "out_of_range"),
        ("/api/b3/train-model", {"test_size": 0.6, "val_size": 0.6}, 422, "out_of_range"),
        ("/api/b3/train-model", {"label": "bogus"}, 422, "out_of_range"),
        ("/api/b3/split-data", {"test_size": True}, 400, "malformed"),
        ("/api/b3/train-model", {"tickers": ["NONE3"]}, 404, "unknown_ticker"),
        ("/api/b3/complete-training", {"test_size": 1.5}, 422, "out_of_range"),
        ("/api/b3/complete-pipeline", {"tickers": "NONE3"}, 404, "unknown_ticker"),
        ("/api/b3/split-data", {"test_size": 0.5, "val_size": 0.5}, 422, "out_of_range"),
        ("/api/b3/split-data", {"test_size": 0}, 422, "out_of_range"),
        ("/api/b3/evaluate-model", {"model": "rf"}, 400, "malformed"),
        ("/models/retrain", {"symbol": "NONE3"}, 404, "unknown_ticker"),
        ("/models/retrain", {}, 400, "malformed"),
        ("/api/v1/train", {"ticker": "PETR4"}, 400, "malformed"),
    ],
)
def test_what_cannot_be_trained_starts_nothing(client, route, body, status, code):
    assert refused(client.post(route, json=body)) == (status, code)


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"ticker": "NONE3"}, 404, "unknown_ticker"),
        ({"start_date": "2021-01-01"}, 422, "out_of_range"),
        ({"start_date": "soon"}, 400, "malformed"),
        ({"lookback": True}, 400, "malformed"),
        ({"lookback": 4}, 422, "out_of_range"),
        ({"lookback": 201}, 422, "out_of_range"),
        ({"hidden_size": 15}, 422, "out_of_range"),
        ({"num_layers": 6}, 422, "out_of_range"),
        ({"epochs": 0}, 422, "out_of_range"),
        ({"learning_rate": 1}, 422, "out_of_range"),
    ],
)
def test_a_task_that_cannot_be_is_refused(client, said, changed, status, code):
    body = {"ticker": of_reason(said, ""), "start_date": "2018-01-02", "end_date": "2020-12-30"}
    assert refused(client.post("/api/v1/train", json={**body, **changed})) == (status, code)


def test_what_does_nothing_may_be_nothing(client):
    answer = client.post("/api/b3/train-model", json={"model_type": "rf", "model_dir": None})
    assert refused(answer) == (503, "dagster_unreachable")


@pytest.mark.parametrize("days", [("2030-01-01", "2031-01-01"), ("1990-01-01", "1991-01-01")])
def test_days_without_quotes_are_refused_with_those_that_have_some(client, finished, said, days):
    sessions = finished.lake.read(QUOTES, columns=["session"])["session"]
    body = {"ticker": of_reason(said, ""), "start_date": days[0], "end_date": days[1]}
    answer = client.post("/api/v1/train", json=body)
    assert refused(answer) == (422, "out_of_range")
    assert answer.json()["details"] == {
        "first_session": str(sessions.min().date()),
        "last_session": str(sessions.max().date()),
    }
