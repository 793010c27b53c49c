"""The command `predict`: what a model says of some tickers, now."""

import io
import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console

from asset_predict_dagster.b3_model import B3Model
from asset_predict_dagster.cli_json import json_text, records
from asset_predict_dagster.cli_options import AsJson, ModelName, VersionNumber
from asset_predict_dagster.cli_runs import waiting
from asset_predict_dagster.cli_tables import plain_console, text_table
from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.market.sessions import session_after
from asset_predict_dagster.predictions.asked import codes_of
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster.tables import PATH_HORIZONS

app = typer.Typer()

FORMATS = ("csv", "parquet", "json")


def _format_of(output: str) -> str:
    """One of `FORMATS`: of standard output, or of the file that is named."""
    return output if output in FORMATS else Path(output).suffix.removeprefix(".")


def _writable(output: str | None) -> str | None:
    if output is not None and _format_of(output) not in FORMATS:
        raise typer.BadParameter(
            f"{output!r} is neither csv, parquet or json, nor a file that ends so, such as"
            " petr4.csv."
        )
    if output == "parquet" and sys.stdout.isatty():
        raise typer.BadParameter(
            "parquet is not for a terminal; name a file, such as petr4.parquet, or redirect it."
        )
    return output


def _beginning(incomplete: str) -> list[str]:
    return [name for name in FORMATS if name.startswith(incomplete)]


@app.command()
def predict(
    ticker: Annotated[
        list[str],
        typer.Option(help="B3's code, as PETR4, petr4 or PETR4.SA; may be repeated."),
    ],
    model: ModelName = "rf",
    version: VersionNumber = None,
    days_ahead: Annotated[
        int, typer.Option(min=1, max=PATH_HORIZONS[-1], help="Sessions ahead.")
    ] = 5,
    output: Annotated[
        str | None,
        typer.Option(
            callback=_writable,
            autocompletion=_beginning,
            show_default="a table",
            help="csv, parquet or json on standard output, or a file that ends so.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What a model says of some tickers in the next sessions.

    Example: asset-predict predict --ticker PETR4 --ticker VALE3 --model lstm --days-ahead 10

    The action is of the session after the last closed one; a scoped version's is of what that
    has learned. "-": the data are late, and its session is over. A refused ticker has a reason
    and no numbers.
    """
    if as_json and output is not None:
        raise typer.BadParameter("--json is --output json; give one of them.")
    asked = B3Model(load_settings())
    with waiting("asking the model"):
        said = asked.predict(codes_of(ticker), model, days_ahead, version)
    if output is None and not as_json:
        _print_said(plain_console(), said)
        return
    content = _content(said, "json" if output is None else _format_of(output))
    if output is None or output in FORMATS:
        sys.stdout.buffer.write(content)
        return
    try:
        Path(output).write_bytes(content)
    except OSError as error:
        raise SettingsError(
            f"{output} cannot be written ({error.strerror}); name a file in a folder that can"
        ) from error
    print(f"{len(said):,} rows written to {output}", file=sys.stderr)


def _content(said: pd.DataFrame, kind: str) -> bytes:
    if kind == "json":
        return f"{json_text({'predictions': records(said)})}\n".encode()
    content = io.BytesIO()
    if kind == "parquet":
        said.to_parquet(content, index=False)
    else:
        said.to_csv(content, index=False)
    return content.getvalue()


def _print_said(console: Console, said: pd.DataFrame) -> None:
    for at, (ticker, rows) in enumerate(said.groupby("ticker", sort=False)):
        if at:
            console.print()
        first = rows.iloc[0]
        console.print(
            f"{ticker} by {first['model']} {first['model_version']} ({first['status']}), at the"
            f" close of {first['session']:%Y-%m-%d}: R$ {first['last_close']:.2f}"
        )
        if pd.isna(first["action"]):
            console.print(f"refused: {first['reason']}")
            continue
        if first["scope"]:
            console.print(f"scoped ({first['scope']})")
        console.print(_action(first))
        if first["reason"]:
            console.print(f"to be doubted: {first['reason']}")
        table = text_table(
            "", left=("session",), right=("expected", "forecast R$", "90 % interval R$")
        )
        for row in rows.itertuples():
            table.add_row(
                f"{row.target_session:%Y-%m-%d}",
                f"{row.expected_return:+.3%}",
                f"{row.predicted_price:.2f}",
                f"{row.price_low:.2f} to {row.price_high:.2f}",
            )
        console.print(table)


def _action(row: pd.Series) -> str:
    """The action with its chances and what it is of; "-" where a session of that is over."""
    n, n_late = row["action_horizon"], row["sessions_late"]
    last = session_after(row["session"].date(), n)
    of = f"the {n} sessions to {last}" if n > 1 else f"{last}" if n else f"{last} itself"
    by = f", by {row['label']}" if row["scope"] else ""
    if n_late:
        over = f"{min(n, n_late)} of them over" if n > 1 else "a session that is over"
        return f"- (the action is of {of}{by}, {over})"
    chances = ", ".join(
        f"{action} {row[f'probability_{action}']:.1%}" for action in ("buy", "hold", "sell")
    )
    return f"{row['action']} ({chances}) for {of}{by}"
