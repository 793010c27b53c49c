"""While Dagster is imported, which takes seconds, a terminal says so."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def starting_dagster() -> Iterator[None]:
    """A line on the terminal for as long as the block lasts; nothing where there is none."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status("starting Dagster", spinner="line"):
        yield
