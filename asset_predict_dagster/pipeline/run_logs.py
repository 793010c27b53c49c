"""Run logs: what a Dagster run tells, in the log of the process that executes it.

Dagster's own ways reach some runs only: a logger runs where the run config names it, and handlers
of `dagster.yaml` are of that one instance. Every event is stored by the instance, and it tells
whoever listens.
"""

import logging

import dagster as dg
from dagster._core.events.log import EventLogEntry

from asset_predict_dagster.logs import log_of_this_process

_heard: set[str] = set()


def log_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Let all that the run tells from now on in this process be logged, if logs are on.

    Calling it again for the same run changes nothing.
    """
    if run_id not in _heard and log_of_this_process() is not None:
        _heard.add(run_id)
        instance.add_event_listener(run_id, _log)


def _log(entry: EventLogEntry) -> None:
    log = log_of_this_process()
    if log is not None:
        log.handle(record_of(entry))


def record_of(entry: EventLogEntry) -> logging.LogRecord:
    """An event of Dagster as a record of Python's logging, with its run, step and error."""
    event = entry.dagster_event
    level = entry.level if isinstance(entry.level, int) else logging.getLevelName(entry.level)
    return logging.makeLogRecord(
        {
            "name": "dagster",
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "msg": entry.user_message,
            "created": entry.timestamp,
            "run_id": entry.run_id,
            "job": entry.job_name,
            "step": entry.step_key,
            "event": event.event_type_value if event is not None else None,
            "exc_text": _trace(entry),
        }
    )


def _trace(entry: EventLogEntry) -> str | None:
    event = entry.dagster_event
    told_by = entry if event is None else event.event_specific_data
    error = getattr(told_by, "error_info" if event is None else "error", None)
    return None if error is None else error.to_string()
