"""Leak report: every test of this project's tables that knows of a leak, over the whole history."""

from collections.abc import Collection

import pandas as pd

from asset_predict_dagster.dataset.another_future import draw_cuts
from asset_predict_dagster.dataset.chain import INPUT, RECORD_COLUMNS, Chain
from asset_predict_dagster.dataset.features import FEATURE_NAMES, TABLE
from asset_predict_dagster.dataset.label_leaks import find_fold_leaks
from asset_predict_dagster.dataset.leak_audit import (
    Audit,
    audit,
    listed_events,
    unequal_served_rows,
)
from asset_predict_dagster.dataset.leaks import as_leaks
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.tables import (
    CORPORATE_ACTIONS,
    FOLDS,
    LABELS,
    RAW_QUOTES,
    RENAMES,
    UNIVERSE,
)


def leak_report(lake: Lake, classes: Collection[str], n_cuts: int) -> Audit:
    """What the lake's tables and the chain that makes them know of the future.

    The chain and its labels are tested at `n_cuts` sessions of the whole history, up to the last
    session of the features; then the spans of the labels in the folds, and the served row.

    Parameters
    ----------
    classes
        Kinds of paper in the universe.
    n_cuts
        Sessions to test at. Each costs two computations of everything.

    Returns
    -------
    As `audit`, with two more stages: `folds` (one value per session and other role) and `served`.

    Raises
    ------
    MissingTableError
        If a stage up to `folds` has not run yet.
    """
    features = lake.read(TABLE, [*TABLE.key, *FEATURE_NAMES])
    universe = lake.read(UNIVERSE)
    last = features["session"].max()
    records = lake.read(RAW_QUOTES, RECORD_COLUMNS)
    records = records[records["session"] <= last]
    events = lake.read(CORPORATE_ACTIONS)
    chain = Chain(listed_events(events), lake.read(RENAMES), classes)
    cuts = draw_cuts(records, n_cuts, seed=int(f"{last:%Y%m%d}"))
    of_chain = audit(chain, records, cuts)

    folds = lake.read(FOLDS)
    overlaps = find_fold_leaks(folds, lake.read(LABELS, ["session", "span_end"]))
    unequal = unequal_served_rows(chain, records, events, features, universe)
    other_roles = folds.groupby("window")["role"].transform("nunique") - 1
    n_served = int((features["session"] == last).sum())
    n_inputs = int(of_chain.tested.set_index("stage")["n_columns"][INPUT])
    more = pd.DataFrame(
        [
            ("folds", 1, 0, int(other_roles.sum())),
            ("served", n_inputs, 0, n_inputs * n_served),
        ],
        columns=of_chain.tested.columns,
    )
    said = overlaps["window"] + ": " + overlaps["role"] + " reaches " + overlaps["reaches"]
    of_folds = overlaps.assign(column="folds." + said, how="span").rename(
        columns={"n_sessions": "n_rows", "session": "row_session", "first_reached": "cut"}
    )
    served = "served." + unequal["column"].str.removeprefix(f"{INPUT}.")
    of_served = unequal.assign(column=served, how="served", cut=last, row_session=last)
    found = [*of_folds.to_dict("records"), *of_served.to_dict("records")]
    return Audit(
        cuts,
        pd.concat([of_chain.tested, more], ignore_index=True),
        pd.concat([of_chain.leaks, as_leaks(found)], ignore_index=True),
    )
