"""Pictures: small PNGs that say at a glance what a table says at length."""

from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.evaluation.drawing import (
    HEIGHT,
    MEDIUM,
    SMALL,
    WIDTH,
    few_dates,
    new_figure,
    png,
    titled,
)
from asset_predict_dagster.evaluation.metrics import session_rank_ic
from asset_predict_dagster.models.baselines import BASELINE_VERSION

MOST_IMPORTANT = 20


def market_picture(quotes: pd.DataFrame, universe: pd.DataFrame) -> bytes:
    """Equal-weight index of the universe, and how many tickers are in it; PNG."""
    daily = quotes["adjusted_close"].groupby(quotes["ticker"], sort=False).pct_change()
    members = daily[universe["in_universe"]].groupby(quotes["session"]).mean()
    counts = universe.groupby("session")["in_universe"].sum()
    figure, (index, count) = new_figure(2)
    index.plot(members.index, (1 + members.fillna(0)).cumprod(), linewidth=1)
    index.set_title("equal weight, first session = 1", fontsize=MEDIUM)
    count.plot(counts.index, counts, linewidth=1)
    count.set_title("tickers in the universe", fontsize=MEDIUM)
    count.set_ylim(bottom=0)
    for one in (index, count):
        few_dates(one)
    return png(figure)


def skill_picture(forecasts: pd.DataFrame) -> bytes:
    """Rank IC added up over the test sessions, models beside baselines that order; PNG.

    A line that climbs steadily is skill; the naive forecast orders nothing and stays at 0.
    """
    rows = forecasts[forecasts["horizon"] == ACTION_HORIZON]
    figure, (axes,) = new_figure(1)
    for (model, version), group in rows.groupby(["model", "model_version"]):
        daily = session_rank_ic(group, "realised_return_tradable").dropna()
        if daily.empty:
            continue
        is_baseline = version == BASELINE_VERSION
        axes.plot(
            daily.index,
            daily.cumsum(),
            linewidth=0.8 if is_baseline else 1.6,
            linestyle=":" if is_baseline else "-",
            label=model if is_baseline else f"{model} {version}: mean {daily.mean():.3f}",
        )
    axes.axhline(0, color="grey", linewidth=0.8, label="naive")
    few_dates(axes)
    axes.set_title("rank IC, added up over the test sessions", fontsize=MEDIUM)
    axes.legend(fontsize=SMALL, frameon=False)
    return png(figure)


def curves_picture(curves: pd.DataFrame, when: str = "") -> bytes:
    """Training and validation loss by epoch, and the learning rate; one colour a seed; PNG.

    `when` says which sessions validate.
    """
    figure, axes = new_figure(1, HEIGHT + 144, rows=2, heights=(3, 1), sharex=True)
    losses, rates = axes
    for seed, curve in curves.groupby("seed"):
        (line,) = losses.plot(curve["epoch"], curve["train_loss"], linestyle=":", linewidth=1)
        colour = line.get_color()
        losses.plot(curve["epoch"], curve["validation_loss"], color=colour, label=f"seed {seed}")
        best = curve[curve["is_best"]]
        losses.plot(best["epoch"], best["validation_loss"], "o", color=colour)
        rates.plot(curve["epoch"], curve["learning_rate"], color=colour, linewidth=1)
    said = titled("loss by epoch: dotted training, solid validation, dot kept", when)
    losses.set_title(said, fontsize=MEDIUM)
    losses.legend(fontsize=SMALL, frameon=False)
    rates.set_ylabel("learning\nrate", fontsize=SMALL)
    rates.set_yscale("log")
    rates.set_xlabel("epoch", fontsize=SMALL)
    rates.xaxis.get_major_locator().set_params(integer=True)
    return png(figure)


def importance_picture(importance: pd.DataFrame, when: str = "") -> bytes:
    """What forecasts lose without each feature, of the 20 they need most, with intervals; PNG.

    Parameters
    ----------
    importance
        From `models.importance.permutation_importance`.
    when
        Which sessions it was measured on.
    """
    figure = importance_figure(importance)
    said = titled("what is lost without a feature, 95 % intervals", when)
    figure.suptitle(said, fontsize=MEDIUM)
    return png(figure)


def importance_figure(importance: pd.DataFrame, width: int = WIDTH) -> Any:
    """The same without a title, for a place that says it beside the figure."""
    top = importance.nlargest(MOST_IMPORTANT, "log_loss_increase").iloc[::-1]
    figure, axes = new_figure(2, 130 + 23 * len(top), width=width, sharey=True)
    for one, figure_of, sides, title in (
        (axes[0], "log_loss_increase", "log_loss", "log-loss increases by"),
        (axes[1], "rank_ic_decrease", "rank_ic", "rank IC decreases by"),
    ):
        place = np.arange(len(top))
        one.hlines(place, top[f"{sides}_low"], top[f"{sides}_high"], linewidth=2.5, color="C0")
        one.plot(top[figure_of], place, "o", markersize=4, color="C0")
        one.axvline(0, color="grey", linewidth=0.8)
        one.set_title(title, fontsize=SMALL)
        one.locator_params(axis="x", nbins=3)
    axes[0].set_yticks(range(len(top)), top["feature"], fontsize=SMALL)
    return figure
