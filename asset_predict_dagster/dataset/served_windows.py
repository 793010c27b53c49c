"""Served windows: what a model is given at the last session, beside what it would learn from there.

A model with a memory reads many sessions back; each of them has to be the same.
"""

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.another_future import KEY
from asset_predict_dagster.dataset.same_bits import align, differences, entry
from asset_predict_dagster.dataset.samples import Samples
from asset_predict_dagster.dataset.windows import gather, window_index

STATES = ("volatility", "in_universe", "is_forecastable")
"""What is asked of a forecast row itself, beside the features of its window."""


def unequal_served_windows(
    served: Samples, learned: Samples, lookback: int, longest_gap: int
) -> list[dict]:
    """Where the last session's windows of served samples are not those of the learned ones.

    Compared to the bit are the gathered features of all `lookback` sessions, and `STATES` of the
    last one.

    Parameters
    ----------
    served
        Samples as a prediction is made from: of the last sessions, without labels.
    learned
        Samples as a training learns from: of the whole history, with labels.
    lookback, longest_gap
        Sessions of a window, and the longest halt that one reaches back over.

    Returns
    -------
    As `as_leaks` takes them, one per column: `served.<column>`, whose rows are steps of windows;
    `served.(rows)` where one side has no such step. A feature of one side only is in all of them.
    """
    last = pd.Timestamp(learned.sessions[learned.session_codes.max()])
    one, other = (_windows(samples, lookback, longest_gap) for samples in (served, learned))
    both = [name for name in served.feature_names if name in learned.feature_names]
    found = differences(align(one, other, KEY), both, KEY)
    lonely = sorted(set(served.feature_names) ^ set(learned.feature_names))
    found += [entry(name, other, KEY) for name in lonely if len(other)]
    found += differences(align(_states(served), _states(learned), KEY), STATES, KEY)
    named = {one["column"]: one for one in reversed(found)}
    return [
        {**one, "column": f"served.{name}", "how": "served", "cut": last}
        for name, one in reversed(named.items())
    ]


def n_compared(learned: Samples, lookback: int) -> int:
    """Values that are compared on the side of the learned samples."""
    rows = len(_last_rows(learned))
    return rows * (min(lookback, len(learned.sessions)) * learned.features.shape[1] + len(STATES))


def _last_rows(samples: Samples) -> np.ndarray:
    return np.flatnonzero(samples.session_codes == samples.session_codes.max())


def _windows(samples: Samples, lookback: int, longest_gap: int) -> pd.DataFrame:
    """One row per step of each of the last session's windows. Key: ticker, session."""
    rows = _last_rows(samples)
    codes, days = samples.ticker_codes, samples.session_codes
    index = window_index(codes, days, rows, lookback, longest_gap)
    steps = int(days.max()) + 1 - lookback + np.arange(lookback)
    # Before the first session of the samples there is no step, only padding.
    is_step = steps >= 0
    values = gather(samples.features, index[:, is_step])
    table = pd.DataFrame(values.reshape(-1, values.shape[-1]), columns=list(samples.feature_names))
    tickers = samples.tickers[codes[rows]]
    return table.assign(
        ticker=np.repeat(tickers, is_step.sum()),
        session=np.tile(samples.sessions[steps[is_step]], len(rows)),
    )


def _states(samples: Samples) -> pd.DataFrame:
    rows = _last_rows(samples)
    table = pd.DataFrame({name: getattr(samples, name)[rows] for name in STATES})
    return table.assign(
        ticker=samples.tickers[samples.ticker_codes[rows]],
        session=samples.sessions[samples.session_codes[rows]],
    )
