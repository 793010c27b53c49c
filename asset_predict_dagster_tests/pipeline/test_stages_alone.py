"""Each stage can be materialised by itself, as a person does in the UI."""

import shutil

import dagster as dg
import pytest

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster_tests.pipeline.conftest import Workplace, new_workplace

FILES = ("raw_quotes", "ingested_files", "ingested_sessions", "rejected_records")
STAGES = (
    "renames",
    "corporate_actions",
    "quotes",
    "universe",
    "features",
    "labels",
    "folds",
    "scalings",
    "random_forest_model",
    "lstm_model",
    "forecasts_out_of_sample",
    "evaluation",
    "evaluation_report",
    "champions",
    "predictions",
    "outcomes",
    "model_health",
    "warehouse",
)


@pytest.fixture(scope="module")
def place(finished: Workplace, tmp_path_factory) -> Workplace:
    folder = tmp_path_factory.mktemp("alone")
    shutil.copytree(finished.settings.data, folder / "data")
    return new_workplace(folder)


@pytest.mark.parametrize("stage", [FILES, *((s,) for s in STAGES)])
def test_a_stage_runs_on_what_the_earlier_ones_left(place: Workplace, stage: tuple[str, ...]):
    before = place.contents()
    job = build_definitions(place.settings).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=place.instance, asset_selection=[_key(name) for name in stage]
    )
    assert result.success
    after = place.contents()
    assert {name for name in before if before[name] != after[name]} <= {"model_health"}


def _key(name: str) -> dg.AssetKey:
    return dg.AssetKey(name)


@pytest.mark.parametrize(
    # The others need no table: files, whatever there is to publish, and health of no champion.
    "stage",
    [name for name in STAGES if name not in ("renames", "warehouse", "model_health")],
)
def test_a_stage_without_the_earlier_ones_says_which_is_missing(tmp_path, stage: str):
    place = new_workplace(tmp_path)
    job = build_definitions(place.settings).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=place.instance, asset_selection=[_key(stage)], raise_on_error=False
    )
    (failure,) = result.get_step_failure_events()
    assert "has not been made yet" in failure.step_failure_data.error.message
