"""Fitted range: is a row like those that a model was fitted on, or would it only extrapolate.

    low, high        the .1 % and the 99.9 % quantile of each feature over the fitted rows
    n_outside        features of a row that lie below low or above high
    most_outside     the smallest number that at most 1 in 1,000 fitted rows exceeds

A row is outside the range if its n_outside exceeds most_outside. One odd feature is common where
many are read, and odd ones come together (a large move is large over 1 and over 5 sessions): the
fitted rows know how often. A missing feature is not outside; a model knows what to do with it.

Ranks within a session are not asked: how far they reach depends on the number of tickers alone. Of
a model that reads windows, the last session is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from asset_predict_dagster.dataset.catalogue import RANKS

TAIL = 0.001
"""Of the fitted values on each side, and of the fitted rows."""

_RANKS = {feature.name for feature in RANKS}


@dataclass(frozen=True)
class FittedRange:
    """Bounds of each feature, float32, shape (n_features,); infinite where one is not asked."""

    low: np.ndarray
    high: np.ndarray
    most_outside: int

    def n_outside(self, features: np.ndarray) -> np.ndarray:
        """How many features of each row are outside; (n_rows, n_features) float32 → (n_rows,)."""
        return ((features < self.low) | (features > self.high)).sum(axis=1)

    def is_left_by(self, features: np.ndarray) -> np.ndarray:
        """Which rows are unlike the fitted ones; (n_rows, n_features) float32 → (n_rows,), bool."""
        return self.n_outside(features) > self.most_outside

    def as_card(self) -> dict[str, Any]:
        """As JSON-compatible values; None where a feature is not asked."""
        return {
            "low": [float(bound) if np.isfinite(bound) else None for bound in self.low],
            "high": [float(bound) if np.isfinite(bound) else None for bound in self.high],
            "most_outside": self.most_outside,
        }

    @classmethod
    def from_card(cls, card: dict[str, Any] | None, n_features: int) -> "FittedRange":
        """What `as_card` said; None, of an older program's bundle, is a range that nothing leaves.

        Raises
        ------
        ValueError
            If it does not say two bounds for each feature.
        """
        if card is None:
            card = {"low": [None] * n_features, "high": [None] * n_features, "most_outside": 0}
        low, high = (
            np.array([nothing if bound is None else bound for bound in bounds], dtype=np.float32)
            for bounds, nothing in ((card["low"], -np.inf), (card["high"], np.inf))
        )
        if not len(low) == len(high) == n_features:
            raise ValueError(
                f"the fitted range has {len(low)} and {len(high)} bounds for {n_features} features"
            )
        return cls(low, high, int(card["most_outside"]))


def fit_range(names: Sequence[str], features: np.ndarray) -> FittedRange:
    """The range of fitted rows, one or more.

    Parameters
    ----------
    names
        Of the features; one that is no rank of the catalogue's is asked.
    features
        Shape (n_rows, n_features), float32; missing values are left out.

    Examples
    --------
    >>> days = np.arange(2001, dtype=np.float32)[:, None]
    >>> found = fit_range(["my_own"], days)
    >>> found.low, found.high, found.most_outside
    (array([2.], dtype=float32), array([1998.], dtype=float32), 1)
    """
    low = np.full(len(names), -np.inf, dtype=np.float32)
    high = np.full(len(names), np.inf, dtype=np.float32)
    for place, name in enumerate(names):
        known = features[~np.isnan(features[:, place]), place]
        if name not in _RANKS and len(known):
            low[place], high[place] = np.quantile(known, [TAIL, 1 - TAIL])
    n_outside = FittedRange(low, high, 0).n_outside(features)
    n_above = len(features) - np.cumsum(np.bincount(n_outside))
    return FittedRange(low, high, int(np.argmax(n_above <= TAIL * len(features))))
