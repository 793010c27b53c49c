"""Launching: a run is asked for once, and perhaps waited for, while other requests are answered."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, ParamSpec, TypeVar

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from asset_predict_dagster.service.checks import DagsterChecks
from asset_predict_dagster.service.child import WorkError, elsewhere
from asset_predict_dagster.service.errors import ApiError
from asset_predict_dagster.service.redaction import Places, of_a_file
from asset_predict_dagster.service.runs import (
    ANY_ASSETS,
    DagsterRuns,
    DagsterUnreachable,
    RunRefused,
    RunSeen,
    Wanted,
    Which,
)

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger(__name__)

WAITS_SECONDS = 120.0
"""A step that takes longer is answered with 202, and goes on."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 2.0
_LOOKING_SECONDS = 60.0


class Launcher:
    """Starts runs and looks at them; every method raises `ApiError` 503 where Dagster is away."""

    def __init__(self, runs: DagsterRuns, checks: DagsterChecks, places: Places):
        self._runs, self._checks, self._places = runs, checks, places
        # Between the look and the launch nobody else of this server launches.
        self._turn = asyncio.Lock()
        self._closing = asyncio.Event()

    def wait_no_longer(self) -> None:
        """The server ends: who waits for a run is answered now, and the run goes on."""
        self._closing.set()

    async def start(self, wanted: Wanted) -> str:
        """Launch a run; its id.

        Raises
        ------
        ApiError
            409 if one of its kind is queued or under way; 422 if Dagster does not take it.
        """
        async with self._turn:
            known = await self._ask(self._runs.unfinished, wanted.which)
            if known is not None:
                raise ApiError(
                    409,
                    "already_queued",
                    f"a run of {known.job} is {known.status} already; wait for it",
                    {"run_id": known.run_id, "status": known.status},
                )
            try:
                run_id = await self._ask(self._runs.launch, wanted)
            except RunRefused as refusal:
                _log.warning("Dagster does not take a run of %s: %s", wanted.job, refusal)
                raise ApiError(
                    422, "run_refused", f"Dagster does not take that run ({refusal})"
                ) from None
        return run_id

    async def ended(self, run_id: str, seconds: float = WAITS_SECONDS) -> RunSeen | None:
        """The run once it has succeeded; None if it goes on after so many seconds.

        None as well, and soon, after `wait_no_longer`.

        Raises
        ------
        ApiError
            500 if it failed.
        """
        until, pause = time.monotonic() + seconds, _FIRST_PAUSE
        while True:
            run = None
            # The run goes on, whether or not the webserver answers at this moment.
            with suppress(ApiError):
                run = await self.find(run_id)
            if run is not None and run.status == "failed":
                raise ApiError(500, "run_failed", run.error or "the run failed", {"run_id": run_id})
            if run is not None and run.status == "completed":
                return run
            if self._closing.is_set() or time.monotonic() + pause > until:
                return None
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def latest(self, *among: Which) -> RunSeen | None:
        """The last of those runs; of what has ended, only what came since the state was cleared."""
        found = await self._ask(self._runs.latest, *among)
        if found is None or not found.is_finished or found.created > await self.cleared_at():
            return found
        return await self.unfinished(*among or (Which(),))

    async def cleared_at(self) -> float:
        """When the state was cleared last, seconds since 1970."""
        return await self._ask(self._runs.cleared_at)

    async def unfinished(self, *among: Which) -> RunSeen | None:
        """One of those that is queued or under way."""
        for one in among:
            found = await self._ask(self._runs.unfinished, one)
            if found is not None:
                return found
        return None

    async def find(self, run_id: str) -> RunSeen | None:
        """The run of that id."""
        return await self._ask(self._runs.find, run_id)

    async def noted(self, run_id: str, label: str) -> dict[str, str]:
        """Asset → the text that the run noted under that label."""
        return await self._ask(self._runs.noted, run_id, label)

    async def refused_files(self, run_id: str) -> list[dict[str, str]] | None:
        """`file` and `reason` of what a run left out; None if Dagster does not tell."""
        found = None
        # The quotes are made, whoever answers now.
        with suppress(ApiError):
            found = await self._ask(self._checks.refused_files, run_id)
        return found and [
            {"file": one["file"], "reason": of_a_file(one["reason"], one["file"], self._places)}
            for one in found
        ]

    async def cancel_queued(self, which: Which) -> list[str]:
        """Take what waits of those runs out of the queue; their ids.

        Raises
        ------
        ApiError
            503 if Dagster is away by now; `cancelled` in its details are those taken out before.
        """
        cancelled: list[str] = []
        try:
            while run := await self._ask(self._runs.queued, which):
                if run.run_id in cancelled:
                    break
                await self._ask(self._runs.cancel, run.run_id)
                cancelled.append(run.run_id)
        except ApiError as refusal:
            refusal.details["cancelled"] = cancelled
            raise
        return cancelled

    async def assets(
        self, groups: tuple[str, ...] = (), job: str = ANY_ASSETS, without: tuple[str, ...] = ()
    ) -> list[str]:
        """The assets of some groups (none named: of any) that a job makes, sorted."""
        return sorted(
            asset.name
            for asset in await self._ask(self._runs.assets)
            if (not groups or asset.group in groups)
            and job in asset.jobs
            and asset.name not in without
        )

    async def look(self, task: str, *given: Any) -> Any:
        """What a task of `child.py` reads from the lake, in a process of its own."""
        try:
            async with asyncio.timeout(_LOOKING_SECONDS):
                return await elsewhere(task, self._places, *given)
        except WorkError as error:
            if error.kind in ("MissingTableError", "DatasetError"):
                raise ApiError(422, "stage_missing", str(error)) from None
            raise ApiError(503, "lake_unreachable", "the tables cannot be read") from None
        except TimeoutError:
            raise ApiError(503, "busy", "reading the tables took too long") from None

    async def _ask(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await run_in_threadpool(work, *args, **kwargs)
        except DagsterUnreachable as error:
            _log.warning("Dagster's webserver cannot be asked: %s", error)
            raise ApiError(
                503,
                "dagster_unreachable",
                "Dagster's webserver does not answer; start it (make dev), or set"
                " ASSET_PREDICT_DAGSTER_URL to where it is",
            ) from None


def _launcher(request: Request) -> Launcher:
    return request.app.state.launcher


Launches = Annotated[Launcher, Depends(_launcher)]
"""What a route that starts runs, or asks about them, is given."""
