"""Figures of a report about errors: coverage by horizon, error by ticker, price and actions.

As in `report_plots.py`, the figures have no title: the report says in words what to read in them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.bootstrap import block_weights, interval
from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.evaluation.drawing import (
    ACTION_COLOURS,
    BLACK,
    GREY,
    MODEL_COLOURS,
    NARROW,
    SMALL,
    below_all,
    few_dates,
    new_figure,
)

PROMISED = 0.9
"""Share of outcomes that an interval promises to hold."""


def coverage_figure(by_horizon: pd.DataFrame, width: int = NARROW) -> Any:
    """Share of outcomes inside the 90 % interval, and the interval's width, by horizon.

    Parameters
    ----------
    by_horizon
        `name, metric (interval_coverage or interval_width), horizon, value, low, high`.
    """
    figure, (coverage, widths) = new_figure(1, 360, width=width, rows=2, sharex=True)
    for axes, metric in ((coverage, "interval_coverage"), (widths, "interval_width")):
        chosen = by_horizon[by_horizon["metric"] == metric]
        groups = list(chosen.groupby("name", sort=False))
        for number, ((name, rows), colour) in enumerate(
            zip(groups, MODEL_COLOURS * 3, strict=False)
        ):
            # Models with one law of volatility have nearly the same intervals: side by side.
            at = rows["horizon"] + (number - (len(groups) - 1) / 2) * 0.6 / len(groups)
            axes.vlines(at, rows["low"], rows["high"], color=colour, linewidth=0.8)
            axes.plot(at, rows["value"], "o", color=colour, markersize=2, label=name)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    coverage.axhline(PROMISED, color=BLACK, linewidth=0.8, linestyle="--", label="promised")
    coverage.set_ylabel("inside", fontsize=SMALL)
    below_all(figure, coverage)
    widths.set_ylabel("width, of the price", fontsize=SMALL)
    widths.set_ylim(bottom=0)
    widths.set_xlabel("sessions ahead", fontsize=SMALL)
    return figure


def error_by_ticker(
    forecasts: pd.DataFrame, naive: pd.DataFrame, tickers: Sequence[str], seed: int = 0
) -> pd.DataFrame:
    """Mean absolute error of the return by ticker: the naive one's, and how the model's differs.

        difference = Σ |error of the model| / Σ |error of naive| - 1

    Parameters
    ----------
    forecasts, naive
        Rows of `tables.FORECASTS_OUT_OF_SAMPLE` one session ahead, of the same tickers and
        sessions.
    tickers
        Those wanted, in the order wanted; one without a forecast is left out.
    seed
        Of the bootstrap over sessions.

    Returns
    -------
    `ticker, naive (a fraction), difference, low, high` (95 %, paired) and `n_sessions`.
    """
    mine, other = (_absolute_errors(rows, tickers) for rows in (forecasts, naive))
    sessions = other.index
    weights = block_weights(len(sessions), seed) if len(sessions) else np.empty((0, 0))
    found = []
    for ticker in tickers:
        if ticker not in other or ticker not in mine:
            continue
        both = np.column_stack([mine[ticker].reindex(sessions), other[ticker]])
        is_known = np.isfinite(both).all(axis=1)
        sums = np.where(is_known[:, None], both, 0.0)
        low, high = interval(sums, _difference, weights)
        total, n_known = sums.sum(axis=0), int(is_known.sum())
        found.append((ticker, total[1] / n_known, _difference(total), low, high, n_known))
    columns = ["ticker", "naive", "difference", "low", "high", "n_sessions"]
    return pd.DataFrame(found, columns=columns)


def share_of_tickers_beaten(forecasts: pd.DataFrame, naive: pd.DataFrame) -> tuple[int, int]:
    """At how many tickers the model's mean absolute error is below the naive one's, of how many."""
    mine, other = (
        (rows["realised_return"] - rows["expected_return"])
        .abs()
        .groupby(rows["ticker"], observed=True)
        .mean()
        for rows in (forecasts, naive)
    )
    return int((mine < other.reindex(mine.index)).sum()), len(mine)


def error_by_ticker_figure(tables: Mapping[str, pd.DataFrame], width: int = NARROW) -> Any:
    """The naive forecast's error of each ticker, and beside it how the models' differ.

    `tables` is name → `error_by_ticker`, all of the same tickers.
    """
    first = next(iter(tables.values()))
    height = 90 + 19 * len(first)
    figure, (naive, apart) = new_figure(2, height, width=width, sharey=True, width_ratios=(2, 3))
    place = np.arange(len(first))[::-1]
    naive.plot(first["naive"], place, "D", color=GREY, markersize=3.5)
    naive.set_yticks(place, first["ticker"], fontsize=SMALL)
    naive.set_xlim(left=0)
    naive.set_title("naive: mean error", fontsize=SMALL)
    for number, ((name, table), colour) in enumerate(
        zip(tables.items(), MODEL_COLOURS * 3, strict=False)
    ):
        at = place + (len(tables) - 1 - 2 * number) * 0.12
        apart.hlines(at, table["low"], table["high"], color=colour, linewidth=1)
        apart.plot(table["difference"], at, "o", markersize=3, color=colour, label=name)
    apart.axvline(0, color=BLACK, linewidth=0.8)
    apart.set_title("models: more (+) or less (-)", fontsize=SMALL)
    for axes in (naive, apart):
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
        axes.locator_params(axis="x", nbins=4)
    below_all(figure, apart)
    return figure


def actions_figure(
    prices: pd.DataFrame, actions: Mapping[str, pd.DataFrame], width: int = NARROW
) -> Any:
    """The price of one ticker, and below it what each model said to do.

    Parameters
    ----------
    prices
        The columns `session, price`.
    actions
        Name → the columns `session, action`; a bar up says buy, a bar down sell, none hold.
    """
    rows = 1 + len(actions)
    heights = (3.2, *([1.0] * len(actions)))
    figure, (level, *strips) = new_figure(
        1, 190 + 42 * len(actions), width=width, rows=rows, heights=heights, sharex=True
    )
    level.plot(prices["session"], prices["price"], color=BLACK, linewidth=1)
    level.set_ylabel("R$", fontsize=SMALL)
    for axes, (name, said) in zip(strips, actions.items(), strict=True):
        for action, sign in (("buy", 1), ("sell", -1)):
            days = said.loc[said["action"] == action, "session"]
            axes.vlines(days, 0, sign, color=ACTION_COLOURS[action], linewidth=1)
        axes.axhline(0, color=GREY, linewidth=0.5)
        axes.set_ylim(-1.1, 1.1)
        axes.set_yticks([-1, 1], ["sell", "buy"], fontsize=SMALL - 1)
        axes.set_title(name, fontsize=SMALL, loc="left", pad=2)
    few_dates(figure.axes[-1])
    return figure


def likeliest(forecasts: pd.DataFrame) -> pd.Series:
    """The likeliest action of each row; of equals the first of buy, hold, sell."""
    said = forecasts[[f"probability_{action}" for action in ACTIONS]].to_numpy()
    return pd.Series(np.array(ACTIONS)[said.argmax(axis=1)], index=forecasts.index)


def adjusted_prices(quotes: pd.DataFrame) -> pd.DataFrame:
    """`session, price` of one ticker, in reais of its last session: no step where shares split."""
    quotes = quotes.sort_values("session")
    scale = quotes["close"].iloc[-1] / quotes["adjusted_close"].iloc[-1]
    return pd.DataFrame({"session": quotes["session"], "price": quotes["adjusted_close"] * scale})


def _absolute_errors(rows: pd.DataFrame, tickers: Sequence[str]) -> pd.DataFrame:
    """Sessions × tickers; missing where there is no forecast."""
    chosen = rows[rows["ticker"].isin(tickers)]
    error = (chosen["realised_return"] - chosen["expected_return"]).abs()
    keys = [chosen["session"], chosen["ticker"].astype("str")]
    by_both: Any = error.groupby(keys).sum().unstack()
    return by_both


def _difference(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[..., 0] / sums[..., 1] - 1
