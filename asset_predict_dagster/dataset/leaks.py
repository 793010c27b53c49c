"""Leaks: what looks ahead, found by taking the future away and by changing it.

A value of t is what was known at t: computed without the sessions after t, or with other ones,
it is the same to the bit. `find_leaks` takes whatever anybody computes and names the columns that
break this. It can only find: what looks n sessions ahead shows in the last n sessions up to a cut,
so a leak that no cut touches stays hidden. Draw others now and then.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import pandas as pd

from asset_predict_dagster.dataset.another_future import KEY, another_future, draw_cuts, up_to
from asset_predict_dagster.dataset.same_bits import (
    align,
    differences,
    entry,
    refuse_unsound_keys,
)
from asset_predict_dagster.errors import DatasetError

Compute = Callable[[pd.DataFrame], pd.DataFrame]
Perturb = Callable[[pd.DataFrame, pd.Timestamp], pd.DataFrame]
T = TypeVar("T")

N_CUTS = 5
"""Sessions that are drawn to part at if none are named."""

HOWS = {
    "truncated": "changes when the sessions after the cut are taken away",
    "perturbed": "changes when the sessions after the cut are others",
    "provisional": "has a value before it can be known, and another one later",
    "known_at_t": "is decided by what is known at t: to forecast it is no forecast",
    "copy": "orders the tickers of every session as the label does",
    "span": "a label of one role looks at a session of the other",
    "stored": "the table holds something else than its records make",
    "learned": "with its label a row gives a model something else than without",
    "fitted": "changes with what comes after the end of its training",
    "served": "models are not served what they would learn from the same sessions",
    "repeated": "changes when nothing does, so it cannot be tested: make it reproducible",
}
"""How a leak was found → what it means."""

_TYPES = {
    "column": "str",
    "how": "str",
    "cut": "datetime64[us]",
    "n_rows": "int64",
    "largest_difference": "float64",
    "ticker": "str",
    "row_session": "datetime64[us]",
}


class Recomputed(NamedTuple, Generic[T]):
    """What came out of the sessions up to `cut` alone (truncated), or with others after it."""

    cut: pd.Timestamp
    how: str
    result: T


def find_leaks(
    compute: Compute,
    source: pd.DataFrame,
    *,
    key: Sequence[str] = KEY,
    columns: Sequence[str] | None = None,
    cuts: Sequence[pd.Timestamp] | None = None,
    perturb: Perturb | None = None,
) -> pd.DataFrame:
    """The columns of `compute(source)` that look ahead.

    For every cut t the rows up to t of `compute(source)` are compared, bit for bit, with those of
    `compute(source up to t)` and of `compute(source with another future after t)`.

    Parameters
    ----------
    compute
        Rows of `source` in, rows with the columns of `key` out. What is fitted on training
        sessions may know all of those: cut at the last one.
    source
        Rows with the columns of `key`: the paper and the session.
    columns
        The columns to test; all but the key if not given, those included that are there with one
        future only.
    cuts
        Sessions to test at, each with sessions after it; drawn by `draw_cuts` if not given.
    perturb
        Source and cut → source with another future; `another_future` if not given. Give your own
        where rows keep a promise that it breaks.

    Returns
    -------
    One row per column, cut and way it was found; none if nothing looks ahead. Columns: column
    (`(rows)` where whole rows depend on the future), how (a key of `HOWS`), cut, n_rows,
    largest_difference (missing if not between numbers), and ticker and row_session of the earliest
    row that differs.

    Raises
    ------
    DatasetError
        If a cut has no session up to it or none after it, no cut or no column is given, a column is
        not among what is computed, or rows share a key.

    Examples
    --------
    >>> days = pd.bdate_range("2024-01-01", "2024-01-31")
    >>> quotes = pd.DataFrame({"ticker": "PETR4", "session": days, "close": range(len(days))})
    >>> def compute(quotes):
    ...     rolling, centred = (quotes["close"].rolling(5, center=way) for way in (False, True))
    ...     return quotes.assign(trailing=rolling.mean(), centred=centred.mean())
    >>> find_leaks(compute, quotes)["column"].unique().tolist()
    ['centred']
    """
    base = computed(compute, source, key)
    if columns is not None:
        refuse_unknown_columns(base, columns)
    found = []
    for again in recomputed(lambda rows: computed(compute, rows, key), source, key, cuts, perturb):
        found += looks_ahead(base, again, columns, key)
    return without_chance(as_leaks(found), compute, source, base, key)


def looks_ahead(
    base: pd.DataFrame,
    again: Recomputed[pd.DataFrame],
    columns: Sequence[str] | None = None,
    key: Sequence[str] = KEY,
) -> list[dict]:
    """The columns of which some row up to the cut came out otherwise, as `as_leaks` takes them.

    All but the key if not given. A column that is on one side only differs in every row.
    """
    past, past_again = up_to(base, again.cut, key), up_to(again.result, again.cut, key)
    if columns is None:
        columns = list(dict.fromkeys([*past.columns, *past_again.columns]))
    names = [name for name in columns if name not in key]
    both = [name for name in names if name in past and name in past_again]
    found = differences(align(past, past_again, key), both, key)
    for table, other in ((past, past_again), (past_again, past)):
        lonely = [name for name in names if name in table and name not in other]
        found += [entry(name, table, key) for name in lonely if len(table)]
    return [{"cut": again.cut, "how": again.how, **one} for one in found]


def refuse_unknown_columns(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Stop if no column is asked for, or one that `table` lacks.

    Raises
    ------
    DatasetError
        With the names.
    """
    unknown = [str(name) for name in columns if name not in table]
    if unknown or len(columns) == 0:
        raise DatasetError(
            f"columns: expected some of {', '.join(map(str, table.columns))}; found"
            f" {', '.join(unknown) or 'none'}; name columns that are computed, or leave `columns`"
            " out to test them all"
        )


def as_leaks(found: Sequence[dict]) -> pd.DataFrame:
    """Findings as the table that `find_leaks` describes, in the order they were found.

    What one does not say is missing; a ticker is empty then.
    """
    empty = {"ticker": ""}
    columns = {name: [one.get(name, empty.get(name)) for one in found] for name in _TYPES}
    return pd.DataFrame(columns).astype(_TYPES)


def recomputed(
    compute: Callable[[pd.DataFrame], T],
    source: pd.DataFrame,
    key: Sequence[str] = KEY,
    cuts: Sequence[pd.Timestamp] | None = None,
    perturb: Perturb | None = None,
) -> Iterator[Recomputed[T]]:
    """`compute` of the source truncated at each cut, then of it with another future.

    Raises
    ------
    DatasetError
        If a cut has no session up to it or none after it, or there is none: given or drawn.
    """
    sessions = source[key[1]]
    if cuts is not None and len(cuts) == 0:
        raise DatasetError(
            "cuts: expected one session or more to test at, found none, which would test nothing;"
            " name some, or leave `cuts` out to have them drawn"
        )
    if cuts is None:
        cuts = draw_cuts(source, N_CUTS, key)
        if not cuts:
            raise DatasetError(
                f"{sessions.nunique()} sessions have no past and future to tell apart; two or more"
                " can be tested: use a longer history"
            )
    for cut in map(pd.Timestamp, cuts):
        if not sessions.min() <= cut < sessions.max():
            raise DatasetError(
                f"cut at {cut}: expected sessions up to it and after it, found those from"
                f" {sessions.min()} to {sessions.max()}; cut inside them"
            )
        yield Recomputed(cut, "truncated", _noted(compute, up_to(source, cut, key), cut))
        other = another_future(source, cut, key) if perturb is None else perturb(source, cut)
        yield Recomputed(cut, "perturbed", _noted(compute, other, cut))


def computed(compute: Compute, rows: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """`compute(rows)`, numbered anew; it may not change the rows it is given.

    Raises
    ------
    DatasetError
        If it has no column of the key, or rows that share one.
    """
    refuse_unsound_keys(rows, key, "the source")
    table = compute(rows.copy(deep=False)).reset_index(drop=True)
    refuse_unsound_keys(table, key, "what was computed")
    return table


def without_chance(
    leaks: pd.DataFrame,
    compute: Compute,
    source: pd.DataFrame,
    base: pd.DataFrame,
    key: Sequence[str],
) -> pd.DataFrame:
    """The same leaks; those of columns that differ when nothing is changed say `repeated`, once."""
    if leaks.empty:
        return leaks
    names = [name for name in leaks["column"].unique() if name in base.columns]
    sides = align(base, computed(compute, source, key), key)
    by_chance = differences(sides, names, key)
    repeated = [{"cut": source[key[1]].max(), "how": "repeated", **one} for one in by_chance]
    others = leaks[~leaks["column"].isin([one["column"] for one in by_chance])]
    return pd.concat([others, as_leaks(repeated)], ignore_index=True) if repeated else others


def _noted(compute: Callable[[pd.DataFrame], T], rows: pd.DataFrame, cut: pd.Timestamp) -> T:
    try:
        return compute(rows)
    except Exception as error:  # anybody's function: say on which rows of ours it failed
        error.add_note(f"while looking for leaks, with the sessions after {cut:%Y-%m-%d} changed")
        raise
