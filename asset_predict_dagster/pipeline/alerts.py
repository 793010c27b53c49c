"""Alerts: a run that failed, or lacked prices, is told in one log line and to a channel if any."""

import http.client
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from socket import SHUT_RDWR
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
from pydantic import SecretStr

from asset_predict_dagster.errors import AlertError
from asset_predict_dagster.pipeline.raw import market_records

TIMEOUT = 5.0
"""Seconds that a channel may take to be reached, and again to answer."""

_MINUTE = 60


@dataclass(frozen=True)
class AlertChannel:
    """An address that takes a JSON message by HTTP POST; without one nothing is sent.

    A plain object and no `ConfigurableResource`: Dagster shows the configuration of those in its
    UI, and the address holds a token.
    """

    address: SecretStr | None = None
    timeout: float = TIMEOUT

    def send(self, message: Mapping[str, Any]) -> None:
        """Send it, to this address alone: a redirection is not followed.

        Raises
        ------
        AlertError
            If there is no answer of the 200s within the timeout. It does not tell the address.
        """
        if self.address is None:
            return
        try:
            status = self._post(self.address.get_secret_value(), json.dumps(message).encode())
        except (OSError, ValueError, http.client.HTTPException) as error:
            # The message of an error may repeat the address.
            raise AlertError(f"no answer ({type(error).__name__})") from None
        if not 200 <= status < 300:
            raise AlertError(f"it answers {status}")

    def _post(self, address: str, body: bytes) -> int:
        # The standard library's: `requests` would log the address and follow redirections.
        to = urlsplit(address)
        kind = http.client.HTTPSConnection if to.scheme == "https" else http.client.HTTPConnection
        connection = kind(to.hostname or "", to.port, timeout=self.timeout)
        path = (to.path or "/") + (f"?{to.query}" if to.query else "")
        # The timeout is of each read: one that answers a byte at a time would never be done.
        too_long = Timer(2 * self.timeout, _hang_up, [connection])
        too_long.start()
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            return connection.getresponse().status
        finally:
            too_long.cancel()
            connection.close()


def _hang_up(connection: http.client.HTTPConnection) -> None:
    with suppress(OSError):  # it has ended by itself
        if connection.sock is not None:
            connection.sock.shutdown(SHUT_RDWR)


@dg.run_failure_sensor(
    name="alert_on_failure",
    minimum_interval_seconds=_MINUTE,
    default_status=dg.DefaultSensorStatus.RUNNING,
    # A run that was typed (`dagster job execute`) belongs to no code location for Dagster.
    monitor_all_code_locations=True,
    description="Tells of every run that failed: a line in its log, and a message to"
    " ASSET_PREDICT_ALERT_WEBHOOK if that is set.",
)
def alert_on_failure(
    context: dg.RunFailureSensorContext, alerts: dg.ResourceParam[AlertChannel]
) -> None:
    """A channel that is dead fails neither the run nor this sensor: the log says so."""
    _tell(context, alerts, failure_message(context))


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    name="alert_on_missing_prices",
    minimum_interval_seconds=_MINUTE,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells, as alert_on_failure does, of every run that came to its end without prices"
    " that it should have had: the source was down, or a market file was refused.",
)
def alert_on_missing_prices(
    context: dg.RunStatusSensorContext, alerts: dg.ResourceParam[AlertChannel]
) -> None:
    """One message for each check of `market_records` that failed in the run."""
    for entry in context.instance.all_logs(
        context.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ):
        check = entry.get_dagster_event().asset_check_evaluation_data
        if not check.passed and check.asset_check_key in market_records.check_keys:
            said = " ".join(str(one.value) for one in check.metadata.values())
            _tell(context, alerts, _message(context, check.check_name, said))


def _tell(
    context: dg.RunStatusSensorContext, alerts: AlertChannel, told: Mapping[str, Any]
) -> None:
    context.log.error(f"{told['job']} {told['run_id']} failed at {told['step']}: {told['error']}")
    try:
        alerts.send(told)
    except AlertError as error:
        context.log.warning(f"the alert of {told['run_id']} was not delivered: {error}")


def failure_message(context: dg.RunFailureSensorContext) -> dict[str, Any]:
    """What is told of a failed run: job, run_id, error, step, tags, time.

    `error` is the sentence that the first failed step ended with, and of a defect what was raised;
    `step` is empty where no step failed (the process was killed, say). `time` is when the run
    ended, UTC, in ISO 8601. Tags that Dagster hides are left out.
    """
    step, error = "", context.failure_event.message or "it did not say why"
    for event in context.get_step_failure_events()[:1]:
        step, error = event.step_key or "", _why(event)
    return _message(context, step, error)


def _message(context: dg.RunStatusSensorContext, step: str, error: str) -> dict[str, Any]:
    run = context.dagster_run
    record = context.instance.get_run_record_by_id(run.run_id)
    ended = record.end_time if record is not None else None
    return {
        "job": run.job_name,
        "run_id": run.run_id,
        "error": " ".join(error.split()),
        "step": step,
        "tags": {name: said for name, said in run.tags.items() if not name.startswith(".")},
        "time": None if ended is None else datetime.fromtimestamp(ended, UTC).isoformat(),
    }


def _why(event: dg.DagsterEvent) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return failure.user_failure_data.description
    if failure.error is None:
        return event.message or "it did not say why"
    # Dagster wraps what was raised in an error of its own.
    return (failure.error.cause or failure.error).message
