"""Rows in the order of their sessions, and what is reckoned within each session.

A table of forecasts is sorted here once, and everything else is a few passes over arrays.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTIONS

OUTCOMES = ("realised_return", "realised_return_tradable", "realised_label", "last_close")
"""Columns that are the same whoever forecasts."""


class BySession:
    """An order of rows by session, then ticker.

    Parameters
    ----------
    sessions, tickers
        Shape (n_rows,), the latter as codes; None: rows of a session stay in the order they have.

    Attributes
    ----------
    sessions
        Shape (n_sessions,), sorted, each once.
    order
        Shape (n_rows,): places of the rows, those of the first session first.
    starts, counts
        Shape (n_sessions,): where each session begins in that order, and how many rows it has.
    """

    def __init__(self, sessions: np.ndarray, tickers: np.ndarray | None = None):
        codes, self.sessions = pd.factorize(sessions, sort=True)
        # numpy sorts integers of 16 bits in passes, ten times faster than longer ones.
        codes = codes.astype(np.min_scalar_type(len(self.sessions)))
        keys = (codes,) if tickers is None else (tickers, codes)
        self.order = np.lexsort(keys)
        self.counts = np.bincount(codes, minlength=len(self.sessions))
        self.starts = np.cumsum(self.counts) - self.counts

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Of each session, shape (n_sessions,); `values` has shape (n_rows,), in order."""
        return np.add.reduceat(values, self.starts, dtype=np.float64)

    def centred(self, values: np.ndarray, is_counted: np.ndarray | None = None) -> np.ndarray:
        """Less the mean of their session, float64; 0 where a row does not count."""
        if is_counted is None:
            return values - np.repeat(self.sums(values) / self.counts, self.counts)
        counted = np.where(is_counted, values, 0.0)
        mean = self.sums(counted) / np.maximum(self.sums(is_counted), 1)
        return np.where(is_counted, counted - np.repeat(mean, self.counts), 0.0)

    def ranks(self, values: np.ndarray) -> np.ndarray:
        """Ranks within the session from 1 on, equal values sharing the mean of theirs.

        A missing value has no rank. Shape (n_rows,), float64.
        """
        values = values if values.dtype.kind == "f" else values.astype(np.float64)
        n_sessions, width = len(self.counts), int(self.counts.max())
        if len(values) == n_sessions * width:
            table = values.reshape(n_sessions, width)
        else:
            # NaN is sorted behind everything, so that padding takes no rank from anybody.
            table = np.full((n_sessions, width), np.nan, dtype=values.dtype)
            table[self._is_row] = values
        order = table.argsort(axis=1)
        ranked = np.take_along_axis(table, order, axis=1)
        is_new = np.ones(table.shape, dtype=bool)
        is_new[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
        if is_new.all():
            shared = np.broadcast_to(np.arange(1.0, width + 1), table.shape)
        else:
            first = np.flatnonzero(is_new)
            n_alike = np.diff(first, append=table.size)
            shared = np.repeat(first % width + (n_alike + 1) / 2, n_alike).reshape(table.shape)
        ranks = np.empty(table.shape)
        np.put_along_axis(ranks, order, shared, axis=1)
        ranks[np.isnan(table)] = np.nan
        return ranks.ravel() if len(values) == table.size else ranks[self._is_row]

    @cached_property
    def codes(self) -> np.ndarray:
        """The session of each row as its place in `sessions`; shape (n_rows,), in order."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @cached_property
    def _is_row(self) -> np.ndarray:
        return np.arange(self.counts.max()) < self.counts[:, None]


class JudgedRows:
    """One forecaster's rows in the order of their sessions; columns are fetched when asked for.

    Parameters
    ----------
    column
        Name of a column of `tables.FORECASTS_OUT_OF_SAMPLE` → its values, shape (n_rows,), in the
        order of the table; texts as codes.
    by_session
        The order of these rows.
    outcomes
        Rows of another forecaster, which share the outcomes; None: nobody else is there.
    """

    def __init__(
        self,
        column: Callable[[str], np.ndarray],
        by_session: BySession,
        outcomes: "JudgedRows | None" = None,
    ):
        self.by_session = by_session
        self._column, self._outcomes = column, outcomes
        self._columns: dict[str, np.ndarray] = {}
        self._ranks: dict[tuple[str, str | None], Ranks] = {}
        self._known: dict[str, np.ndarray | None] = {}

    @classmethod
    def of_frame(cls, rows: pd.DataFrame) -> "JudgedRows":
        """Rows of one model, in any order, with the columns that will be asked for."""
        by_session = BySession(rows["session"].to_numpy())
        return cls(lambda name: values_of(rows, name), by_session)

    def column(self, name: str) -> np.ndarray:
        """In the order of `by_session`, shape (n_rows,); `realised_label` as codes of `ACTIONS`."""
        if self._outcomes is not None and name in OUTCOMES:
            return self._outcomes.column(name)
        if name not in self._columns:
            self._columns[name] = self._column(name)[self.by_session.order]
        return self._columns[name]

    def known(self, outcome: str) -> np.ndarray | None:
        """Which rows have the outcome, shape (n_rows,); None: all have it."""
        if self._outcomes is not None:
            return self._outcomes.known(outcome)
        if outcome not in self._known:
            is_known = np.isfinite(self.column(outcome))
            self._known[outcome] = None if is_known.all() else is_known
        return self._known[outcome]

    def ranks(self, name: str, where: str | None = None) -> "Ranks":
        """Of the column within each session, among the rows that have the outcome `where`; None:
        among all."""
        if self._outcomes is not None and name in OUTCOMES:
            return self._outcomes.ranks(name, where)
        is_counted = None if where is None else self.known(where)
        key = (name, None if is_counted is None else where)
        if key not in self._ranks:
            self._ranks[key] = Ranks(self.by_session, self.column(name), is_counted)
        return self._ranks[key]


class Ranks:
    """Ranks of a column within each session, less their mean, and how much they vary.

    Parameters
    ----------
    is_counted
        Shape (n_rows,): the rows that are ranked; None: all. The others are 0 here, and change
        nothing; a row that counts and has no value takes its whole session along.

    Attributes
    ----------
    centred
        Shape (n_rows,).
    squares
        Shape (n_sessions,): the sum of their squares; exactly 0 where all are alike.
    """

    def __init__(
        self, by_session: BySession, values: np.ndarray, is_counted: np.ndarray | None = None
    ):
        counts = by_session.counts
        if is_counted is not None:
            counts = by_session.sums(is_counted)
            values = np.where(is_counted, values, np.nan)
        self.centred = by_session.ranks(values) - np.repeat((counts + 1) / 2, by_session.counts)
        if is_counted is not None:
            self.centred[~is_counted] = 0.0
        self.squares = by_session.sums(self.centred**2)


def values_of(rows: pd.DataFrame, name: str) -> np.ndarray:
    """A column as numbers: actions as codes of `ACTIONS`, -1 where missing."""
    if name == "realised_label":
        return pd.Categorical(rows[name], categories=ACTIONS).codes
    return rows[name].to_numpy()
