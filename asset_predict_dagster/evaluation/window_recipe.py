"""Recipe: a digest of all that the forecasts of one walk-forward window are made of.

Later sessions change no row of the past, so a window of years ago has the same recipe tomorrow,
whatever version its tables have by then: what is stored by that recipe need not be made again.
"""

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from asset_predict_dagster import __version__
from asset_predict_dagster.dataset.samples import HORIZONS, Samples
from asset_predict_dagster.dataset.splits import role_mask
from asset_predict_dagster.evaluation.forecast_rows import ROWS_VERSION
from asset_predict_dagster.models.base import Learner

_TRADABLE = [f"realised_return_tradable_{h}d" for h in HORIZONS]


def window_recipe(
    learners: Sequence[Learner],
    samples: Samples,
    labels: pd.DataFrame,
    path_returns: np.ndarray,
    last_close: np.ndarray,
    folds: pd.DataFrame,
    window: str,
) -> str:
    """BLAKE2b of this program's version and that of the rows it makes (`ROWS_VERSION`), the
    learners' settings, the folds of the window, and of every row of its past and test: features,
    labels and outcomes.

    The parameters are those of `walk_forward.forecast_window`. Rows after the test play no part,
    except as outcomes of the test's: those that become known change the recipe.
    """
    digest = hashlib.blake2b(digest_size=16)

    def add(*arrays: np.ndarray) -> None:
        for array in arrays:
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).view(np.uint8).data)

    said = [(each.name, each.feature_names, each.settings) for each in learners]
    digest.update(
        json.dumps([__version__, ROWS_VERSION, said], sort_keys=True, default=str).encode()
    )
    mine = folds[folds["window"] == window]
    digest.update(mine[["session", "role"]].to_csv(index=False).encode())
    is_test = role_mask(samples.sessions, samples.session_codes, folds, "test", window)
    rows = np.flatnonzero(samples.session_codes <= samples.session_codes[is_test].max())
    known = labels.iloc[rows]
    for texts in (samples.tickers[samples.ticker_codes[rows]], known["action"].to_numpy(str)):
        add(texts.astype(np.bytes_))
    add(
        samples.sessions[samples.session_codes[rows]].astype(np.int64),
        samples.features[rows],
        samples.volatility[rows],
        samples.in_universe[rows],
        samples.action[rows],
        samples.return_ranks[rows],
        known[_TRADABLE].to_numpy(np.float64),
        path_returns[rows],
        last_close[rows],
    )
    if samples.weight is not None:
        add(samples.weight[rows])
    return digest.hexdigest()
