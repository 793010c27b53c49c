"""Unfinished runs: nothing is asked for while the same is queued or under way."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import dagster as dg

ABANDONED_AFTER = timedelta(hours=4)
"""A run that began so long ago and has not ended has lost its process: nothing here takes hours."""

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def unfinished_run(
    instance: dg.DagsterInstance, jobs: Collection[str], assets: Collection[str] = ()
) -> dg.DagsterRun | None:
    """The newest unfinished run of one of `jobs`, or that was told to make one of `assets`.

    None if there is none. One that began longer than `ABANDONED_AFTER` ago does not count; one that
    waits in the queue does, however long.
    """
    # Runs are stamped by the machine's clock, whatever session it is made to believe in.
    abandoned = (datetime.now(UTC) - ABANDONED_AFTER).timestamp()
    keys = {dg.AssetKey(name) for name in assets}
    for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED)):
        run = record.dagster_run
        begun = record.start_time or record.create_timestamp.timestamp()
        if begun < abandoned and run.status != dg.DagsterRunStatus.QUEUED:
            continue
        if run.job_name in jobs or keys & (run.asset_selection or set()):
            return run
    return None
