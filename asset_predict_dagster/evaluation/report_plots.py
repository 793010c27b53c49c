"""Figures of a report that run along time: equity and drawdown, rank IC by month and by window.

Each function draws what it is given and returns matplotlib's figure without a title: the report
says in words what to read in it. Save it with `drawing.svg`, or `drawing.png` for Dagster.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.evaluation.drawing import (
    BLACK,
    GREY,
    MODEL_COLOURS,
    NARROW,
    SMALL,
    below_all,
    few_dates,
    new_figure,
)
from asset_predict_dagster.evaluation.metrics import session_means
from asset_predict_dagster.evaluation.performance import drawdown, equity

_PANEL = 150
"""Pixels of one of several panels."""

NORMAL_95 = 1.96

_BENCHMARKS = {"equal_weight": ("equal weight", "--"), "ibov": ("IBOV", "-")}


def equity_figure(
    daily: Mapping[str, pd.DataFrame], benchmarks: pd.DataFrame | None = None, width: int = NARROW
) -> Any:
    """What one real became, after costs and before them, and how far it was below its best.

    Parameters
    ----------
    daily
        Name → the columns `session, gross_return, net_return` of one backtest; simple returns.
    benchmarks
        The columns `session, equal_weight, ibov`, simple returns; a missing one leaves a gap and
        counts as 0 in what follows. None: there are none.
    """
    figure, (levels, falls) = new_figure(1, 400, width=width, rows=2, heights=(2, 1), sharex=True)
    for (name, days), colour in zip(daily.items(), _colours(), strict=False):
        net, gross = (days[kind].to_numpy() for kind in ("net_return", "gross_return"))
        levels.plot(days["session"], equity(net), color=colour, linewidth=1.4, label=name)
        levels.plot(days["session"], equity(gross), color=colour, linewidth=0.9, linestyle=":")
        falls.plot(days["session"], drawdown(net), color=colour, linewidth=1)
    for column, (name, style) in _BENCHMARKS.items():
        if benchmarks is None or benchmarks[column].isna().all():
            continue
        is_known = benchmarks[column].notna().to_numpy()
        returns = benchmarks[column].fillna(0.0).to_numpy()
        line = {"color": BLACK if column == "ibov" else GREY, "linestyle": style, "linewidth": 1}
        for axes, values in ((levels, equity(returns)), (falls, drawdown(returns))):
            axes.plot(benchmarks["session"], np.where(is_known, values, np.nan), label=name, **line)
    levels.axhline(1, color=GREY, linewidth=0.6)
    levels.set_ylabel("first session = 1", fontsize=SMALL)
    below_all(figure, levels)
    falls.set_ylabel("below its best", fontsize=SMALL)
    falls.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    few_dates(falls)
    return figure


def rank_ic_by_month(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Mean rank IC of each month's sessions, and 1.96 of its standard errors.

    Parameters
    ----------
    forecasts
        One model's rows of `tables.FORECASTS_OUT_OF_SAMPLE`, one session ahead.

    Returns
    -------
    `month` (its first day), `rank_ic`, `half_width` (missing where a month has fewer than three
    sessions; the sessions are taken as independent) and `n_sessions`.
    """
    daily = session_means(forecasts, "rank_ic").dropna()
    month = pd.DatetimeIndex(daily.index).to_period("M").to_timestamp()
    of_month = daily.groupby(month)
    n_sessions = of_month.size()
    error = of_month.std() / np.sqrt(n_sessions)
    table = pd.DataFrame(
        {
            "rank_ic": of_month.mean(),
            "half_width": (NORMAL_95 * error).where(n_sessions >= 3),
            "n_sessions": n_sessions,
        }
    )
    return table.rename_axis("month").reset_index()


def rank_ic_by_month_figure(months: Mapping[str, pd.DataFrame], width: int = NARROW) -> Any:
    """A bar a month, a panel a model, on one scale; thin lines are 1.96 standard errors.

    `months` is name → `rank_ic_by_month` of its forecasts.
    """
    n_models = max(len(months), 1)
    figure, panels = new_figure(
        1, 40 + _PANEL * n_models, width=width, rows=n_models, sharex=True, sharey=True
    )
    for axes, (name, table), colour in zip(panels, months.items(), _colours(), strict=False):
        centre = table["month"] + pd.Timedelta(days=14)
        axes.bar(centre, table["rank_ic"], width=24, color=colour)
        axes.vlines(
            centre,
            table["rank_ic"] - table["half_width"],
            table["rank_ic"] + table["half_width"],
            color=GREY,
            linewidth=0.7,
        )
        axes.axhline(0, color=BLACK, linewidth=0.6)
        axes.set_title(name, fontsize=SMALL, loc="left")
    few_dates(panels[-1])
    return figure


def rank_ic_by_window_figure(windows: pd.DataFrame, width: int = NARROW) -> Any:
    """Rank IC of each test window with its 95 % interval, models side by side.

    Parameters
    ----------
    windows
        `name, window, value, low, high`, windows in the order they are drawn.
    """
    figure, (axes,) = new_figure(1, 260, width=width)
    places = {window: place for place, window in enumerate(windows["window"].unique())}
    groups = list(windows.groupby("name", sort=False))
    for number, ((name, rows), colour) in enumerate(zip(groups, _colours(), strict=False)):
        apart = (number - (len(groups) - 1) / 2) * 0.6 / max(len(groups), 1)
        at = rows["window"].map(places) + apart
        axes.vlines(at, rows["low"], rows["high"], color=colour, linewidth=1.2)
        axes.plot(at, rows["value"], "o", markersize=3.5, color=colour, label=name)
    axes.axhline(0, color=BLACK, linewidth=0.6)
    turned = 90 if len(places) > 6 else 0
    axes.set_xticks(range(len(places)), list(places), fontsize=SMALL, rotation=turned)
    below_all(figure, axes)
    return figure


def _colours() -> tuple[str, ...]:
    return MODEL_COLOURS * 3
