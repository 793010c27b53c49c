"""A promise: what a version showed of one figure on its holdout, and the test of its being kept.

A skill was shown where the lower end of the mean's 95 % interval is above 0.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.bootstrap import block_weights, interval
from asset_predict_dagster.predictions.cusum import LEAST_SHOWN, Cusum, fit_cusum


@dataclass(frozen=True)
class Promise:
    """The figures of the holdout's sessions that have one, and what they say.

    Attributes
    ----------
    version
        Whose holdout it is.
    figures
        Shape (n_sessions,).
    mean, low, high
        Their mean with its 95 % interval; NaN where there are fewer than 60.
    seed
        Of the simulation.
    """

    version: str
    figures: np.ndarray
    mean: float
    low: float
    high: float
    seed: int

    @property
    def is_shown(self) -> bool:
        """Whether there is a skill to lose."""
        return self.low > 0

    @cached_property
    def cusum(self) -> Cusum:
        """The test of a promise that was shown."""
        return fit_cusum(self.figures, (self.high - self.low) / (2 * 1.96), self.seed)

    @property
    def told(self) -> str:
        """For people."""
        holdout = f"version {self.version}'s holdout"
        if len(self.figures) < LEAST_SHOWN:
            return f"none shown, {holdout} has {len(self.figures)} of {LEAST_SHOWN} sessions needed"
        band = f"{holdout} {self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"
        return band if self.is_shown else f"none shown, so none to lose ({band})"


def promise(version: str, by_session: pd.Series, seed: int) -> Promise:
    """What figures, one a session and missing where there is none, promise.

    Parameters
    ----------
    version
        Whose holdout it is.
    by_session
        In the order of the sessions.
    seed
        Of the bootstrap and the simulation.
    """
    figures = by_session.dropna().to_numpy()
    if len(figures) < LEAST_SHOWN:
        return Promise(version, figures, *(float("nan"),) * 3, seed)
    sums = np.column_stack([figures, np.ones(len(figures))])
    weights = block_weights(len(figures), seed)
    low, high = interval(sums, lambda s: s[..., 0] / s[..., 1], weights)
    return Promise(version, figures, float(figures.mean()), float(low), float(high), seed)
