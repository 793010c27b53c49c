"""A small planted market to tune on, and a process of its own that tunes."""

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import HORIZONS, Samples
from asset_predict_dagster.dataset.splits import temporal_split
from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models import tuning
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.forest_settings import ForestSettings
from asset_predict_dagster.models.tuning_folds import TuningData, tuning_data
from asset_predict_dagster.tables import PATH_HORIZONS
from asset_predict_dagster_tests.models.synthetic import planted_market

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
BASE = ForestSettings(n_estimators=2, max_depth=6)


def market() -> tuple[Samples, pd.DataFrame, np.ndarray, pd.DataFrame]:
    """Samples, labels, path returns and folds of 480 sessions, 5 tickers.

    train 266 | 11 | validate 96 | 11 | test 96.
    """
    samples = planted_market(n_tickers=5, n_sessions=480).samples
    returns = (0.5 * samples.return_ranks * samples.volatility[:, None]).astype(np.float64)
    paths = np.concatenate([returns, returns[:, [-1]].repeat(len(PATH_HORIZONS) - 5, 1)], axis=1)
    names = [f"realised_return_tradable_{h}d" for h in HORIZONS]
    return samples, pd.DataFrame(returns, columns=names), paths, temporal_split(samples.sessions)


def data() -> TuningData:
    return tuning_data(*market(), Experiment())


def tune(folder: Path, given: TuningData, n_trials: int, **more: Any) -> tuning.Tuned:
    """Tune a forest of two trees, its studies and presets kept in `folder`."""
    model, base = more.pop("model", "random_forest"), more.pop("base", BASE)
    return tuning.tune(
        model,
        base,
        given,
        more.pop("feature_names", given.samples.feature_names),
        store=folder / "studies.db",
        presets=folder / "presets",
        now=NOW,
        n_trials=n_trials,
        **more,
    )


class QuickJudge:
    """Stands for `tuning_folds.judge`: smooth in what a forest's trial draws, and instantaneous.

    A depth of `fails_at` cannot be fitted. The process sleeps for `seconds` at each fold, and is
    killed when it has judged `dies_after`.
    """

    def __init__(
        self, dies_after: int | None = None, fails_at: tuple[int, ...] = (), seconds: float = 0
    ) -> None:
        self.dies_after, self.fails_at, self.seconds = dies_after, fails_at, seconds
        self.n_judged = 0

    def __call__(self, learner: Any, _: TuningData, window: str) -> np.ndarray:
        if self.n_judged == self.dies_after:
            os.kill(os.getpid(), signal.SIGKILL)
        self.n_judged += 1
        time.sleep(self.seconds)
        knobs = learner.settings
        if knobs["max_depth"] in self.fails_at:
            raise TrainingError(f"a depth of {knobs['max_depth']} is refused")
        noise = np.random.default_rng(len(window)).standard_normal(60)
        worth = (
            0.1 - (knobs["max_features"] - 0.6) ** 2 - 0.01 * abs((knobs["max_depth"] or 16) - 10)
        )
        return np.column_stack([worth + 0.01 * noise, 0.1 * noise])


def tune_elsewhere(
    folder: str, given: TuningData, n_trials: int, judge: QuickJudge, told: Any
) -> None:
    """What a process of its own does; it puts the numbers of its trials into the queue `told`."""
    tuning.judge = judge
    trials: list[int] = []
    tune(Path(folder), given, n_trials, report=lambda trial: trials.append(trial["trial"]))
    told.put(trials)
