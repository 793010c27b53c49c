"""Run records: what Dagster keeps of its runs, and which of it may go.

A run takes its events with it, and with them Dagster forgets that it made an asset. So what the UI
and the sensors still ask about stays, however old it is.
"""

import re
from collections.abc import Iterable, Set
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
from dagster._core.storage.dagster_run import FINISHED_STATUSES, RunRecord
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.tags import RUN_KEY_TAG

REMEMBERED = timedelta(days=30)
"""How long the keys of requests are kept at the least: they keep sensors from asking twice."""

_RUN_FILE = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.db(-wal|-shm|-journal)?")

COLUMNS = ["run_id", "job", "status", "created_at"]


def clean_up_runs(
    instance: dg.DagsterInstance,
    now: datetime,
    keep_for: timedelta,
    referenced: Set[str],
    *,
    dry_run: bool = False,
) -> pd.DataFrame:
    """Delete runs that ended and were created more than `keep_for` before `now`, with their logs.

    What stays: runs that are `referenced` by their id, the last successful run of each job, the run
    that last made each asset or partition, and for 30 days those that a schedule or a sensor asked
    for.

    Parameters
    ----------
    dry_run
        Say what would go and change nothing.

    Returns
    -------
    One row per run, the latest first: `run_id`, `job`, `status`, `created_at`.
    """
    before = now - keep_for
    ended = instance.get_run_records(
        dg.RunsFilter(statuses=FINISHED_STATUSES, created_before=before)
    )
    old = [record for record in ended if not _is_remembered(record, now)]
    needed = set(referenced)
    if old:
        jobs = {record.dagster_run.job_name for record in old}
        needed |= _last_successes(instance, jobs) | _last_makers(instance)
    unneeded = [record for record in old if record.dagster_run.run_id not in needed]
    if not dry_run:
        for record in unneeded:
            _delete(instance, record.dagster_run.run_id)
        _remove_files_of_nobody(instance)
    return pd.DataFrame(
        [
            {
                "run_id": record.dagster_run.run_id,
                "job": record.dagster_run.job_name,
                "status": record.dagster_run.status.value,
                "created_at": record.create_timestamp,
            }
            for record in unneeded
        ],
        columns=COLUMNS,
    )


def _is_remembered(record: RunRecord, now: datetime) -> bool:
    asked_for = RUN_KEY_TAG in record.dagster_run.tags
    return asked_for and now - record.create_timestamp <= REMEMBERED


def _last_successes(instance: dg.DagsterInstance, jobs: Iterable[str]) -> set[str]:
    found = set()
    for job in jobs:
        succeeded = dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS])
        found |= {run.run_id for run in instance.get_runs(succeeded, limit=1)}
    return found


def _last_makers(instance: dg.DagsterInstance) -> set[str]:
    """The runs by which the UI knows when an asset, and each of its partitions, was last made."""
    found = set()
    for key in instance.all_asset_keys():
        for partition in (None, *instance.get_materialized_partitions(key)):
            asked = dg.AssetRecordsFilter(key, asset_partitions=[partition] if partition else None)
            made = instance.fetch_materializations(asked, limit=1).records
            found |= {record.run_id for record in made}
    return found


def _delete(instance: dg.DagsterInstance, run_id: str) -> None:
    """What it printed first, its record last: one that was half deleted is found again."""
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    instance.event_log_storage.delete_events(run_id)
    instance.delete_run(run_id)


def _remove_files_of_nobody(instance: dg.DagsterInstance) -> None:
    """SQLite keeps the events of each run in a file, which stays when they are deleted."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        return
    for path in list(Path(storage.path_for_shard("any")).parent.iterdir()):
        match = _RUN_FILE.fullmatch(path.name)
        # A run is recorded before it has events.
        if match is not None and not instance.has_run(match[1]):
            path.unlink(missing_ok=True)
