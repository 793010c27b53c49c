"""At every run Dagster holds the tables to it: nothing looks ahead, what is served is learned."""

from collections.abc import Callable
from datetime import date

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset import chain, features
from asset_predict_dagster.dataset.chain import RECORD_COLUMNS, Chain
from asset_predict_dagster.dataset.labels import SPAN
from asset_predict_dagster.dataset.leak_audit import listed_events
from asset_predict_dagster.dataset.same_bits import align, differences
from asset_predict_dagster.dataset.splits import temporal_split, usable_sessions
from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.pipeline.leak_checks import (
    LEAK_CHECKS,
    features_do_not_look_ahead,
    labels_end_before_the_next_role,
    labels_look_only_ahead,
    served_rows_are_training_rows,
)
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Papers
from asset_predict_dagster.tables import (
    CORPORATE_ACTIONS,
    FOLDS,
    LABELS,
    QUOTES,
    RAW_QUOTES,
    RENAMES,
    UNIVERSE,
)
from asset_predict_dagster_tests.pipeline.conftest import Workplace, new_workplace

LAST = date(2019, 12, 30)
UP_TO_FOLDS = (
    *("raw_quotes", "ingested_files", "ingested_sessions", "rejected_records"),
    *("renames", "corporate_actions", "quotes", "universe", "features", "labels", "folds"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Workplace, dg.ExecuteInProcessResult]:
    """Every stage that needs no model, two simulated years, with all checks."""
    place = new_workplace(tmp_path_factory.mktemp("leaks"), as_of=LAST)
    job = build_definitions(place.settings).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=place.instance, asset_selection=[dg.AssetKey(name) for name in UP_TO_FOLDS]
    )
    return place, result


@pytest.fixture(scope="module")
def place(run) -> Workplace:
    return run[0]


def checked(check: Callable, place: Workplace, **inputs) -> dg.AssetCheckResult:
    papers = Papers(asset_classes=list(place.settings.asset_classes))
    lake = LakeTables(root=place.settings.lake_root)
    return check(lake=lake, papers=papers, **inputs)


def as_of(day: date) -> dict[str, Clock]:
    return {"clock": Clock(as_of=str(day))}


def offending(result: dg.AssetCheckResult) -> str:
    shown = result.metadata["offending"]
    assert isinstance(shown, dg.MarkdownMetadataValue)
    return str(shown.md_str)


def test_in_a_run_they_pass_and_say_what_they_tested(run):
    evaluations = {one.check_name: one for one in run[1].get_asset_check_evaluations()}
    for name in (
        "features_do_not_look_ahead",
        "labels_look_only_ahead",
        "labels_end_before_the_next_role",
    ):
        assert evaluations[name].passed, evaluations[name].metadata
    metadata = evaluations["features_do_not_look_ahead"].metadata
    assert "| input " in metadata["tested"].md_str
    assert len(metadata["cuts"].text.split(", ")) == 4


def test_each_of_them_stops_what_follows():
    specs = [spec for check in LEAK_CHECKS for spec in check.check_specs]
    assert len(specs) == 4
    assert all(spec.blocking for spec in specs)


def test_the_chain_they_test_is_the_one_the_pipeline_runs(place: Workplace):
    """Its tables are those in the lake, to the bit."""
    lake = place.lake
    records = lake.read(RAW_QUOTES, RECORD_COLUMNS)
    listed = listed_events(lake.read(CORPORATE_ACTIONS))
    made = Chain(listed, lake.read(RENAMES), place.settings.asset_classes).tables(records)
    for table in (QUOTES, UNIVERSE, features.TABLE, LABELS):
        sides = align(lake.read(table), getattr(made, table.name), table.key)
        assert differences(sides, table.column_names, table.key) == []


def test_the_next_session_brings_other_cuts(place: Workplace):
    def cuts(day: date) -> str:
        result = checked(features_do_not_look_ahead, place, **as_of(day))
        return str(result.metadata["cuts"])

    assert cuts(date(2019, 12, 27)) != cuts(LAST)


def test_a_feature_that_looks_ahead_is_named(place: Workplace, monkeypatch):
    honest = features.compute_features

    def centred(quotes, universe):
        table = honest(quotes, universe)
        means = table.groupby("ticker")["rsi_14"].rolling(3, center=True).mean()
        return table.assign(rsi_14=means.to_numpy())

    monkeypatch.setattr(features, "compute_features", centred)
    result = checked(features_do_not_look_ahead, place, **as_of(LAST))
    assert not result.passed
    assert "features.rsi_14" in offending(result)
    assert "input.rsi_14" in offending(result)
    assert "macd" not in offending(result)


def test_a_label_that_is_a_function_of_today_is_named(place: Workplace, monkeypatch):
    honest = chain.compute_labels

    def of_today(quotes, universe, table):
        rank = table["rank_log_return_1d"].to_numpy(dtype=np.float64)
        return honest(quotes, universe, table).assign(return_rank_1d=rank)

    monkeypatch.setattr(chain, "compute_labels", of_today)
    result = checked(labels_look_only_ahead, place, **as_of(LAST))
    assert not result.passed
    assert "labels.return_rank_1d" in offending(result)
    assert "known_at_t" in offending(result)
    assert "labels.return_rank_2d" not in offending(result)


def test_a_purge_one_session_too_short_is_named(place: Workplace):
    sessions = usable_sessions(place.lake.read(LABELS), place.lake.read(UNIVERSE))
    lake = LakeTables(root=place.settings.lake_root)
    enough = temporal_split(sessions, span=SPAN, embargo=0)
    assert labels_end_before_the_next_role(lake=lake, folds=enough).passed
    short = temporal_split(sessions, span=SPAN - 1, embargo=0)
    result = labels_end_before_the_next_role(lake=lake, folds=short)
    assert not result.passed
    assert "train" in offending(result)


def test_the_served_row_is_the_row_of_training(place: Workplace):
    assert checked(served_rows_are_training_rows, place).passed


def test_a_table_of_features_that_is_behind_its_quotes_is_named(place: Workplace, tmp_path):
    """As if the features had been made before a corrected file was read."""
    lake, other = place.lake, LakeTables(root=str(tmp_path)).open()
    for table in (CORPORATE_ACTIONS, RENAMES, UNIVERSE, features.TABLE, FOLDS):
        other.write(table, lake.read(table))
    records = lake.read(RAW_QUOTES)
    is_last = records["session"] == pd.Timestamp(LAST)
    liquid = lake.read(UNIVERSE).query("session == @LAST and in_universe")["ticker"].iloc[0]
    prices = ["open", "high", "low", "average", "close"]
    records.loc[is_last & (records["ticker"] == liquid), prices] *= 2
    other.write(RAW_QUOTES, records)
    papers = Papers(asset_classes=list(place.settings.asset_classes))
    result = served_rows_are_training_rows(lake=LakeTables(root=str(tmp_path)), papers=papers)
    assert not result.passed
    assert "input.log_return_1d" in offending(result)
    assert "2019-12-30" in offending(result)
