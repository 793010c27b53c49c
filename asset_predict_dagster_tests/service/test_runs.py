"""A run is running until Dagster says how it ended; a failure names its step, not the inside."""

import dagster as dg
import pytest

from asset_predict_dagster.service.runs import InstanceRuns, RunSeen, RunsUnreachable


@dg.op
def quiet_step() -> None: ...


@dg.op
def broken_step() -> None:
    raise ValueError("secret at /home/somebody/data")


@dg.job
def complete_pipeline() -> None:
    quiet_step()


@dg.job
def retrain() -> None:
    broken_step()


@pytest.fixture
def instance(tmp_path, monkeypatch) -> dg.DagsterInstance:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return dg.DagsterInstance.get()


def test_without_a_home_there_are_no_runs(monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert InstanceRuns().latest() is None


def test_a_home_that_cannot_be_opened_is_unreachable(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("nonsense: [\n")
    with pytest.raises(RunsUnreachable):
        InstanceRuns().latest()


def test_the_run_asked_for_last_is_told(instance):
    runs = InstanceRuns()
    assert runs.latest() is None
    done = complete_pipeline.execute_in_process(instance=instance)
    assert runs.latest() == RunSeen(done.run_id, "complete_pipeline", "completed")
    assert runs.latest(("retrain",)) is None
    failed = retrain.execute_in_process(instance=instance, raise_on_error=False)
    found = runs.latest(("retrain", "complete_pipeline"))
    assert found is not None
    assert (found.run_id, found.status) == (failed.run_id, "failed")
    assert found.error is not None
    assert "broken_step" in found.error
    assert "secret" not in found.error
    assert runs.latest(("complete_pipeline",)) == RunSeen(
        done.run_id, "complete_pipeline", "completed"
    )
    again = complete_pipeline.execute_in_process(instance=instance)
    last = runs.latest(("retrain", "complete_pipeline"))
    assert last == RunSeen(again.run_id, "complete_pipeline", "completed")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (dg.DagsterRunStatus.STARTING, "running"),
        (dg.DagsterRunStatus.STARTED, "running"),
        (dg.DagsterRunStatus.CANCELING, "running"),
        (dg.DagsterRunStatus.CANCELED, "failed"),
    ],
)
def test_a_run_that_has_not_ended_is_running(instance, status, said):
    run = dg.DagsterRun(job_name="retrain", status=status)
    instance.add_run(run)
    found = InstanceRuns().latest()
    assert found is not None
    assert (found.run_id, found.status) == (run.run_id, said)
    assert (found.error is None) == (said == "running")
