"""Signal clusters: NOT a label. A function of the same day's features, kept for comparison only.

They say nothing of what came after t. A model that scores 100 % on them has learned to compute
four features that it was given, and has predicted nothing. Systems that report such accuracies
train on labels of this kind.
"""

import numpy as np
import pandas as pd

INPUTS = ("rsi_14", "macd", "volume_change", "price_momentum_5")


def signal_clusters(features: pd.DataFrame) -> pd.Series:
    """Buy, hold or sell by the indicators of session t itself; known at its close.

        buy  if rsi_14 < 30 and macd > 0 and volume_change > 0
        sell if rsi_14 > 70 and price_momentum_5 < 0 and volume_change < 0
        hold otherwise; missing where any of the four is

    >>> today = {"rsi_14": [25.0, 75.0, 50.0, 25.0], "macd": [0.1, 0.1, 0.1, np.nan],
    ...     "volume_change": [0.2, -0.2, 0.2, 0.2], "price_momentum_5": [0.0, -0.01, 0.0, 0.0]}
    >>> signal_clusters(pd.DataFrame(today)).tolist()
    ['buy', 'sell', 'hold', nan]
    """
    rsi, macd, volume_change, momentum = (features[name].to_numpy() for name in INPUTS)
    named = np.select(
        [
            (rsi < 30) & (macd > 0) & (volume_change > 0),
            (rsi > 70) & (momentum < 0) & (volume_change < 0),
        ],
        ["buy", "sell"],
        default="hold",
    )
    is_known = features[list(INPUTS)].notna().all(axis=1).to_numpy()
    return pd.Series(named, dtype="str").where(is_known)
