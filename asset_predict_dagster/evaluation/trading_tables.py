"""The tables of a report on its backtests, as rows of text: figures, market, assumptions."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from asset_predict_dagster.evaluation.backtest import Backtest
from asset_predict_dagster.evaluation.costs import Costs, recorded_half_spread
from asset_predict_dagster.evaluation.metric_words import ABSENT
from asset_predict_dagster.evaluation.performance import compare_with_benchmarks
from asset_predict_dagster.evaluation.report_input import Key, ReportInput
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
    return TextTable(f"{spaced(strategy)}: {_traded_sessions(report, strategy)}", columns, rows)


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
        " Returns a year are of the sessions in the last column, those that the benchmark is known"
        " for: they can differ from a strategy's return of all its sessions. A long-short strategy"
        " does not hold the market, so that it is no measure of it.",
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
    """What the backtests assumed: strategies and costs, each once, and variants by model."""
    run = [(key, one) for key in report.models for one in report.backtests.get(key, ())]
    assumed = [(spaced(one.strategy.name), asdict(one.strategy)) for _, one in run]
    assumed += [("costs", _assumed_costs(one.costs)) for _, one in run]
    is_spread_paid = any(one.costs.flat_bps is None for _, one in run)
    if is_spread_paid:
        known, asked = _recorded_spreads(report)
        share = f"{100 * known / asked:.1f} % of {asked:,}" if asked else ABSENT
        assumed.append(("costs", {"quotes with a recorded spread": share}))
    assumed += [
        (f"variants tried, {report.names[key]}", {"this one included": one.n_trials})
        for key, one in run
    ]
    rows = [
        (what, spaced(name), _plain(value))
        for what, fields in assumed
        for name, value in fields.items()
        if name != "name"
    ]
    return TextTable(
        "Strategies and costs, as they were run. Their defaults were declared before any of them"
        " traded a test session; forecasts of these sessions may have been scored before."
        + (_floor_in_words(report, run) if is_spread_paid else ""),
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


def _assumed_costs(costs: Costs) -> dict[str, object]:
    """Where a flat cost replaces all others, it alone."""
    if costs.flat_bps is not None:
        return {"flat cost of what is traded, and no other (bp)": costs.flat_bps}
    return {name: value for name, value in asdict(costs).items() if name != "flat_bps"}


def _recorded_spreads(report: ReportInput) -> tuple[int, int]:
    """Quotes of the forecast tickers in the judged sessions: those with real offers, and all."""
    first, last = report.span
    is_meant = report.quotes["session"].between(first, last) & report.quotes["ticker"].isin(
        report.forecasts["ticker"].unique()
    )
    known = np.isfinite(recorded_half_spread(report.quotes[is_meant]))
    return int(known.sum()), len(known)


def _floor_in_words(report: ReportInput, run: Sequence[tuple[Key, Backtest]]) -> str:
    known, asked = _recorded_spreads(report)
    floors = sorted({f"{one.costs.min_half_spread_bps:g}" for _, one in run})
    if known or not asked:
        return ""
    return (
        " No quote has a recorded spread, so every trade pays the assumed half-spread of"
        f" {' or '.join(floors)} bp: what real spreads cost is not measured here."
    )


def _traded_sessions(report: ReportInput, strategy: str) -> str:
    """Which sessions the figures are of, and at which cost where it is flat."""
    run = [
        one
        for key in report.models
        for one in report.backtests.get(key, ())
        if one.strategy.name == strategy
    ]
    if not run:
        return report.sessions
    days = pd.concat([one.daily["session"] for one in run]).drop_duplicates()
    n_scored = int(days.isin(report.forecasts["session"]).sum())
    said = f"{days.min():%Y-%m-%d} to {days.max():%Y-%m-%d}, {len(days):,} sessions held"
    if n_scored < len(days):
        said += f", {n_scored:,} of them with new forecasts (in the others positions stay)"
    flat = sorted({one.costs.flat_bps for one in run if one.costs.flat_bps is not None})
    costs = " or ".join(f"{bps:g}" for bps in flat)
    return f"{said}; at a flat cost of {costs} bp of what is traded" if flat else said


def _plain(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)
