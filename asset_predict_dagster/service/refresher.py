"""The refresher: looks at the lake every second, and replaces the snapshot when it has changed.

New tables of the market replace nothing while Dagster says that one of their checks fails, or is
still to come: requests are answered from the tables before, a new champion's as well. Where Dagster
cannot be asked, what the lake has is served, and the checks are `unknown`.
"""

import asyncio
import gc
import logging
import time
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta

from asset_predict_dagster.predictions.heeded_checks import READ_BY_MODELS
from asset_predict_dagster.service.checks import UNKNOWN, ChecksSeen, DagsterChecks
from asset_predict_dagster.service.child import BUILD, BUILD_AT, WorkError, elsewhere
from asset_predict_dagster.service.redaction import Places, in_a_line
from asset_predict_dagster.service.snapshot import Snapshot, State
from asset_predict_dagster.service.state import look
from asset_predict_dagster.service.webserver import DagsterUnreachable

_log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BEFORE_TRYING_AGAIN = 30.0
"""A state that could not be read is read again then; another one at once."""

SECONDS_BETWEEN_QUESTIONS, SECONDS_WHILE_HELD = 30.0, 3.0
"""Of Dagster, about the checks; of tables that it was not asked about it is asked at once."""


class Refresher:
    """The snapshot that requests are answered from.

    Attributes
    ----------
    snapshot
        None until the first one has been made. Replaced whole, never changed.
    checks
        What is known of the checks of the newest tables.
    problem
        Why the latest state of the lake is not the one that is served; empty if it is.
    held
        What failing checks keep from being served; empty if nothing.
    """

    def __init__(
        self,
        places: Places,
        expires_after: timedelta,
        as_of: date | None,
        dagster: DagsterChecks,
    ):
        self.places, self.expires_after, self.as_of = places, expires_after, as_of
        self.snapshot: Snapshot | None = None
        self.checks = UNKNOWN
        self.problem, self.held = "", ""
        self._dagster = dagster
        self._asked_about: dict[str, int | None] = {}
        self._asked_at = float("-inf")
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
        await self._first()
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            try:
                state = await asyncio.to_thread(look, self.places, self.as_of)
            except Exception as error:  # an object store's errors are many; the old one serves on
                self._tell(in_a_line(error, self.places))
                continue
            await self._ask(state)
            wanted = self._vouched_for(state)
            if wanted is None or self._is_served(wanted):
                self._tell("")
            elif self._is_worth_trying(wanted):
                await self._replace(wanted)

    async def _first(self) -> None:
        """Serve what there is, unless Dagster knows it to be wrong; both take a moment."""
        asking = asyncio.create_task(asyncio.to_thread(self._answer))
        made = await self._made_of(None)
        self.checks = await asking
        if made is not None:
            self._asked_about, self._asked_at = _market(made.state), time.monotonic()
            if self.checks.status != "failed":
                self._serve(made)
        self._hold(_market(made.state) if made else {})

    async def _ask(self, state: State) -> None:
        """Ask Dagster about the checks, where what it said is not of these tables, or is old."""
        market = _market(state)
        is_new = market != self._asked_about
        pause = SECONDS_WHILE_HELD if self.held else SECONDS_BETWEEN_QUESTIONS
        if is_new or time.monotonic() - self._asked_at > pause:
            said = await asyncio.to_thread(self._answer)
            # That these tables break a promise stays true while nobody can be asked.
            if is_new or said != UNKNOWN or self.checks.status != "failed":
                self.checks = said
            self._asked_about, self._asked_at = market, time.monotonic()
        self._hold(market)

    def _answer(self) -> ChecksSeen:
        try:
            return self._dagster.of_what_models_read()
        except DagsterUnreachable:
            return UNKNOWN

    def _vouched_for(self, state: State) -> State | None:
        """The state, with the market's tables before where the new ones wait; None: nothing yet."""
        if self.snapshot is None:
            return None if self.checks.status == "failed" else state
        if not self.checks.are_against:
            return state
        return replace(state, versions={**state.versions, **_market(self.snapshot.state)})

    def _hold(self, market: dict[str, int | None]) -> None:
        """Say what waits for which check."""
        held, failed = "", ", ".join(self.checks.failed)
        served = None if self.snapshot is None else _market(self.snapshot.state)
        if self.checks.status == "failed":
            told = "is served" if market == served else "waits, and is not served"
            held = f"what breaks a promise {told}: the check {failed} has failed"
        elif self.checks.status == "under_way" and served not in (None, market):
            held = "new tables wait until their checks have ended"
        if held and held != self.held:
            _log.warning("%s", held)
        self.held = held

    def _is_served(self, state: State) -> bool:
        """Whether the snapshot is of that state; a bundle that was damaged may have been mended."""
        now = self.snapshot
        if now is None or now.state != state:
            return False
        return not now.passed_over or time.monotonic() - self._made < SECONDS_BEFORE_TRYING_AGAIN

    def _is_worth_trying(self, state: State) -> bool:
        failed, at = self._failed
        return state != failed or time.monotonic() - at > SECONDS_BEFORE_TRYING_AGAIN

    async def _replace(self, state: State) -> None:
        made = await self._made_of(state)
        if made is not None:
            self._serve(made)

    async def _made_of(self, state: State | None) -> Snapshot | None:
        """A snapshot of that state, of what the lake is now if None; None if it cannot be made."""
        began = time.monotonic()
        asked = (BUILD, self.as_of) if state is None else (BUILD_AT, state)
        try:
            made = await elsewhere(asked[0], self.places, self.expires_after, asked[1])
        except WorkError as error:
            self._failed = state, time.monotonic()
            self._tell(f"{error.kind}: {error}")
            return None
        _log.info("snapshot of session %s made in %.1f s", made.session, time.monotonic() - began)
        return made

    def _serve(self, made: Snapshot) -> None:
        self.snapshot = made
        self._failed, self._made = (None, 0.0), time.monotonic()
        self._tell("")
        # Thousands of objects that live until the next one: the collector need not look at them.
        gc.freeze()
        for said in made.passed_over:
            _log.warning("%s", said)

    def _tell(self, problem: str) -> None:
        if problem and problem != self.problem:
            _log.warning("the snapshot is not replaced: %s", problem)
        self.problem = problem


def _market(state: State) -> dict[str, int | None]:
    """The versions of the tables that forecasts are made from."""
    return {name: state.versions[name] for name in READ_BY_MODELS}
