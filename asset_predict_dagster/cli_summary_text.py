"""What `summary` prints of the predictions: the strongest, who made them, and what they lack."""

from datetime import date

import pandas as pd
from rich.console import Console

from asset_predict_dagster.cli_tables import text_table
from asset_predict_dagster.market.sessions import session_after
from asset_predict_dagster.tables import MARKED, REFUSED


def print_predictions(
    console: Console,
    market: str,
    today: pd.DataFrame,
    rows: pd.DataFrame,
    champions: pd.DataFrame,
    last_closed: date,
) -> None:
    """`rows` are the strongest of `today`, the newest answers; `last_closed` is by the clock."""
    session = today["session"].max()
    table = text_table(
        f"Strongest predictions at the close of {session:%Y-%m-%d} ({market})",
        left=("ticker", "model", "action"),
        right=("last R$", "forecast", "90 % interval", "expected"),
    )
    for row in rows.itertuples():
        table.add_row(
            row.ticker,
            row.model,
            row.action,
            f"{row.last_close:.2f}",
            f"{row.predicted_price:.2f}",
            f"{row.price_low:.2f} - {row.price_high:.2f}",
            f"{row.expected_return:+.3%}",
        )
    console.print()
    console.print(table)
    if len(rows):
        console.print(_when(rows["target_session"].iloc[0].date(), last_closed))
    for row in today.drop_duplicates(["model", "model_version", "status"]).itertuples():
        console.print(
            f"by {row.model} version {row.model_version}, status={row.status}"
            f"{_unless_it_serves(row.model, row.model_version, champions)}"
        )
    n_late = today["sessions_late"].max()
    if n_late > 0:
        console.print(f"late_data: sessions closed since without a file: {n_late}")
    for said, among in (("refused", REFUSED), ("to be doubted", MARKED)):
        odd = today[today["reason"].isin(among)]
        reasons = odd.drop_duplicates("ticker")["reason"].value_counts()
        if len(reasons):
            counts = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
            console.print(f"{said}: {counts}")


def _when(target: date, last_closed: date) -> str:
    if target <= last_closed:
        return (
            f"for {target}, a session that is over (the last closed one is {last_closed}): run the"
            " job daily_prediction"
        )
    is_next = target == session_after(last_closed)
    return f"for {target}, B3's next session" if is_next else f"for {target}"


def _unless_it_serves(model: str, version: str, champions: pd.DataFrame) -> str:
    """Who serves now, if that is another version than the one that answered."""
    serving = champions.loc[champions["model"] == model, "model_version"]
    if version in set(serving):
        return ""
    return f"; version {serving.iloc[0]} serves now" if len(serving) else "; nobody serves now"
