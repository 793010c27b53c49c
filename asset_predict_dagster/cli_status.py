"""The command `status`: what is fresh, stale, running or failing, and why."""

import textwrap
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from asset_predict_dagster.cli_json import print_json
from asset_predict_dagster.cli_options import AsJson
from asset_predict_dagster.cli_runs import waiting
from asset_predict_dagster.cli_tables import plain_console, text_table
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import last_closed_session
from asset_predict_dagster.predictions.standing import Standing, standing
from asset_predict_dagster.settings import load_settings

if TYPE_CHECKING:
    from asset_predict_dagster.instance_status import RunSeen, Seen

app = typer.Typer()

_WIDTH = 80


@app.command()
def status(as_json: AsJson = False) -> None:
    """What is fresh, stale, running or failing, and why.

    Example: asset-predict status

    Reads the lake and Dagster's records; changes nothing.
    """
    settings = load_settings()
    now = datetime.now(UTC)
    found = standing(
        Lake(settings.lake_root),
        settings.as_of or last_closed_session(now),
        now,
        settings.model_stale_after_days,
        timedelta(days=settings.model_expires_after_days),
    )
    with waiting():
        from asset_predict_dagster.instance_status import look_at_instance
    seen = look_at_instance()
    if as_json:
        print_json({**asdict(found), "dagster": asdict(seen)})
        return
    console = plain_console()
    _print_data(console, found)
    _print_models(console, found)
    _print_predictions(console, found)
    _print_runs(console, seen)
    _print_ticks(console, seen)


def _print_data(console: Console, found: Standing) -> None:
    console.print(f"last closed session: {found.last_closed}")
    if not found.origin:
        console.print("no market file has been read yet: `asset-predict pipeline` makes it all")
    else:
        console.print(f"prices: {found.origin}")
    table = text_table("", left=("table", "goes to", "state"))
    for reach in found.reaches:
        behind = f"{reach.n_behind} session{'s' * (reach.n_behind != 1)} behind"
        state = "not made yet" if reach.last is None else behind if reach.n_behind else "fresh"
        table.add_row(reach.table, "" if reach.last is None else str(reach.last), state)
    console.print(table)


def _print_models(console: Console, found: Standing) -> None:
    console.print()
    for model in found.models:
        version = f" version {model.version}, {model.status}" if model.version else ""
        expired = "; EXPIRED: it says nothing until it is trained again" * model.is_expired
        console.print(f"{model.model}{version}: {' and '.join(model.causes) or 'fresh'}{expired}")
        console.print(_indented(model.reason))


def _print_predictions(console: Console, found: Standing) -> None:
    console.print()
    asked = f"up to the close of {found.asked}" if found.asked else "none yet"
    console.print(f"predictions: {asked}")
    if found.due:
        console.print(_indented(f"due now: {_listed(found.due)}"))
    if found.awaited and found.until:
        console.print(
            _indented(f"the file of {found.awaited} is awaited until {_told(found.until)}")
        )


def _print_runs(console: Console, seen: "Seen") -> None:
    console.print()
    if not seen.is_kept:
        console.print("DAGSTER_HOME is not set: Dagster's records of runs were not looked at.")
        return
    for run in seen.unfinished:
        lost = "; its process is gone: mark it as failed in Dagster's UI" * run.is_lost
        console.print(f"{run.status.lower()}: {run.job} since {_told(run.begun_at)}{lost}")
        console.print(_indented(f"run {run.run_id}"))
    if not seen.last:
        console.print("no run has ended yet")
        return
    table = text_table("Last run of each job", left=("job", "began", "took", "ended"))
    for run in seen.last:
        table.add_row(run.job, _told(run.begun_at), _took(run), run.status.lower())
    console.print(table)
    for run in seen.last:
        if run.error:
            console.print(f"{run.job} {run.run_id} failed")
            console.print(_indented(run.error))


def _print_ticks(console: Console, seen: "Seen") -> None:
    if not seen.is_kept:
        return
    console.print()
    if not seen.is_daemon_alive:
        console.print(
            "Dagster's daemon does not run, so nothing is asked for: `make dev` starts it"
        )
    for tick in seen.ticks:
        at = f" at {_told(tick.at)}" if tick.at else ""
        off = "" if tick.is_on else ", switched off"
        console.print(f"{tick.name}{off}: {tick.did}{at}")
        if tick.said:
            console.print(_indented(tick.said))


def _took(run: "RunSeen") -> str:
    if run.ended_at is None:
        return ""
    seconds = (run.ended_at - run.begun_at).total_seconds()
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _indented(text: str) -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _listed(sessions: tuple[date, ...]) -> str:
    shown = ", ".join(map(str, sessions[:5]))
    return f"{shown} and {len(sessions) - 5} more" if len(sessions) > 5 else shown


def _told(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
