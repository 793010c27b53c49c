"""One forecast from a bundle, and many, beside the library that fitted the model.

Both models at their default settings, on a market with a signal planted. From rows of `Samples` to
probabilities, expected return and interval on our side; on the other the fitted model's own answer
to an input that is ready.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from asset_predict_dagster.dataset.model_columns import FOREST_FEATURES, LSTM_FEATURES
from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS, Samples
from asset_predict_dagster.models.base import Learner
from asset_predict_dagster.models.bundle import feature_formulas, load_bundle, write_bundle
from asset_predict_dagster.models.forecasting import Graph
from asset_predict_dagster.models.lstm_learner import LstmLearner
from asset_predict_dagster.models.lstm_settings import LstmSettings
from asset_predict_dagster.models.random_forest import ForestSettings, RandomForestLearner
from asset_predict_dagster.tables import PATH_HORIZONS
from asset_predict_dagster_tests.models.synthetic import planted_market
from benchmarks.timing import cpu_seconds

N_TICKERS, N_SESSIONS, N_COLUMNS = 60, 1_250, 60
ONES, MANY = 1_000, 20_000

CALIBRATION = {
    "slope": 1.0,
    "bias": [0.0] * len(ACTIONS),
    "scale": [0.05] * len(HORIZONS),
    "width": [1.6 * horizon**0.5 for horizon in PATH_HORIZONS],
}


def run() -> str:
    samples = planted_market(N_TICKERS, N_SESSIONS, N_COLUMNS).samples
    names = samples.feature_names
    learners = {
        "forest": RandomForestLearner(names[: len(FOREST_FEATURES)], ForestSettings()),
        # As many epochs do not make a network slower to serve.
        "lstm": LstmLearner(names[: len(LSTM_FEATURES)], LstmSettings(epochs=1)),
    }
    said = [_beside_native(name, learner, samples) for name, learner in learners.items()]
    return "\n".join(["serving, one thread, from a loaded bundle", *said])


def _beside_native(name: str, learner: Learner, samples: Samples) -> str:
    train = samples.is_labelled & samples.between(0, 800)
    trained = learner.fit(samples, train, samples.is_labelled & samples.between(810, 900))
    card = {
        "model": learner.name,
        "feature_names": list(learner.feature_names),
        "feature_formulas": feature_formulas(learner.feature_names),
        "lookback": learner.lookback,
        "longest_gap": learner.settings.get("longest_gap"),
        "calibration": CALIBRATION,
    }
    with tempfile.TemporaryDirectory() as folder:
        bundle = load_bundle(Path(folder), write_bundle(Path(folder), trained, card))
    graph = Graph(trained.onnx, card)
    rows = np.random.default_rng(0).integers(30_000, samples.n_rows, MANY)
    ready = np.concatenate(list(graph.inputs(samples, rows)))

    ours = _microseconds(lambda at: bundle.forecast(samples, rows[at : at + 1]))
    path = _microseconds(lambda at: bundle.forecast(samples, rows[at : at + 1], 30))
    gaps = ""
    if learner.lookback > 1:
        with_gap = rows[np.isnan(ready).all(axis=2).any(axis=1)]
        of_gaps = _microseconds(lambda at: bundle.forecast(samples, with_gap[at : at + 1]))
        gaps = f"; p50 {of_gaps[0]:.0f} where the ticker missed a session of the window"
    native = _microseconds(lambda at: trained.native_forecast(ready[at : at + 1]), ONES // 10)
    many, many_native = cpu_seconds(
        lambda: bundle.forecast(samples, rows), lambda: trained.native_forecast(ready)
    )
    return (
        f"  {name}: one row p50 {ours[0]:.0f} µs, p99 {ours[1]:.0f} (30 sessions ahead p50"
        f" {path[0]:.0f}{gaps}); natively p50 {native[0]:,.0f}: {native[0] / ours[0]:.0f} times as"
        f" long. {MANY / many:,.0f} rows a CPU second; natively {MANY / many_native:,.0f}"
    )


def _microseconds(forecast: Callable[[int], object], n: int = ONES) -> tuple[float, float]:
    """Median and 99th percentile of `n` forecasts, each of another row, by the clock."""
    forecast(0)
    taken = []
    for at in range(n):
        start = time.perf_counter()
        forecast(at)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken) * 1e6), float(np.quantile(taken, 0.99) * 1e6)


if __name__ == "__main__":
    print(run())
