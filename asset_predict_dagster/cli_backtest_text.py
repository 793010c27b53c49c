"""A backtest as a person reads it, 80 columns wide: verdicts, figures, and what trading left."""

import textwrap
from typing import TYPE_CHECKING

import pandas as pd
from rich.console import Console
from rich.table import Table as TextTable

from asset_predict_dagster.cli_runs import where_to_see
from asset_predict_dagster.cli_tables import text_table

if TYPE_CHECKING:
    from asset_predict_dagster.evaluation.report_input import ReportInput
    from asset_predict_dagster.runs import Ran

_WIDTH = 80
_METRICS = ("rank_ic", "log_loss", "accuracy", "directional_accuracy", "r2_price")
_TRADING = ("net_annual_return", "sharpe_net", "max_drawdown", "turnover", "break_even_bps")


def print_backtest(console: Console, ran: "Ran") -> None:
    told, report = ran.told, ran.told.report
    n_windows = len(told.windows)
    console.print()
    console.print(
        f"{told.windows[0]} to {told.windows[-1]}: {n_windows} window{'s' * (n_windows > 1)},"
        f" {told.n_trained} trained now"
    )
    for verdict in report.verdicts:
        console.print()
        console.print(verdict.headline)
        console.print(verdict.paragraph)
        for warning in verdict.warnings:
            console.print(_hung(warning))
    console.print()
    console.print(_figures_table(report))
    if report.backtests:
        console.print()
        console.print(_trading_table(report))
        console.print(_market(report))
    console.print()
    console.print(f"The report: {told.path}", soft_wrap=True)
    console.print(where_to_see(ran))


def _hung(warning: str) -> str:
    """A sentence as an entry of a list."""
    return textwrap.fill(
        warning,
        _WIDTH,
        initial_indent="- ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _figures_table(report: "ReportInput") -> TextTable:
    table = text_table(
        "Out of sample, next session, beside naive and the best without a model",
        left=("metric", "model"),
        right=("value", "95 % interval", "naive", "best"),
    )
    for row in headline_figures(report).itertuples():
        table.add_row(
            row.metric,
            row.model,
            _number(row.value),
            f"{_number(row.low)} to {_number(row.high)}",
            _number(row.naive_value),
            _number(row.best_value),
        )
    return table


def _trading_table(report: "ReportInput") -> TextTable:
    table = text_table(
        "After costs, traded at the next session's average price",
        left=("model", "strategy"),
        right=("net a year", "Sharpe", "drawdown", "turnover", "even at bp"),
    )
    for (model, strategy), rows in trading_figures(report).groupby(
        ["model", "strategy"], sort=False
    ):
        said = rows.set_index("metric")["value"]
        table.add_row(
            str(model),
            str(strategy).replace("_", " "),
            f"{said['net_annual_return']:+.1%}",
            f"{said['sharpe_net']:.2f}",
            f"{said['max_drawdown']:.0%}",
            f"{said['turnover']:.0%}",
            f"{said['break_even_bps']:.1f}",
        )
    return table


def _market(report: "ReportInput") -> str:
    """What anybody could have had in the same sessions."""
    from asset_predict_dagster.evaluation.performance import annual_return

    if report.benchmarks is None:
        return "Beside the market: not computed."
    names = {"equal_weight": "equal weight of the universe, at no cost", "ibov": "IBOV"}
    said = [
        f"{name} {annual_return(known.to_numpy()):+.1%}"
        for column, name in names.items()
        if len(known := report.benchmarks[column].dropna())
    ]
    return f"In the same sessions: {'; '.join(said) or 'nothing is known of the market'}"


def headline_figures(report: "ReportInput") -> pd.DataFrame:
    """The models' figures to look at first, in the order of the metrics."""
    models = [model for model, _ in report.models]
    rows = report.judged
    rows = rows[rows["metric"].isin(_METRICS) & rows["model"].isin(models) & (rows["horizon"] == 1)]
    order = {name: place for place, name in enumerate((*_METRICS, *models))}
    return rows.sort_values(["metric", "model"], key=lambda names: names.map(order))


def trading_figures(report: "ReportInput") -> pd.DataFrame:
    """Columns: model, model_version, strategy, metric, value, low, high."""
    return pd.concat(
        [
            run.figures()
            .query("metric in @_TRADING")
            .assign(model=model, model_version=version, strategy=run.strategy.name)
            for (model, version), runs in report.backtests.items()
            for run in runs
        ],
        ignore_index=True,
    )


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.4f}"
