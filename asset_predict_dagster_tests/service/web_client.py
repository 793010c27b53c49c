"""A web client as they exist: step by step to a model, then forecasts, with nothing but HTTP.

    python -m asset_predict_dagster_tests.service.web_client http://127.0.0.1:5000 PETR4

It sends the keys of earlier systems, reads `predictions[0]` and polls until `status` is
`completed`. It ends with 1 at the first answer that such a client could not use. The key is
`ASSET_PREDICT_API_KEY`, if there is one.
"""

import argparse
import os
import sys
import time
from typing import Any

import requests

PATIENCE = 600
ACTIONS = ("buy", "hold", "sell")
LEGACY = {"model_dir": "models", "price_col": "close"}
TRAININGS = {
    "rf": {"n_estimators": 20, "n_jobs": 1},
    "lstm": {"units": 16, "lookback": 10, "epochs": 2, "batch_size": 256, "lr": 0.01, "n_seeds": 1},
}
"""Settings that existing clients post, and one seed, so that it takes seconds."""


class Client:
    """Asks one server, and says what it did."""

    def __init__(self, address: str):
        self._address = address.rstrip("/")
        self._session = requests.Session()
        if key := os.environ.get("ASSET_PREDICT_API_KEY"):
            self._session.headers["X-API-Key"] = key

    def get(self, route: str) -> Any:
        return self._said("GET", route, None)

    def post(self, route: str, body: dict[str, Any] | None = None) -> Any:
        said = self._said("POST", route, body)
        print(f"POST {route}", flush=True)
        return said

    def step(self, route: str, body: dict[str, Any] | None = None) -> Any:
        """A step's answer; where it takes longer than the server waits, it is asked for again."""
        while set(said := self.post(route, body)) == {"status", "message", "run_id"}:
            self.polled("/api/b3/status")
        return said

    def polled(self, route: str) -> None:
        """Until what was started is `completed`."""
        end = time.monotonic() + PATIENCE
        while (said := self.get(route))["status"] != "completed":
            expect(said["status"] in ("queued", "running"), said)
            expect(time.monotonic() < end, said)
            time.sleep(1)

    def _said(self, method: str, route: str, body: dict[str, Any] | None) -> Any:
        answer = self._session.request(method, f"{self._address}{route}", json=body, timeout=180)
        expect(answer.ok, f"{method} {route}: {answer.status_code} {answer.text}")
        return answer.json()


def expect(holds: bool, otherwise: object) -> None:
    if not holds:
        sys.exit(f"unexpected: {otherwise}")


def step_by_step(client: Client, ticker: str, model_type: str) -> None:
    """From files to a forecast, one route after the other."""
    rows, columns = client.step("/api/b3/load-data")["data_shape"]
    expect(rows > 0 and columns > 0, (rows, columns))
    made = client.step("/api/b3/preprocess-data")
    expect(set(made["target_distribution"]) == set(ACTIONS), made)
    sizes = {"model_type": model_type, "test_size": 0.2, "val_size": 0.2}
    split = client.step("/api/b3/split-data", sizes)
    expect(split["train_size"] > split["test_size"] > 0, split)
    asked = {"model_type": model_type, **TRAININGS[model_type], **LEGACY}
    begun = client.post("/api/b3/train-model", asked)
    expect(begun["training_status"] == "running", begun)
    expect(begun["ignored"] == list(LEGACY), begun)
    client.polled("/api/b3/training-status")
    judged = client.step("/api/b3/evaluate-model", {"model_type": model_type})
    expect(set(judged["evaluation"]) == {"validation", "test"}, judged)
    expect({"mae", "rmse", "mape", "r2"} <= set(judged["regression"]), judged)
    saved = client.step("/api/b3/save-model", {"model_type": model_type, "model_name": "mine"})
    expect(saved["version"] == judged["model_version"], saved)
    forecast(client, ticker, model_type, saved["serving_version"])


def forecast(client: Client, ticker: str, model_type: str, version: str) -> None:
    """What is shown to people, once the server answers with that version."""
    asked = {"ticker": ticker, "model_type": model_type, "model_path": "models/mine.pkl"}
    end = time.monotonic() + 60
    while (said := client.post("/api/b3/predict", asked))["model_version"] != version:
        expect(time.monotonic() < end, said)
        time.sleep(1)
    expect(said["predictions"][0] in ACTIONS, said)
    expect(len(said["prediction_probabilities"][0]) == len(said["class_labels"]), said)
    expect(said["predicted_price"] > 0 and said["last_price"] > 0, said)


def whole_jobs(client: Client) -> None:
    """The routes that do everything, and the one that brings new files."""
    for route in ("complete-pipeline", "complete-training"):
        client.post(f"/api/b3/{route}", {"model_type": "rf", **TRAININGS["rf"]})
        status = "pipeline" if "pipeline" in route else "training"
        client.polled(f"/api/b3/{status}-status")
    expect(client.get("/api/b3/status")["pipeline_state"]["has_trained_model"], "no model")
    updated = client.step("/scheduled/b3-data-update")
    expect(updated["statistics"]["total_records"] > 0, updated)


def some_symbols(client: Client, ticker: str) -> None:
    """A watch list, as people type its codes."""
    symbols = {"symbols": [ticker.lower(), f"{ticker}.SA"]}
    expect(all(one["model_exists"] for one in client.post("/models/check", symbols)), "no model")
    for one in client.post("/api/models/metrics", symbols):
        expect({"MAE", "RMSE", "MAPE", "R²"} <= set(one["metrics"]), one)
    found = client.post("/models/predict", symbols)["predictions"]
    for symbol in symbols["symbols"]:
        expect(found[symbol]["status"] == "success", found)
        expect(found[symbol]["variation"]["status"] in ("positive", "negative"), found)


def one_ticker(client: Client, ticker: str) -> None:
    """A network of one ticker, polled by its task, then asked for the next days."""
    body = {"ticker": ticker, "start_date": "2018-01-02", "end_date": "2020-12-30"}
    network = {"lookback": 10, "hidden_size": 16, "num_layers": 1, "epochs": 1}
    task = client.post("/api/v1/train", {**body, **network})["task_id"]
    client.polled(f"/api/v1/train/{task}")
    path = client.post("/api/v1/predict", {"ticker": ticker, "days_ahead": 5})
    expect(len(path["predictions"]) == 5, path)
    drift = client.post("/api/v1/drift/detect", {"ticker": ticker})
    expect(drift["recommendation"] in ("retrain", "ok"), drift)
    expect(client.get("/api/v1/health")["status"] == "ok", "health")


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("address")
    arguments.add_argument("ticker")
    given = arguments.parse_args()
    client = Client(given.address)
    for model_type in TRAININGS:
        step_by_step(client, given.ticker, model_type)
    whole_jobs(client)
    some_symbols(client, given.ticker)
    one_ticker(client, given.ticker)


if __name__ == "__main__":
    main()
