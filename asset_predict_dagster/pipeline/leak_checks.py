"""Checks that nothing looks ahead: the leak detector on a sample, in seconds, at every run.

The sample is drawn anew for each last session of the quotes, and the same whenever that one is
checked again. `asset-predict leaks` tests the whole history.
"""

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.another_future import up_to
from asset_predict_dagster.dataset.chain import (
    RECORD_COLUMNS,
    STAGES,
    Chain,
    Tables,
    listed_events,
)
from asset_predict_dagster.dataset.label_leaks import find_fold_leaks
from asset_predict_dagster.dataset.leak_audit import Audit, audit, draw_sample
from asset_predict_dagster.dataset.leaks import as_leaks
from asset_predict_dagster.dataset.scaling_leaks import unequal_scalings
from asset_predict_dagster.dataset.served_windows import unequal_served_windows
from asset_predict_dagster.dataset.stored_tables import STORED, unequal_stored_rows
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.lstm_settings import LstmSettings
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Papers
from asset_predict_dagster.pipeline.verdicts import verdict
from asset_predict_dagster.predictions.served_samples import served_samples
from asset_predict_dagster.tables import CORPORATE_ACTIONS, FOLDS, LABELS, RAW_QUOTES, RENAMES

N_CUTS = 2
"""Sessions that each of two stretches of the history is parted at."""


@dg.asset_check(asset="features", blocking=True)
def features_do_not_look_ahead(
    lake: LakeTables, papers: Papers, clock: Clock
) -> dg.AssetCheckResult:
    """No value up to t, from the quotes to the model's input, knows of a session after t.

    Recomputed from B3's records up to t, and with other ones after t, on two stretches of the
    history: the latest and one drawn. A history too short to be cut is a warning.
    """
    return _audited(lake.open(), papers, clock, "known")


@dg.asset_check(asset="features", blocking=True)
def features_are_what_the_records_make(lake: LakeTables, papers: Papers) -> dg.AssetCheckResult:
    """Quotes, universe and features are, in all rows and to the bit, what B3's records make.

    What is found of the recomputed tables is then true of the stored ones.
    """
    return _stored_anew(lake.open(), papers, [*STAGES])


@dg.asset_check(asset="features", blocking=True)
def served_rows_are_training_rows(lake: LakeTables) -> dg.AssetCheckResult:
    """What models are served of the last session is what they would learn from, to the bit.

    The windows of a prediction, from the recent rows, beside those of a training, from all of
    them and with labels. Before anything is predicted: a prediction is never taken back.
    """
    tables = _stored(lake.open(), [*STAGES])
    made = Tables(**tables)
    lstm = LstmSettings()
    served = served_samples(made.features, made.universe, lstm.lookback)
    unequal = unequal_served_windows(served, made.samples, lstm.lookback, lstm.longest_gap)
    return verdict(as_leaks(unequal))


@dg.asset_check(asset="labels", blocking=True)
def labels_look_only_ahead(lake: LakeTables, papers: Papers, clock: Clock) -> dg.AssetCheckResult:
    """No label is decided by what is known at t, or changes after its span; no feature is one.

    On the same two stretches.
    """
    return _audited(lake.open(), papers, clock, "labels")


@dg.asset_check(asset="labels", blocking=True)
def labels_are_what_the_records_make(lake: LakeTables, papers: Papers) -> dg.AssetCheckResult:
    """The labels are, in all rows and to the bit, what B3's records make."""
    return _stored_anew(lake.open(), papers, [LABELS.name])


@dg.asset_check(asset="folds", blocking=True)
def labels_end_before_the_next_role(lake: LakeTables, folds: pd.DataFrame) -> dg.AssetCheckResult:
    """No label of one role looks at a session of another, by the labels' own spans."""
    return verdict(find_fold_leaks(folds, lake.open().read(LABELS, ["session", "span_end"])))


@dg.asset_check(asset="scalings", blocking=True)
def scalings_know_their_training_alone(
    lake: LakeTables, scalings: pd.DataFrame
) -> dg.AssetCheckResult:
    """A scaling is what the data make it as of the end of its window's training, to the bit."""
    opened = lake.open()
    folds, tables = opened.read(FOLDS), _stored(opened, [*STAGES])

    def as_of(day: pd.Timestamp) -> Tables:
        return Tables(**{name: up_to(table, day) for name, table in tables.items()})

    last = tables["features"]["session"].max()
    return verdict(as_leaks(unequal_scalings(scalings, folds, as_of, last)))


LEAK_CHECKS = [
    features_do_not_look_ahead,
    features_are_what_the_records_make,
    served_rows_are_training_rows,
    labels_look_only_ahead,
    labels_are_what_the_records_make,
    labels_end_before_the_next_role,
    scalings_know_their_training_alone,
]


def _audited(lake: Lake, papers: Papers, clock: Clock, what: str) -> dg.AssetCheckResult:
    records = lake.read(RAW_QUOTES, RECORD_COLUMNS)
    records = up_to(records, pd.Timestamp(clock.last_session()))
    seed = int(f"{records['session'].max():%Y%m%d}")
    samples = [draw_sample(records, N_CUTS, seed, latest=latest) for latest in (True, False)]
    chain = _chain(lake, papers)
    audits = [audit(chain, rows, cuts, [what]) for rows, cuts in samples if cuts]
    return verdict_of(audits) if audits else _untested(records)


def verdict_of(audits: list[Audit]) -> dg.AssetCheckResult:
    """Passed if nothing was found, and something was compared at every stage."""
    result = verdict(pd.concat([one.leaks for one in audits], ignore_index=True))
    tested = pd.concat([one.tested for one in audits]).groupby("stage", sort=False)
    counts = tested[["n_cuts", "n_cut_rows", "n_values"]].sum()
    counts.insert(0, "n_columns", tested["n_columns"].max())
    cuts = [f"{cut:%Y-%m-%d}" for one in audits for cut in one.cuts]
    return dg.AssetCheckResult(
        passed=result.passed and bool((counts["n_values"] > 0).all()),
        severity=result.severity,
        metadata={
            **result.metadata,
            "tested": dg.MetadataValue.md(counts.to_markdown()),
            "cuts": ", ".join(cuts),
        },
    )


def _untested(records: pd.DataFrame) -> dg.AssetCheckResult:
    found = records["session"].nunique()
    return dg.AssetCheckResult(
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "untested": f"expected two sessions or more, one to cut at and one after it; found"
            f" {found}, so nothing was tested: use a longer history"
        },
    )


def _stored_anew(lake: Lake, papers: Papers, names: list[str]) -> dg.AssetCheckResult:
    stored = _stored(lake, names)
    last = max(table["session"].max() for table in stored.values())
    records = up_to(lake.read(RAW_QUOTES, RECORD_COLUMNS), last)
    made = _chain(lake, papers).tables(records)
    return verdict(as_leaks(unequal_stored_rows(stored, lambda _: made)))


def _stored(lake: Lake, names: list[str]) -> dict[str, pd.DataFrame]:
    return {name: lake.read(STORED[name]) for name in names}


def _chain(lake: Lake, papers: Papers) -> Chain:
    listed = listed_events(lake.read(CORPORATE_ACTIONS))
    return Chain(listed, lake.read(RENAMES), papers.asset_classes)
