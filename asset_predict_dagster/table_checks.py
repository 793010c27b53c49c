"""Does a table keep what `tables.py` promises of it? One list of broken promises answers."""

import numpy as np
import pandas as pd

from asset_predict_dagster.tables import Table

_EXAMPLES = 5


def broken_promises(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """One row per promise that some rows of `frame` break: promise, n_rows, first_rows.

    Checked are the key (unique), the required columns (nothing missing), the bounds, the
    allowed values, and that no number is infinite. Empty if every promise is kept.
    """
    broken = []

    def report(promise: str, rows: pd.Series | np.ndarray) -> None:
        rows = np.asarray(rows, dtype=bool)
        if rows.any():
            first = frame.loc[rows, list(table.key)].head(_EXAMPLES).to_string(index=False)
            broken.append((promise, int(rows.sum()), first))

    key = list(table.key)
    report(f"({', '.join(key)}) is unique", frame.duplicated(key, keep=False))
    for column in table.columns:
        values = frame[column.name]
        if column.required:
            report(f"{column.name} is never missing", values.isna())
        if column.values is not None:
            report(
                f"{column.name} is one of {', '.join(repr(v) for v in column.values)}",
                values.notna() & ~values.isin(column.values),
            )
        if pd.api.types.is_float_dtype(values):
            report(f"{column.name} is finite", np.isinf(values))
        if column.minimum is not None:
            report(f"{column.name} ≥ {column.minimum:g}", values < column.minimum)
        if column.maximum is not None:
            report(f"{column.name} ≤ {column.maximum:g}", values > column.maximum)
    return pd.DataFrame(broken, columns=["promise", "n_rows", "first_rows"])
