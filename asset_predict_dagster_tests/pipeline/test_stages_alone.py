"""Each stage can be materialised by itself, as a person does in the UI."""

import shutil

import pytest

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
    "drift",
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
    assert place.materialise(*stage).success
    after = place.contents()
    assert {name for name in before if before[name] != after[name]} <= {"model_health"}


@pytest.fixture(scope="module")
def nothing(tmp_path_factory) -> Workplace:
    """A workplace in which nothing has run."""
    return new_workplace(tmp_path_factory.mktemp("nothing"))


@pytest.mark.parametrize(
    # The others need no table: files, whatever there is to publish, and health of no champion.
    "stage",
    [name for name in STAGES if name not in ("renames", "warehouse", "model_health")],
)
def test_a_stage_without_the_earlier_ones_says_which_is_missing(nothing: Workplace, stage: str):
    (failure,) = nothing.materialise(stage).get_step_failure_events()
    assert "has not been made yet" in failure.step_failure_data.error.message
    assert set(nothing.versions().values()) == {None}
