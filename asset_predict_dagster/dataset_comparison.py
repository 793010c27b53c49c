"""Two versions of a table side by side: which rows came, went and changed, and by how much."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.errors import TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.tables import Table

FIRST_ROWS = 20
"""How many offending rows a comparison shows of each kind."""


@dataclass(frozen=True)
class Comparison:
    """What differs between two versions of one table. Rows are told apart by the table's key.

    Attributes
    ----------
    n_added, n_removed, n_changed, n_same
        Rows in the new version alone, in the old one alone, and in both with and without a
        difference. Columns that may differ between equal runs (`Table.volatile`) do not count.
    columns
        One row per column in both: `column`, `n_changed`, `largest_change` (absolute, of numbers;
        missing where nothing changed, or only from or to a missing value).
    volatile
        The same of the volatile columns.
    only_in_old, only_in_new
        Names of the columns that one version lacks.
    first_added, first_removed
        The first rows of each kind, whole.
    first_changed
        One row per changed value of the first changed rows: the key, `column`, `old`, `new`.
    """

    n_added: int
    n_removed: int
    n_changed: int
    n_same: int
    columns: pd.DataFrame
    volatile: pd.DataFrame
    only_in_old: tuple[str, ...]
    only_in_new: tuple[str, ...]
    first_added: pd.DataFrame
    first_removed: pd.DataFrame
    first_changed: pd.DataFrame

    @property
    def says_the_same(self) -> bool:
        """No row and no column differs, the volatile ones aside."""
        return not (
            self.n_added or self.n_removed or self.n_changed or self.only_in_old or self.only_in_new
        )


def compare_versions(lake: Lake, table: Table, old: int, new: int) -> Comparison:
    """Compare two versions of a table. Two missing values are equal; 0.0 and -0.0 are, too.

    Raises
    ------
    TableError
        If a version is not there (any more), or holds a key twice.
    """
    stored = [_column_names(lake, table, version) for version in (old, new)]
    before, after = (
        lake.read(table, columns=names, version=version)
        for names, version in zip(stored, (old, new), strict=True)
    )
    key = list(table.key)
    places = _side_by_side(before[key], after[key], table, old, new)
    in_both = places[places["_merge"] == "both"]
    first, second = (in_both[side].to_numpy(dtype=np.int64) for side in ("_old", "_new"))
    compared = [name for name in stored[0] if name in stored[1] and name not in key]
    differs = {
        name: _differs(before[name].iloc[first], after[name].iloc[second]) for name in compared
    }
    counts = pd.DataFrame(
        {
            "column": compared,
            "n_changed": [int(differs[name].sum()) for name in compared],
            "largest_change": [
                _largest(
                    before[name].iloc[first[differs[name]]],
                    after[name].iloc[second[differs[name]]],
                )
                for name in compared
            ],
        }
    )
    settled = [name for name in compared if name not in table.volatile]
    is_changed = np.zeros(len(in_both), dtype=bool)
    for name in settled:
        is_changed |= differs[name]
    is_volatile = counts["column"].isin(table.volatile)
    shown = np.flatnonzero(is_changed)[:FIRST_ROWS]
    return Comparison(
        n_added=int((places["_merge"] == "right_only").sum()),
        n_removed=int((places["_merge"] == "left_only").sum()),
        n_changed=int(is_changed.sum()),
        n_same=int((~is_changed).sum()),
        columns=counts[~is_volatile].reset_index(drop=True),
        volatile=counts[is_volatile].reset_index(drop=True),
        only_in_old=tuple(name for name in stored[0] if name not in stored[1]),
        only_in_new=tuple(name for name in stored[1] if name not in stored[0]),
        first_added=_first(after, places.loc[places["_merge"] == "right_only", "_new"]),
        first_removed=_first(before, places.loc[places["_merge"] == "left_only", "_old"]),
        first_changed=_changed_values(
            before.iloc[first[shown]], after.iloc[second[shown]], key, settled
        ),
    )


def _column_names(lake: Lake, table: Table, version: int) -> list[str]:
    return [field.name for field in lake.delta(table.name, version).schema().fields]


def _side_by_side(
    before: pd.DataFrame, after: pd.DataFrame, table: Table, old: int, new: int
) -> pd.DataFrame:
    """One row per key: where it stands in each version (`_old`, `_new`), and `_merge`."""
    if before.empty and after.empty:
        # pandas 3.1 cannot merge texts of which there are none on either side.
        return pd.DataFrame(columns=["_old", "_new", "_merge"])
    try:
        return before.assign(_old=np.arange(len(before))).merge(
            after.assign(_new=np.arange(len(after))),
            on=list(table.key),
            how="outer",
            validate="one_to_one",
            indicator=True,
        )
    except pd.errors.MergeError as error:
        raise TableError(
            f"versions {old} and {new} of table '{table.name}' cannot be compared: the key"
            f" ({', '.join(table.key)}) must stand once, but a version repeats one;"
            " look at the check of that table"
        ) from error


def _differs(before: pd.Series, after: pd.Series) -> np.ndarray:
    """(n,) whether the values differ, place by place."""
    one, other = before.reset_index(drop=True), after.reset_index(drop=True)
    is_equal = (one == other).to_numpy(dtype=bool)
    return ~(is_equal | (one.isna() & other.isna()).to_numpy())


def _largest(before: pd.Series, after: pd.Series) -> float:
    """The largest absolute change; NaN of no numbers, or where one of the two is missing."""
    for values in (before, after):
        if not pd.api.types.is_numeric_dtype(values.dtype) or values.dtype == bool:
            return np.nan
    change = np.abs(after.to_numpy(dtype=np.float64) - before.to_numpy(dtype=np.float64))
    change = change[~np.isnan(change)]
    return float(change.max()) if len(change) else np.nan


def _first(rows: pd.DataFrame, places: pd.Series) -> pd.DataFrame:
    return rows.iloc[np.sort(places.to_numpy(dtype=np.int64))[:FIRST_ROWS]].reset_index(drop=True)


def _changed_values(
    before: pd.DataFrame, after: pd.DataFrame, key: list[str], names: list[str]
) -> pd.DataFrame:
    """The same rows in both, as one row per value that differs."""
    found = []
    for place in range(len(before)):
        one, other = before.iloc[[place]], after.iloc[[place]]
        found += [
            {
                **one[key].iloc[0].to_dict(),
                "column": name,
                "old": one[name].iloc[0],
                "new": other[name].iloc[0],
            }
            for name in names
            if _differs(one[name], other[name])[0]
        ]
    return pd.DataFrame(found, columns=[*key, "column", "old", "new"])
