"""Stored tables: does the lake hold what its own records make?

The detector recomputes; what it finds is true of the tables only if they are what it computes.
"""

from collections.abc import Callable, Mapping

import pandas as pd

from asset_predict_dagster.dataset.chain import STAGES, Tables
from asset_predict_dagster.dataset.same_bits import align, differences
from asset_predict_dagster.tables import LABELS, Table

STORED: dict[str, Table] = {**STAGES, LABELS.name: LABELS}
"""The tables that the chain makes."""


def unequal_stored_rows(
    stored: Mapping[str, pd.DataFrame], tables_as_of: Callable[[pd.Timestamp], Tables]
) -> list[dict]:
    """Where a stored table is not, to the bit and in all its rows, what the chain makes.

    Each is held beside the chain as of its own last session, but quotes, universe and features
    beside the same one, that of the last of the three: a run makes them together. Labels may be
    older, since a day's prediction makes none.

    Parameters
    ----------
    stored
        Name of a table in `STORED` → all rows of it.
    tables_as_of
        What the chain makes of the records up to a session.

    Returns
    -------
    As `as_leaks` takes them; a column is `stored.<table>.<column>`, `(rows)` where a row is on one
    side only.
    """
    last = {name: frame["session"].max() for name, frame in stored.items()}
    together = [last[name] for name in stored if name in STAGES]
    found = []
    for name, frame in stored.items():
        table = STORED[name]
        day = max(together) if name in STAGES else last[name]
        sides = align(frame, getattr(tables_as_of(day), name), table.key)
        columns = [column for column in table.column_names if column not in table.key]
        for one in differences(sides, columns, table.key):
            column = f"stored.{name}.{one['column']}"
            found.append({**one, "column": column, "how": "stored", "cut": day})
    return found
