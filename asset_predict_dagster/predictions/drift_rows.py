"""What is compared when drift is looked for: a model's inputs, and what it says of them.

Inputs are returns and ratios of one ticker. Left out are, of what a model reads:

- ranks within a session: their distribution is the same in every session by construction;
- the state of the market: one number a session is one observation, however many tickers carry it;
- columns that look back further than a window of sessions does: most of what they say was there
  before the window began;
- `illiquidity_21d`, which is per million of R$ and follows the level of what is traded.

Price levels are never among what a model reads (`dataset/catalogue.py`).
"""

from collections.abc import Collection, Iterable

import pandas as pd

from asset_predict_dagster.dataset.catalogue import CATALOGUE, OF_THE_MARKET
from asset_predict_dagster.dataset.samples import ACTION_HORIZON, ACTIONS
from asset_predict_dagster.errors import DatasetError

WINDOW = 63
"""Sessions compared with the reference: three months, as long as the longest input looks back."""

_OF_LEVELS = ("illiquidity_21d",)

_PROBABILITIES = tuple(f"probability_{action}" for action in ACTIONS)

SAID = ("expected_return", "score_spread", *_PROBABILITIES)
"""What a model says of a ticker, and how far apart its expected returns of one session are."""


def input_columns(names: Iterable[str]) -> tuple[str, ...]:
    """Of the features that a model reads, those that can drift, in order.

    Examples
    --------
    >>> input_columns(["log_return_1d", "rank_log_return_1d", "market_return_1d", "rsi_14"])
    ('log_return_1d', 'rsi_14')
    """
    can_drift = {
        feature.name
        for feature in CATALOGUE
        if feature.for_models
        and not feature.rank_of
        and feature not in OF_THE_MARKET
        and feature.warm_up <= WINDOW
        and feature.name not in _OF_LEVELS
    }
    return tuple(name for name in names if name in can_drift)


def input_rows(
    features: pd.DataFrame,
    universe: pd.DataFrame,
    columns: tuple[str, ...],
    tickers: Collection[str] | None = None,
) -> pd.DataFrame:
    """Session and columns of the rows that a model could be asked of: those in the universe.

    Parameters
    ----------
    features, universe
        Rows of the tables of those names with the same keys in the same order.
    tickers
        Those to compare; None: all.

    Raises
    ------
    DatasetError
        If `features` has not every column.
    """
    missing = [name for name in columns if name not in features.columns]
    if missing:
        raise DatasetError(
            f"features has no column {', '.join(missing)}, which the model reads; materialise"
            " features again, or train the model again"
        )
    is_asked = universe["in_universe"].to_numpy(dtype=bool)
    if tickers is not None:
        is_asked = is_asked & features["ticker"].isin(list(tickers)).to_numpy()
    return features.loc[is_asked, ["session", *columns]]


def said_rows(said: pd.DataFrame) -> pd.DataFrame:
    """Session and `SAID` of one model's forecasts of the next session; refused rows are left out,
    and late ones, which say of a longer horizon what was said in time before.

    `score_spread` is the standard deviation of a session's expected returns, on each of its rows.

    Parameters
    ----------
    said
        Rows of `tables.FORECASTS_OUT_OF_SAMPLE` or `tables.PREDICTIONS`.
    """
    rows = said[(said["horizon"] == ACTION_HORIZON) & said["expected_return"].notna()]
    rows = rows[["session", "expected_return", *_PROBABILITIES]]
    spread = rows.groupby("session")["expected_return"].transform("std", ddof=0)
    return rows.assign(score_spread=spread)[["session", *SAID]]
