"""Each route: what it answers, and each way in which it refuses."""

import time
from datetime import date

import httpx
import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from asset_predict_dagster.service.schemas import assets, b3, models, v1
from asset_predict_dagster.service.schemas.common import ErrorAnswer
from asset_predict_dagster.tables import (
    FORECASTS_OUT_OF_SAMPLE,
    PREDICTIONS,
    QUOTES,
)
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace

NEXT = "2021-01-04"


@pytest.fixture(scope="module")
def said(finished: Workplace) -> pd.DataFrame:
    """What the daily run said of the next session, a row per model and ticker."""
    table = finished.lake.read(PREDICTIONS)
    return table[table["horizon"] == 1].set_index(["model", "ticker"])


def refusal(answer: httpx.Response) -> ErrorAnswer:
    """The answer, which has the shape of every error."""
    assert set(answer.json()) == {"status", "error", "message", "details"}
    return ErrorAnswer.model_validate(answer.json())


def of_reason(said: pd.DataFrame, reason: str, model: str = "random_forest") -> str:
    """A ticker of which the model says so."""
    rows = said.loc[model]
    return rows[rows["reason"] == reason].index[0]


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


def test_health_says_what_requests_are_answered_from(client):
    found = v1.HealthAnswer.model_validate(client.get("/api/v1/health").json())
    assert (found.status, found.problem, found.data_session) == ("ok", None, AS_OF)
    assert set(found.models) == {"random_forest", "lstm"}
    assert found.snapshot_age_seconds >= 0


@pytest.mark.parametrize("prefix", ["/models", "/api/models"])
def test_symbols_are_checked_one_by_one(client, said, prefix):
    ticker = of_reason(said, "").lower()
    refused = of_reason(said, "illiquid", "lstm")
    asked = {"symbols": [ticker, refused, "NONE3"]}
    answer = client.post(f"{prefix}/check", json=asked).json()
    found = TypeAdapter(list[models.Checked]).validate_python(answer)
    assert [(one.symbol, one.model_exists) for one in found] == [
        (ticker, True),
        (refused, True),
        ("NONE3", False),
    ]
    assert "illiquid" in found[1].message or "trades too little" in found[1].message


def test_metrics_are_of_the_symbol_itself_out_of_sample(client, finished: Workplace, said):
    ticker = of_reason(said, "", "lstm")
    rows = finished.lake.read(FORECASTS_OUT_OF_SAMPLE, where={"window": ["holdout"]})
    rows = rows[(rows["model"] == "lstm") & (rows["horizon"] == 1) & (rows["ticker"] == ticker)]
    assert set(rows["model_version"]) == {"1"}
    realised = rows["last_close"] * (1 + rows["realised_return"])
    error = realised - rows["last_close"] * (1 + rows["expected_return"])
    naive = realised - rows["last_close"]
    spread = ((realised - realised.mean()) ** 2).sum()

    asked = {"symbols": [ticker, "NONE3"]}
    answer = client.post("/models/metrics", json=asked).json()
    first, second = TypeAdapter(list[models.Measured]).validate_python(answer)
    assert second.metrics is None
    assert (second.error or "").startswith("unknown_ticker:")
    found = first.metrics
    assert found is not None
    assert found.training_duration is not None
    assert found.mae == pytest.approx(error.abs().mean())
    assert found.rmse == pytest.approx((error**2).mean() ** 0.5)
    assert found.mape == pytest.approx(100 * (error.abs() / realised).mean())
    assert found.r2 == pytest.approx(1 - (error**2).sum() / spread)
    assert found.naive_mae == pytest.approx(naive.abs().mean())
    assert found.naive_r2 == pytest.approx(1 - (naive**2).sum() / spread)
    assert answer[0]["metrics"]["R²"] == found.r2
    assert (found.n_forecasts, found.last_data_date) == (len(rows), rows["session"].max().date())
    assert found.training_duration > 0
    assert found.training_data_size > found.validation_data_size > 0


def test_prices_of_some_symbols_come_with_their_change(client, said):
    ticker, refused = of_reason(said, "", "lstm"), of_reason(said, "stale_quote", "lstm")
    row = said.loc["lstm", ticker]
    asked = {"symbols": [f"{ticker.lower()}.SA", refused, "NONE3"]}
    answer = client.post("/models/predict", json=asked).json()
    models.PredictedSymbols.model_validate(answer)
    found = answer["predictions"]
    assert list(found) == asked["symbols"]
    assert found[asked["symbols"][0]] == {
        "predicted_price": pytest.approx(row["predicted_price"]),
        "status": "success",
        "variation": {
            "status": "positive" if row["expected_return"] >= 0 else "negative",
            "percentage": pytest.approx(100 * row["expected_return"], abs=1e-4),
        },
    }
    assert found[refused]["status"] == "failed"
    assert found[refused]["error"].startswith("stale_quote:")
    assert found["NONE3"]["error"].startswith("unknown_ticker:")


@pytest.mark.parametrize("route", ["check", "metrics", "predict"])
@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"symbols": "PETR4"}, 400), ({"symbols": [1]}, 400), ({"symbols": []}, 422),
     ({"symbols": ["PETR4"] * 51}, 422), ({"symbols": ["P" * 21]}, 422)],
)  # fmt: skip
def test_a_list_of_symbols_has_one_to_fifty(client, route, body, status):
    answer = client.post(f"/models/{route}", json=body)
    assert answer.status_code == status
    assert refusal(answer).error == ("malformed" if status == 400 else "out_of_range")


@pytest.mark.parametrize("route", ["check", "metrics", "predict"])
def test_fifty_unknown_symbols_take_under_ten_milliseconds(client, route):
    asked = {"symbols": [f"NONE{n}" for n in range(50)]}
    took = []
    for _ in range(20):
        began = time.perf_counter()
        answer = client.post(f"/models/{route}", json=asked)
        took.append(time.perf_counter() - began)
        assert answer.status_code == 200
    assert min(took) < 0.010


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


def test_an_asset_has_its_latest_quote_and_the_indicators(client, finished: Workplace, said):
    ticker = of_reason(said, "")
    quote = finished.lake.read(QUOTES, where={"ticker": [ticker]}).iloc[-1]
    answer = client.get(f"/asset/{ticker.lower()}").json()
    found = assets.AssetAnswer.model_validate(answer)
    assert (found.ticker, found.company) == (ticker, quote["company"])
    assert found.data["session"] == str(AS_OF)
    for name in ("open", "high", "low", "close", "volume_brl", "adjusted_close"):
        assert found.data[name] == quote[name]
    assert {"rsi_14", "macd", "sma_200", "atr_14", "returns", "day_of_week"} <= set(found.data)
    assert found.data["day_of_week"] == date.weekday(AS_OF)


def test_a_history_has_the_last_sessions_in_order(client, finished: Workplace, said):
    ticker = of_reason(said, "")
    quotes = finished.lake.read(QUOTES)
    year = np.unique(quotes["session"])[-252:]
    quotes = quotes[(quotes["ticker"] == ticker) & (quotes["session"] >= year[0])]
    for asked, n in (("", 52), ("?days=1", 1), ("?days=252", 252)):
        answer = client.get(f"/asset/{ticker}/history{asked}").json()
        found = assets.HistoryAnswer.model_validate(answer)
        rows = quotes.iloc[-n:]
        assert [row.session for row in found.history] == list(rows["session"].dt.date)
        assert [row.close for row in found.history] == rows["close"].tolist()


@pytest.mark.parametrize(
    ("route", "status", "code"),
    [
        ("/asset/NONE3", 404, "unknown_ticker"),
        ("/asset/NONE3/history", 404, "unknown_ticker"),
        (f"/asset/{'P' * 21}", 422, "out_of_range"),
        ("/assets?page=0", 422, "out_of_range"),
        ("/assets?page_size=101", 422, "out_of_range"),
        ("/assets?page=first", 400, "malformed"),
        ("/assets?search=zz", 422, "out_of_range"),
        ("/nowhere", 404, "not_found"),
    ],
)
def test_what_cannot_be_looked_up_is_refused(client, route, status, code):
    answer = client.get(route)
    assert (answer.status_code, refusal(answer).error) == (status, code)


def test_a_history_is_of_one_to_two_hundred_and_fifty_two_sessions(client, said):
    for days, status in ((0, 422), (253, 422), ("x", 400)):
        answer = client.get(f"/asset/{of_reason(said, '')}/history?days={days}")
        assert answer.status_code == status


def test_the_pages_of_the_assets_hold_each_ticker_once(client):
    seen, page, more = [], 1, True
    while more:
        answer = client.get(f"/assets?page={page}&page_size=7").json()
        found = assets.AssetsAnswer.model_validate(answer)
        seen += [one.ticker for one in found.assets]
        more, page = found.pagination.has_next, page + 1
        assert found.pagination.has_prev == (page > 2)
    assert seen == sorted(set(seen))
    assert len(seen) == found.pagination.total_count
    assert found.search_term is None


def test_assets_are_found_by_a_part_of_their_company(client, finished: Workplace):
    quotes = finished.lake.read(QUOTES, columns=["ticker", "company"])
    company = quotes["company"].iloc[-1]
    found = client.get("/assets", params={"search": company.lower()}).json()
    assert found["search_term"] == company
    assert {one["company"] for one in found["assets"]} == {company}


def test_the_wrong_method_is_named(client):
    answer = client.get("/api/b3/predict")
    assert (answer.status_code, refusal(answer).error) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST"


LAUNCHING = (
    ("/api/b3/load-data", None),
    ("/api/b3/preprocess-data", None),
    ("/api/b3/split-data", {}),
    ("/api/b3/train-model", {}),
    ("/api/b3/evaluate-model", {}),
    ("/api/b3/save-model", {}),
    ("/api/b3/complete-pipeline", {}),
    ("/api/b3/complete-training", {"model_type": "lstm"}),
    ("/api/b3/clear-state", None),
    ("/models/retrain", {"symbol": "{ticker}"}),
    ("/api/models/retrain", {"symbol": "{ticker}"}),
    (
        "/api/v1/train",
        {"ticker": "{ticker}", "start_date": "2018-01-02", "end_date": "2020-12-30"},
    ),
    ("/scheduled/b3-data-update", None),
)


@pytest.mark.parametrize(("route", "body"), LAUNCHING)
def test_without_dagster_nothing_starts_and_it_says_when_to_come_again(client, said, route, body):
    ticker = of_reason(said, "")
    body = body and {k: v.replace("{ticker}", ticker) for k, v in body.items()}
    answer = client.post(route, json=body)
    assert (answer.status_code, refusal(answer).error) == (503, "dagster_unreachable")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    "route",
    [
        "/api/b3/status",
        "/api/b3/training-status",
        "/api/b3/pipeline-status",
        "/api/v1/train/00000000-0000-0000-0000-000000000000",
    ],
)
def test_without_dagster_nobody_knows_how_a_run_is_getting_on(client, route):
    answer = client.get(route)
    assert (answer.status_code, refusal(answer).error) == (503, "dagster_unreachable")
