"""Baselines: what anybody can say without a model, and a linear one. They stand beside figures.

    naive       tomorrow = today: expected return 0; the classes at their training frequencies
    prior       the classes at their training frequencies
    majority    the commonest class of training, for certain
    always_up   buy, for certain
    momentum    orders by the return of the last twelve months without the last one
    reversal    orders by minus the return of the last week
    ridge       the linear model of `linear.py`

All but ridge expect a return of 0, and momentum and reversal add an order of the tickers. Ridge is
a model like any other, calibrated on validation; it is a baseline by what it is compared with.

Each is a `base.Learner` with a graph and forecasts as a bundle, but none is registered, so their
bundles are made anew beside each evaluation and stay in memory.
"""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster import __version__
from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS, Samples
from asset_predict_dagster.dataset.splits import HOLDOUT, role_mask
from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.base import Trained
from asset_predict_dagster.models.bundle import Bundle, feature_formulas
from asset_predict_dagster.models.calibration import Calibration
from asset_predict_dagster.models.linear import LinearLearner
from asset_predict_dagster.tables import PATH_HORIZONS

RIDGE = LinearLearner.name

BASELINE_VERSION = "baseline"
"""Stands in `model_version`: baselines are not registered."""

_ORDERS = {
    "momentum": {"log_return_252d": 1.0, "log_return_21d": -1.0},
    "reversal": {"log_return_5d": -1.0},
}
"""Weights of the features whose sum orders the tickers."""

_UNREAD = "volatility_21d"
"""A graph must read something to know how many rows it is asked of, and whoever is forecast has a
volatility."""

_CLASSES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "naive": lambda frequencies: frequencies,
    "prior": lambda frequencies: frequencies,
    "majority": lambda frequencies: np.eye(len(ACTIONS))[frequencies.argmax()],
    "always_up": lambda frequencies: np.eye(len(ACTIONS))[ACTIONS.index("buy")],
    "momentum": lambda frequencies: frequencies,
    "reversal": lambda frequencies: frequencies,
}
"""Training frequencies of the actions → the probabilities that are said of every row."""

BASELINES = (*_CLASSES, RIDGE)

UNCALIBRATED = Calibration(
    slope=1.0,
    bias=[0.0] * len(ACTIONS),
    scale=[0.0] * len(HORIZONS),
    width=[float("nan")] * len(PATH_HORIZONS),
)
"""Probabilities as they are (certainty within 2e-7), a return of 0 expected, no interval."""


class BaselineLearner:
    """All there is to learn is how often each action was right; the protocol is `base.Learner`."""

    lookback = 1

    def __init__(self, name: str) -> None:
        self.name = name
        self.order = _ORDERS.get(name)
        self.feature_names = tuple(self.order or (_UNREAD,))
        self.settings: dict[str, Any] = {}

    def fit(self, samples: Samples, train: np.ndarray, validation: np.ndarray) -> Trained:
        """Count the actions of `train`. Nothing is chosen: `validation` is not read."""
        return self.refit(samples, train, {})

    def refit(self, samples: Samples, rows: np.ndarray, chosen: dict[str, Any]) -> Trained:
        """Count the actions of `rows`; `TrainingError` if there are none."""
        from asset_predict_dagster.models.baseline_graphs import constant_graph

        if not rows.any():
            raise TrainingError(
                f"{self.name}: no row to learn from is labelled and in the universe; use a longer"
                " history"
            )
        counts = np.bincount(samples.action[rows], minlength=len(ACTIONS))
        probabilities = _CLASSES[self.name](counts / counts.sum()).astype(np.float32)
        order = np.array(list(self.order.values())) if self.order else None

        def native_forecast(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            score = np.zeros(len(features)) if order is None else features @ order
            return np.tile(probabilities, (len(features), 1)), np.tile(
                score[:, None], len(HORIZONS)
            )

        said = {"probabilities": dict(zip(ACTIONS, probabilities.tolist(), strict=True))}
        return Trained(
            native_name="model.json",
            native=json.dumps(said | {"order": self.order}, indent=1, sort_keys=True).encode(),
            onnx=constant_graph(probabilities, order, len(HORIZONS)),
            chosen=chosen,
            native_forecast=native_forecast,
        )


def baseline_bundles(
    samples: Samples,
    labels: pd.DataFrame,
    path_returns: np.ndarray,
    folds: pd.DataFrame,
    window: str = HOLDOUT,
) -> dict[str, Bundle]:
    """Every baseline, fitted on a window's training sessions; name → a bundle without digest.

    The parameters and errors are those of `training.fit_window`.
    """
    from asset_predict_dagster.models.training import fit_window

    is_train = role_mask(samples.sessions, samples.session_codes, folds, "train", window)
    rows = is_train & samples.is_labelled
    bundles = {name: _in_memory(BaselineLearner(name), samples, rows) for name in _CLASSES}
    _, bundles[RIDGE] = fit_window(
        LinearLearner(),
        samples,
        labels,
        path_returns,
        folds,
        window=window,
        lake_versions={},
        experiment=_AsGiven(),
    )
    return bundles


class _AsGiven:
    """Stands for the experiment on cards that are never kept: labels and folds are as given."""

    def as_card(self) -> dict[str, Any]:
        return {}


def _in_memory(learner: BaselineLearner, samples: Samples, rows: np.ndarray) -> Bundle:
    trained = learner.refit(samples, rows, {})
    return Bundle("", baseline_card(learner, samples, rows), trained.onnx)


def baseline_card(learner: BaselineLearner, samples: Samples, rows: np.ndarray) -> dict[str, Any]:
    """The card of a baseline that counted `rows` (boolean mask): it is not calibrated."""
    codes = samples.session_codes[rows]
    return {
        "model": learner.name,
        "feature_names": list(learner.feature_names),
        "feature_formulas": feature_formulas(learner.feature_names),
        "lookback": learner.lookback,
        "horizons": list(HORIZONS),
        "actions": list(ACTIONS),
        "settings": learner.settings,
        "calibration": UNCALIBRATED.as_card(),
        "training_sessions": [str(samples.sessions[code]) for code in (codes.min(), codes.max())],
        "n_training_rows": int(rows.sum()),
        "code_version": __version__,
    }


def expects_nothing(bundle: Bundle) -> bool:
    """Whether it expects a return of 0 whatever it sees: then only its graph has an order."""
    return not any(bundle.calibration.scale)
