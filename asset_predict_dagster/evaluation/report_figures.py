"""The figures of a report on skill and money: drawn if there is something to draw, said if not."""

import pandas as pd

from asset_predict_dagster.evaluation.drawing import NARROW
from asset_predict_dagster.evaluation.plots import MOST_IMPORTANT, importance_figure
from asset_predict_dagster.evaluation.report_input import ReportInput
from asset_predict_dagster.evaluation.report_plots import (
    equity_figure,
    rank_ic_by_month,
    rank_ic_by_month_figure,
    rank_ic_by_window_figure,
)
from asset_predict_dagster.evaluation.shown import Shown, shown_of
from asset_predict_dagster.models.baselines import BASELINE_VERSION


def of_skill(report: ReportInput) -> list[Shown]:
    """Rank IC by month, and by window of a walk-forward."""
    months = months_of(report)
    title = "Rank IC by month"
    if not months:
        return [Shown(title, "Not drawn: no session has a rank IC of any model.")]
    positive = ", ".join(
        f"{name} above 0 in {(table['rank_ic'] > 0).sum()} of {len(table)} months"
        for name, table in months.items()
    )
    shown = [
        shown_of(
            title,
            "A bar is the mean of a month's sessions, the thin line 1.96 standard errors each way"
            " with sessions taken as independent. Skill is many small bars above 0; one tall bar is"
            f" luck or an error. {report.sessions}.",
            f"Bars by month: {positive}.",
            rank_ic_by_month_figure(months),
        )
    ]
    return shown + _by_window(report)


def months_of(report: ReportInput) -> dict[str, pd.DataFrame]:
    """Name → `rank_ic_by_month` of each model that has one."""
    rows = {name: report.next_session(*key) for key, name in report.names.items()}
    months = {name: rank_ic_by_month(of_name) for name, of_name in rows.items() if len(of_name)}
    return {name: table for name, table in months.items() if len(table)}


def _by_window(report: ReportInput) -> list[Shown]:
    rows = report.evaluation
    rows = rows[
        (rows["metric"] == "rank_ic")
        & (rows["horizon"] == 1)
        & (rows["window"] != report.window)
        & (rows["model_version"] != BASELINE_VERSION)
    ]
    keys = zip(rows["model"], rows["model_version"], strict=True)
    rows = rows.assign(name=[report.names.get(key) for key in keys]).dropna(subset="name")
    if rows["window"].nunique() < 2:
        return []
    rows = rows.sort_values(["first_session", "name"])
    said = "; ".join(
        f"{name}: {(of_name['value'] > 0).sum()} of {len(of_name)} windows above 0"
        for name, of_name in rows.groupby("name")
    )
    return [
        shown_of(
            "Rank IC by test window",
            "Each window's models were trained on what came before it. Lines are 95 % intervals"
            " (blocks of sessions drawn again); half a year alone proves little."
            f" {report.sessions}.",
            f"Points by test window. {said}.",
            rank_ic_by_window_figure(rows),
        )
    ]


def of_importance(report: ReportInput) -> list[Shown]:
    """What each model loses without each feature, and whose figures those are."""
    shown, absent = [], []
    for model in dict.fromkeys(model for model, _ in report.models):
        known = report.importances.get(model)
        if known is None:
            absent.append(model)
            continue
        table = known.table
        title = f"What {model} draws on"
        if table.empty:
            shown.append(Shown(title, f"Not drawn: {known.words}."))
            continue
        n_features = min(MOST_IMPORTANT, len(table))
        first = table.nlargest(3, "log_loss_increase")["feature"]
        shown.append(
            shown_of(
                title,
                f"Of {known.words}. How much worse it forecasts when a feature's values change"
                " places, with 95 % intervals; right of 0 the feature helps. Of two features that"
                f" say the same, neither seems to matter. The {n_features} that log-loss needs"
                f" most, of {len(table)}.",
                f"Importance of features of {model}; most needed: {', '.join(first)}.",
                importance_figure(table, width=NARROW),
            )
        )
    if absent:
        which = ", ".join(absent)
        shown.append(Shown("Not drawn", f"Importance was not measured for this report: {which}."))
    return shown


def of_trading(report: ReportInput, strategy: str) -> Shown:
    """Equity and drawdown of every model under one strategy, beside the market's."""
    daily = daily_of(report, strategy)
    ends = ", ".join(
        f"{name} {(1 + days['net_return']).prod():.2f} after and"
        f" {(1 + days['gross_return']).prod():.2f} before costs"
        for name, days in daily.items()
    )
    return shown_of(
        f"Equity and drawdown: {strategy.replace('_', ' ')}",
        "Above: the worth of one real invested, solid after costs, dotted before them. Below: how"
        f" far it was under its highest so far, after costs. {_market(report)} One real became:"
        f" {ends}."
        f" {report.sessions}.",
        f"Equity and drawdown of {strategy.replace('_', ' ')}. One real became: {ends}.",
        equity_figure(daily, report.benchmarks),
    )


def daily_of(report: ReportInput, strategy: str) -> dict[str, pd.DataFrame]:
    """Name → the days of each model's backtest under one strategy."""
    return {
        name: backtest.daily
        for key, name in report.names.items()
        for backtest in report.backtests.get(key, ())
        if backtest.strategy.name == strategy
    }


def _market(report: ReportInput) -> str:
    if report.benchmarks is None:
        return "Not beside the market: no benchmark was computed."
    said = []
    for column, name in (("ibov", "IBOV"), ("equal_weight", "Equal weight of the universe")):
        known = report.benchmarks[column].notna()
        if not known.any():
            said.append(f"{name} is not drawn: it is not known for these sessions.")
        elif not known.all():
            said.append(f"{name} is known for {known.sum():,} of {len(known):,} sessions.")
    return " ".join(said)
