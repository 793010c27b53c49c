"""Labels that leak: into today, into a feature, across the roles of a fold.

A label is a feature's mirror. Nothing after its span changes it, it is missing until it can be
known, and another future makes another label.
"""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from asset_predict_dagster.dataset.another_future import KEY, up_to
from asset_predict_dagster.dataset.leaks import (
    Compute,
    Perturb,
    Recomputed,
    as_leaks,
    computed,
    recomputed,
    refuse_unknown_columns,
    without_chance,
)
from asset_predict_dagster.dataset.same_bits import align, differences, entry, same_bits

MIN_ROWS = 20
"""Rows of one session, over all cuts, of which a label must be another one in another future. Some
stay: a class has few values, and a price can come out the same."""

LEAST_CHANCE = 1e-6
"""That all of them stay by chance, from where on it is no chance. A label that is nearly always the
same, as whether a paper is halted, stays in whole sessions."""

MIN_TICKERS = 5
MIN_SESSIONS = 3
"""A feature orders so many tickers as a label does, in so many sessions, before it is a copy: by
chance that happens once in 120 ** 3."""


def find_label_leaks(
    compute: Compute,
    source: pd.DataFrame,
    *,
    key: Sequence[str] = KEY,
    columns: Sequence[str] | None = None,
    span_end: str = "span_end",
    cuts: Sequence[pd.Timestamp] | None = None,
    perturb: Perturb | None = None,
) -> pd.DataFrame:
    """The columns of `compute(source)` that are no honest labels.

    For every cut c: a label whose span ends by c stays as it is without the sessions after c, and
    with others (`truncated`, `perturbed`). On the data up to c each label has its final value or
    none (`provisional`), and those of session c itself have none. In another future after c, some
    labels of session c are others. A label that is there at once, or that no other future changes
    in at least 20 rows, more than chance leaves as they are, is `known_at_t`.

    Parameters
    ----------
    compute, source, key, cuts, perturb
        As in `find_leaks`.
    columns
        The labels to test; all columns but the key and `span_end` if not given.
    span_end
        The column that says the last session that any label of the row looks at; missing where
        the data end before it.

    Returns
    -------
    As `find_leaks`.

    Raises
    ------
    DatasetError
        As `find_leaks` does.

    Examples
    --------
    >>> days = pd.bdate_range("2024-01-01", "2024-02-29")
    >>> quotes = pd.DataFrame({"ticker": "PETR4", "session": days, "close": range(1, 45)})
    >>> quotes["close"] **= 0.5
    >>> def compute(quotes):
    ...     close, session = quotes["close"], quotes["session"]
    ...     labels = {"rises": close.shift(-1) / close - 1, "span_end": session.shift(-1)}
    ...     return quotes[["ticker", "session"]].assign(**labels, filled=labels["rises"].fillna(0))
    >>> find_label_leaks(compute, quotes)["column"].unique().tolist()
    ['filled']
    """
    base = computed(compute, source, key)
    refuse_unknown_columns(base, [span_end])
    watch = LabelWatch(base, columns, key, span_end)
    for again in recomputed(lambda rows: computed(compute, rows, key), source, key, cuts, perturb):
        watch.add(again)
    return without_chance(as_leaks(watch.found()), compute, source, base, key)


class LabelWatch:
    """Holds labels beside the same ones recomputed, cut by cut; see `find_label_leaks`."""

    def __init__(
        self,
        base: pd.DataFrame,
        columns: Sequence[str] | None = None,
        key: Sequence[str] = KEY,
        span_end: str = "span_end",
    ):
        self.base, self.key, self.span_end = base, key, span_end
        self.columns = self._labels(base) if columns is None else columns
        refuse_unknown_columns(base, self.columns)
        self._takes_any = columns is None
        self._found: list[dict] = []
        self._unmoved: dict[str, list[pd.DataFrame]] = {name: [] for name in self.columns}

    def add(self, again: Recomputed[pd.DataFrame]) -> None:
        """Compare with what came out of another past or future."""
        cut, how, table = again
        columns = [name for name in self.columns if name in table]
        for name in (name for name in self.columns if name not in table):
            self._note(cut, how, name, up_to(self.base, cut, self.key))
            self._unmoved.pop(name, None)
        if self._takes_any:
            for name in (name for name in self._labels(table) if name not in self.base):
                self._note(cut, how, name, up_to(table, cut, self.key))
        is_over = (self.base[self.span_end] <= cut).to_numpy()
        is_past = (self.base[self.key[1]] <= cut).to_numpy()
        over = align(self.base[is_over], table, self.key)
        over = over._replace(only_after=over.only_before.iloc[:0])
        for one in differences(over, columns, self.key):
            self._found.append({"cut": cut, "how": how, **one})
        final, now, _, _ = align(self.base[is_past & ~is_over], table, self.key)
        is_today = (final[self.key[1]] == cut).to_numpy()
        for name in columns:
            has_value = now[name].notna().to_numpy()
            differs = ~same_bits(final[name], now[name])
            if how == "truncated":
                self._note(cut, "known_at_t", name, final[has_value & is_today])
                self._note(cut, "provisional", name, final[has_value & differs & ~is_today])
            elif (differs & is_today).any():
                self._unmoved.pop(name, None)
            elif name in self._unmoved:
                rows = is_today & (has_value | final[name].notna().to_numpy())
                self._unmoved[name].append(final.loc[rows, list(self.key)].assign(cut=cut))

    def found(self) -> list[dict]:
        """What broke a label's promise at the cuts so far, as `as_leaks` takes it."""
        known = {one["column"] for one in self._found if one["how"] == "known_at_t"}
        decided = []
        for name, parts in self._unmoved.items():
            rows = pd.concat(parts) if parts else pd.DataFrame()
            if len(rows) < MIN_ROWS or name in known:
                continue
            shares = self.base[name].value_counts(normalize=True).to_numpy()
            if (shares**2).sum() ** len(rows) < LEAST_CHANCE:
                about = {"cut": rows["cut"].iloc[0], "how": "known_at_t"}
                decided.append({**about, **entry(name, rows, self.key)})
        return self._found + decided

    def _labels(self, table: pd.DataFrame) -> list[str]:
        return [name for name in table.columns if name not in (*self.key, self.span_end)]

    def _note(self, cut: pd.Timestamp, how: str, name: str, rows: pd.DataFrame) -> None:
        if len(rows):
            self._found.append({"cut": cut, "how": how, **entry(name, rows, self.key)})


def find_label_copies(
    features: pd.DataFrame, labels: pd.DataFrame, key: Sequence[str] = KEY
) -> pd.DataFrame:
    """Features that order the tickers of every session as a label does, or the other way round.

    A rank correlation of 1 or -1 in each session, and in at least three, in which both have at
    least five tickers and are not the same for all. Texts are taken in alphabetical order: a
    class that is a feature is found, a finer order within the classes is not.

    Parameters
    ----------
    features, labels
        Rows with the columns of `key`, the same rows in the same order; some sessions will do.

    Returns
    -------
    One row per feature and label: column, label, n_sessions, n_rows.
    """
    days = pd.Series(np.arange(len(features))).groupby(features[key[1]].to_numpy())
    rows_of = list(days.indices.values())
    values = {name: _as_numbers(features[name]) for name in features.columns if name not in key}
    found = []
    for label in (name for name in labels.columns if name not in key):
        outcome = _as_numbers(labels[label])
        telling = [rows for rows in rows_of if _tells_apart(outcome[rows])]
        for name, value in values.items():
            alike = [rows for rows in telling if _tells_apart(value[rows])]
            if len(alike) >= MIN_SESSIONS and all(
                _orders_alike(value[rows], outcome[rows]) for rows in alike
            ):
                found.append((name, label, len(alike), sum(len(rows) for rows in alike)))
    table = pd.DataFrame(found, columns=["column", "label", "n_sessions", "n_rows"])
    return table.astype({"column": "str", "label": "str"})


def find_fold_leaks(folds: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Sessions of one role whose labels look at a session of another one, in the same window.

    By the labels' own spans, whatever the purge was meant to be. A label that is missing its
    span's end looks at everything to come.

    Parameters
    ----------
    folds
        Columns window, session and role, as `tables.FOLDS`.
    labels
        Columns session and span_end, as `tables.LABELS`.

    Returns
    -------
    One row per window and pair of roles: window, role, reaches, n_sessions, session (the last one
    whose labels reach so far), span_end, first_reached. None if the roles are apart.
    """
    ends = labels.groupby("session")["span_end"].agg(lambda days: days.max(skipna=False))
    far = pd.Timestamp.max.as_unit("us")
    found = []
    for window, rows in folds.groupby("window"):
        days = {role: np.sort(own["session"].to_numpy()) for role, own in rows.groupby("role")}
        for role, other in permutations(days, 2):
            end = ends.reindex(days[role]).fillna(far).to_numpy()
            place = np.searchsorted(days[other], days[role], side="right")
            inside = place < len(days[other])
            reached = days[other][np.where(inside, place, 0)]
            leaks = np.flatnonzero(inside & (reached <= end))
            if len(leaks):
                last = leaks[-1]
                found.append(
                    (window, role, other, len(leaks), days[role][last], end[last], reached[last])
                )
    return pd.DataFrame(
        found,
        columns=[
            *("window", "role", "reaches", "n_sessions"),
            *("session", "span_end", "first_reached"),
        ],
    )


def _as_numbers(column: pd.Series) -> np.ndarray:
    """Shape (n_rows,), float64: texts by their place in the alphabet, days by their date."""
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    codes = pd.Categorical(column).codes
    return np.where(codes >= 0, codes, np.nan)


def _tells_apart(values: np.ndarray) -> bool:
    """Whether enough tickers have a value, and not all the same."""
    seen = values[np.isfinite(values)]
    return len(seen) >= MIN_TICKERS and bool((seen != seen[0]).any())


def _orders_alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the ranks of those that have both are the same, or reversed."""
    both = np.isfinite(one) & np.isfinite(other)
    a, b = rankdata(one[both]), rankdata(other[both])
    return bool((a == b).all() or (a + b == len(a) + 1).all())
