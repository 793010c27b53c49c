"""The refresher: looks at the lake every second, and replaces the snapshot when it has changed."""

import asyncio
import gc
import logging
import time
from contextlib import suppress
from datetime import date, timedelta

from asset_predict_dagster.service.child import BUILD, WorkError, elsewhere
from asset_predict_dagster.service.redaction import Places, in_a_line
from asset_predict_dagster.service.snapshot import Snapshot, State
from asset_predict_dagster.service.state import look

_log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BEFORE_TRYING_AGAIN = 30.0
"""A state that could not be read is read again then; another one at once."""


class Refresher:
    """The snapshot that requests are answered from.

    Attributes
    ----------
    snapshot
        None until the first one has been made. Replaced whole, never changed.
    problem
        Why the latest state of the lake is not the one that is served; empty if it is.
    """

    def __init__(self, places: Places, expires_after: timedelta, as_of: date | None):
        self.places, self.expires_after, self.as_of = places, expires_after, as_of
        self.snapshot: Snapshot | None = None
        self.problem = ""
        self._task: asyncio.Task[None] | None = None
        self._failed: tuple[State | None, float] = (None, 0.0)
        self._made = 0.0

    def start(self) -> None:
        """Begin, in the event loop that is running."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; a snapshot that is being made is given up."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        await self._replace(None)
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            try:
                state = await asyncio.to_thread(look, self.places, self.as_of)
            except Exception as error:  # an object store's errors are many; the old one serves on
                self._tell(in_a_line(error, self.places))
                continue
            if self._is_served(state):
                self._tell("")
            elif self._is_worth_trying(state):
                await self._replace(state)

    def _is_served(self, state: State) -> bool:
        """Whether the snapshot is of that state; a bundle that was damaged may have been mended."""
        now = self.snapshot
        if now is None or now.state != state:
            return False
        return not now.passed_over or time.monotonic() - self._made < SECONDS_BEFORE_TRYING_AGAIN

    def _is_worth_trying(self, state: State) -> bool:
        failed, at = self._failed
        return state != failed or time.monotonic() - at > SECONDS_BEFORE_TRYING_AGAIN

    async def _replace(self, state: State | None) -> None:
        """Make a snapshot of what the lake is now; `state` is what it was seen to be."""
        began = time.monotonic()
        try:
            made = await elsewhere(BUILD, self.places, self.expires_after, self.as_of)
        except WorkError as error:
            self._failed = state, time.monotonic()
            self._tell(f"{error.kind}: {error}")
            return
        self.snapshot = made
        self._failed, self._made = (None, 0.0), time.monotonic()
        self._tell("")
        # Thousands of objects that live until the next one: the collector need not look at them.
        gc.freeze()
        for said in made.passed_over:
            _log.warning("%s", said)
        _log.info("snapshot of session %s made in %.1f s", made.session, time.monotonic() - began)

    def _tell(self, problem: str) -> None:
        if problem and problem != self.problem:
            _log.warning("the snapshot is not replaced: %s", problem)
        self.problem = problem
