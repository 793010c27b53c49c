"""From files to predictions in one run, and what a second run may change: nothing."""

import shutil
from datetime import date

import dagster as dg
import duckdb
import numpy as np
import pytest

from asset_predict_dagster.market.sessions import session_after
from asset_predict_dagster.pipeline.tables import ASSET_TABLES
from asset_predict_dagster.tables import (
    CHAMPIONS,
    EVALUATION,
    FORECASTS_OUT_OF_SAMPLE,
    INGESTED_FILES,
    PREDICTIONS,
    RAW_QUOTES,
    WALK_FORWARD_SUMMARY,
)
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace, new_workplace

MADE = {name: table for name, table in ASSET_TABLES.items() if table != WALK_FORWARD_SUMMARY}
"""A walk-forward is run by itself."""


@pytest.fixture(scope="module")
def run_again(finished: Workplace, tmp_path_factory) -> Workplace:
    """A copy of the finished workplace in which the job has run a second time."""
    folder = tmp_path_factory.mktemp("again")
    shutil.copytree(finished.settings.data, folder / "data")
    place = new_workplace(folder)
    assert place.run("complete_pipeline").success
    return place


def test_every_table_is_made_and_published_under_its_own_name(finished: Workplace):
    with duckdb.connect(str(finished.settings.warehouse), read_only=True) as warehouse:
        published = dict(
            warehouse.execute(
                "SELECT table_name, estimated_size FROM duckdb_tables() WHERE schema_name = 'main'"
            ).fetchall()
        )
    assert published == {name: len(finished.lake.read(MADE[name])) for name in MADE}


def test_the_columns_of_the_published_tables_say_what_they_mean(finished: Workplace):
    with duckdb.connect(str(finished.settings.warehouse), read_only=True) as warehouse:
        uncommented = warehouse.execute(
            "SELECT table_name, column_name FROM duckdb_columns()"
            " WHERE schema_name = 'main' AND NOT internal AND comment IS NULL"
        ).fetchall()
    assert uncommented == []


def test_predictions_are_about_the_next_sessions_of_b3(finished: Workplace):
    predictions = finished.lake.read(PREDICTIONS)
    assert set(predictions["session"].dt.date) == {AS_OF}
    for horizon, rows in predictions.groupby("horizon"):
        assert set(rows["target_session"].dt.date) == {session_after(AS_OF, horizon)}
    told = predictions[predictions["reason"] == ""]
    assert told["ticker"].nunique() > 25
    assert set(told["model"]) == {"random_forest", "lstm"}


def test_the_models_stand_beside_the_naive_forecast(finished: Workplace):
    evaluation = finished.lake.read(EVALUATION)
    assert {"naive", "prior", "majority", "reversal"} <= set(evaluation["model"])
    of_models = evaluation[evaluation["model"].isin(["random_forest", "lstm"])]
    # It has no interval, its order no error, and of what it never says no share can be right.
    alone = {"interval_coverage", "interval_width", "rank_ic_t", "precision_buy", "precision_sell"}
    lacking = of_models.loc[of_models["naive_value"].isna(), "metric"]
    assert set(lacking) <= alone


def test_the_planted_skill_is_found_out_of_sample(finished: Workplace):
    evaluation = finished.lake.read(EVALUATION).set_index(["model", "horizon", "metric"])
    for model in ("random_forest", "lstm"):
        assert evaluation.loc[(model, 1, "rank_ic"), "low"] > 0.1


def test_no_forecast_out_of_sample_was_trained_on(finished: Workplace):
    forecasts = finished.lake.read(FORECASTS_OUT_OF_SAMPLE)
    folds = finished.lake.read(ASSET_TABLES["folds"])
    last_seen = folds.loc[folds["role"] == "validation", "session"].max()
    assert forecasts["session"].min() > last_seen


def test_every_write_tells_dagster_how_much_of_what_it_wrote(finished: Workplace):
    made = {
        key.to_user_string(): finished.instance.get_latest_materialization_event(key)
        for key in finished.instance.all_asset_keys()
    }
    assert set(MADE) < set(made)
    for name in MADE:
        metadata = made[name].asset_materialization.metadata
        assert {
            "dagster/row_count",
            "delta_version",
            "bytes",
            "preview",
            "dagster/column_schema",
        } <= set(metadata)


def test_who_serves_and_why_is_told_where_the_champions_are_shown(finished: Workplace):
    event = finished.instance.get_latest_materialization_event(dg.AssetKey(CHAMPIONS.name))
    champions = finished.lake.read(CHAMPIONS)
    assert len(champions) == 2
    for row in champions.itertuples():
        told = event.asset_materialization.metadata[row.model].value
        assert told == f"{row.candidate_version} {row.decision}: {row.reason}"


def test_no_blocking_check_failed(finished: Workplace):
    for key in finished.instance.event_log_storage.get_asset_check_summary_records(
        [
            check.key
            for definition in _checks()
            for check in definition.check_specs
            if check.asset_key.to_user_string() != WALK_FORWARD_SUMMARY.name
        ]
    ).values():
        assert key.last_check_execution_record.status.value == "SUCCEEDED"


def _checks() -> list[dg.AssetChecksDefinition]:
    from asset_predict_dagster.pipeline.checks import CHECKS

    return CHECKS


def test_models_as_they_come_are_trained_as_well(tmp_path):
    """The other tests have small ones; nobody has to write a run config."""
    place = new_workplace(tmp_path, models={}, as_of=date(2019, 12, 30))
    assert place.run("complete_pipeline").success
    told = place.lake.read(PREDICTIONS)
    assert set(told.loc[told["reason"] == "", "model"]) == {"random_forest", "lstm"}


def test_a_second_run_changes_no_table(finished: Workplace, run_again: Workplace):
    before, after = finished.contents(), run_again.contents()
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"model_health"}


def test_a_second_run_ingests_nothing_twice(finished: Workplace, run_again: Workplace):
    for table in (RAW_QUOTES, INGESTED_FILES):
        assert run_again.lake.version(table) == finished.lake.version(table)


def test_a_second_run_registers_no_second_version(run_again: Workplace):
    assert set(run_again.lake.read(ASSET_TABLES["champions"])["model_version"]) == {"1"}


def test_the_same_seed_gives_the_same_predictions_to_the_last_bit(
    finished: Workplace, tmp_path_factory
):
    elsewhere = new_workplace(tmp_path_factory.mktemp("elsewhere"))
    assert elsewhere.run("complete_pipeline").success
    numbers = [column.name for column in PREDICTIONS.columns if str(column.type) == "double"]
    here, there = (place.lake.read(PREDICTIONS) for place in (finished, elsewhere))
    assert np.array_equal(
        here[numbers].to_numpy().view(np.int64), there[numbers].to_numpy().view(np.int64)
    )
    assert elsewhere.contents() == {
        **finished.contents(),
        "model_health": elsewhere.contents()["model_health"],
    }
