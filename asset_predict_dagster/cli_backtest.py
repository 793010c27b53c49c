"""The command `backtest`: a walk-forward in one go, its verdict and where its report is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from asset_predict_dagster.cli_backtest_text import (
    headline_figures,
    print_backtest,
    trading_figures,
)
from asset_predict_dagster.cli_json import print_json, records
from asset_predict_dagster.cli_options import AsJson
from asset_predict_dagster.cli_runs import kept_id, waiting
from asset_predict_dagster.cli_tables import plain_console
from asset_predict_dagster.dataset.calendar_windows import HALF_YEAR, STEPS, day_asked
from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.settings import load_settings

if TYPE_CHECKING:
    from asset_predict_dagster.runs import Ran

app = typer.Typer()


def _step(months: int) -> int:
    if months not in STEPS:
        raise typer.BadParameter(f"{months} months; 3, 6 or 12 were expected.")
    return months


def _day(text: str | None) -> str | None:
    if text is not None:
        try:
            day_asked(text, is_last=False)
        except SettingsError as error:
            raise typer.BadParameter(f"{error}.") from error
    return text


@app.command()
def backtest(
    start: Annotated[
        str | None,
        typer.Option(
            callback=_day,
            show_default="the first that can be made",
            help="First test window: the window that holds this day, or its name: 2018H1.",
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(
            callback=_day,
            show_default="the one of the last labelled session",
            help="Last test window: the window that holds this day, or its name.",
        ),
    ] = None,
    step: Annotated[
        int, typer.Option(callback=_step, help="Months of a test window: 3, 6 or 12.")
    ] = HALF_YEAR,
    cost_bps: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            show_default="fees, spread and impact",
            help="Cost a side in basis points, whatever is traded.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Walk forward: train before each window, forecast it, judge all.

    Example: asset-predict backtest --start 2019H1 --step 12 --cost-bps 10

    Windows whose rows are in the lake, made of the same data and settings, are not trained again.
    """
    if start and end and day_asked(end, is_last=True) < day_asked(start, is_last=False):
        raise typer.BadParameter(f"--end {end} is before --start {start}.")
    with waiting():
        from asset_predict_dagster.runs import run_backtest

    asked = {"start": start, "end": end, "step": step, "cost_bps": cost_bps}
    with _shown_progress() as progress:
        ran = run_backtest(load_settings(), asked, progress)
    if as_json:
        print_json(_document(ran))
    else:
        print_backtest(plain_console(), ran)


@contextmanager
def _shown_progress() -> Iterator[Any]:
    """A bar on stderr, told by the run."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    # Of a bar in a file or a pipe an empty line would be left.
    is_seen = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not is_seen) as bar:
        yield _Bar(bar)


class _Bar:
    """What the run's `Progress` is told, as a bar."""

    def __init__(self, bar: Progress):
        self.bar = bar
        self.task = bar.add_task("reading the lake", total=None)

    def begin(self, n_windows: int) -> None:
        self.bar.update(self.task, description="windows", total=n_windows)

    def advance(self, window: str) -> None:
        self.bar.update(self.task, description=f"{window} is there", advance=1)

    def finish(self, told: object) -> None:
        self.bar.update(self.task, description="report written")


def _document(ran: "Ran") -> dict[str, Any]:
    report = ran.told.report
    return {
        "windows": list(ran.told.windows),
        "n_trained": ran.told.n_trained,
        "verdicts": [
            {
                "model": verdict.model,
                "model_version": verdict.model_version,
                "claim": verdict.claim,
                "headline": verdict.headline,
                "paragraph": verdict.paragraph,
                "warnings": list(verdict.warnings),
            }
            for verdict in report.verdicts
        ],
        "figures": records(headline_figures(report)),
        "trading": records(trading_figures(report)) if report.backtests else [],
        "report": ran.told.path,
        "run_id": kept_id(ran),
    }
