"""Served samples: the recent rows of the tables, as every prediction is made from them."""

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import Samples, build_samples

RECENT_SESSIONS = 63
"""A ticker without a quote in so many sessions has left the exchange: it is not even refused."""


def served_samples(features: pd.DataFrame, universe: pd.DataFrame, lookback: int) -> Samples:
    """Samples without labels of the last `lookback` sessions, or of 63 if that is more.

    Parameters
    ----------
    features, universe
        Rows of the tables of those names with the same keys in the same order.
    lookback
        Sessions of the longest window that a model reads.
    """
    sessions = np.unique(features["session"].to_numpy())
    first = sessions[-max(lookback, RECENT_SESSIONS) :][0]
    needed = (features["session"] >= first).to_numpy()
    return build_samples(
        features[needed].reset_index(drop=True), universe[needed].reset_index(drop=True)
    )
