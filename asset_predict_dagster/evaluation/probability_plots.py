"""Pictures of what probabilities are worth: what was said beside what happened.

A forecaster who knows nothing but how often each action happens says the same of every row; it is
drawn wherever a model could be mistaken for better than that.
"""

from typing import Any

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.bootstrap import block_weights, interval
from asset_predict_dagster.dataset.samples import ACTIONS
from asset_predict_dagster.evaluation.drawing import (
    ACTION_COLOURS,
    MEDIUM,
    SMALL,
    WIDTH,
    new_figure,
    png,
    titled,
)

N_BINS = 10
_HEIGHT = 430


def confusion_picture(forecasts: pd.DataFrame, when: str = "") -> bytes:
    """How often each action was forecast where each one happened; PNG.

    Parameters
    ----------
    forecasts
        The columns `action` (what happened) and `probability_*`; one row a forecast.
    when
        Which sessions they are of.
    """
    figure = confusion_figure(forecasts)
    figure.suptitle(titled(confusion_worth(forecasts), when), fontsize=MEDIUM)
    return png(figure)


def confusion_figure(forecasts: pd.DataFrame, width: int = WIDTH) -> Any:
    """The same without a title, for a place that says it beside the figure."""
    counts = confusion(forecasts).to_numpy()
    happened = counts.sum(axis=1)
    shares = counts / np.maximum(happened, 1)[:, None]
    frequency = happened / max(counts.sum(), 1)
    figure, (axes,) = new_figure(1, _HEIGHT, width=width)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(counts.shape):
        share = shares[row, column]
        axes.text(
            column,
            row,
            f"{share:.0%}\n{counts[row, column]:,}",
            ha="center",
            va="center",
            fontsize=MEDIUM,
            color="white" if share > 0.55 else "black",
        )
    axes.set_xticks(range(len(ACTIONS)), ACTIONS, fontsize=MEDIUM)
    said = [f"{name}\n{share:.0%} of all" for name, share in zip(ACTIONS, frequency, strict=True)]
    axes.set_yticks(range(len(ACTIONS)), said, fontsize=MEDIUM)
    axes.set_xlabel("was forecast", fontsize=MEDIUM)
    axes.set_ylabel("happened", fontsize=MEDIUM)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def confusion_worth(forecasts: pd.DataFrame) -> str:
    """How often the likeliest action was right, and how often the commonest one would have been.

    >>> rows = pd.DataFrame({"action": ["buy", "sell", "buy"], "probability_buy": [0.5, 0.6, 0.2],
    ...         "probability_hold": [0.3, 0.3, 0.6], "probability_sell": [0.2, 0.1, 0.2]})
    >>> confusion_worth(rows)
    'the likeliest action is right in 33.3%; always buy: 66.7%'
    """
    counts = confusion(forecasts).to_numpy()
    frequency = counts.sum(axis=1) / max(counts.sum(), 1)
    right = np.trace(counts) / max(counts.sum(), 1)
    always = ACTIONS[int(frequency.argmax())]
    return f"the likeliest action is right in {right:.1%}; always {always}: {frequency.max():.1%}"


def reliability_picture(forecasts: pd.DataFrame, when: str = "", seed: int = 0) -> bytes:
    """How often an action happened that was given a probability, with 95 % intervals; PNG.

    On the diagonal probabilities mean what they say. The cross is who knows how often each action
    happens and no more: right on average, the same for all. Parameters as `confusion_picture`.
    """
    figure = reliability_figure(forecasts, seed)
    said = titled("do probabilities come true? cross: frequencies alone", when)
    figure.suptitle(said, fontsize=MEDIUM)
    return png(figure)


def reliability_figure(forecasts: pd.DataFrame, seed: int = 0, width: int = WIDTH) -> Any:
    """The same without a title, for a place that says it beside the figure."""
    table = reliability(forecasts, seed)
    figure, (axes,) = new_figure(1, _HEIGHT, width=width)
    for action, points in table.groupby("action", sort=False):
        colour = ACTION_COLOURS[str(action)]
        axes.vlines(points["said"], points["low"], points["high"], color=colour, linewidth=1.2)
        axes.plot(
            points["said"], points["happened"], "o-", color=colour, markersize=4, label=action
        )
        rate = np.average(points["happened"], weights=points["n_rows"])
        axes.plot(rate, rate, "X", color=colour, markersize=9, markeredgecolor="black")
    ends = table[["said", "low", "high"]].to_numpy()
    first, last = np.nanmin(ends, initial=1.0), np.nanmax(ends, initial=0.0)
    axes.plot([first, last], [first, last], color="grey", linewidth=0.8, linestyle="--")
    axes.set_xlabel("probability forecast, a tenth of the rows a point", fontsize=SMALL)
    axes.set_ylabel("share that happened", fontsize=SMALL)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.legend(fontsize=SMALL, frameon=False)
    return figure


def confusion(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Rows by what happened and by the likeliest action forecast; shape (3, 3), counts.

    >>> rows = pd.DataFrame({"action": ["buy", "sell"], "probability_buy": [0.5, 0.6],
    ...                      "probability_hold": [0.3, 0.3], "probability_sell": [0.2, 0.1]})
    >>> confusion(rows).loc["sell"].tolist()
    [1, 0, 0]
    """
    happened = pd.Categorical(forecasts["action"], categories=ACTIONS).codes
    said = _probabilities(forecasts).argmax(axis=1)
    counts = np.zeros((len(ACTIONS), len(ACTIONS)), dtype=np.int64)
    np.add.at(counts, (happened, said), 1)
    return pd.DataFrame(counts, index=list(ACTIONS), columns=list(ACTIONS))


def reliability(forecasts: pd.DataFrame, seed: int = 0, n_bins: int = N_BINS) -> pd.DataFrame:
    """Of each action, tenths of the rows by its probability: what was said and how much came true.

    Parameters
    ----------
    forecasts
        The columns `session`, `action` (what happened, never missing) and `probability_*`.
    seed
        Of the bootstrap over sessions.

    Returns
    -------
    `action, said, happened, low, high, n_rows`: mean probability, share that happened and its 95 %
    interval. Equal probabilities share a tenth, so that there may be fewer.
    """
    session = pd.factorize(forecasts["session"], sort=True)[0]
    n_sessions = int(session.max(initial=-1)) + 1
    weights = block_weights(n_sessions, seed)
    rows = []
    for action, probability in zip(ACTIONS, _probabilities(forecasts).T, strict=True):
        came_true = (forecasts["action"] == action).to_numpy()
        bins = pd.qcut(probability, n_bins, labels=False, duplicates="drop")
        # Where all are alike there is no edge to cut at.
        bins = np.nan_to_num(bins, nan=0).astype(np.int64)
        for place in np.unique(bins):
            inside = bins == place
            sums = np.column_stack(
                [
                    np.bincount(session[inside], values[inside], minlength=n_sessions)
                    for values in (came_true.astype(float), np.ones(len(session)))
                ]
            )
            low, high = interval(sums, _ratio, weights)
            share = float(came_true[inside].mean())
            said = float(probability[inside].mean())
            rows.append((action, said, share, low, high, int(inside.sum())))
    return pd.DataFrame(rows, columns=["action", "said", "happened", "low", "high", "n_rows"])


def _ratio(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[..., 0] / sums[..., 1]


def _probabilities(forecasts: pd.DataFrame) -> np.ndarray:
    return forecasts[[f"probability_{action}" for action in ACTIONS]].to_numpy(np.float64)
