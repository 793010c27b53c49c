"""Evaluating twenty years of 400 tickers: a holdout at all thirty horizons, and a walk-forward.

Each is measured in a process of its own: CPU seconds of the evaluation alone, and the most memory
the process ever had, which includes the imports and the forecasts that were made for it.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS
from asset_predict_dagster.evaluation.evaluate import evaluate, evaluate_windows
from asset_predict_dagster.evaluation.forecast_rows import ForecastRows, Known
from asset_predict_dagster.evaluation.forecasts import PATH_STEP
from asset_predict_dagster.models.baselines import BASELINE_VERSION, BASELINES
from asset_predict_dagster.models.bundle import Forecasts
from asset_predict_dagster.tables import PATH_HORIZONS
from benchmarks.timing import said_of_process

N_TICKERS = 400
HOLDOUT_SESSIONS = 1000
N_HALF_YEARS, HALF_YEAR = 40, 125
PRIOR = np.array([0.3, 0.4, 0.3], dtype=np.float32)
FURTHER = tuple(horizon for horizon in PATH_HORIZONS if horizon not in HORIZONS)


def run() -> str:
    what = {
        "holdout": f"{HOLDOUT_SESSIONS:,} sessions × {N_TICKERS} tickers, 3 models, baselines, 30"
        " horizons",
        "walk_forward": f"{N_HALF_YEARS} half-years × {N_TICKERS} tickers, 2 models, baselines, 5"
        " horizons",
    }
    code = "from benchmarks import evaluation; evaluation."
    return "\n".join(
        f"evaluation, {text}: {said_of_process(f'{code}{name}()')}" for name, text in what.items()
    )


def holdout() -> None:
    """Evaluate rows of every kind that `forecast_test_sessions` makes, and say what it took."""
    models = ("random_forest", "lstm", "average")
    sessions = pd.bdate_range("2020-01-02", periods=HOLDOUT_SESSIONS + max(PATH_HORIZONS))
    forecasts = made_forecasts("holdout", sessions, models, FURTHER)
    start = time.process_time()
    figures = evaluate(forecasts, seed=1)
    _say(time.process_time() - start, len(forecasts), figures)


def walk_forward() -> None:
    """The same of windows that are made one at a time, which is not counted."""
    models = ("random_forest", "lstm")
    days = pd.bdate_range("2001-01-02", periods=N_HALF_YEARS * HALF_YEAR + max(HORIZONS))
    seconds, n_rows = 0.0, 0

    def parts() -> Iterator[pd.DataFrame]:
        nonlocal seconds, n_rows
        for number in range(N_HALF_YEARS):
            start = time.process_time()
            first = number * HALF_YEAR
            sessions = days[first : first + HALF_YEAR + max(HORIZONS)]
            part = made_forecasts(f"window {number}", sessions, models, (), seed=number)
            n_rows += len(part)
            seconds -= time.process_time() - start
            yield part

    start = time.process_time()
    figures = evaluate_windows(parts(), seed=1)
    _say(time.process_time() - start + seconds, n_rows, figures)


def made_forecasts(
    window: str,
    days: pd.DatetimeIndex,
    models: Sequence[str],
    further: Sequence[int],
    seed: int = 0,
) -> pd.DataFrame:
    """Rows as `forecast_test_sessions` makes them, of nothing but chance.

    The last of `days` are only forecast, as many as the furthest horizon.
    """
    random = np.random.default_rng(seed)
    n_sessions = len(days) - max([*HORIZONS, *further])
    # In the order of the samples: one ticker's sessions after the other.
    codes = np.tile(np.arange(n_sessions), N_TICKERS)
    tickers = np.repeat(np.arange(N_TICKERS), n_sessions)
    close = np.repeat(random.uniform(5.0, 60.0, N_TICKERS), n_sessions)
    sparse = np.flatnonzero(codes % PATH_STEP == 0)
    every = np.arange(len(codes))

    def known(rows: np.ndarray, horizon: int) -> Known:
        realised = 0.02 * np.sqrt(horizon) * random.standard_normal(len(rows))
        label = np.select([realised > 0.01, realised < -0.01], [0, 2], default=1)
        instants = days.to_numpy().astype("datetime64[us]")
        columns = {
            "session": instants[codes[rows]],
            "target_session": instants[codes[rows] + horizon],
            "ticker": tickers[rows],
            "last_close": close[rows],
            "realised_return": realised,
            "realised_return_tradable": realised if horizon in HORIZONS else np.nan,
            "realised_label": label if horizon == 1 else -1,
        }
        return Known(horizon, horizon == 1, np.arange(len(rows)), columns)

    asked = [(every, [known(every, h) for h in HORIZONS])]
    if further:
        asked.append((sparse, [known(sparse, h) for h in further]))
    speakers = [(name, "1") for name in models] + [(name, BASELINE_VERSION) for name in BASELINES]
    has_paths = {*models, "naive"}
    blocks = [
        (name, version, rows, horizons)
        for name, version in speakers
        for rows, horizons in asked[: 2 if name in has_paths else 1]
    ]
    table = ForecastRows(
        window,
        tickers=np.array([f"TICK{number:03d}" for number in range(N_TICKERS)]),
        models=[name for name, _ in speakers],
        versions=[version for _, version in speakers],
        n_rows=sum(len(rows) * len(horizons) for _, _, rows, horizons in blocks),
    )
    for name, version, rows, horizons in blocks:
        said = _said(name, len(rows), horizons[-1].horizon, random)
        for one in horizons:
            table.add(name, version, said, one)
    return table.frame()


def _said(name: str, n_rows: int, n_horizons: int, random: np.random.Generator) -> Forecasts:
    """What the models and ridge say differs by row; a baseline's is as it is in truth."""
    shape = (n_rows, n_horizons)
    zeros = np.broadcast_to(np.float32(0), shape)
    if name not in BASELINES or name == "ridge":
        expected = 0.002 * random.standard_normal(shape, dtype=np.float32)
        odds = random.random((n_rows, len(ACTIONS)), dtype=np.float32) + 0.5
        probabilities = odds / odds.sum(axis=1, keepdims=True)
        return Forecasts(probabilities, expected, expected, expected - 0.03, expected + 0.03)
    certain = {"majority": np.array([0, 1, 0]), "always_up": np.array([1, 0, 0])}
    scores = zeros
    if name in ("momentum", "reversal"):
        scores = random.standard_normal(shape, dtype=np.float32)
    nothing = np.broadcast_to(np.float32(np.nan), shape)
    probabilities = np.tile(certain.get(name, PRIOR).astype(np.float32), (n_rows, 1))
    return Forecasts(probabilities, scores, zeros, nothing, nothing)


def _say(seconds: float, n_rows: int, figures: pd.DataFrame) -> None:
    peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    print(
        f"{n_rows:,} forecasts to {len(figures):,} figures in {seconds:.1f} CPU s,"
        f" {int(peak) * 1024 / 1e9:.2f} GB at most"
    )
