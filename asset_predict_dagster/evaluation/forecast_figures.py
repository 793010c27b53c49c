"""The figures of a report on forecasts: probabilities, intervals, errors, prices and actions.

Each is drawn if there is something to draw, and said if there is not.
"""

import numpy as np
import pandas as pd

from asset_predict_dagster.evaluation.drawing import NARROW
from asset_predict_dagster.evaluation.error_plots import (
    PROMISED,
    actions_figure,
    adjusted_prices,
    coverage_figure,
    error_by_ticker,
    error_by_ticker_figure,
    likeliest,
    share_of_tickers_beaten,
)
from asset_predict_dagster.evaluation.probability_plots import (
    confusion_figure,
    confusion_worth,
    reliability_figure,
)
from asset_predict_dagster.evaluation.report_input import ReportInput
from asset_predict_dagster.evaluation.shown import Shown, shown_of
from asset_predict_dagster.models.baselines import BASELINE_VERSION

N_PRICES = 3
"""Tickers whose price is drawn."""

N_DAYS = 250
"""Sessions that a price is drawn over, the last ones."""

N_ERRORS = 20
"""Tickers whose errors are drawn."""


def of_probabilities(report: ReportInput) -> list[Shown]:
    """Reliability and confusion of each model's actions."""
    shown = []
    for (model, version), name in report.names.items():
        rows = report.acted(model, version)
        if rows.empty:
            shown.append(Shown(f"Probabilities of {name}", "Not drawn: no action is known yet."))
            continue
        worth = confusion_worth(rows)
        shown.append(
            shown_of(
                f"Do the probabilities of {name} come true?",
                "On the dashed line they mean what they say. A point is a tenth of the forecasts,"
                " its line a 95 % interval; the cross is somebody who knows only how often each"
                f" action happens. {report.sessions}.",
                f"Share of forecasts of {name} that came true, by the probability given to them.",
                reliability_figure(rows, width=NARROW),
            )
        )
        shown.append(
            shown_of(
                f"What {name} called, and what happened",
                f"Each row is what happened and adds up to 100 %. {_sentence(worth)}."
                f" {report.sessions}.",
                f"Confusion matrix of {name}: {worth}.",
                confusion_figure(rows, width=NARROW),
            )
        )
    return shown


def of_intervals(report: ReportInput) -> list[Shown]:
    """Coverage and width of the 90 % interval by horizon."""
    rows = intervals_of(report)
    title = "Coverage by horizon"
    covered = rows[rows["metric"] == "interval_coverage"]
    if covered.empty:
        return [Shown(title, "Not drawn: no model gave an interval.")]
    worst = (covered["value"] - PROMISED).abs().groupby(covered["name"]).max()
    said = ", ".join(f"{name} at most {100 * off:.1f} points off" for name, off in worst.items())
    longest = int(covered["horizon"].max())
    return [
        shown_of(
            title,
            "Above: the share of outcomes inside the 90 % interval; it should lie on the dashed"
            " line. Below: how wide the interval is; coverage bought with width is worth less."
            " Lines are 95 % intervals. Beyond five sessions one session in five is measured."
            f" {report.sessions}.",
            f"Coverage from 1 to {longest} sessions ahead beside the promised 90 %: {said}.",
            coverage_figure(rows),
        )
    ]


def intervals_of(report: ReportInput) -> pd.DataFrame:
    """Rows of the evaluation on the intervals of models and `naive`, with a column `name`."""
    rows = report.judged
    rows = rows[rows["metric"].isin(("interval_coverage", "interval_width"))]
    rows = rows[rows["value"].notna()]
    keys = list(zip(rows["model"], rows["model_version"], strict=True))
    names = {**report.names, ("naive", BASELINE_VERSION): "naive"}
    return rows.assign(name=[names.get(key) for key in keys]).dropna(subset="name")


def of_errors(report: ReportInput, seed: int = 0) -> list[Shown]:
    """The naive forecast's error by ticker, and how the models' differ from it."""
    naive = report.next_session("naive", BASELINE_VERSION)
    tickers = report.most_traded[:N_ERRORS]
    title = "Error by ticker, beside the naive forecast"
    rows = {name: report.next_session(*key) for key, name in report.names.items()}
    rows = {name: of_name for name, of_name in rows.items() if len(of_name)}
    if naive.empty or not tickers or not rows:
        return [Shown(title, "Not drawn: no ticker has both forecasts and quotes.")]
    tables = {
        name: error_by_ticker(of_name, naive, tickers, seed) for name, of_name in rows.items()
    }
    beaten = "; ".join(
        "{} at {:,} of {:,}".format(name, *share_of_tickers_beaten(of_name, naive))
        for name, of_name in rows.items()
    )
    return [
        shown_of(
            title,
            "Left: how far the naive forecast (tomorrow = today) is off, in mean absolute return."
            " Right: how much larger or smaller the models' error is, as a share of it, with 95 %"
            f" intervals; left of 0 is better. The {len(tickers)} most traded tickers, whatever"
            f" their result. Of all tickers the error is below the naive one's: {beaten}; chance"
            f" gives about half. {report.sessions}.",
            f"Errors of {len(tickers)} tickers beside the naive forecast's. Smaller: {beaten}.",
            error_by_ticker_figure(tables),
        )
    ]


def of_prices(report: ReportInput) -> list[Shown]:
    """Price and predicted actions of the most traded tickers."""
    said = {name: report.acted(*key) for key, name in report.names.items()}
    said = {name: rows for name, rows in said.items() if len(rows)}
    if not said or not report.most_traded:
        return [Shown("Price and actions", "Not drawn: no ticker has both actions and quotes.")]
    days = np.sort(report.forecasts["session"].unique())[-N_DAYS:]
    shown = []
    for ticker in report.most_traded[:N_PRICES]:
        quotes = report.quotes[
            (report.quotes["ticker"] == ticker)
            & report.quotes["session"].between(days[0], days[-1])
        ]
        actions = {
            name: _actions(rows[(rows["ticker"] == ticker) & rows["session"].isin(days)])
            for name, rows in said.items()
        }
        counts = "; ".join(
            f"{name} {(of_name['action'] == 'buy').sum()} × buy,"
            f" {(of_name['action'] == 'sell').sum()} × sell"
            for name, of_name in actions.items()
        )
        shown.append(
            shown_of(
                f"{ticker}: price and predicted actions",
                "A bar up says buy, a bar down sell, none hold, at the close before the session it"
                f" is about. Chosen by rule: the {N_PRICES} most traded tickers of the judged"
                f" sessions, over the last {len(days)} of them, up to"
                f" {pd.Timestamp(days[-1]):%Y-%m-%d}; prices adjusted for splits and dividends, in"
                f" reais of the last session. {counts}.",
                f"Closing price of {ticker} over {len(quotes)} sessions, and actions: {counts}.",
                actions_figure(adjusted_prices(quotes), actions),
            )
        )
    return shown


def _actions(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"session": rows["session"], "action": likeliest(rows)})


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
