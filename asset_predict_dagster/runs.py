"""Runs: the jobs that a person asks for by a command, and what each one told."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asset_predict_dagster.errors import AssetPredictError
from asset_predict_dagster.executions import executed, opened_instance, why_not
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
from asset_predict_dagster.pipeline.reproductions import reproduce, reproduced_version
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
    "run_reproduction",
]


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
    return _run(settings, backtest.name, backtested_windows.name, config, progress=progress)


def run_housekeeping(settings: Settings, config: dict[str, Any]) -> Ran:
    """Run the job `housekeeping`; `config` of its op: keep_versions, keep_days.

    Raises
    ------
    AssetPredictError, SettingsError
        As `run_backtest`.
    """
    return _run(settings, housekeeping.name, housekept.name, config, title="clean")


def look_for_unneeded(settings: Settings, limits: Limits) -> Cleaned:
    """What `housekeeping` would drop now. Nothing changes: it is no run.

    Raises
    ------
    AssetPredictError, SettingsError
        As `run_backtest`.
    """
    with opened_instance()[0] as instance:
        return keep_house(House.of(settings, instance), limits, datetime.now(UTC), dry_run=True)


def run_reproduction(settings: Settings, config: dict[str, Any]) -> Ran:
    """Run the job `reproduce`; `config` of its op: model, version. It tells `Reproduced`.

    Raises
    ------
    AssetPredictError, SettingsError
        As `run_backtest`.
    """
    return _run(settings, reproduce.name, reproduced_version.name, config)


def _run(
    settings: Settings,
    job: str,
    op: str,
    config: dict[str, Any],
    *,
    progress: Progress | None = None,
    title: str = "",
) -> Ran:
    listening = _Listening(progress or Progress())
    result, is_kept = executed(settings, job, {op: config}, progress=listening, title=title)
    if listening.told is None:
        raise AssetPredictError(why_not(result))
    return Ran(listening.told, result.run_id, is_kept)


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
    result, is_kept = executed(settings, job, {op: config}, title="move champion")
    log = Registry(settings.registry_database).decisions(config["model"])
    (decision,) = [one for one in log if one.run_id == result.run_id]
    return Moved(decision, result.run_id, is_kept)
