"""Forecasts, drift and health: what each route answers, and each way in which it refuses."""

import time

import pytest

from asset_predict_dagster.service.schemas import b3, v1
from asset_predict_dagster.tables import PREDICTIONS
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace
from asset_predict_dagster_tests.service.asking import of_reason, refusal

NEXT = "2021-01-04"


@pytest.mark.parametrize(
    ("model_type", "model"),
    [("rf", "random_forest"), ("random_forest", "random_forest"), ("lstm", "lstm"),
     ("lstm_mtl", "lstm")],
)  # fmt: skip
def test_a_prediction_is_the_one_that_the_ledger_holds(client, said, model_type, model):
    for ticker, row in said.loc[model][lambda rows: rows["reason"] == ""].iterrows():
        asked = {"ticker": ticker, "model_type": model_type}
        answer = client.post("/api/b3/predict", json=asked)
        assert answer.status_code == 200
        found = b3.PredictAnswer.model_validate(answer.json())
        assert (found.ticker, found.predictions) == (ticker, [row["action"]])
        assert found.prediction_probabilities == [
            pytest.approx([row[f"probability_{action}"] for action in found.class_labels])
        ]
        assert found.predicted_price == pytest.approx(row["predicted_price"])
        assert (found.price_low, found.price_high) == pytest.approx(
            (row["price_low"], row["price_high"])
        )
        assert found.last_price == row["last_close"]
        assert (found.session, str(found.target_session)) == (AS_OF, NEXT)
        assert (found.model_type, found.model_version) == (model, row["model_version"])
        assert found.model_status == row["status"]


def test_a_prediction_names_what_it_is_drawn_from(client, said):
    ticker = of_reason(said, "")
    found = client.post("/api/b3/predict", json={"ticker": ticker}).json()
    assert set(found["feature_importance"]) == set(found["features_used"])
    rises = list(found["feature_importance"].values())
    assert rises == sorted(rises, reverse=True)
    assert found["model_source"] == "champion"
    assert "ignored" not in found


def test_a_code_is_taken_as_people_type_it_and_legacy_keys_do_nothing(client, said):
    ticker = of_reason(said, "")
    plain = client.post("/api/b3/predict", json={"ticker": ticker}).json()
    typed = {"ticker": f" {ticker.lower()}.sa", "model_dir": "models", "price_col": "close"}
    found = client.post("/api/b3/predict", json=typed).json()
    assert found.pop("ignored") == ["model_dir", "price_col"]
    assert found == plain


@pytest.mark.parametrize("reason", ["stale_quote", "illiquid"])
def test_a_refused_ticker_answers_with_its_reason(client, said, reason):
    ticker = of_reason(said, reason)
    answer = client.post("/api/b3/predict", json={"ticker": ticker})
    found = refusal(answer)
    assert (answer.status_code, found.error) == (422, reason)
    assert (found.details["ticker"], found.details["reason"]) == (ticker, reason)
    path = client.post("/api/v1/predict", json={"ticker": ticker})
    assert (path.status_code, refusal(path).error) == (422, reason)


@pytest.mark.parametrize("route", ["/api/b3/predict", "/api/v1/predict", "/api/v1/drift/detect"])
def test_an_unknown_ticker_is_not_found_and_near_names_are(client, said, route):
    ticker = of_reason(said, "")
    answer = client.post(route, json={"ticker": f"{ticker[:4]}9"})
    found = refusal(answer)
    assert (answer.status_code, found.error) == (404, "unknown_ticker")
    assert ticker in found.details["suggestions"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "malformed"),
        ({"ticker": 4}, 400, "malformed"),
        ({"ticker": "PETR4", "modeltype": "rf"}, 400, "malformed"),
        ([], 400, "malformed"),
        ({"ticker": ""}, 422, "out_of_range"),
        ({"ticker": "P" * 21}, 422, "out_of_range"),
        ({"ticker": "PETR4", "model_type": "xgboost"}, 422, "out_of_range"),
    ],
)
def test_a_request_that_says_something_else_is_refused_by_field(client, body, status, code):
    answer = client.post("/api/b3/predict", json=body)
    assert (answer.status_code, refusal(answer).error) == (status, code)
    assert refusal(answer).details["problems"][0]["field"].startswith("body")


def test_a_body_that_is_no_json_is_malformed(client):
    headers = {"Content-Type": "application/json"}
    answer = client.post("/api/b3/predict", content=b"{", headers=headers)
    assert (answer.status_code, refusal(answer).error) == (400, "malformed")


def test_health_says_what_requests_are_answered_from(client, said):
    client.post("/api/b3/predict", json={"ticker": of_reason(said, "")})
    found = v1.HealthAnswer.model_validate(client.get("/api/v1/health").json())
    assert (found.status, found.problem, found.data_session) == ("ok", None, AS_OF)
    assert set(found.models) == {"random_forest", "lstm"}
    assert found.snapshot_age_seconds >= 0
    assert found.prediction_latency_ms.n >= 1
    # There is no Dagster to ask.
    assert (found.checks.status, found.checks.failed) == ("unknown", [])


def test_a_path_has_a_point_for_each_session(client, finished: Workplace, said):
    ticker = of_reason(said, "", "lstm")
    ledger = finished.lake.read(PREDICTIONS, where={"model": ["lstm"], "ticker": [ticker]})
    for asked, n in (({}, 5), ({"days_ahead": 1}, 1), ({"days_ahead": 30}, 30)):
        answer = client.post("/api/v1/predict", json={"ticker": ticker, **asked}).json()
        found = v1.PathAnswer.model_validate(answer)
        rows = ledger.iloc[:n]
        assert [point.session for point in found.predictions] == list(
            rows["target_session"].dt.date
        )
        for name in ("predicted_price", "price_low", "price_high", "expected_return"):
            said_so = [getattr(point, name) for point in found.predictions]
            assert said_so == pytest.approx(rows[name].tolist())
    assert found.model_version == f"lstm:{ledger['model_version'].iloc[0]}"


@pytest.mark.parametrize("version", ["1", "v1", "lstm:1", "lstm:champion", "champion"])
def test_the_champion_can_be_asked_for_by_its_number(client, said, version):
    asked = {"ticker": of_reason(said, "", "lstm"), "model_version": version}
    answer = client.post("/api/v1/predict", json=asked)
    assert (answer.status_code, answer.json()["model_version"]) == (200, "lstm:1")


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"days_ahead": 0}, 422, "out_of_range"),
        ({"days_ahead": 31}, 422, "out_of_range"),
        ({"days_ahead": "many"}, 400, "malformed"),
        ({"days_ahead": True}, 400, "malformed"),
        ({"model_version": "99"}, 404, "unknown_version"),
        ({"model_version": "../1"}, 400, "malformed"),
    ],
)
def test_a_path_that_cannot_be_is_refused(client, said, asked, status, code):
    body = {"ticker": of_reason(said, "", "lstm"), **asked}
    answer = client.post("/api/v1/predict", json=body)
    assert (answer.status_code, refusal(answer).error) == (status, code)


def test_drift_of_a_ticker_is_told_with_its_scores(client, said):
    ticker = of_reason(said, "")
    answer = client.post("/api/v1/drift/detect", json={"ticker": ticker})
    assert answer.status_code == 200, answer.text
    found = v1.DriftAnswer.model_validate(answer.json())
    assert len(found.drift_scores) > 3
    assert set(found.drifted_features) <= set(found.drift_scores)
    assert found.recommendation == ("retrain" if found.has_drift else "ok")
    took = []
    for _ in range(5):
        began = time.perf_counter()
        assert client.post("/api/v1/drift/detect", json={"ticker": ticker}).json() == answer.json()
        took.append(time.perf_counter() - began)
    assert min(took) < 0.1


def test_drift_from_a_version_that_never_was_is_not_found(client, said):
    asked = {"ticker": of_reason(said, ""), "reference_version": "99"}
    answer = client.post("/api/v1/drift/detect", json=asked)
    assert (answer.status_code, refusal(answer).error) == (404, "unknown_version")


def test_the_wrong_method_is_named(client):
    answer = client.get("/api/b3/predict")
    assert (answer.status_code, refusal(answer).error) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST"


def test_a_path_with_a_slash_too_many_is_another_and_sends_nobody_elsewhere(client):
    answer = client.post("/api/b3/predict/", json={})
    assert (answer.status_code, refusal(answer).error) == (404, "not_found")


def test_the_head_of_health_is_that_of_the_whole(client):
    answer = client.head("/api/v1/health")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"] == "application/json"
