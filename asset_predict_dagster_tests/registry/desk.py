"""A desk: a registry whose bundles forecast, and a person who moves champions."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS
from asset_predict_dagster.evaluation.evaluate import evaluate
from asset_predict_dagster.models.base import Trained
from asset_predict_dagster.models.bundle import feature_formulas, write_bundle
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.registry.by_hand import move_by_hand
from asset_predict_dagster.registry.champions import choose_champions
from asset_predict_dagster.registry.decisions import LoggedDecision
from asset_predict_dagster.registry.store import ModelVersion, Registry
from asset_predict_dagster.tables import PATH_HORIZONS
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts
from asset_predict_dagster_tests.models.small_learner import linear_graph
from asset_predict_dagster_tests.registry.trainings import trained_model

MONDAY = datetime(2024, 1, 8, 12, tzinfo=UTC)
LAST_SESSION = date(2024, 3, 1)
FEATURES = ("log_return_1d", "volatility_21d")
SKILL = {"1": 0.3, "2": 0.0, "3": 0.3}


def small_bundle(folder: Path, seed: int) -> str:
    """The digest of a bundle that forecasts, and forecasts something else for another seed."""
    weights = np.full((len(FEATURES), 3 + len(HORIZONS)), float(seed), dtype=np.float32)
    card = {
        "model": "lstm",
        "feature_names": list(FEATURES),
        "feature_formulas": feature_formulas(FEATURES),
        "lookback": 1,
        "horizons": list(HORIZONS),
        "actions": list(ACTIONS),
        "calibration": {
            "slope": 1.0,
            "bias": [0.0] * 3,
            "scale": [0.1] * len(HORIZONS),
            "width": [1.0] * len(PATH_HORIZONS),
        },
    }
    graph = linear_graph(weights)
    return write_bundle(
        folder, Trained("model.pt", b"", graph, {}, lambda rows: (rows, rows)), card
    )


class Desk:
    """Versions of the LSTM, by their seeds; what they score is in `SKILL`."""

    def __init__(self, registry: Registry, folder: Path):
        self.registry, self.bundles = registry, folder
        rows = made_forecasts({("lstm", version): skill for version, skill in SKILL.items()})
        self.forecasts, self.evaluation = rows, evaluate(rows, seed=1)
        self.hour = 0

    def train(
        self, seed: int, end: str = "2024-01-05", experiment: Experiment | None = None
    ) -> ModelVersion:
        trained = trained_model("lstm", seed, end, experiment)
        digest = small_bundle(self.bundles, seed)
        return self.registry.register(replace(trained, serving_bundle=digest), MONDAY, "run")

    def move(self, version: str | None = None, why: str = "", run_id: str = "") -> LoggedDecision:
        self.hour += 1
        return move_by_hand(
            self.registry,
            self.bundles,
            "lstm",
            version,
            why,
            self.evaluation,
            last_session=LAST_SESSION,
            now=MONDAY + timedelta(hours=self.hour),
            run_id=run_id,
        )

    def judge(self) -> pd.Series:
        """What the rule makes of the version trained last: its row of `champions`."""
        self.hour += 1
        table = choose_champions(
            self.registry,
            ("lstm",),
            self.evaluation,
            self.forecasts,
            1,
            LAST_SESSION,
            MONDAY + timedelta(hours=self.hour),
        )
        return table.iloc[0]

    def state(self) -> tuple[list[LoggedDecision], ModelVersion | None]:
        return self.registry.decisions("lstm"), self.registry.champion("lstm")
