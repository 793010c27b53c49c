"""Ridge: the linear baseline, a logistic regression of the action beside a ridge of the ranks.

What a model with memory or branches has to beat: everything that a weighted sum of features can
say. It follows the same protocol as the two models, calibration and intervals included.

Its penalties are fixed, not searched: among ninety-six of them, those that did well in one period
did no better than the others in the next. They are what is known beforehand, written as a prior.
"""

import io
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from asset_predict_dagster.dataset.model_columns import RIDGE_FEATURES
from asset_predict_dagster.dataset.samples import ACTIONS, Samples
from asset_predict_dagster.dataset.scaling import CLIP, RobustScaling
from asset_predict_dagster.errors import SettingsError, TrainingError, in_words
from asset_predict_dagster.models.base import Trained

MIN_ROWS = 200
"""Fewer rows than this teach nothing worth keeping."""

_NEVER = -30.0
"""Logit of a class that training never saw."""


class LinearSettings(BaseModel):
    """Every knob of the linear model; an unknown or impossible one raises `SettingsError`.

    Attributes
    ----------
    expected_rank_ic
        How much order there is to find. A ridge with the penalty n_features / IC² is a Gaussian
        prior by which all scaled features together explain IC² of a return rank; .03 is what is
        known of this market.
    action_penalty
        The same for the logits of the action. Thirty features that together move a logit by .3,
        which is what volatility tells of it, make 300 of independent rows; those of one session
        share its market, so ten times that.
    seed
        Stands in the card; nothing here is random.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    expected_rank_ic: float = Field(0.03, gt=0, le=1)
    action_penalty: float = Field(3_000.0, gt=0)
    seed: int = Field(42, ge=0, lt=2**32)

    def __init__(self, **knobs: Any) -> None:
        try:
            super().__init__(**knobs)
        except ValidationError as refused:
            raise SettingsError(f"ridge: {in_words(refused)}") from refused


class LinearLearner:
    """Fits the two regressions on scaled features; the protocol is `base.Learner`."""

    name = "ridge"
    lookback = 1

    def __init__(
        self,
        feature_names: tuple[str, ...] = RIDGE_FEATURES,
        settings: LinearSettings | None = None,
    ) -> None:
        self.feature_names = tuple(feature_names)
        self.knobs = settings or LinearSettings()
        self.settings: dict[str, Any] = self.knobs.model_dump()

    def fit(self, samples: Samples, train: np.ndarray, validation: np.ndarray) -> Trained:
        """Fit on the rows of `train`. Nothing is chosen: `validation` is not read."""
        return self.refit(samples, train, {})

    def refit(self, samples: Samples, rows: np.ndarray, chosen: dict[str, Any]) -> Trained:
        """Fit on all of `rows`.

        Raises
        ------
        TrainingError
            If there are fewer than 200 rows, or all of them are of one class.
        """
        from sklearn.linear_model import LogisticRegression, Ridge

        n_rows, action = int(rows.sum()), samples.action[rows]
        n_classes = len(np.unique(action))
        if n_rows < MIN_ROWS or n_classes < 2:
            raise TrainingError(
                f"ridge: needs {MIN_ROWS} labelled rows of at least 2 actions and found"
                f" {n_rows:,} of {n_classes}; train on more sessions or more tickers"
            )
        features = samples.columns(self.feature_names)[rows]
        scaling = RobustScaling.fit(features)
        scaled = scaling.apply(features).astype(np.float64)
        penalty = len(self.feature_names) / self.knobs.expected_rank_ic**2
        ridge = Ridge(alpha=penalty, solver="cholesky").fit(scaled, samples.return_ranks[rows])
        # Newton's steps: rows are many and weights few, so each costs one pass over the rows.
        logistic = LogisticRegression(C=1 / self.knobs.action_penalty, solver="newton-cholesky")
        logistic.fit(scaled, action)
        return self._trained(ridge, logistic, scaling, chosen)

    def _trained(
        self, ridge: Any, logistic: Any, scaling: RobustScaling, chosen: dict[str, Any]
    ) -> Trained:
        import joblib

        from asset_predict_dagster.models.baseline_graphs import linear_graph

        native = io.BytesIO()
        parts = {
            "ridge": ridge,
            "logistic": logistic,
            "centre": scaling.centre,
            "scale": scaling.scale,
            "feature_names": self.feature_names,
            "settings": self.settings,
        }
        joblib.dump(parts, native)

        def native_forecast(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            scaled = scaling.apply(features)
            probabilities = np.zeros((len(features), len(ACTIONS)))
            probabilities[:, logistic.classes_] = logistic.predict_proba(scaled)
            return probabilities, ridge.predict(scaled)

        return Trained(
            native_name="model.joblib",
            native=native.getvalue(),
            onnx=linear_graph(
                scaling.centre,
                scaling.scale,
                CLIP,
                action_map(logistic.coef_, logistic.intercept_, logistic.classes_),
                (ridge.coef_.T, ridge.intercept_),
            ),
            chosen=chosen,
            native_forecast=native_forecast,
            scaling=scaling,
        )


def action_map(
    coefficients: np.ndarray, intercepts: np.ndarray, classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A logistic regression as weights (n_features, 3) and intercepts (3,) of a softmax.

    Of two classes scikit-learn keeps one line, the log-odds of the second.

    >>> action_map(np.array([[0.5]]), np.array([0.1]), np.array([0, 2]))
    (array([[0. , 0. , 0.5]]), array([  0. , -30. ,   0.1]))
    """
    if len(classes) == 2:
        coefficients = np.vstack([np.zeros_like(coefficients), coefficients])
        intercepts = np.r_[0.0, intercepts]
    weights = np.zeros((coefficients.shape[1], len(ACTIONS)))
    biases = np.full(len(ACTIONS), _NEVER)
    weights[:, classes], biases[classes] = coefficients.T, intercepts
    return weights, biases
