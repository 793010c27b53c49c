"""Pictures of a tuning: how its trials went, and which settings mattered."""

import pandas as pd

from asset_predict_dagster.evaluation.drawing import new_figure, png


def history_picture(trials: pd.DataFrame) -> bytes:
    """The value of every trial in order, and the best so far, beside the default settings; PNG.

    `trials` is `models.tuned.Tuned.trials`. The band is one standard error about the default: what
    lies within it has not been told apart from it. Of a trial that was given up the value is that
    of its first folds.
    """
    figure, (axes,) = new_figure(1)
    complete = trials[trials["state"] == "complete"]
    pruned = trials[trials["state"] == "pruned"]
    axes.plot(complete["trial"], complete["value"], ".", label="complete")
    axes.plot(pruned["trial"], pruned["value"], "x", color="grey", markersize=4, label="given up")
    axes.plot(complete["trial"], complete["value"].cummax(), linewidth=1, label="best so far")
    for _, default in complete[complete["is_default"]].iterrows():
        value, error = default["value"], default["standard_error"]
        axes.axhline(value, color="black", linewidth=0.8, linestyle=":", label="default settings")
        axes.axhspan(value - error, value + error, color="black", alpha=0.08)
    axes.axhline(0, color="grey", linewidth=0.8, label="naive")
    axes.set_title("value by trial: log-loss skill + rank IC; band: default ± 1 s.e.", fontsize=9)
    axes.legend(fontsize=7, frameon=False, ncols=5)
    return png(figure)


def settings_picture(importance: pd.DataFrame) -> bytes:
    """The share of each setting in what separates good trials from others; PNG.

    `importance` is `models.tuned.Tuned.importance`, which may be empty.
    """
    rows = importance.sort_values("importance")
    figure, (axes,) = new_figure(1)
    axes.barh(rows["setting"], rows["importance"])
    said = "share of each setting in what separates good trials from the others"
    axes.set_title(said if len(rows) else "too few complete trials to tell", fontsize=9)
    return png(figure)
