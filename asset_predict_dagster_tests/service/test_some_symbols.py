"""A list of symbols: each is answered for itself, and unknown ones start nothing."""

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from asset_predict_dagster.registry.registered import registered_versions
from asset_predict_dagster.service.schemas import models
from asset_predict_dagster.tables import FORECASTS_OUT_OF_SAMPLE
from asset_predict_dagster_tests.pipeline.conftest import Workplace
from asset_predict_dagster_tests.service.asking import of_reason, refusal
from asset_predict_dagster_tests.service.running import Server


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
    card, served = (_card(finished, digest) for digest in _bundles_of_the_lstm(finished))
    assert found.training_data_size == card["n_training_rows"] < served["n_training_rows"]
    assert found.validation_data_size == card["validation"]["n_rows"]


def _bundles_of_the_lstm(finished: Workplace) -> tuple[str, str]:
    """The bundle that was measured, and the one that serves."""
    known = registered_versions(finished.settings.registry_database)["lstm", "1"]
    return known.evaluation_bundle, known.bundle


def _card(finished: Workplace, digest: str) -> dict:
    return json.loads((finished.settings.bundles / digest / "card.json").read_bytes())


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
def test_fifty_unknown_symbols_start_no_thread_and_no_process(server: Server, route):
    """Nor a run: see `test_where_no_model_serves_a_check_queues_one_training`."""
    asked = {"symbols": [f"NONE{n}" for n in range(50)]}
    server.client.post(f"/models/{route}", json=asked)
    before = _tasks(server)
    for _ in range(20):
        assert server.client.post(f"/models/{route}", json=asked).status_code == 200
    assert _tasks(server) <= before


def _tasks(server: Server) -> set[str]:
    """Threads of the server, and the processes that it has started."""
    tasks = Path(f"/proc/{server.process.pid}/task")
    return {f"{thread.name}: {(thread / 'children').read_text()}" for thread in tasks.iterdir()}
