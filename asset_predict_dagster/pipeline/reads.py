"""Reads: which version of which table a step has read, however it read it.

What is written at the end of the step then names the versions that it was really computed from,
not those that happen to be current by then.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import dagster as dg

_READ: WeakKeyDictionary[Any, dict[str, int]] = WeakKeyDictionary()
"""Step → table name → version. Dagster has one object a step and attempt, in one process; with it
its reads are forgotten, so that no run sees another's."""


def note_read(name: str, version: int) -> None:
    """Remember a read of the step whose asset is being computed; outside of one it is nothing."""
    step = current_step()
    if step is not None:
        _note(step, name, version)


def current_step() -> Any:
    """Dagster's context of the step whose asset, or check, is being computed; None outside."""
    with suppress(dg.DagsterInvariantViolationError):
        return dg.AssetExecutionContext.get().get_step_execution_context()
    with suppress(dg.DagsterInvariantViolationError):
        return dg.AssetCheckExecutionContext.get().get_step_execution_context()
    return None


def step_of(context: dg.InputContext) -> Any:
    """Dagster's context of the step that an input is loaded for; None if a person loads it."""
    with suppress(dg.DagsterInvariantViolationError):
        return context.step_context
    return None


def noted_for(context: dg.InputContext) -> Callable[[str, int], None] | None:
    """Remembers reads of the step that an input is loaded for; None if a person loads it."""
    step = step_of(context)
    return None if step is None else lambda name, version: _note(step, name, version)


def versions_read(
    context: dg.OutputContext | dg.AssetExecutionContext, *, but: str = ""
) -> dict[str, int]:
    """Table name → version of what the step has read, leaving out the table `but`.

    A table that adds to its own rows has read itself: that goes without saying.
    """
    step = (
        context.step_context
        if isinstance(context, dg.OutputContext)
        else context.get_step_execution_context()
    )
    return {name: version for name, version in _READ.get(step, {}).items() if name != but}


def _note(step: Any, name: str, version: int) -> None:
    # Of a table read twice the first stands: that is the one the asset was given.
    _READ.setdefault(step, {}).setdefault(name, version)
