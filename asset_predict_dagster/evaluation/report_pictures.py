"""The figures of a report that Dagster's page shows beside it: small PNGs with their titles."""

from typing import Any

from asset_predict_dagster.evaluation.drawing import MEDIUM, png, titled
from asset_predict_dagster.evaluation.error_plots import coverage_figure
from asset_predict_dagster.evaluation.forecast_figures import intervals_of
from asset_predict_dagster.evaluation.probability_plots import (
    confusion_picture,
    reliability_picture,
)
from asset_predict_dagster.evaluation.report_figures import daily_of, months_of
from asset_predict_dagster.evaluation.report_input import ReportInput
from asset_predict_dagster.evaluation.report_plots import equity_figure, rank_ic_by_month_figure
from asset_predict_dagster.evaluation.trading_tables import strategies_of


def pictures(report: ReportInput) -> dict[str, bytes]:
    """Name → PNG: equity, rank IC by month, coverage; reliability and confusion of each model.

    What there is nothing to draw of is left out, and the report says so.
    """
    first, last = report.span
    when = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    drawn = {}
    for strategy in strategies_of(report):
        figure = equity_figure(daily_of(report, strategy), report.benchmarks)
        said = f"equity and drawdown, {strategy.replace('_', ' ')}"
        drawn[f"equity_{strategy}"] = _picture(figure, said, when)
    if months := months_of(report):
        figure = rank_ic_by_month_figure(months)
        drawn["rank_ic_by_month"] = _picture(figure, "rank IC by month", when)
    covered = intervals_of(report)
    if (covered["metric"] == "interval_coverage").any():
        figure = coverage_figure(covered)
        drawn["coverage"] = _picture(figure, "coverage of the 90 % interval", when)
    for key, name in report.names.items():
        rows = report.acted(*key)
        if len(rows):
            whose = f"{name}, {when}"
            drawn[f"reliability_{_key(name)}"] = reliability_picture(rows, whose)
            drawn[f"confusion_{_key(name)}"] = confusion_picture(rows, whose)
    return drawn


def _picture(figure: Any, what: str, when: str) -> bytes:
    figure.suptitle(titled(what, when), fontsize=MEDIUM)
    return png(figure)


def _key(name: str) -> str:
    return name.replace(" ", "_")
