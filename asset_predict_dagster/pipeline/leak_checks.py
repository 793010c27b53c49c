"""Checks that nothing looks ahead: the leak detector on a sample, in seconds, at every run.

The sample is drawn anew for each last session of the quotes, and the same whenever that one is
checked again. `asset-predict leaks` tests the whole history.
"""

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.chain import RECORD_COLUMNS, Chain
from asset_predict_dagster.dataset.features import FEATURE_NAMES
from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.dataset.label_leaks import find_fold_leaks
from asset_predict_dagster.dataset.leak_audit import (
    audit,
    draw_sample,
    listed_events,
    unequal_served_rows,
)
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Papers
from asset_predict_dagster.pipeline.verdicts import verdict
from asset_predict_dagster.tables import CORPORATE_ACTIONS, LABELS, RAW_QUOTES, RENAMES, UNIVERSE

N_CUTS = 2
"""Sessions that each of two stretches of the history is parted at."""


@dg.asset_check(asset="features", blocking=True)
def features_do_not_look_ahead(
    lake: LakeTables, papers: Papers, clock: Clock
) -> dg.AssetCheckResult:
    """No value up to t, from the quotes to the model's input, knows of a session after t.

    Recomputed from B3's records up to t, and with other ones after t, on two stretches of the
    history: the latest and one drawn.
    """
    return _audited(lake.open(), papers, clock, "known")


@dg.asset_check(asset="labels", blocking=True)
def labels_look_only_ahead(lake: LakeTables, papers: Papers, clock: Clock) -> dg.AssetCheckResult:
    """No label is decided by what is known at t, or changes after its span; no feature is one.

    On the same two stretches.
    """
    return _audited(lake.open(), papers, clock, "labels")


@dg.asset_check(asset="folds", blocking=True)
def labels_end_before_the_next_role(lake: LakeTables, folds: pd.DataFrame) -> dg.AssetCheckResult:
    """No label of one role looks at a session of another, by the labels' own spans."""
    return verdict(find_fold_leaks(folds, lake.open().read(LABELS, ["session", "span_end"])))


@dg.asset_check(asset="predictions", blocking=True)
def served_rows_are_training_rows(lake: LakeTables, papers: Papers) -> dg.AssetCheckResult:
    """The last session's row of the model's input, made anew from B3's records, is in `features`.

    To the bit: what a model is served is what it will learn from.
    """
    tables = lake.open()
    unequal = unequal_served_rows(
        _chain(tables, papers),
        tables.read(RAW_QUOTES, RECORD_COLUMNS),
        tables.read(CORPORATE_ACTIONS),
        tables.read(FEATURES, [*FEATURES.key, *FEATURE_NAMES]),
        tables.read(UNIVERSE),
    )
    return verdict(unequal)


LEAK_CHECKS = [
    features_do_not_look_ahead,
    labels_look_only_ahead,
    labels_end_before_the_next_role,
    served_rows_are_training_rows,
]


def _audited(lake: Lake, papers: Papers, clock: Clock, what: str) -> dg.AssetCheckResult:
    records = lake.read(RAW_QUOTES, RECORD_COLUMNS)
    last = pd.Timestamp(clock.last_session())
    records = records[records["session"] <= last]
    seed = int(f"{records['session'].max():%Y%m%d}")
    samples = [draw_sample(records, N_CUTS, seed, latest=latest) for latest in (True, False)]
    chain = _chain(lake, papers)
    audits = [audit(chain, rows, cuts, [what]) for rows, cuts in samples]
    result = verdict(pd.concat([one.leaks for one in audits], ignore_index=True))
    tested = pd.concat([one.tested for one in audits]).groupby("stage", sort=False)
    counts = tested.agg(n_columns=("n_columns", "max"), n_values=("n_values", "sum"))
    cuts = [f"{cut:%Y-%m-%d}" for _, drawn in samples for cut in drawn]
    return dg.AssetCheckResult(
        passed=result.passed,
        severity=result.severity,
        metadata={
            **result.metadata,
            "tested": dg.MetadataValue.md(counts.to_markdown()),
            "cuts": ", ".join(cuts),
        },
    )


def _chain(lake: Lake, papers: Papers) -> Chain:
    listed = listed_events(lake.read(CORPORATE_ACTIONS))
    return Chain(listed, lake.read(RENAMES), papers.asset_classes)
