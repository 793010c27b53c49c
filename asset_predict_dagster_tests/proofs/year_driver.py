"""Drives the schedules and sensors of a code location through simulated time, as the daemon does.

At each moment schedules and sensors are asked first, and then the queue moves on: a request made
at one moment waits until the next, where everybody sees it queued before it runs. Dagster's rules
are kept: a run key is remembered for ever, of several missed ticks of a schedule the last one
counts, a sensor's cursor is what it left.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._utils.schedules import schedule_execution_time_iterator

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.pipeline.daily_runs import SAO_PAULO
from asset_predict_dagster.pipeline.resources import Clock
from asset_predict_dagster.predictions.heeded_checks import OF_ABSENCE
from asset_predict_dagster.settings import Settings

RUN_KEY, SENSOR, SCHEDULE = "dagster/run_key", "dagster/sensor_name", "dagster/schedule_name"

LOCATION = RemoteRepositoryOrigin(
    RegisteredCodeLocationOrigin("asset_predict_dagster"), "__repository__"
)
"""Dagster wants to know of a queued run where its code is."""

FOR_PEOPLE = {"warehouse", "evaluation_report"}
"""Assets that nothing else reads. With the checks they are more than half of a day's work: each
job's first run of a month makes them, the others do not."""


class SimulatedClock(Clock):
    """The time that a file says: runs and sensors are given copies of a resource."""

    file: str

    def now(self) -> datetime:
        return datetime.fromisoformat(Path(self.file).read_text())

    def set(self, now: datetime) -> None:
        beside = Path(f"{self.file}.next")
        beside.write_text(now.astimezone(UTC).isoformat())
        os.replace(beside, self.file)


@dataclass
class Run:
    """A request that became a run: when, by whom, of what, and how it ended (None: it waits)."""

    run_id: str
    job: dg.JobDefinition
    asked_by: str
    asked_at: datetime
    tags: Mapping[str, str]
    chosen: list[dg.AssetKey] | None
    config: Mapping[str, Any]
    ran_at: datetime | None = None
    is_success: bool | None = None
    failure: str = ""
    failed_checks: tuple[str, ...] = ()


@dataclass
class Daemon:
    """What Dagster's daemon does for one workplace, at the moments that it is told.

    Attributes
    ----------
    settings, models
        As for any workplace: where everything is, and what the run config says of each model.
    runs
        Every run that was asked for, in order.
    skipped
        Schedule or sensor → what it said last when it asked for nothing.
    """

    settings: Settings
    instance: dg.DagsterInstance
    clock: SimulatedClock
    models: Mapping[str, dict[str, Any]]
    runs: list[Run] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    _cursors: dict[str, str | None] = field(default_factory=dict)
    _months_made_whole: set[tuple[str, str]] = field(default_factory=set)
    _asked_until: datetime | None = None

    def __post_init__(self) -> None:
        whole = build_definitions(self.settings, clock=self.clock)
        self._resources = whole.resources or {}
        self._whole = whole.get_repository_def()
        self._lean = lean(whole).get_repository_def()

    @property
    def waiting(self) -> list[Run]:
        """What is queued, the first one first."""
        return [run for run in self.runs if run.is_success is None]

    def ticks(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """When a schedule ticks and is looked at, in no order."""
        for schedule in self._whole.schedule_defs:
            for tick in _ticks(schedule, first, last):
                if not is_left_out(schedule, tick):
                    yield tick

    def look(self, now: datetime, *, at_sensors: bool) -> list[Run]:
        """One moment: who is to be asked is asked, then the queue runs; what has run."""
        self.clock.set(now)
        queued = self.waiting
        for schedule in self._whole.schedule_defs:
            missed = _ticks(schedule, self._asked_until or now, now)
            if missed and not is_left_out(schedule, missed[-1]):
                self._ask_schedule(schedule, missed[-1], now)
        self._asked_until = now + timedelta(seconds=1)
        for sensor in self._whole.sensor_defs if at_sensors else ():
            # One that follows runs looks for those of a deployed location; these are of none.
            if not isinstance(sensor, dg.RunStatusSensorDefinition):
                self._ask_sensor(sensor, now)
        for run in queued:
            self._execute(run, now)
        return queued

    def run_by_hand(self, job: str, now: datetime) -> Run:
        """What a person starts."""
        self.clock.set(now)
        run = self._queue(job, "a person", now, dg.RunRequest(), {})
        self._execute(run, now)
        return run

    def _ask_schedule(self, schedule: dg.ScheduleDefinition, tick: datetime, now: datetime) -> None:
        with dg.build_schedule_context(
            instance=self.instance,
            scheduled_execution_time=tick,
            resources=self._resources_of(schedule),
            repository_def=self._whole,
        ) as context:
            # It would open the instance anew, from its address, at each of 5,000 ticks.
            context._instance = self.instance
            answer = schedule.evaluate_tick(context)
        self._take(schedule.name, SCHEDULE, schedule.job_name, answer, now)

    def _ask_sensor(self, sensor: dg.SensorDefinition, now: datetime) -> None:
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self._cursors.get(sensor.name),
            sensor_name=sensor.name,
            resources=self._resources_of(sensor),
            repository_def=self._whole,
        ) as context:
            answer = sensor.evaluate_tick(context)
        self._cursors[sensor.name] = answer.cursor
        self._take(sensor.name, SENSOR, sensor.job_name, answer, now)

    def _resources_of(self, asked: dg.ScheduleDefinition | dg.SensorDefinition) -> dict[str, Any]:
        return {name: self._resources[name] for name in asked.required_resource_keys}

    def _take(self, name: str, kind: str, job: str, answer: Any, now: datetime) -> None:
        """Put what was asked for into the queue, unless its key was asked for before."""
        self.skipped[name] = answer.skip_message or ""
        for request in answer.run_requests or ():
            tags = {kind: name, **({RUN_KEY: request.run_key} if request.run_key else {})}
            if request.run_key and self.instance.get_runs(dg.RunsFilter(tags=tags)):
                self.skipped[name] = f"{request.run_key} was asked for before"
            else:
                self._queue(request.job_name or job, name, now, request, tags)

    def _queue(
        self, job: str, asked_by: str, now: datetime, request: dg.RunRequest, tags: dict[str, str]
    ) -> Run:
        """A place in the queue that others can see."""
        month = (job, f"{now:%Y-%m}")
        repository = self._lean if month in self._months_made_whole else self._whole
        self._months_made_whole.add(month)
        definition = repository.get_job(job)
        made = definition.asset_layer.executable_asset_keys if definition.asset_layer else set()
        chosen = sorted(made & set(request.asset_selection)) if request.asset_selection else None
        steps = {key.to_user_string() for key in chosen or made}
        knobs = {f"{model}_model": {"config": said} for model, said in self.models.items()}
        ops = {step: knobs[step] for step in sorted(knobs.keys() & steps)}
        queued = self.instance.add_run(
            dg.DagsterRun(
                job_name=job,
                status=dg.DagsterRunStatus.QUEUED,
                tags={**definition.run_tags, **request.tags, **tags},
                asset_selection=frozenset(chosen) if chosen else None,
                remote_job_origin=RemoteJobOrigin(LOCATION, job),
            )
        )
        config = {**request.run_config, **({"ops": ops} if ops else {})}
        run = Run(queued.run_id, definition, asked_by, now, queued.tags, chosen, config)
        self.runs.append(run)
        return run

    def _execute(self, run: Run, now: datetime) -> None:
        # Its place in the queue becomes the run itself, under the same id.
        self.instance.delete_run(run.run_id)
        result = run.job.execute_in_process(
            instance=self.instance,
            run_id=run.run_id,
            tags=dict(run.tags),
            run_config=run.config,
            asset_selection=run.chosen,
            raise_on_error=False,
        )
        run.ran_at, run.is_success = now, result.success
        run.failure = "; ".join(map(_failure, result.get_step_failure_events()))
        run.failed_checks = tuple(
            each.check_name
            for each in result.get_asset_check_evaluations()
            if not each.passed
            and each.severity == dg.AssetCheckSeverity.ERROR
            and each.check_name not in OF_ABSENCE
        )


def lean(definitions: dg.Definitions) -> dg.Definitions:
    """The same jobs without what is for people, and without checks."""
    return dg.Definitions(
        assets=[asset for asset in definitions.assets or () if not _names(asset) & FOR_PEOPLE],
        jobs=definitions.jobs,
        executor=definitions.executor,
        resources=definitions.resources,
        loggers=definitions.loggers,
    )


def is_left_out(schedule: dg.ScheduleDefinition, tick: datetime) -> bool:
    """Ticks that are not looked at, to save hours.

    Housekeeping is asked for on the first Sunday of a month only: what is stored bears the time of
    the machine, so that none of it is ever old, and all is kept and looked at, more each week. Of
    the night those from four to nine o'clock are asked on the tenth, the twentieth and the
    thirtieth only.
    """
    if schedule.job_name == "housekeeping":
        return tick.day > 7
    return 4 <= tick.astimezone(SAO_PAULO).hour <= 9 and tick.day % 10 > 0


def _names(asset: Any) -> set[str]:
    return {key.to_user_string() for key in asset.keys}


def _ticks(schedule: dg.ScheduleDefinition, first: datetime, last: datetime) -> list[datetime]:
    """Those of a schedule from `first` to `last`, both included."""
    found = []
    for tick in schedule_execution_time_iterator(
        first.timestamp(), schedule.cron_schedule, schedule.execution_timezone
    ):
        if tick > last:
            break
        found.append(tick)
    return found


def _failure(event: dg.DagsterEvent) -> str:
    """Which step failed, and the sentence it said."""
    data = event.step_failure_data
    of_ours, error = data.user_failure_data, data.error
    said = (of_ours and of_ours.description) or (error and error.message) or ""
    return f"{event.step_key}: {said}".strip()
