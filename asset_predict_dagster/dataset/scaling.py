"""Scaling: centre and spread of every feature, from the rows a window trains on and no others.

Robust: the median and the interquartile range do not hear how far an outlier lies. The LSTM's
network carries the scaling of its own training rows inside; for the model that is evaluated
these are the rows of the window, so its numbers are those of the table `scalings`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import Samples
from asset_predict_dagster.dataset.splits import role_mask
from asset_predict_dagster.tables import SCALINGS

CLIP = 5.0
"""Scaled inputs beyond this many robust deviations say no more than this."""

IQR_OF_A_GAUSSIAN = 1.349


@dataclass(frozen=True)
class RobustScaling:
    """Centre and scale of each feature, shape (n_features,), float32."""

    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray) -> "RobustScaling":
        """Median, and interquartile range over 1.349, of training rows, shape (n, n_features).

        Missing values are left out. A feature whose middle half is one value is scaled by the
        median distance from it of the values that differ; one that never varies, or is always
        missing, by 1.
        """
        centre = np.zeros(features.shape[1], dtype=np.float32)
        scale = np.ones(features.shape[1], dtype=np.float32)
        for position, column in enumerate(features.T):
            seen = column[np.isfinite(column)].astype(np.float64)
            if len(seen) == 0:
                continue
            low, centre[position], high = np.quantile(seen, [0.25, 0.5, 0.75])
            spread = (high - low) / IQR_OF_A_GAUSSIAN or _median_distance(seen, low)
            # Below float32's smallest normal number a spread is as good as none.
            if spread > np.finfo(np.float32).tiny:
                scale[position] = spread
        return cls(centre, scale)

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Raw features, shape (..., n_features), scaled and clipped; a missing one becomes 0.

        >>> prices = np.array([[9.0], [10.0], [11.0], [900.0]], dtype=np.float32)
        >>> RobustScaling.fit(prices[:3]).apply(prices).ravel().round(2).astype(str).tolist()
        ['-1.35', '0.0', '1.35', '5.0']
        """
        filled = np.where(np.isnan(features), self.centre, features)
        return np.clip((filled - self.centre) / self.scale, -CLIP, CLIP)


def _median_distance(seen: np.ndarray, usual: float) -> float:
    """Of the values that are not the usual one; 0 if all are. One absurd value changes nothing."""
    others = seen[seen != usual]
    return float(np.median(np.abs(others - usual))) if len(others) else 0.0


def fit_scalings(samples: Samples, folds: pd.DataFrame) -> pd.DataFrame:
    """Rows of `tables.SCALINGS`: for each window of `folds`, every feature of `samples`.

    Fitted on the labelled rows of the window's training sessions: the rows that teach.
    """
    parts = []
    for window in folds["window"].unique():
        train = role_mask(samples.sessions, samples.session_codes, folds, "train", window)
        values = samples.features[train & samples.is_labelled]
        fitted = RobustScaling.fit(values)
        parts.append(
            pd.DataFrame(
                {
                    "window": window,
                    "feature": list(samples.feature_names),
                    "centre": fitted.centre.astype(np.float64),
                    "scale": fitted.scale.astype(np.float64),
                    "n_rows": np.isfinite(values).sum(axis=0),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)[SCALINGS.column_names]
