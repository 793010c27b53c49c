"""Samples: the rows of `features` as contiguous arrays, beside the labels that models learn from.

Models index into these arrays; nobody copies them. Rows are in (ticker, session) order, so
that one ticker's history is one contiguous stretch.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster import tables
from asset_predict_dagster.dataset.catalogue import FEATURE_NAMES
from asset_predict_dagster.market.sessions import sessions_between

ACTIONS = tables.ACTION_NAMES
"""The classes of the action head, in the order of every probability array."""

HORIZONS = tables.HORIZONS
"""Sessions ahead that a model forecasts directly."""

ACTION_HORIZON = 1
"""The horizon at which buy, hold and sell are judged, in sessions."""


@dataclass(frozen=True)
class Samples:
    """One row per ticker and session, sorted by ticker, then session.

    Attributes
    ----------
    feature_names
        Names of the columns of `features`, in order: those of the catalogue's for models that the
        table has.
    features
        Shape (n_rows, n_features), float32. NaN where a feature is missing (warm-up).
    ticker_codes
        Shape (n_rows,), int32: position of the row's ticker in `tickers`; never decreases.
    session_codes
        Shape (n_rows,), int32: position of the row's session in `sessions`; increases
        within a ticker. A session in which the ticker did not trade has no row.
    tickers
        Shape (n_tickers,), str, sorted.
    sessions
        Shape (n_sessions,), datetime64[D], sorted: every session of the market's history.
    volatility
        Shape (n_rows,), float32: trailing daily volatility known at the session's close.
        NaN in the warm-up.
    in_universe
        Shape (n_rows,), bool: liquid enough to be forecast that day.
    action
        Shape (n_rows,), int8: index into `ACTIONS`; -1 where the label is missing.
    return_ranks
        Shape (n_rows, n_horizons), float32: Gaussian rank, within the session's universe, of
        the tradable return over each of `HORIZONS`. NaN where missing.
    weight
        Shape (n_rows,), float32: uniqueness of the row's label, the share of its span that it does
        not divide with others of its ticker. NaN where missing. None: not known.
    """

    feature_names: tuple[str, ...]
    features: np.ndarray
    ticker_codes: np.ndarray
    session_codes: np.ndarray
    tickers: np.ndarray
    sessions: np.ndarray
    volatility: np.ndarray
    in_universe: np.ndarray
    action: np.ndarray
    return_ranks: np.ndarray
    weight: np.ndarray | None = None

    @property
    def n_rows(self) -> int:
        return len(self.features)

    def columns(self, names: tuple[str, ...]) -> np.ndarray:
        """The named feature columns, shape (n_rows, len(names)), float32, C-contiguous."""
        positions = [self.feature_names.index(name) for name in names]
        return np.ascontiguousarray(self.features[:, positions])

    def between(self, first_code: int, last_code: int) -> np.ndarray:
        """Rows whose session code lies in [first_code, last_code], as a boolean mask."""
        return (self.session_codes >= first_code) & (self.session_codes <= last_code)

    @property
    def is_forecastable(self) -> np.ndarray:
        """Rows that may be forecast: in the universe, and not standing still; boolean mask.

        A price that has not moved for the whole of the trailing window has no volatility to
        measure an action or an interval by.
        """
        return self.in_universe & (self.volatility > 0)

    @property
    def is_labelled(self) -> np.ndarray:
        """Rows a model may learn from: forecastable, with every label known; boolean mask."""
        return (
            self.is_forecastable & (self.action >= 0) & np.isfinite(self.return_ranks).all(axis=1)
        )


def build_samples(
    features: pd.DataFrame, universe: pd.DataFrame, labels: pd.DataFrame | None = None
) -> Samples:
    """The tables as arrays: rows of `features`, in (ticker, session) order.

    The columns for people and charts stay behind: a model could not be given a price level if it
    asked for one.

    Parameters
    ----------
    features, universe, labels
        Rows of the tables of those names with equal keys in equal order, as the lake returns
        them. Without `labels` (to forecast) every label is missing.
    """
    ordered = features["session"].to_numpy().astype("datetime64[D]")
    sessions = np.union1d(
        sessions_between(ordered.min().astype(object), ordered.max().astype(object)), ordered
    )
    tickers, ticker_codes = np.unique(features["ticker"].to_numpy(dtype=str), return_inverse=True)
    names = tuple(name for name in FEATURE_NAMES if name in features.columns)
    n_rows = len(features)
    if labels is None:
        action = np.full(n_rows, -1, dtype=np.int8)
        ranks = np.full((n_rows, len(HORIZONS)), np.nan, dtype=np.float32)
    else:
        action = pd.Categorical(labels["action"], categories=ACTIONS).codes.astype(np.int8)
        ranks = labels[[f"return_rank_{h}d" for h in HORIZONS]].to_numpy(dtype=np.float32)
    return Samples(
        feature_names=names,
        features=np.ascontiguousarray(features[list(names)].to_numpy(dtype=np.float32)),
        ticker_codes=ticker_codes.astype(np.int32),
        session_codes=np.searchsorted(sessions, ordered).astype(np.int32),
        tickers=tickers,
        sessions=sessions,
        volatility=features["volatility_21d"].to_numpy(dtype=np.float32),
        in_universe=universe["in_universe"].to_numpy(dtype=bool),
        action=action,
        return_ranks=ranks,
        weight=None if labels is None else labels["uniqueness"].to_numpy(dtype=np.float32),
    )
