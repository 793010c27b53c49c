"""Runs: what Dagster has run last, for who asks how a training or a pipeline is getting on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

RunStatus = Literal["idle", "running", "completed", "failed"]

TRAINING_JOBS = ("retrain", "complete_pipeline")
PIPELINE_JOBS = ("complete_pipeline",)

_ENDED: dict[str, RunStatus] = {"SUCCESS": "completed", "FAILURE": "failed", "CANCELED": "failed"}
"""Every other word of Dagster's means that the run has not come to its end."""


class RunsUnreachable(Exception):
    """Dagster's storage does not answer."""


@dataclass(frozen=True)
class RunSeen:
    """One run. `error` is one sentence, without anything internal; None unless it failed."""

    run_id: str
    job: str
    status: RunStatus
    error: str | None = None


class Runs(Protocol):
    """Where runs are seen."""

    def latest(self, jobs: Sequence[str] = ()) -> RunSeen | None:
        """The run that was asked for last, of some jobs or of any; None if there was none.

        It may wait for a storage: call it in a thread.

        Raises
        ------
        RunsUnreachable
            If the storage does not answer.
        """
        ...


class InstanceRuns:
    """The runs of the Dagster instance of DAGSTER_HOME; without one there are none."""

    def __init__(self) -> None:
        self._instance: Any = None

    def latest(self, jobs: Sequence[str] = ()) -> RunSeen | None:
        """See `Runs`."""
        from dagster import RunsFilter
        from dagster._core.errors import DagsterHomeNotSetError

        try:
            instance = self._opened()
            filters = [RunsFilter(job_name=job) for job in jobs] or [RunsFilter()]
            found = [r for one in filters for r in instance.get_run_records(one, limit=1)]
            if not found:
                return None
            run = max(found, key=lambda record: record.create_timestamp).dagster_run
            status = _ENDED.get(run.status.value, "running")
            error = _why(instance, run) if status == "failed" else None
        except DagsterHomeNotSetError:
            return None
        except Exception as error:  # a stranger's storage: SQLite's, Postgres', a broken yaml
            raise RunsUnreachable(type(error).__name__) from error
        return RunSeen(run.run_id, run.job_name, status, error)

    def _opened(self) -> Any:
        from dagster import DagsterInstance

        if self._instance is None:
            self._instance = DagsterInstance.get()
        return self._instance


def _why(instance: Any, run: Any) -> str:
    """Which step failed. Its own words may quote paths, so they stay in Dagster's UI."""
    from dagster import DagsterEventType

    if run.status.value == "CANCELED":
        return f"the run {run.run_id} of {run.job_name} was cancelled"
    failed = instance.get_records_for_run(
        run.run_id, of_type=DagsterEventType.STEP_FAILURE, limit=1
    ).records
    step = failed[0].event_log_entry.step_key if failed else None
    where = f"the step {step} failed" if step else "it failed"
    return f"{where}; the run {run.run_id} of {run.job_name} says why in Dagster's UI"
