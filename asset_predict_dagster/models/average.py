"""The average of the forest and the LSTM: unlike models err unlike, so their mean errs less.

It has no graph and no version of its own: whoever has the forecasts of both has it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from asset_predict_dagster.models.bundle import Forecasts

AVERAGE = "average"

AVERAGED = ("random_forest", "lstm")
"""The models whose forecasts it is the mean of."""


def average_version(versions: Mapping[str, str]) -> str:
    """The versions of its parts, model → version, as one: the forest's first.

    >>> average_version({"lstm": "4", "random_forest": "3"})
    '3+4'
    """
    return "+".join(dict.fromkeys(versions[model] for model in AVERAGED))


def average_forecasts(parts: Sequence[Forecasts], session_codes: np.ndarray) -> Forecasts:
    """The mean of several models' forecasts of the same rows.

    Scores are made alike before they are averaged, or the model that spreads them widest would
    decide: what a model expects of a row, standardised within its session. Probabilities and
    expected returns are plain means.

    An interval is the mean of its parts' ends. Quantiles are averaged, not distributions: it is
    as wide as they are on average, and an outcome outside of it is outside of at least one of
    them, so where each holds 90 % it holds 80 % at the least. What it holds is measured.

    Parameters
    ----------
    session_codes
        Shape (n,): the session of each row; all rows of a session should be there.
    """
    return Forecasts(
        probabilities=_mean([part.probabilities for part in parts]),
        scores=_mean([standardised(part.expected_returns, session_codes) for part in parts]),
        expected_returns=_mean([part.expected_returns for part in parts]),
        lows=_mean([part.lows for part in parts]),
        highs=_mean([part.highs for part in parts]),
    )


def standardised(values: np.ndarray, session_codes: np.ndarray) -> np.ndarray:
    """Each column less its session's mean, in its session's population standard deviations.

    Shape (n, n_columns). Where a session's values are alike, or it has one row, they say nothing
    and become 0. A missing value is left out and becomes 0, the middle.

    >>> standardised(np.array([[1.0], [3.0], [7.0]]), np.array([0, 0, 1])).ravel().tolist()
    [-1.0, 1.0, 0.0]
    """
    _, codes = np.unique(session_codes, return_inverse=True)
    is_known = np.isfinite(values)

    def session_mean(of: np.ndarray) -> np.ndarray:
        means = np.empty(of.shape)
        for column, known in enumerate(is_known.T):
            sums = np.bincount(codes, weights=np.where(known, of[:, column], 0.0))
            counts = np.bincount(codes, weights=known)
            means[:, column] = (sums / np.maximum(counts, 1))[codes]
        return means

    centred = values - session_mean(values)
    spread = np.sqrt(session_mean(centred**2))
    # Equal values may leave dust behind their mean, which is no spread; nor has a missing one any.
    is_spread = spread > 1e-12 * np.abs(values)
    return np.where(is_spread, centred / np.where(is_spread, spread, 1.0), 0.0)


def _mean(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.mean(parts, axis=0)
