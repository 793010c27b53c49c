"""Pictures: small PNGs that say at a glance what a table says at length.

matplotlib is imported inside: it takes a second, and the code location must load without it.
"""

import io
from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.evaluation.metrics import session_rank_ic
from asset_predict_dagster.models.baselines import BASELINE_VERSION

_SIZE, _DPI = (8.0, 3.2), 80
_COLOURS = 64


def market_picture(quotes: pd.DataFrame, universe: pd.DataFrame) -> bytes:
    """Equal-weight index of the universe, and how many tickers are in it; PNG."""
    daily = quotes["adjusted_close"].groupby(quotes["ticker"], sort=False).pct_change()
    members = daily[universe["in_universe"]].groupby(quotes["session"]).mean()
    counts = universe.groupby("session")["in_universe"].sum()
    figure, (index, count) = _figure(2)
    index.plot(members.index, (1 + members.fillna(0)).cumprod(), linewidth=1)
    index.set_title("equal weight of the universe, first session = 1", fontsize=9)
    count.plot(counts.index, counts, linewidth=1)
    count.set_title("tickers in the universe", fontsize=9)
    count.set_ylim(bottom=0)
    return _png(figure)


def skill_picture(forecasts: pd.DataFrame) -> bytes:
    """Rank IC added up over the test sessions, models beside baselines that order; PNG.

    A line that climbs steadily is skill; the naive forecast orders nothing and stays at 0.
    """
    rows = forecasts[forecasts["horizon"] == ACTION_HORIZON]
    figure, (axes,) = _figure(1)
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
    axes.set_title("rank IC, added up over the test sessions", fontsize=9)
    axes.legend(fontsize=7, frameon=False)
    return _png(figure)


def curves_picture(curves: pd.DataFrame) -> bytes:
    """Training and validation loss by epoch, one pair of lines a seed; PNG."""
    figure, (axes,) = _figure(1)
    for seed, curve in curves.groupby("seed"):
        (line,) = axes.plot(curve["epoch"], curve["train_loss"], linestyle=":", linewidth=1)
        axes.plot(
            curve["epoch"],
            curve["validation_loss"],
            color=line.get_color(),
            label=f"seed {seed}",
        )
        best = curve[curve["is_best"]]
        axes.plot(best["epoch"], best["validation_loss"], "o", color=line.get_color())
    axes.set_title("loss by epoch: dotted training, solid validation, dot kept", fontsize=9)
    axes.legend(fontsize=7, frameon=False)
    return _png(figure)


def importance_picture(importance: pd.DataFrame, n_features: int = 15) -> bytes:
    """The features a forest looked at most; PNG."""
    top = importance.nlargest(n_features, "importance").iloc[::-1]
    figure, (axes,) = _figure(1, height=4.0)
    axes.barh(top["feature"], top["importance"])
    axes.set_title("share of the decrease of impurity: a hint of use, not of skill", fontsize=9)
    axes.tick_params(axis="y", labelsize=7)
    return _png(figure)


def _figure(n_axes: int, height: float = _SIZE[1]) -> tuple[Any, np.ndarray]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_SIZE[0], height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, n_axes, squeeze=False)[0]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(labelsize=7)
    return figure, axes


def _png(figure: Any) -> bytes:
    from PIL import Image

    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    # A line drawing needs few colours, and a palette of them a third of the bytes.
    Image.open(drawn).convert("RGB").quantize(_COLOURS).save(packed, format="png", optimize=True)
    return packed.getvalue()
