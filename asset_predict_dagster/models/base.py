"""The one protocol every model follows: fit on a fold, refit on everything, export to ONNX.

A learner never forecasts by itself. It hands over an ONNX graph, and everything that forecasts
(evaluation as well as serving) runs that graph, so what is measured is what is served.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import Samples
from asset_predict_dagster.dataset.scaling import RobustScaling

ONNX_INPUT = "features"
"""Input of every graph: float32, NaN = missing. (n, n_features) where lookback is 1, else
(n, lookback, n_features), oldest session first; an absent session is a step of NaN."""

ONNX_PROBABILITIES = "probabilities"
"""Output: (n, 3) float32, rows sum to one, in the order of `samples.ACTIONS`, not calibrated."""

ONNX_RETURN_SCORES = "return_scores"
"""Output: (n, n_horizons) float32, expected Gaussian rank of the return at each horizon; NaN where
the graph has no opinion on a row."""

NativeForecast = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""The graph's input → its two outputs, computed by the library that fitted the model."""


@dataclass(frozen=True)
class Trained:
    """What a learner hands over after fitting.

    Attributes
    ----------
    native_name, native
        File name and bytes of the artefact people may want to open (`model.joblib`, `model.pt`).
    onnx
        The graph that forecasts, serialised.
    chosen
        What fitting decided and a refit must repeat (number of epochs, learning rates...),
        as JSON-compatible values.
    native_forecast
        Forecasts by the native artefact; before a bundle is kept, the graph must say the same.
    curves
        One row per epoch or step, for people; empty where a model has none.
    scaling
        Centre and scale of each feature, where the model scales what it reads, for the card; the
        graph has them inside.
    """

    native_name: str
    native: bytes
    onnx: bytes
    chosen: dict[str, Any]
    native_forecast: NativeForecast
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)
    scaling: RobustScaling | None = None


class Learner(Protocol):
    """A kind of model: `name` is its registered name, `settings` goes into the card."""

    name: str
    lookback: int
    feature_names: tuple[str, ...]
    settings: dict[str, Any]

    def fit(self, samples: Samples, train: np.ndarray, validation: np.ndarray) -> Trained:
        """Fit on the rows of `train`; `validation` may stop it early, nothing more.

        `train` and `validation` are boolean masks of shape (n_rows,); every row of theirs is
        labelled. Features of other rows may serve as the past of a window, labels never.
        """
        ...

    def refit(self, samples: Samples, rows: np.ndarray, chosen: dict[str, Any]) -> Trained:
        """Fit on all of `rows` (boolean mask) with what an earlier `fit` chose."""
        ...
