"""Drawing: the paper, the letters and the colours that all figures share.

A figure is saved as a small PNG for Dagster's and MLflow's pages (`png`), with its title on it, or
as an SVG for a report (`svg`), whose caption is text beside it. matplotlib is imported inside: it
takes a second, and the code location must load without it.
"""

import io
from typing import Any

import numpy as np

WIDTH, HEIGHT, DPI = 640, 256, 120
"""Pixels of a PNG, whose letters a phone's 300 leave readable."""

NARROW = 480
"""Pixels of a figure in a report: a phone shows it at two thirds, a desk at half as large again."""

SMALL, MEDIUM = 7.5, 9
"""Points: of numbers and legends, of titles. One is 1.7 pixels."""

MODEL_COLOURS = ("#00689d", "#c8501e", "#00795c", "#8a4f9e", "#7a6a00")
GREY, BLACK = "#6b7280", "#1f2933"
ACTION_COLOURS = {"buy": "#00795c", "hold": "#56789a", "sell": "#c8501e"}

_PALETTE = 64
_MEASURED, _SHOWN = b"'DejaVu Sans'", b"Helvetica, Arial"


def new_figure(
    n_axes: int, height: int = HEIGHT, *, width: int = WIDTH, **layout: Any
) -> tuple[Any, np.ndarray]:
    """A figure of so many pixels, and its axes from left to right, or from top to bottom.

    Parameters
    ----------
    n_axes
        Axes in a row.
    layout
        `rows`, and `heights`, one number each; the rest is matplotlib's `Figure.subplots`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    rows, heights = layout.pop("rows", 1), layout.pop("heights", None)
    axes = figure.subplots(rows, n_axes, squeeze=False, height_ratios=heights, **layout).ravel()
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(labelsize=SMALL)
    return figure, axes


def titled(what: str, when: str) -> str:
    """A title, and below it which sessions it is of, where that is said."""
    return f"{what}\n{when}" if when else what


def few_dates(axes: Any) -> None:
    """Three to seven dates below the axes, each as short as it can be."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    places = AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(places)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(places, show_offset=False))


def below_all(figure: Any, axes: Any) -> None:
    """The legend of `axes` under the whole figure, where it hides nothing; none for no line."""
    lines, names = axes.get_legend_handles_labels()
    if lines:
        figure.legend(
            lines,
            names,
            loc="outside lower center",
            fontsize=SMALL,
            frameon=False,
            ncols=min(len(lines), 3),
        )


def png(figure: Any) -> bytes:
    """The figure as a PNG of few colours; the same figure is the same bytes."""
    from PIL import Image

    _as_written(figure)
    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    # A line drawing needs few colours, and a palette of them a third of the bytes.
    Image.open(drawn).convert("RGB").quantize(_PALETTE).save(packed, format="png", optimize=True)
    return packed.getvalue()


def svg(figure: Any) -> bytes:
    """The figure as an SVG that scales, in the reader's own letters; draw it anew for each.

    Those letters are narrower than the ones it is measured in, which come with matplotlib: what
    fits here fits there. The same figure is the same bytes.
    """
    import matplotlib as mpl

    same = {
        "svg.fonttype": "none",
        "svg.hashsalt": "asset-predict",
        "font.sans-serif": ["DejaVu Sans"],
    }
    _as_written(figure)
    drawn = io.BytesIO()
    with mpl.rc_context(same):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return drawn.getvalue().replace(_MEASURED, _SHOWN)


def _as_written(figure: Any) -> None:
    """Two dollar signs in a name are not a formula, which may be wrong and stop the drawing."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
