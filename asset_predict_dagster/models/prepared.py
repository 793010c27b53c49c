"""Prepared: what an experiment learns from and is measured on, made of the lake's tables."""

from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.labels import compute_labels
from asset_predict_dagster.dataset.samples import Samples, build_samples
from asset_predict_dagster.dataset.splits import temporal_split, usable_sessions
from asset_predict_dagster.errors import DatasetError, SettingsError
from asset_predict_dagster.models.experiment import Experiment


@dataclass(frozen=True)
class Prepared:
    """What a training and its evaluation read; all with the same rows in the same order.

    `folds` has the one window `Experiment.window` that they use, perhaps among others.
    """

    samples: Samples
    labels: pd.DataFrame
    folds: pd.DataFrame
    quotes: pd.DataFrame


def prepare(
    experiment: Experiment,
    quotes: pd.DataFrame,
    universe: pd.DataFrame,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    folds: pd.DataFrame,
) -> Prepared:
    """What an experiment learns from: the tables as they are, or labels and folds of its own.

    Other dates are as if the data began at `start` and ended at `end`. Other tickers are left out
    after the labels are made, so that a rank is one among the whole market.

    Parameters
    ----------
    quotes, universe, features, labels
        Rows of the tables of those names with the same keys in the same order.
    folds
        Rows of `tables.FOLDS`, the default split among them.

    Raises
    ------
    SettingsError
        If a ticker has no quote.
    DatasetError
        If there are too few sessions, or a ticker has no row to learn from.
    """
    if experiment.is_default:
        return Prepared(build_samples(features, universe, labels), labels, folds, quotes)
    _refuse_unknown(experiment.tickers, quotes)
    kept = _days_between(quotes["session"], experiment.start, experiment.end)
    if not kept.any():
        raise DatasetError(
            f"no quote lies from {experiment.start} to {experiment.end}; the quotes go from"
            f" {quotes['session'].min().date()} to {quotes['session'].max().date()}"
        )
    quotes, universe, features = _rows(kept, quotes, universe, features)
    labels = compute_labels(quotes, universe, features, experiment.definition)
    if experiment.tickers:
        kept = quotes["ticker"].isin(experiment.tickers).to_numpy()
        quotes, universe, features, labels = _rows(kept, quotes, universe, features, labels)
        _refuse_idle(experiment.tickers, labels, universe)
    folds = temporal_split(
        usable_sessions(labels, universe),
        validation_size=experiment.val_size,
        test_size=experiment.test_size,
        span=experiment.definition.span,
        embargo=experiment.embargo,
        window=experiment.window,
    )
    return Prepared(build_samples(features, universe, labels), labels, folds, quotes)


def _days_between(sessions: pd.Series, start: date | None, end: date | None) -> np.ndarray:
    first = sessions.min() if start is None else pd.Timestamp(start)
    last = sessions.max() if end is None else pd.Timestamp(end)
    return sessions.between(first, last).to_numpy()


def _rows(kept: np.ndarray, *tables: pd.DataFrame) -> tuple[pd.DataFrame, ...]:
    return tuple(table[kept].reset_index(drop=True) for table in tables)


def _refuse_unknown(tickers: tuple[str, ...], quotes: pd.DataFrame) -> None:
    known = set(quotes["ticker"])
    for ticker in tickers:
        if ticker not in known:
            near = get_close_matches(ticker, sorted(known), n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise SettingsError(f"tickers: no quotes of '{ticker}' among {len(known)} papers{hint}")


def _refuse_idle(tickers: tuple[str, ...], labels: pd.DataFrame, universe: pd.DataFrame) -> None:
    usable = universe["in_universe"].to_numpy() & labels["action"].notna().to_numpy()
    idle = sorted(set(tickers) - set(labels["ticker"][usable]))
    if idle:
        raise DatasetError(
            f"tickers: {', '.join(idle)} should be liquid and labelled in some session of the days"
            " asked for, and never is; leave it out, or look at the table `universe` for the reason"
        )
