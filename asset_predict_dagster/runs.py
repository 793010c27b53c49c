"""Runs: a job of the code location, run to its end in this process.

For who cannot wait for a daemon: the command line. Dagster keeps the run like any other.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterHomeNotSetError

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.errors import AssetPredictError, SettingsError
from asset_predict_dagster.pipeline.backtests import backtest, backtested_windows
from asset_predict_dagster.pipeline.housekeeping import (
    WAITS,
    Cleaned,
    House,
    Limits,
    housekeeping,
    housekept,
    keep_house,
)
from asset_predict_dagster.pipeline.moves import move_champion, moved_champion
from asset_predict_dagster.pipeline.resources import Progress
from asset_predict_dagster.registry.decisions import LoggedDecision
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.settings import Settings

__all__ = [
    "WAITS",
    "Cleaned",
    "Limits",
    "Moved",
    "Ran",
    "look_for_unneeded",
    "run_backtest",
    "run_housekeeping",
    "run_move",
]

# What is said is said by the caller.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Ran:
    """A run that succeeded: what it told, its id, and whether Dagster's UI can show it.

    A backtest tells `Told`, a housekeeping `Cleaned`.
    """

    told: Any
    run_id: str
    is_kept: bool


@dataclass(frozen=True)
class Moved:
    """A champion that was moved: the decision as it was logged, its run, and whether Dagster's UI
    can show that."""

    decision: LoggedDecision
    run_id: str
    is_kept: bool


class _Listening(Progress):
    """Passes on what it is told, and keeps the end."""

    def __init__(self, progress: Progress):
        self.progress = progress
        self.told: Any = None

    def begin(self, n_windows: int) -> None:
        self.progress.begin(n_windows)

    def advance(self, window: str) -> None:
        self.progress.advance(window)

    def finish(self, told: Any) -> None:
        self.told = told
        self.progress.finish(told)


def run_backtest(settings: Settings, config: dict[str, Any], progress: Progress) -> Ran:
    """Run the job `backtest` on the Dagster instance of DAGSTER_HOME, or on none.

    Parameters
    ----------
    config
        Of its op: start, end, step, cost_bps.

    Raises
    ------
    AssetPredictError
        With the sentence that the run failed with.
    SettingsError
        If DAGSTER_HOME names no folder.
    """
    return _run(settings, backtest.name, backtested_windows.name, config, progress)


def run_housekeeping(settings: Settings, config: dict[str, Any]) -> Ran:
    """Run the job `housekeeping`; `config` of its op: keep_versions, keep_days.

    Raises
    ------
    AssetPredictError, SettingsError
        As `run_backtest`.
    """
    return _run(settings, housekeeping.name, housekept.name, config, Progress())


def look_for_unneeded(settings: Settings, limits: Limits) -> Cleaned:
    """What `housekeeping` would drop now. Nothing changes: it is no run.

    Raises
    ------
    AssetPredictError, SettingsError
        As `run_backtest`.
    """
    with _instance()[0] as instance:
        return keep_house(House.of(settings, instance), limits, datetime.now(UTC), dry_run=True)


def _run(settings: Settings, job: str, op: str, config: dict[str, Any], progress: Progress) -> Ran:
    listening = _Listening(progress)
    result, is_kept = _executed(settings, job, op, config, listening)
    if listening.told is None:
        raise AssetPredictError(_why(result))
    return Ran(listening.told, result.run_id, is_kept)


def _executed(
    settings: Settings, job: str, op: str, config: dict[str, Any], progress: Progress
) -> tuple[dg.ExecuteInProcessResult, bool]:
    """A run that succeeded, and whether Dagster's UI can show it."""
    instance, is_kept = _instance()
    with instance:
        result = (
            build_definitions(settings, progress)
            .resolve_job_def(job)
            .execute_in_process(
                run_config={"ops": {op: {"config": config}}, **_QUIET},
                instance=instance,
                raise_on_error=False,
            )
        )
    if not result.success:
        raise AssetPredictError(_why(result))
    return result, is_kept


def run_move(settings: Settings, config: dict[str, Any]) -> Moved:
    """Run the job `move_champion` on the Dagster instance of DAGSTER_HOME, or on none.

    Parameters
    ----------
    config
        Of its op: model, version (None: the champion before), why.

    Raises
    ------
    AssetPredictError
        With the sentence that the run failed with; nothing was moved then.
    SettingsError
        If DAGSTER_HOME names no folder.
    """
    job, op = move_champion.name, moved_champion.name
    result, is_kept = _executed(settings, job, op, config, Progress())
    log = Registry(settings.registry_database).decisions(config["model"])
    (decision,) = [one for one in log if one.run_id == result.run_id]
    return Moved(decision, result.run_id, is_kept)


def _instance() -> tuple[dg.DagsterInstance, bool]:
    """Dagster's instance, and whether it outlives this process."""
    try:
        return dg.DagsterInstance.get(), True
    except DagsterHomeNotSetError:
        return dg.DagsterInstance.ephemeral(), False
    except dg.DagsterInvariantViolationError as error:
        raise SettingsError(" ".join(str(error).split())) from error


def _why(result: dg.ExecuteInProcessResult) -> str:
    """The sentence of the step that failed; of a defect, what was raised."""
    for event in result.get_step_failure_events():
        failure = event.step_failure_data
        if failure.user_failure_data is not None and failure.user_failure_data.description:
            return failure.user_failure_data.description
        if failure.error is not None:
            return f"{' '.join(failure.error.message.split())} (run {result.run_id})"
    return f"the run {result.run_id} did not succeed; Dagster's UI says why"
