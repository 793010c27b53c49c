"""The tables of a report on its backtests, as rows of text: figures, market, assumptions."""

from collections.abc import Iterable
from dataclasses import asdict

from asset_predict_dagster.evaluation.metric_words import ABSENT
from asset_predict_dagster.evaluation.performance import compare_with_benchmarks
from asset_predict_dagster.evaluation.report_input import ReportInput
from asset_predict_dagster.evaluation.report_tables import TextTable, spaced
from asset_predict_dagster.evaluation.trading_words import trading_label, trading_number

BENCHMARKS = {"equal_weight": "equal weight", "ibov": "IBOV"}


def trading_table(report: ReportInput, strategy: str) -> TextTable:
    """The figures of one strategy's backtests, a column a model."""
    columns, cells, order = ["figure"], {}, {}
    for key, name in report.names.items():
        for backtest in report.backtests.get(key, ()):
            if backtest.strategy.name != strategy:
                continue
            columns.append(name)
            for row in backtest.figures().itertuples():
                order[row.metric] = None
                said = trading_number(row.metric, row.value)
                low, high = (trading_number(row.metric, end) for end in (row.low, row.high))
                cells[row.metric, name] = (
                    said if ABSENT in (low, high) else f"{said} [{low}, {high}]"
                )
    rows = [
        [trading_label(metric), *(cells.get((metric, name), ABSENT) for name in columns[1:])]
        for metric in order
    ]
    return TextTable(f"{spaced(strategy)}: {report.sessions}", columns, rows)


def excess_table(report: ReportInput) -> TextTable:
    """What each backtest earned a year beyond each benchmark, after costs."""
    rows = []
    for key, name in report.names.items():
        for backtest in report.backtests.get(key, ()):
            if report.benchmarks is None:
                continue
            beside = compare_with_benchmarks(backtest.daily, report.benchmarks)
            for row in beside.itertuples():
                returns = (row.net_annual_return, row.benchmark_annual_return)
                mine, market = (trading_number("annual_return", value) for value in returns)
                excess = trading_number("annual_return", row.excess_return)
                ends = [trading_number("annual_return", end) for end in (row.low, row.high)]
                rows.append(
                    (
                        spaced(backtest.strategy.name),
                        name,
                        BENCHMARKS.get(row.benchmark, spaced(row.benchmark)),
                        mine,
                        market,
                        f"{excess} [{ends[0]}, {ends[1]}]",
                        f"{row.n_sessions:,}",
                    )
                )
    return TextTable(
        "Beside the market, after costs; the difference of the mean returns with its 95 % interval."
        " A long-short strategy does not hold the market, so that it is no measure of it.",
        (
            "strategy",
            "model",
            "beside",
            "return a year",
            "its return a year",
            "difference a year",
            "sessions",
        ),
        rows,
    )


def assumption_table(report: ReportInput) -> TextTable:
    """What the backtests assumed: strategies and costs, each once."""
    run = [one for key in report.models for one in report.backtests.get(key, ())]
    assumed = [(spaced(one.strategy.name), asdict(one.strategy)) for one in run]
    assumed += [("costs", asdict(one.costs)) for one in run]
    assumed += [("trials", {"variants looked at": one.n_trials}) for one in run]
    rows = [
        (what, spaced(name), _plain(value))
        for what, fields in assumed
        for name, value in fields.items()
        if name != "name"
    ]
    return TextTable(
        "Strategies and costs, as they were run. Their defaults were declared before any test"
        " session was looked at.",
        ("what", "assumption", "value"),
        list(dict.fromkeys(rows)),
    )


def strategies_of(report: ReportInput) -> list[str]:
    """The strategies that any model was backtested with, in the order they were given."""
    given: Iterable[str] = (
        backtest.strategy.name
        for key in report.models
        for backtest in report.backtests.get(key, ())
    )
    return list(dict.fromkeys(given))


def _plain(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)
