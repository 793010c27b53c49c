"""How the commands print: a console that changes no word, and tables that fit 80 columns."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as TextTable


def plain_console() -> Console:
    """Standard output, as it is told: names of folders and tickers are no markup."""
    return Console(highlight=False, markup=False, emoji=False)


def text_table(
    title: str,
    left: tuple[str, ...],
    right: tuple[str, ...] = (),
    gap: int = 1,
) -> TextTable:
    """An empty table that fits 80 columns; its columns stand 1 + `gap` apart."""
    table = TextTable(
        title=title,
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, gap, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table
