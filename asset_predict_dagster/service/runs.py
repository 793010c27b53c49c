"""Runs: what Dagster runs and has run, asked of its webserver. Nothing here waits for a run.

Whatever the REST API starts is a run that its UI shows, in its queue like any other. The tags of a
run say what the API needs to know of it later: there is no other memory, so that several servers
and restarts agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from asset_predict_dagster.service.webserver import (
    LOCATION,
    REPOSITORY,
    DagsterUnreachable,
    Webserver,
)

RunStatus = Literal["idle", "queued", "running", "completed", "failed"]

ANY_ASSETS = "__ASSET_JOB"
"""Dagster's job of all assets, of which a run may choose some."""

KIND = "asset_predict/kind"
"""Tag: what was asked for. Of one kind one run at a time is queued or under way."""

ASKED_BY, REST_API = "asset_predict/requested_by", "rest_api"
TRAINS = "asset_predict/trains"
"""Tag of what trains: `dagster.yaml` lets one of them run at a time."""

PIPELINE, RETRAIN, CLEARS = "complete_pipeline", "retrain", "clear_state"
"""Jobs of the code location."""

_ENDED: dict[str, RunStatus] = {"SUCCESS": "completed", "FAILURE": "failed", "CANCELED": "failed"}
_WAITS = ("QUEUED", "NOT_STARTED")
_UNFINISHED = (*_WAITS, "STARTING", "STARTED", "CANCELING", "MANAGED")

_NOT_NOW = ("PipelineNotFoundError", "PythonError")
"""Dagster's words for a code location that is away or failing: another time it makes the run."""

_RUN = "runId status jobName creationTime tags { key value }"
_RUNS = f"{{ ... on Runs {{ results {{ {_RUN} }} }} }}"
_FAILED_STEPS = "query Steps($id: ID!) { runOrError(runId: $id) { ... on Run { stepStats {"
_FAILED_STEPS += " stepKey status } } } }"
_FIND = (
    f"query Find($id: ID!) {{ runOrError(runId: $id) {{ __typename ... on Run {{ {_RUN} }} }} }}"
)
_MADE = """query Made($id: ID!) { runOrError(runId: $id) { ... on Run { assetMaterializations {
 assetKey { path } metadataEntries { label ... on TextMetadataEntry { text } } } } } }"""
_ASSETS = """query Assets($of: RepositorySelector!) { repositoryOrError(repositorySelector: $of) {
 __typename ... on Repository { assetNodes { assetKey { path } groupName jobNames } } } }"""
_LAUNCH = """mutation Launch($of: ExecutionParams!) { launchRun(executionParams: $of) { __typename
 ... on LaunchRunSuccess { run { runId } } } }"""
_CANCEL = "mutation Cancel($id: String!) { terminateRun(runId: $id) { __typename } }"


class RunRefused(Exception):
    """Dagster does not make that run; the message is its own word for why."""


@dataclass(frozen=True)
class Which:
    """Some runs: of a job, of a kind, or with certain tags; nothing said: any."""

    job: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_kind(cls, kind: str) -> "Which":
        return cls(tags={KIND: kind})


TRAININGS = (
    Which(RETRAIN),
    Which(PIPELINE),
    Which(tags={ASKED_BY: REST_API, TRAINS: "yes"}),
)
PIPELINES = (Which(PIPELINE),)


@dataclass(frozen=True)
class Wanted:
    """A run to be made.

    `kind` names it among the runs of the API; a whole job has none and is known by its own name.
    """

    job: str = ANY_ASSETS
    kind: str = ""
    assets: Sequence[str] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def which(self) -> Which:
        """The runs that are of the same kind."""
        return Which.of_kind(self.kind) if self.kind else Which(self.job)


@dataclass(frozen=True)
class RunSeen:
    """One run. `error` is one sentence, without anything internal; None unless it failed.

    `created` is in seconds since 1970.
    """

    run_id: str
    job: str
    status: RunStatus
    created: float = 0.0
    tags: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None

    @property
    def is_finished(self) -> bool:
        return self.status in ("completed", "failed")


@dataclass(frozen=True)
class AssetSeen:
    """One asset of the code location: its group, and the jobs that make it."""

    name: str
    group: str
    jobs: tuple[str, ...]


class DagsterRuns:
    """The runs of the Dagster whose webserver is at that address. Every method may take seconds.

    Each raises `DagsterUnreachable` if the webserver does not answer.
    """

    def __init__(self, url: str):
        self._ask = Webserver(url).ask

    def latest(self, *among: Which, statuses: Sequence[str] = ()) -> RunSeen | None:
        """The run that was asked for last, of any of those; None if there was none."""
        wanted = [_filter(one, statuses) for one in among or (Which(),)]
        names = [f"$f{at}: RunsFilter" for at in range(len(wanted))]
        parts = [
            f"r{at}: runsOrError(filter: $f{at}, limit: 1) {_RUNS}" for at in range(len(wanted))
        ]
        query = f"query Latest({', '.join(names)}) {{ {' '.join(parts)} }}"
        found = self._ask(query, {f"f{at}": one for at, one in enumerate(wanted)})
        runs = [run for part in found.values() for run in part.get("results", ())]
        if not runs:
            return None
        return self._seen(max(runs, key=lambda run: run["creationTime"]))

    def unfinished(self, which: Which) -> RunSeen | None:
        """One of those that is queued or under way."""
        return self.latest(which, statuses=_UNFINISHED)

    def queued(self, which: Which) -> RunSeen | None:
        """One of those that waits in the queue."""
        return self.latest(which, statuses=_WAITS)

    def find(self, run_id: str) -> RunSeen | None:
        """The run of that id."""
        found = self._ask(_FIND, {"id": run_id})["runOrError"]
        return self._seen(found) if found["__typename"] == "Run" else None

    def noted(self, run_id: str, label: str) -> dict[str, str]:
        """Asset → the text that a run noted under a label when it made it."""
        made = self._ask(_MADE, {"id": run_id})["runOrError"].get("assetMaterializations", ())
        return {
            one["assetKey"]["path"][-1]: entry["text"]
            for one in made
            for entry in one["metadataEntries"]
            if entry["label"] == label and "text" in entry
        }

    def cleared_at(self) -> float:
        """When the state was cleared last, seconds since 1970; 0 if it never was."""
        cleared = self.latest(Which(CLEARS), statuses=("SUCCESS",))
        return cleared.created if cleared else 0.0

    def assets(self) -> tuple[AssetSeen, ...]:
        """Every asset of the code location."""
        found = self._ask(_ASSETS, {"of": _IN})["repositoryOrError"]
        if found["__typename"] != "Repository":
            raise DagsterUnreachable(found["__typename"])
        return tuple(
            AssetSeen(node["assetKey"]["path"][-1], node["groupName"], tuple(node["jobNames"]))
            for node in found["assetNodes"]
        )

    def launch(self, wanted: Wanted) -> str:
        """Make that run and queue it; its id.

        Raises
        ------
        RunRefused
            If Dagster does not take it.
        """
        tags = {**wanted.tags, ASKED_BY: REST_API} | ({KIND: wanted.kind} if wanted.kind else {})
        selector: dict[str, Any] = {**_IN, "jobName": wanted.job}
        if wanted.assets:
            selector["assetSelection"] = [{"path": [name]} for name in wanted.assets]
        params = {
            "selector": selector,
            "runConfigData": wanted.config,
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in tags.items()]},
        }
        answer = self._ask(_LAUNCH, {"of": params})["launchRun"]
        if answer["__typename"] in _NOT_NOW:
            raise DagsterUnreachable(answer["__typename"])
        if answer["__typename"] != "LaunchRunSuccess":
            raise RunRefused(answer["__typename"])
        return answer["run"]["runId"]

    def cancel(self, run_id: str) -> None:
        """Take a run out of the queue, or end it."""
        self._ask(_CANCEL, {"id": run_id})

    def _seen(self, run: Mapping[str, Any]) -> RunSeen:
        tags = {tag["key"]: tag["value"] for tag in run["tags"]}
        job = tags.get(KIND, run["jobName"])
        waits: RunStatus = "queued" if run["status"] in _WAITS else "running"
        status = _ENDED.get(run["status"], waits)
        error = self._why(run, job) if status == "failed" else None
        return RunSeen(run["runId"], job, status, run["creationTime"], tags, error)

    def _why(self, run: Mapping[str, Any], job: str) -> str:
        """Which step failed. Its own words may quote paths, so they stay in Dagster's UI."""
        run_id = run["runId"]
        if run["status"] == "CANCELED":
            return f"the run {run_id} of {job} was cancelled"
        steps = self._ask(_FAILED_STEPS, {"id": run_id})["runOrError"].get("stepStats", ())
        failed = [step["stepKey"] for step in steps if step["status"] == "FAILURE"]
        where = f"the step {failed[0]} failed" if failed else "it failed"
        return f"{where}; the run {run_id} of {job} says why in Dagster's UI"


_IN = {"repositoryLocationName": LOCATION, "repositoryName": REPOSITORY}


def _filter(which: Which, statuses: Sequence[str]) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if which.job:
        wanted["pipelineName"] = which.job
    if which.tags:
        wanted["tags"] = [{"key": key, "value": value} for key, value in which.tags.items()]
    if statuses:
        wanted["statuses"] = list(statuses)
    return wanted
