"""At every run Dagster holds the tables to it: nothing looks ahead, what is served is learned."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster.dataset import chain, features
from asset_predict_dagster.dataset.chain import RECORD_COLUMNS, Chain, listed_events
from asset_predict_dagster.dataset.labels import SPAN
from asset_predict_dagster.dataset.leak_audit import Audit, draw_sample
from asset_predict_dagster.dataset.leaks import as_leaks
from asset_predict_dagster.dataset.same_bits import align, differences
from asset_predict_dagster.dataset.samples import build_samples
from asset_predict_dagster.dataset.scaling import fit_scalings
from asset_predict_dagster.dataset.splits import temporal_split, usable_sessions
from asset_predict_dagster.dataset.stored_tables import STORED
from asset_predict_dagster.pipeline.leak_checks import (
    LEAK_CHECKS,
    N_CUTS,
    features_are_what_the_records_make,
    features_do_not_look_ahead,
    labels_are_what_the_records_make,
    labels_end_before_the_next_role,
    labels_look_only_ahead,
    scalings_know_their_training_alone,
    served_rows_are_training_rows,
    verdict_of,
)
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Papers
from asset_predict_dagster.predictions import served_samples
from asset_predict_dagster.tables import (
    CORPORATE_ACTIONS,
    FOLDS,
    LABELS,
    QUOTES,
    RAW_QUOTES,
    RENAMES,
    SCALINGS,
    UNIVERSE,
)
from asset_predict_dagster_tests.pipeline.conftest import Workplace, new_workplace

LAST = date(2019, 12, 30)
UP_TO_FOLDS = (
    *("raw_quotes", "ingested_files", "ingested_sessions", "rejected_records"),
    *("renames", "corporate_actions", "quotes", "universe", "features", "labels", "folds"),
    "scalings",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Workplace, dg.ExecuteInProcessResult]:
    """Every stage that needs no model, two simulated years, with all checks."""
    place = new_workplace(tmp_path_factory.mktemp("leaks"), as_of=LAST)
    return place, place.materialise(*UP_TO_FOLDS)


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
    for spec in (spec for check in LEAK_CHECKS for spec in check.check_specs):
        assert evaluations[spec.name].passed, evaluations[spec.name].metadata
    for name in ("features_do_not_look_ahead", "labels_look_only_ahead"):
        metadata = evaluations[name].metadata
        stage = "input" if name.startswith("features") else "labels"
        assert f"| {stage} " in metadata["tested"].md_str
        assert len(metadata["cuts"].text.split(", ")) == 4


def test_each_of_them_stops_what_follows_and_serving_is_tested_before_it_predicts():
    specs = {spec.name: spec for check in LEAK_CHECKS for spec in check.check_specs}
    assert all(spec.blocking for spec in specs.values())
    assert {name: spec.asset_key.to_user_string() for name, spec in specs.items()} == {
        "features_do_not_look_ahead": "features",
        "features_are_what_the_records_make": "features",
        "served_rows_are_training_rows": "features",
        "labels_look_only_ahead": "labels",
        "labels_are_what_the_records_make": "labels",
        "labels_end_before_the_next_role": "folds",
        "scalings_know_their_training_alone": "scalings",
    }


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


def drawn_cuts(place: Workplace, *, latest: bool) -> list[pd.Timestamp]:
    """Where the checks cut one of their two stretches."""
    records = place.lake.read(RAW_QUOTES, RECORD_COLUMNS)
    return draw_sample(records, N_CUTS, int(f"{LAST:%Y%m%d}"), latest=latest)[1]


@pytest.mark.parametrize("latest", [True, False], ids=["the latest", "the drawn"])
@pytest.mark.parametrize("what", ["features", "labels"])
def test_a_leak_that_only_one_of_the_stretches_touches_is_named(
    place: Workplace, monkeypatch, what, latest
):
    """On the sessions where that one is cut, and the other is not, a value is tomorrow's."""
    here, there = (set(drawn_cuts(place, latest=one)) for one in (latest, not latest))
    days = sorted(here - there)
    assert days
    honest = features.compute_features if what == "features" else chain.compute_labels
    column = "rsi_14" if what == "features" else "signal_cluster"

    def leaky(*tables):
        table = honest(*tables)
        tomorrow = table.groupby("ticker")[column].shift(-1)
        return table.assign(**{column: table[column].mask(table["session"].isin(days), tomorrow)})

    if what == "features":
        monkeypatch.setattr(features, "compute_features", leaky)
        result = checked(features_do_not_look_ahead, place, **as_of(LAST))
    else:
        monkeypatch.setattr(chain, "compute_labels", leaky)
        result = checked(labels_look_only_ahead, place, **as_of(LAST))
    assert not result.passed
    assert f"{what}.{column}" in offending(result)
    # The metadata name the cuts of both stretches.
    told = str(result.metadata["cuts"])
    assert all(f"{day:%Y-%m-%d}" in told for day in here | there)


@pytest.mark.parametrize("check", [features_do_not_look_ahead, labels_look_only_ahead])
def test_a_history_of_one_session_is_said_to_be_untested(place: Workplace, tmp_path, check):
    lake = LakeTables(root=str(tmp_path)).open()
    for table in (CORPORATE_ACTIONS, RENAMES):
        lake.write(table, place.lake.read(table))
    records = place.lake.read(RAW_QUOTES)
    lake.write(RAW_QUOTES, records[records["session"] == records["session"].min()])
    result = check(
        lake=LakeTables(root=str(tmp_path)), papers=Papers(asset_classes=["stock"]), **as_of(LAST)
    )
    assert not result.passed
    # It stops nobody who has just begun.
    assert result.severity == dg.AssetCheckSeverity.WARN
    assert "found 1, so nothing was tested" in str(result.metadata["untested"])


def test_a_stage_of_which_nothing_was_compared_has_not_passed():
    stages = pd.DataFrame({"stage": ["quotes", "features"], "n_columns": 3, "n_cuts": 1})
    some = stages.assign(n_cut_rows=2, n_values=6)
    none = some.assign(n_values=[6, 0])
    cuts = [pd.Timestamp(LAST)]
    assert verdict_of([Audit(cuts, some, as_leaks([]))]).passed
    assert not verdict_of([Audit(cuts, none, as_leaks([]))]).passed


def altered(place: Workplace, folder, **tables: pd.DataFrame) -> LakeTables:
    """A copy of the lake in which somebody has changed some tables."""
    root = folder / "lake"
    shutil.copytree(place.settings.lake_root, root)
    lake = LakeTables(root=str(root))
    for name, table in tables.items():
        lake.open().write(STORED.get(name, SCALINGS), table)
    return lake


def of_tomorrow_but_for_the_last_session(table: pd.DataFrame, column: str) -> pd.DataFrame:
    tomorrow = table.groupby("ticker")[column].shift(-1)
    return table.assign(**{column: tomorrow.where(tomorrow.notna(), table[column])})


def test_stored_features_that_were_tampered_with_are_named(place: Workplace, tmp_path):
    table = of_tomorrow_but_for_the_last_session(place.lake.read(features.TABLE), "rsi_14")
    lake = altered(place, tmp_path, features=table)
    papers = Papers(asset_classes=list(place.settings.asset_classes))
    result = features_are_what_the_records_make(lake=lake, papers=papers)
    assert not result.passed
    assert "stored.features.rsi_14" in offending(result)
    assert "stored.features.macd" not in offending(result)


def test_a_stored_universe_of_survivors_is_named(place: Workplace, tmp_path):
    table = place.lake.read(UNIVERSE)
    survivors = table.assign(in_universe=table.groupby("ticker")["in_universe"].transform("last"))
    lake = altered(place, tmp_path, universe=survivors)
    papers = Papers(asset_classes=list(place.settings.asset_classes))
    result = features_are_what_the_records_make(lake=lake, papers=papers)
    assert not result.passed
    assert "stored.universe.in_universe" in offending(result)


def test_stored_labels_made_of_today_are_named(place: Workplace, tmp_path):
    today = place.lake.read(features.TABLE)["rsi_14"]
    table = place.lake.read(LABELS)
    action = pd.Series(np.where(today > 50, "buy", "sell"), dtype="str")
    lake = altered(
        place, tmp_path, labels=table.assign(action=action.where(table["action"].notna()))
    )
    papers = Papers(asset_classes=list(place.settings.asset_classes))
    result = labels_are_what_the_records_make(lake=lake, papers=papers)
    assert not result.passed
    assert "stored.labels.action" in offending(result)


def test_a_scaling_fitted_on_everything_is_named(place: Workplace):
    lake = place.lake
    samples = build_samples(lake.read(features.TABLE), lake.read(UNIVERSE), lake.read(LABELS))
    of_all = fit_scalings(samples, lake.read(FOLDS).assign(role="train"))
    tables = LakeTables(root=place.settings.lake_root)
    assert scalings_know_their_training_alone(lake=tables, scalings=lake.read(SCALINGS)).passed
    result = scalings_know_their_training_alone(lake=tables, scalings=of_all)
    assert not result.passed
    assert "scalings.holdout.centre" in offending(result)


def test_serving_that_mixes_up_the_features_is_named(place: Workplace, monkeypatch):
    """What is tested is what a prediction goes through."""
    lake = LakeTables(root=place.settings.lake_root)
    assert served_rows_are_training_rows(lake=lake).passed
    honest = served_samples.build_samples

    def mixed_up(*tables):
        samples = honest(*tables)
        return replace(samples, features=np.roll(samples.features, 1, axis=1))

    monkeypatch.setattr(served_samples, "build_samples", mixed_up)
    result = served_rows_are_training_rows(lake=lake)
    assert not result.passed
    assert "served.rsi_14" in offending(result)


def test_a_table_of_features_that_is_behind_its_quotes_is_named(place: Workplace, tmp_path):
    """As if the features had been made before a corrected file was read."""
    lake = altered(place, tmp_path)
    records = place.lake.read(RAW_QUOTES)
    is_last = records["session"] == pd.Timestamp(LAST)
    liquid = place.lake.read(UNIVERSE).query("session == @LAST and in_universe")["ticker"].iloc[0]
    prices = ["open", "high", "low", "average", "close"]
    records.loc[is_last & (records["ticker"] == liquid), prices] *= 2
    lake.open().write(RAW_QUOTES, records)
    papers = Papers(asset_classes=list(place.settings.asset_classes))
    result = features_are_what_the_records_make(lake=lake, papers=papers)
    assert not result.passed
    assert "stored.features.log_return_1d" in offending(result)
    assert "2019-12-30" in offending(result)
