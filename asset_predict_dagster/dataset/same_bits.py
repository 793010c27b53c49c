"""Same bits: which rows of two tables differ, in which column, and by how much.

A missing value equals a missing value; +0.0 and -0.0 differ.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import DatasetError

ROWS = "(rows)"
"""Stands for a column where it is whole rows that appear or vanish."""


class Aligned(NamedTuple):
    """The rows that two tables have in common, place by place, and the keys of the others."""

    before: pd.DataFrame
    after: pd.DataFrame
    only_before: pd.DataFrame
    only_after: pd.DataFrame


def align(before: pd.DataFrame, after: pd.DataFrame, key: Sequence[str]) -> Aligned:
    """Rows of equal key beside each other, in the order of `before` and numbered anew."""
    names = list(key)
    before, after = before.reset_index(drop=True), after.reset_index(drop=True)
    none = before.iloc[:0][names]
    if len(before) == len(after) and all(
        same_bits(before[name], after[name]).all() for name in names
    ):
        return Aligned(before, after, none, none)
    keys = pd.MultiIndex.from_frame(before[names])
    place = pd.MultiIndex.from_frame(after[names]).get_indexer(keys)
    is_in_both = place >= 0
    is_new = np.ones(len(after), dtype=bool)
    is_new[place[is_in_both]] = False
    return Aligned(
        before[is_in_both].reset_index(drop=True),
        after.iloc[place[is_in_both]].reset_index(drop=True),
        before.loc[~is_in_both, names],
        after.loc[is_new, names],
    )


def differences(sides: Aligned, columns: Sequence[str], key: Sequence[str]) -> list[dict]:
    """One `entry` per column in which some rows differ; rows of one side are the column (rows)."""
    lonely = pd.concat([sides.only_before, sides.only_after])
    found = [entry(ROWS, lonely, key)] if len(lonely) else []
    for name in columns:
        before, after = sides.before[name], sides.after[name]
        differs = ~same_bits(before, after)
        if differs.any():
            size = _largest(before[differs], after[differs])
            found.append(entry(name, sides.before[differs], key, size))
    return found


def entry(column: str, rows: pd.DataFrame, key: Sequence[str], size: float = np.nan) -> dict:
    """The column, how many rows it is about, the largest difference, and the earliest row."""
    paper, day = key
    first = rows.iloc[int(rows[day].to_numpy().argmin())]
    return {
        "column": column,
        "n_rows": len(rows),
        "largest_difference": size,
        "ticker": str(first[paper]),
        "row_session": first[day],
    }


def same_bits(one: pd.Series, other: pd.Series) -> np.ndarray:
    """Where two columns of equal index hold the same, shape (n_rows,).

    >>> same_bits(pd.Series([1.0, 0.0, None]), pd.Series([1.0, -0.0, None])).tolist()
    [True, False, True]
    """
    if all(isinstance(kind, np.dtype) and kind.kind == "f" for kind in (one.dtype, other.dtype)):
        a, b = one.to_numpy(), other.to_numpy()
        is_same = (a == b) & (np.signbit(a) == np.signbit(b))
        return is_same | (np.isnan(a) & np.isnan(b))
    a, b = _plain(one), _plain(other)
    is_same = (a == b).astype("boolean").fillna(False).to_numpy(dtype=bool)
    return is_same | (a.isna() & b.isna()).to_numpy()


def refuse_unsound_keys(table: pd.DataFrame, key: Sequence[str], what: str) -> None:
    """Stop at a table that lacks a column of its key, or has two rows of one key.

    Raises
    ------
    DatasetError
        With `what`, and the first such row.
    """
    missing = [name for name in key if name not in table.columns]
    if missing:
        raise DatasetError(
            f"{what}: expected the columns {', '.join(key)}, found no {', '.join(missing)};"
            " return them, or name those it has in `key`"
        )
    repeated = table.loc[table.duplicated(list(key)), list(key)]
    if len(repeated):
        row = ", ".join(str(value) for value in repeated.iloc[0])
        raise DatasetError(
            f"{what}: expected one row of each {', '.join(key)}, found several of {row}; rows are"
            " compared by their key: leave one"
        )


def _plain(column: pd.Series) -> pd.Series:
    # Categories are compared by what they say: their lists differ with what came later.
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(column.cat.categories.dtype)
    return column


def _largest(before: pd.Series, after: pd.Series) -> float:
    if not all(
        pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
        for column in (before, after)
    ):
        return np.nan
    sizes = (before.astype("float64") - after.astype("float64")).abs().dropna()
    return float(sizes.max()) if len(sizes) else np.nan
