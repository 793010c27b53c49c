"""Sensors of the daily life: files that land are read, and what a pause left out is made good."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import dagster as dg

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import opens_at, session_after
from asset_predict_dagster.market.sources import Source
from asset_predict_dagster.pipeline.daily_runs import (
    SAO_PAULO,
    session_in_turn,
    tags_of,
    tries_for,
    why_not,
)
from asset_predict_dagster.pipeline.folder_watch import (
    Memory,
    enumerated,
    marks_of,
    memory_of,
    split_by_content,
    unchanged_since,
)
from asset_predict_dagster.pipeline.jobs import complete_pipeline, daily_prediction
from asset_predict_dagster.pipeline.resources import Clock, LakeTables
from asset_predict_dagster.pipeline.schedules import is_near_a_tick
from asset_predict_dagster.pipeline.unfinished import unfinished_run
from asset_predict_dagster.tables import CHAMPIONS, INGESTED_FILES

FILES_TAG = "asset_predict/files"
NEW_FILES, CATCH_UP = "new_market_files", "catch_up_predictions"

FIRST_PAUSE = timedelta(minutes=40)
"""After a try that failed: longer than the schedule waits between its ticks."""

_MINUTE = 60
_READING_JOBS = (daily_prediction.name, complete_pipeline.name)
_ITS_TURN = "daily_prediction_schedule ticks at this moment"


def catch_up_predictions(hour: int) -> dg.SensorDefinition:
    """The sensor `catch_up_predictions`: what the schedule at `hour` missed or failed to do."""

    @dg.sensor(
        name=CATCH_UP,
        job=daily_prediction,
        minimum_interval_seconds=5 * _MINUTE,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Requests `daily_prediction` when the hour of a session has passed and it is"
        " not predicted: after a pause of Dagster, and after a run that failed.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, lake: LakeTables, clock: Clock
    ) -> dg.RunRequest | dg.SkipReason:
        now = clock.now()
        if is_near_a_tick(now, hour):
            return dg.SkipReason(_ITS_TURN)
        session = session_in_turn(clock.last_session(), now, hour)
        why = why_not(lake.open(), context.instance, session, now) or _waits(
            context.instance, session, now
        )
        if why:
            return dg.SkipReason(why)
        return dg.RunRequest(
            run_key=f"catch-up-{session}-{now:%Y-%m-%dT%H:%M}",
            tags=tags_of(CATCH_UP, now, session),
        )

    return sensor


def _waits(instance: dg.DagsterInstance, session: date, now: datetime) -> str:
    """Why nothing is asked for the session yet; empty if it is.

    The pause after a failure doubles with each try of this sensor that failed: 40 minutes, then 80,
    160, ... A session that stays the last one for four days is tried eight times.
    """
    tries = tries_for(instance, session)
    if not tries:
        return ""
    last, opening = tries[-1], opens_at(session_after(session))
    if not last.is_finished:
        n_failed = sum(one.by == CATCH_UP and not one.is_finished for one in tries)
        again = last.at + FIRST_PAUSE * 2 ** max(n_failed - 1, 0)
        return (
            f"the run asked for {session} at {_told(last.at)} failed: again at {_told(again)}"
            if now < again
            else ""
        )
    if now < opening:
        return f"the quotes of {session} have not come: they are awaited until {_told(opening)}"
    if last.at >= opening:
        return (
            f"the run asked for {session} at {_told(last.at)} came to its end and predicted"
            " nothing: model_health says what is missing"
        )
    return ""


def _told(at: datetime) -> str:
    return f"{at.astimezone(SAO_PAULO):%Y-%m-%d %H:%M}"


def new_market_files(hour: int, before_the_hour: Sequence[dg.AssetKey]) -> dg.SensorDefinition:
    """The sensor `new_market_files` on the source's landing folder.

    Parameters
    ----------
    hour
        Of the next morning, when the last closed session is predicted.
    before_the_hour
        What is made of a file that comes earlier, or while no model serves.
    """

    @dg.sensor(
        name=NEW_FILES,
        job=daily_prediction,
        minimum_interval_seconds=_MINUTE,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Requests `daily_prediction` when a market file is new or was replaced; up to"
        " the features, if it is not yet time to predict.",
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        lake: LakeTables,
        market: dg.ResourceParam[Source],
        clock: Clock,
    ) -> dg.RunRequest | dg.SkipReason:
        files = market.files()
        if files is None:
            return dg.SkipReason("the source is a database: no files land")
        marks, tables, now = marks_of(files), lake.open(), clock.now()
        if context.cursor:
            before = memory_of(context.cursor)
        else:
            # What lies there already, and was read under that name, is nothing new.
            before = Memory(known=frozenset(marks[n] for n in _read(tables).keys() & marks.keys()))
        memory = before.look(marks)
        context.update_cursor(memory.cursor())
        running = unfinished_run(context.instance, _READING_JOBS)
        if running:
            why = f"{running.job_name} {running.run_id} is not finished"
            return dg.SkipReason(f"{why}; {memory.told()}")
        if is_near_a_tick(now, hour):
            return dg.SkipReason(f"{_ITS_TURN}; {memory.told()}")

        memory = memory.after_run(_newest_run(context.instance, [dg.DagsterRunStatus.SUCCESS]))
        landed = unchanged_since(before, memory)
        held, lacked = split_by_content(landed, files, _read(tables) if landed else {})
        due = sorted([*lacked, *memory.due_again(now)])
        memory = memory.knows(held).asks(due, now, _newest_run(context.instance))
        context.update_cursor(memory.cursor())
        if not due:
            return dg.SkipReason(memory.told())
        session = clock.last_session()
        predicts = session_in_turn(session, now, hour) == session and tables.exists(CHAMPIONS)
        return dg.RunRequest(
            run_key=memory.key_of(due),
            tags=tags_of(NEW_FILES, now, session if predicts else None)
            | {FILES_TAG: enumerated(due)},
            asset_selection=None if predicts else before_the_hour,
        )

    return sensor


def _read(lake: Lake) -> dict[str, str]:
    """Name → digest of each file that the lake holds whole."""
    files = lake.read_if_made(INGESTED_FILES)
    if files is None:
        return {}
    files = files[files["digest"].notna()]
    return dict(zip(files["file"], files["digest"], strict=True))


def _newest_run(instance: dg.DagsterInstance, statuses: Sequence[dg.DagsterRunStatus] = ()) -> int:
    """The number, which grows, of the newest run that reads files; 0 if there is none."""
    newest = [
        record.storage_id
        for job in _READING_JOBS
        for record in instance.get_run_records(
            dg.RunsFilter(job_name=job, statuses=statuses), limit=1
        )
    ]
    return max(newest, default=0)
