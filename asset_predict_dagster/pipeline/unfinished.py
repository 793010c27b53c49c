"""Unfinished runs: nothing is asked for while the same is queued or under way."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import dagster as dg

ABANDONED_AFTER = timedelta(hours=4)
"""A run unfinished for so long has lost its process: nothing here takes hours."""

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

    None if there is none. One that was made longer than `ABANDONED_AFTER` ago does not count.
    """
    # Runs are stamped by the machine's clock, whatever session it is made to believe in.
    alive = dg.RunsFilter(statuses=UNFINISHED, created_after=datetime.now(UTC) - ABANDONED_AFTER)
    keys = {dg.AssetKey(name) for name in assets}
    for record in instance.get_run_records(alive):
        run = record.dagster_run
        if run.job_name in jobs or keys & (run.asset_selection or set()):
            return run
    return None
