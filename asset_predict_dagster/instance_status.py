"""What Dagster knows of its own doing: runs under way, the last run of each job, the last ticks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState, TickStatus
from dagster._core.storage.dagster_run import FINISHED_STATUSES, RunRecord

from asset_predict_dagster.executions import opened_instance
from asset_predict_dagster.pipeline.alerts import why_failed
from asset_predict_dagster.pipeline.jobs import JOBS
from asset_predict_dagster.pipeline.unfinished import ABANDONED_AFTER, UNFINISHED

ALIVE_FOR = timedelta(minutes=3)
"""Dagster's daemon tells every half minute that it is there."""


@dataclass(frozen=True)
class RunSeen:
    """One run. `error` is its sentence, and empty unless it failed; `ended_at` is None as long as
    it has not."""

    run_id: str
    job: str
    status: str
    begun_at: datetime
    ended_at: datetime | None = None
    error: str = ""

    @property
    def is_lost(self) -> bool:
        """It began so long ago, and has not ended, that its process is gone."""
        return self.ended_at is None and datetime.now(UTC) - self.begun_at > ABANDONED_AFTER


@dataclass(frozen=True)
class Tick:
    """The last look of a schedule or a sensor: what it did, and why if nothing."""

    name: str
    is_on: bool
    at: datetime | None
    did: str
    said: str


@dataclass(frozen=True)
class Seen:
    """What an instance tells. `is_kept`: it is the one of DAGSTER_HOME; without, nothing is known.

    `is_daemon_alive`: somebody looks at schedules, sensors and the queue.
    """

    is_kept: bool
    is_daemon_alive: bool
    unfinished: tuple[RunSeen, ...]
    last: tuple[RunSeen, ...]
    ticks: tuple[Tick, ...]


def look_at_instance() -> Seen:
    """What the Dagster instance of DAGSTER_HOME tells; nothing changes.

    Raises
    ------
    SettingsError
        If DAGSTER_HOME names no folder.
    """
    instance, is_kept = opened_instance()
    with instance:
        if not is_kept:
            return Seen(False, False, (), (), ())
        unfinished = instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED))
        last = [
            _seen(instance, record)
            for job in JOBS
            for record in instance.get_run_records(
                dg.RunsFilter(job_name=job.name, statuses=FINISHED_STATUSES), limit=1
            )
        ]
        return Seen(
            is_kept=True,
            is_daemon_alive=_is_daemon_alive(instance),
            unfinished=tuple(_seen(instance, record) for record in unfinished),
            last=tuple(sorted(last, key=lambda run: run.begun_at, reverse=True)),
            ticks=tuple(_ticks(instance, instance.all_instigator_state())),
        )


def _seen(instance: dg.DagsterInstance, record: RunRecord) -> RunSeen:
    run = record.dagster_run
    begun = record.start_time or record.create_timestamp.timestamp()
    return RunSeen(
        run_id=run.run_id,
        job=run.job_name,
        status=run.status.value,
        begun_at=datetime.fromtimestamp(begun, UTC),
        ended_at=datetime.fromtimestamp(record.end_time, UTC) if record.end_time else None,
        error=_error(instance, run) if run.status == dg.DagsterRunStatus.FAILURE else "",
    )


def _error(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    failed = instance.get_records_for_run(
        run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1
    ).records
    event = failed[0].event_log_entry.dagster_event if failed else None
    if event is None:
        return "no step of it failed: its process ended before it did"
    return f"{event.step_key}: {' '.join(why_failed(event).split())}"


def _is_daemon_alive(instance: dg.DagsterInstance) -> bool:
    beats = instance.get_daemon_heartbeats().values()
    newest = max((beat.timestamp for beat in beats), default=0.0)
    return datetime.now(UTC).timestamp() - newest < ALIVE_FOR.total_seconds()


def _ticks(instance: dg.DagsterInstance, states: Iterable[InstigatorState]) -> list[Tick]:
    found = []
    for state in sorted(states, key=lambda state: state.instigator_name):
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        tick = ticks[0] if ticks else None
        did, said = "has not looked yet", ""
        if tick is not None:
            asked = tick.status == TickStatus.SUCCESS
            did = "asked for a run" if asked else tick.status.value.lower()
            said = (tick.error.message if tick.error else tick.skip_reason) or ""
        found.append(
            Tick(
                name=state.instigator_name,
                is_on=state.is_running,
                at=datetime.fromtimestamp(tick.timestamp, UTC) if tick else None,
                did=did,
                said=" ".join(said.split()),
            )
        )
    return found
