"""Leak report: every test of this project's tables that knows of a leak, over the whole history."""

from collections.abc import Callable, Collection
from functools import cache

import pandas as pd

from asset_predict_dagster.dataset.another_future import draw_cuts, up_to
from asset_predict_dagster.dataset.chain import RECORD_COLUMNS, STAGES, Chain, Tables, listed_events
from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.dataset.label_leaks import find_fold_leaks
from asset_predict_dagster.dataset.leak_audit import Audit, audit, stage_without_cuts
from asset_predict_dagster.dataset.leaks import as_leaks
from asset_predict_dagster.dataset.samples import Samples
from asset_predict_dagster.dataset.scaling_leaks import unequal_scalings
from asset_predict_dagster.dataset.served_windows import n_compared, unequal_served_windows
from asset_predict_dagster.dataset.stored_tables import STORED, unequal_stored_rows
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.tables import CORPORATE_ACTIONS, FOLDS, RAW_QUOTES, RENAMES, SCALINGS

Serve = Callable[[pd.DataFrame, pd.DataFrame, int], Samples]
"""Features, universe and lookback → the samples that a prediction is made from."""


def leak_report(
    lake: Lake,
    classes: Collection[str],
    n_cuts: int,
    serve: Serve,
    lookback: int,
    longest_gap: int,
) -> Audit:
    """What the lake's tables, and the chain that makes them, know of the future.

    The chain and its labels are tested at `n_cuts` sessions of the whole history, up to the last
    one that the tables know. Then the labels' spans in the folds, the scalings, what models are
    served, and whether the tables are, in all their rows, what the chain makes of the records.

    Parameters
    ----------
    classes
        Kinds of paper in the universe.
    n_cuts
        Sessions to test at. Each costs two computations of everything.
    serve, lookback, longest_gap
        What makes the samples of a prediction, and the windows that are read from them.

    Returns
    -------
    As `audit`, with more stages: `folds` (one value per session and other role), `scalings`,
    `served` and `stored`.

    Raises
    ------
    MissingTableError
        If a stage up to `scalings` has not run yet.
    DatasetError
        If the history is too short for a single cut.
    """
    features = lake.read(FEATURES)
    others = {name: lake.read(table) for name, table in STORED.items() if table is not FEATURES}
    stored = {FEATURES.name: features, **others}
    last = max(stored[name]["session"].max() for name in STAGES)
    folds, scalings = lake.read(FOLDS), lake.read(SCALINGS)
    records = up_to(lake.read(RAW_QUOTES, RECORD_COLUMNS), last)
    chain = Chain(listed_events(lake.read(CORPORATE_ACTIONS)), lake.read(RENAMES), classes)

    @cache
    def as_of(day: pd.Timestamp) -> Tables:
        return chain.tables(up_to(records, day))

    cuts = draw_cuts(records, n_cuts, seed=int(f"{last:%Y%m%d}"))
    of_chain = audit(chain, records, cuts)
    served = serve(features, stored["universe"], lookback)
    found = [
        *_of_folds(folds, stored["labels"]),
        *unequal_scalings(scalings, folds, as_of, last),
        *unequal_served_windows(served, as_of(last).samples, lookback, longest_gap),
        *unequal_stored_rows(stored, as_of),
    ]
    other_roles = folds.groupby("window")["role"].transform("nunique") - 1
    n_scalings = len(SCALINGS.column_names) - len(SCALINGS.key)
    widths = {name: len(table.column_names) - len(table.key) for name, table in STORED.items()}
    n_stored = sum(widths[name] * len(table) for name, table in stored.items())
    more = [
        stage_without_cuts("folds", 1, int(other_roles.sum())),
        stage_without_cuts("scalings", n_scalings, 2 * n_scalings * len(scalings)),
        stage_without_cuts("served", len(served.feature_names), n_compared(served, lookback)),
        stage_without_cuts("stored", sum(widths.values()), n_stored),
    ]
    return Audit(
        cuts,
        pd.concat([of_chain.tested, *more], ignore_index=True),
        pd.concat([of_chain.leaks, as_leaks(found)], ignore_index=True),
    )


def leaky_columns(report: Audit) -> dict[str, int]:
    """How many columns of each stage tested have a finding; a copy is one of both its tables.

    Of a stored table one is counted under `stored`, however it was found.
    """
    stages = dict.fromkeys(report.tested["stage"], 0)
    names = report.leaks["column"].str.split(" = ").explode().unique()
    for name in names:
        stages[name.split(".")[0]] += 1
    return stages


def _of_folds(folds: pd.DataFrame, labels: pd.DataFrame) -> list[dict]:
    overlaps = find_fold_leaks(folds, labels[["session", "span_end"]])
    said = overlaps["window"] + ": " + overlaps["role"] + " reaches " + overlaps["reaches"]
    named = overlaps.assign(column="folds." + said, how="span")
    columns = {"n_sessions": "n_rows", "session": "row_session", "first_reached": "cut"}
    return named.rename(columns=columns).to_dict("records")
