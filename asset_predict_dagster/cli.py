"""`asset-predict`: the commands a person types."""

import errno
import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console

from asset_predict_dagster import (
    __version__,
    cli_backtest,
    cli_champions,
    cli_drift,
    cli_evaluate,
    cli_ingest,
    cli_leaks,
    cli_monitor,
    cli_predict,
    cli_reproduce,
    cli_serve,
    cli_status,
    cli_train,
    cli_tune,
    cli_versions,
)
from asset_predict_dagster.cli_evaluate import print_orders
from asset_predict_dagster.cli_json import print_json, records
from asset_predict_dagster.cli_options import CONTEXT, AsJson
from asset_predict_dagster.cli_summary_text import print_predictions
from asset_predict_dagster.cli_tables import plain_console, text_table
from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.errors import AssetPredictError, SettingsError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.logs import start_logs
from asset_predict_dagster.market.sessions import last_closed_session
from asset_predict_dagster.market.sources import B3
from asset_predict_dagster.predictions.ledger import newest
from asset_predict_dagster.settings import Settings, load_settings
from asset_predict_dagster.tables import (
    CHAMPIONS,
    EVALUATION,
    INGESTED_FILES,
    PREDICTIONS,
)

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # with logs off nothing is said twice on stderr

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
    help="Brazilian stocks from B3's files to tomorrow's predictions.",
)
for commands in (
    cli_ingest,
    cli_train,
    cli_tune,
    cli_predict,
    cli_evaluate,
    cli_backtest,
    cli_status,
    cli_drift,
    cli_champions,
    cli_reproduce,
    cli_serve,
    cli_leaks,
    cli_versions,
    cli_monitor,
):
    app.add_typer(commands.app)


def main() -> None:
    """Run the program: a known error is one sentence on stderr and exit code 1."""
    with suppress(SettingsError):  # whichever command needs them says what is wrong with them
        start_logs(load_settings())
    _log.info("asset-predict %s", " ".join(sys.argv[1:]))
    try:
        app(prog_name="asset-predict")
    except Exception as error:  # of any library's: which a person can mend is seen below
        said = _sentence(error)
        if said is None:  # a defect: the log keeps it where nobody saw the terminal
            _log.exception("asset-predict failed")
            raise
        _log.error("%s", said, exc_info=not isinstance(error, AssetPredictError))
        print(f"asset-predict: {said}", file=sys.stderr)
        raise SystemExit(1) from None


_OF_A_PLACE = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
)
"""What a file or folder has against being used that a person can mend."""


def _sentence(error: Exception) -> str | None:
    """What to tell of a known error; None of a defect."""
    if isinstance(error, AssetPredictError):
        return str(error)
    if not isinstance(error, OSError) or error.errno not in _OF_A_PLACE:
        return None
    return (
        f"{error.filename or 'a file'} cannot be used: {error.strerror}; let this user read and"
        " write there, or point ASSET_PREDICT_DATA at another folder"
    )


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"asset-predict {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show and exit."),
    ] = False,
) -> None:
    """Brazilian stocks from B3's files to tomorrow's predictions."""


@app.command()
def summary(
    n: Annotated[int, typer.Option("--top", min=1, help="How many predictions to show.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the strongest predictions, and the models beside the naive.

    Example: asset-predict summary --top 20
    """
    # ONNX and all that evaluates are for this command: the others need not wait for them.
    from asset_predict_dagster.evaluation.evaluate import headline
    from asset_predict_dagster.predictions.daily import strongest

    settings = load_settings()
    lake = Lake(settings.lake_root)
    champions = lake.read(CHAMPIONS)
    last_closed = settings.as_of or last_closed_session(datetime.now(UTC))
    today = newest(lake.read(PREDICTIONS))
    rows = strongest(today, n)
    evaluation = lake.read(EVALUATION)
    files = lake.read_if_made(INGESTED_FILES)
    origin = B3 if files is None or files.empty else files["origin"].iloc[0]
    if as_json:
        frames = {
            "predictions": rows,
            "champions": champions,
            "figures": headline(evaluation.merge(champions[["model", "model_version"]])),
        }
        told = {"origin": origin, "last_closed": f"{last_closed}"}
        print_json(told | {name: records(rows) for name, rows in frames.items()})
        return
    console = plain_console()
    is_simulated = settings.source == "simulated" or "simulated" in origin
    market = "SIMULATED prices" if is_simulated else origin
    print_predictions(console, market, today, rows, champions, last_closed)
    _print_evaluation(console, champions, evaluation)
    _print_where_to_look(console, settings)


def _print_evaluation(console: Console, champions: pd.DataFrame, evaluation: pd.DataFrame) -> None:
    from asset_predict_dagster.evaluation.evaluate import headline
    from asset_predict_dagster.evaluation.judged_version import with_baselines

    serving = evaluation.merge(champions[["model", "model_version"]])
    serving = serving[serving["horizon"] == ACTION_HORIZON]
    # Champions judged on other sessions stand in a table of their own, beside their own naive.
    same = ["window", "first_session", "last_session"]
    for (_, first, last), judged in serving.groupby(same):
        _print_figures(console, headline(judged), first, last)
        print_orders(console, with_baselines(evaluation, judged))
    for row in champions.itertuples():
        verdict = (
            "has shown skill on these sessions"
            if row.status == "proven"
            else "has NOT shown skill: its predictions say status=unproven"
        )
        console.print(f"{row.model} version {row.model_version} {verdict}")


def _print_figures(
    console: Console, figures: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp
) -> None:
    models = sorted(figures["model"].unique())
    table = text_table(
        f"Out of sample, next session, [95 % interval]: {first:%Y-%m-%d} to {last:%Y-%m-%d}",
        left=("metric",),
        right=("naive", *models),
        gap=0,
    )
    for metric, rows in figures.groupby("metric", sort=False):
        by_model = rows.set_index("model")
        naive = by_model["naive_value"].iloc[0]
        table.add_row(
            str(metric),
            "" if pd.isna(naive) else f"{naive:.4f}",
            *(_with_interval(by_model.loc[model]) for model in models),
        )
    console.print()
    console.print(table)


def _with_interval(figure: pd.Series) -> str:
    return f"{figure['value']:.4f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def _print_where_to_look(console: Console, settings: Settings) -> None:
    console.print()
    console.print("Where to look next")
    console.print("  make dev                        Dagster: lineage, runs, checks, schedules")
    console.print(f"  duckdb {settings.warehouse}    every table, with SQL", soft_wrap=True)
    console.print(f"  {settings.lake_root}/    the same as Delta tables", soft_wrap=True)
