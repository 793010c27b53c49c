"""Old runs go with all that they left, but for those that somebody still asks about."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from dagster._core.storage.tags import RUN_KEY_TAG

from asset_predict_dagster.pipeline.run_records import clean_up_runs

MONTH = timedelta(days=30)


@dg.op
def works(context: dg.OpExecutionContext) -> None:
    print("it works")


@dg.op
def fails() -> None:
    raise RuntimeError("it fails")


@dg.job
def daily():
    works()


@dg.job
def broken():
    fails()


@dg.asset
def made_whole() -> int:
    return 1


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["2023H1", "2023H2"]))
def made_in_parts() -> int:
    return 1


@pytest.fixture
def instance(tmp_path) -> Iterator[dg.DagsterInstance]:
    overrides = {"telemetry": {"enabled": False}}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as instance:
        yield instance


def run(instance: dg.DagsterInstance, job: dg.JobDefinition, **tags: str) -> str:
    result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    return result.run_id


def make(instance: dg.DagsterInstance, asset: dg.AssetsDefinition, partition: str = "") -> str:
    return dg.materialize([asset], instance=instance, partition_key=partition or None).run_id


def left(instance: dg.DagsterInstance) -> set[str]:
    return set(instance.get_run_ids())


def later(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def cleaned(instance: dg.DagsterInstance, days: int = 31, keep=MONTH, **options) -> pd.DataFrame:
    options = {"referenced": set(), **options}
    return clean_up_runs(instance, later(days), keep, **options)


def test_of_each_job_the_last_success_stays_and_what_failed_goes(instance):
    first, last, failed = run(instance, daily), run(instance, daily), run(instance, broken)
    assert cleaned(instance, days=29).empty
    found = cleaned(instance)
    assert left(instance) == {last}
    assert found["run_id"].tolist() == [failed, first]
    assert found["job"].tolist() == ["broken", "daily"]
    assert found["status"].tolist() == ["FAILURE", "SUCCESS"]
    assert cleaned(instance).empty


def test_a_dry_run_says_the_same_and_deletes_nothing(instance):
    runs = {run(instance, daily) for _ in range(3)}
    said = cleaned(instance, dry_run=True)
    assert left(instance) == runs
    pd.testing.assert_frame_equal(cleaned(instance), said)


def test_its_events_and_what_it_printed_go_with_a_run(instance):
    run_id = run(instance, daily)
    run(instance, daily)
    home = Path(instance.root_directory)

    def files() -> list[Path]:
        return [path for path in home.rglob("*") if run_id in str(path)]

    printed = [path for path in files() if path.suffix == ".out"]
    assert [path.read_text() for path in printed] == ["it works\n"]
    assert instance.all_logs(run_id)
    cleaned(instance)
    assert files() == []
    assert instance.get_run_by_id(run_id) is None


def test_files_of_events_that_belong_to_no_run_go(instance):
    """What a clean-up left that was killed after it had deleted the record."""
    run_id = run(instance, daily)
    run(instance, daily)
    instance.delete_run(run_id)
    home = Path(instance.root_directory)
    assert [path.name for path in home.rglob(f"{run_id}.db")] == [f"{run_id}.db"]
    cleaned(instance)
    assert list(home.rglob(f"{run_id}.db")) == []


def test_runs_that_kept_models_name_stay(instance):
    runs = [run(instance, daily) for _ in range(3)]
    cleaned(instance, referenced={runs[0]})
    assert left(instance) == {runs[0], runs[2]}


def test_the_ui_still_knows_when_each_asset_and_partition_was_last_made(instance):
    whole = [make(instance, made_whole) for _ in range(2)]
    parts = [make(instance, made_in_parts, name) for name in ("2023H1", "2023H1", "2023H2")]
    last = make(instance, made_whole)
    cleaned(instance)
    assert left(instance) == {parts[1], parts[2], last}
    assert not left(instance) & set(whole)
    materialised = instance.get_latest_materialization_event(dg.AssetKey("made_whole"))
    assert materialised is not None
    assert materialised.run_id == last
    assert instance.get_materialized_partitions(dg.AssetKey("made_in_parts")) == {
        "2023H1",
        "2023H2",
    }


def test_a_run_that_has_not_ended_stays(instance):
    waiting = instance.create_run_for_job(daily).run_id
    started = instance.create_run_for_job(daily, status=dg.DagsterRunStatus.STARTED).run_id
    cleaned(instance, days=1000)
    assert left(instance) == {waiting, started}


def test_what_a_sensor_asked_for_is_remembered_for_a_month_however_short_runs_are_kept(instance):
    """Its key is what keeps the sensor from asking again."""
    asked = run(instance, daily, **{RUN_KEY_TAG: "session-2024-01-05"})
    typed, last = run(instance, daily), run(instance, daily)
    cleaned(instance, days=29, keep=timedelta(days=1))
    assert left(instance) == {asked, last}
    assert typed not in left(instance)
    cleaned(instance, days=31, keep=timedelta(days=1))
    assert left(instance) == {last}


def test_an_instance_without_runs_has_nothing_to_clean(instance):
    found = cleaned(instance)
    assert found.empty
    assert list(found) == ["run_id", "job", "status", "created_at"]
