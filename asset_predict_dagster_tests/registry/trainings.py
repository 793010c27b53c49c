"""What a training leaves behind, without the training."""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.models.training import TrainedModel
from asset_predict_dagster.registry.decisions import LoggedDecision
from asset_predict_dagster.registry.store import ModelVersion, Registry


def validation_forecasts(n_sessions: int = 30, n_tickers: int = 4) -> pd.DataFrame:
    """What a model said of some sessions, half of it right."""
    sessions = pd.bdate_range("2023-01-02", periods=n_sessions).as_unit("us")
    random = np.random.default_rng(1)
    said = random.dirichlet([3.0, 4.0, 3.0], n_sessions * n_tickers)
    happened = np.where(random.random(len(said)) < 0.5, said.argmax(axis=1), 1)
    return pd.DataFrame(
        {
            "session": np.repeat(sessions, n_tickers),
            "ticker": np.tile([f"ZZA{letter}3" for letter in "ABCD"[:n_tickers]], n_sessions),
            "action": np.array(ACTIONS)[happened],
            **{f"probability_{name}": said[:, place] for place, name in enumerate(ACTIONS)},
        }
    )


def importance(n_features: int = 3) -> pd.DataFrame:
    """Of features that matter less and less."""
    loss = 0.01 / np.arange(1, n_features + 1)
    return pd.DataFrame(
        {
            "feature": [f"rank_of_some_feature_{number}" for number in range(n_features)],
            "log_loss_increase": loss,
            "log_loss_low": loss - 0.001,
            "log_loss_high": loss + 0.001,
            "rank_ic_decrease": loss / 2,
            "rank_ic_low": loss / 2 - 0.003,
            "rank_ic_high": loss / 2 + 0.003,
        }
    )


def trained_model(
    model: str, seed: int, end: str = "2024-01-05", experiment: Experiment | None = None
) -> TrainedModel:
    """A training whose two digests follow from its seed and its experiment; nothing to draw."""
    experiment = experiment or Experiment()
    facts = f"{model} {seed} {experiment.window}"
    return TrainedModel(
        model=model,
        evaluation_bundle=sha256(f"evaluation {facts}".encode()).hexdigest(),
        serving_bundle=sha256(f"serving {facts}".encode()).hexdigest(),
        settings={"n_estimators": 10, "class_weight": None, "seed": seed},
        training_end=np.datetime64(end),
        n_training_rows=1234,
        curves=pd.DataFrame(),
        importance=pd.DataFrame(),
        validation={
            "n_rows": 120,
            "first_session": "2023-01-02",
            "last_session": "2023-02-10",
            "rank_ic": 0.0201,
            "log_loss": 1.0719,
            "log_loss_of_prior": 1.0863,
        },
        experiment=experiment.as_card(),
        validation_forecasts=pd.DataFrame(),
        card={
            "lake_versions": {"quotes": 7, "features": 12},
            "window": experiment.window,
            "n_trials": 1,
            "code_version": "0.1.0",
        },
    )


def training_with_tables(
    model: str, seed: int, experiment: Experiment | None = None
) -> TrainedModel:
    """The same training with all that pictures are drawn of, which takes half a second."""
    curves = pd.DataFrame(
        {
            "seed": [0, 0],
            "epoch": [1, 2],
            "train_loss": [1.1, 1.0],
            "validation_loss": [1.2, np.nan],
            "learning_rate": [0.005, 0.004],
            "is_best": [True, False],
        }
    )
    return replace(
        trained_model(model, seed, experiment=experiment),
        curves=curves,
        importance=importance(),
        validation_forecasts=validation_forecasts(),
    )


def promote(
    registry: Registry,
    version: ModelVersion,
    decision: str = "promoted",
    at: datetime = datetime(2024, 1, 8, tzinfo=UTC),
    run_id: str = "",
) -> LoggedDecision:
    """Log that a version serves from now on, as the rule does."""
    return registry.record(
        LoggedDecision.of(
            decision,
            candidate=version,
            incumbent=registry.champion(version.model),
            serving=version,
            is_proven=True,
            reason="rank IC 0.0200",
            by="rule" if decision == "promoted" else "person",
            decided_at=at,
            run_id=run_id,
        )
    )
