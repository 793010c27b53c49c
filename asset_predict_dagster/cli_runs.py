"""What the commands that run a job have in common: the wait for it, and where its run is seen."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console


class Run(Protocol):
    """A run that ended. `is_kept`: Dagster's instance outlives this process, and knows of it."""

    @property
    def run_id(self) -> str: ...

    @property
    def is_kept(self) -> bool: ...


def kept_id(run: Run) -> str | None:
    """Its id for a program; None where nobody could look it up."""
    return run.run_id if run.is_kept else None


def where_to_see(run: Run) -> str:
    """A line for a person."""
    if run.is_kept:
        return f"Dagster's UI shows it as run {run.run_id}"
    return "DAGSTER_HOME is not set, so Dagster's UI does not know of this run"


@contextmanager
def waiting(for_what: str = "starting Dagster") -> Iterator[None]:
    """A line on the terminal for as long as the block lasts; nothing where there is none.

    Dagster, to begin with, takes seconds to import.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(for_what, spinner="line"):
        yield
