"""Executions: a job of the code location, run to its end in this process.

For who cannot wait for a daemon: the command line. Dagster keeps the run like any other.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError, DagsterHomeNotSetError
from dagster._core.utils import make_new_run_id

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.errors import AssetPredictError, SettingsError
from asset_predict_dagster.pipeline.alerts import why_failed
from asset_predict_dagster.pipeline.progress import Show, of_step, terminal_bar
from asset_predict_dagster.pipeline.resources import Progress
from asset_predict_dagster.pipeline.sensors import REASON_TAG
from asset_predict_dagster.settings import Settings

_BY_A_PERSON = {REASON_TAG: "a person asked for it by a command"}

_INTERRUPTED = DagsterExecutionInterruptedError.__name__

# What is said is said by the caller.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def executed(
    settings: Settings,
    job: str,
    config: Mapping[str, dict[str, Any]],
    *,
    but: Collection[str] = (),
    only: dg.AssetSelection | None = None,
    progress: Progress | None = None,
    title: str = "",
) -> tuple[dg.ExecuteInProcessResult, bool]:
    """A run that succeeded, and whether Dagster's UI can show it.

    Parameters
    ----------
    config
        Of its ops and assets, by name.
    but, only
        Assets of the job that are left out; those that are made, None: all.
    title
        Of a bar on the terminal that counts the steps; empty: there is none.

    Raises
    ------
    AssetPredictError
        With the sentence that the run failed with.
    SettingsError
        If DAGSTER_HOME names no folder.
    """
    definitions = build_definitions(settings, progress)
    whole = definitions.resolve_job_def(job)
    chosen = None
    if but or only is not None:
        keys = whole.asset_layer.executable_asset_keys - {dg.AssetKey(name) for name in but}
        if only is not None:
            keys &= only.resolve(definitions.resolve_asset_graph())
        chosen = sorted(keys)
    part = whole if chosen is None else whole.get_subset(asset_selection=frozenset(chosen))
    run_id = make_new_run_id()
    instance, is_kept = opened_instance()
    with instance, terminal_bar(title, is_watched=bool(title)) as show:
        if title:
            instance.add_event_listener(run_id, _steps_of(part, title, show))
        result = whole.execute_in_process(
            run_config={"ops": {op: {"config": said} for op, said in config.items()}, **_QUIET},
            instance=instance,
            raise_on_error=False,
            asset_selection=chosen,
            run_id=run_id,
            tags=_BY_A_PERSON,
        )
    if not result.success:
        raise AssetPredictError(why_not(result))
    return result, is_kept


def _steps_of(job: dg.JobDefinition, title: str, show: Show) -> Callable[[dg.EventLogEntry], None]:
    """What listens to the events of a run, and shows which step it is at."""
    n_steps, begun = len(job.nodes), []

    def listen(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is not None and event.event_type == dg.DagsterEventType.STEP_START:
            begun.append(event.step_key)
            show(of_step(title, len(begun) - 1, n_steps, str(event.step_key)))

    return listen


def opened_instance() -> tuple[dg.DagsterInstance, bool]:
    """Dagster's instance, and whether it outlives this process."""
    try:
        return dg.DagsterInstance.get(), True
    except DagsterHomeNotSetError:
        return dg.DagsterInstance.ephemeral(), False
    except dg.DagsterInvariantViolationError as error:
        raise SettingsError(" ".join(str(error).split())) from error


def why_not(result: dg.ExecuteInProcessResult) -> str:
    """The sentence of the step that failed; of a defect, what was raised."""
    for event in result.get_step_failure_events():
        failure = event.step_failure_data
        if failure.user_failure_data is not None and failure.user_failure_data.description:
            return failure.user_failure_data.description
        if failure.error is not None and failure.error.cls_name == _INTERRUPTED:
            return f"interrupted; the run {result.run_id} can be started again"
        if failure.error is not None:
            return f"{' '.join(why_failed(event).split())} (run {result.run_id})"
    return f"the run {result.run_id} did not succeed; Dagster's UI says why"
