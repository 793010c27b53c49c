"""Baselines: what anybody can say without a model. Every figure stands beside theirs.

    naive       tomorrow = today: expected return 0; the classes at their training frequencies
    prior       the classes at their training frequencies
    majority    the commonest class of training, for certain
    always_up   buy, for certain
    momentum    orders by the return of the last twelve months without the last one
    reversal    orders by minus the return of the last week

All expect a return of 0; the last two add an order of the tickers.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS, Samples

BASELINES = ("naive", "prior", "majority", "always_up", "momentum", "reversal")

BASELINE_VERSION = "baseline"
"""Stands in `model_version`: baselines are not registered."""


@dataclass(frozen=True)
class BaselineForecasts:
    """score (n,), higher is better; probabilities (n, 3); expected_returns (n, n_horizons)."""

    score: np.ndarray
    probabilities: np.ndarray
    expected_returns: np.ndarray


def baseline_forecasts(
    samples: Samples, train: np.ndarray, rows: np.ndarray
) -> dict[str, BaselineForecasts]:
    """Each baseline's forecast of the given row positions.

    Parameters
    ----------
    train
        Boolean mask, shape (n_rows,): labelled rows whose classes give the frequencies.
    rows
        Row positions to forecast, shape (n,).
    """
    counts = np.bincount(samples.action[train], minlength=len(ACTIONS))
    prior = counts / counts.sum()
    classes = {
        "majority": np.eye(len(ACTIONS))[counts.argmax()],
        "always_up": np.eye(len(ACTIONS))[ACTIONS.index("buy")],
    }
    week, month, year = samples.columns(("log_return_5d", "log_return_21d", "log_return_252d"))[
        rows
    ].T
    session_codes = samples.session_codes[rows]
    scores = {
        "momentum": _missing_in_the_middle(year - month, session_codes),
        "reversal": _missing_in_the_middle(-week, session_codes),
    }
    nothing = np.zeros(len(rows))
    return {
        name: BaselineForecasts(
            score=scores.get(name, nothing).astype(np.float64),
            probabilities=np.tile(classes.get(name, prior), (len(rows), 1)),
            expected_returns=np.zeros((len(rows), len(HORIZONS))),
        )
        for name in BASELINES
    }


def _missing_in_the_middle(scores: np.ndarray, session_codes: np.ndarray) -> np.ndarray:
    """A missing past orders nothing: such a ticker gets the median of its session, 0 if none."""
    given = pd.Series(scores)
    median = given.groupby(session_codes).transform("median")
    return given.fillna(median).fillna(0.0).to_numpy()
