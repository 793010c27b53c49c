"""Scalings that leak: do they know more than what the sessions that their window trains on say?"""

from collections.abc import Callable

import pandas as pd

from asset_predict_dagster.dataset import scaling
from asset_predict_dagster.dataset.chain import Tables
from asset_predict_dagster.dataset.labels import learned_until
from asset_predict_dagster.dataset.same_bits import ROWS, align, differences
from asset_predict_dagster.tables import SCALINGS

_KEY = ("feature", "session")


def unequal_scalings(
    stored: pd.DataFrame,
    folds: pd.DataFrame,
    tables_as_of: Callable[[pd.Timestamp], Tables],
    last: pd.Timestamp,
) -> list[dict]:
    """Where a scaling is not, to the bit, what could be known at the end of its training.

    Each window's is fitted anew on the data as of the session on which the last label of its
    training became known. Beside that are held the table `scalings`, and what is fitted on all the
    data up to `last`, as the pipeline fits it.

    Parameters
    ----------
    stored
        Rows of `tables.SCALINGS`.
    folds
        Rows of `tables.FOLDS`, with training sessions in every window.
    tables_as_of
        What the chain makes of the records up to a session.
    last
        The last session of the data.

    Returns
    -------
    As `as_leaks` takes them, `scalings.<window>.<column>`: `stored` if the table differs, `fitted`
    if what the code makes of later data does. The ticker is the first feature that differs,
    `row_session` the last training session; `(rows)` where a feature or window is on one side only.
    """
    as_fitted = scaling.fit_scalings(tables_as_of(last).samples, folds)
    names = [name for name in SCALINGS.column_names if name not in SCALINGS.key]
    found = []
    for window, own_folds in folds.groupby("window", sort=False):
        end = own_folds.loc[own_folds["role"] == "train", "session"].max()
        known = min(pd.Timestamp(learned_until(end.date())), last)
        honest = scaling.fit_scalings(tables_as_of(known).samples, own_folds).assign(session=end)
        for how, table in (("stored", stored), ("fitted", as_fitted)):
            own = table[table["window"] == window].assign(session=end)
            for one in differences(align(own, honest, _KEY), names, _KEY):
                column = f"scalings.{window}.{one['column']}"
                found.append({**one, "column": column, "how": how, "cut": known})
    unknown = stored[~stored["window"].isin(folds["window"])]
    for window, rows in unknown.groupby("window", sort=False):
        about = {"how": "stored", "n_rows": len(rows), "ticker": rows["feature"].iloc[0]}
        found.append({"column": f"scalings.{window}.{ROWS}", "cut": last, **about})
    return found
