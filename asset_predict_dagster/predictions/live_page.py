"""What people are shown of `live_metrics`: a table for each model, and a picture of all.

matplotlib is imported inside, as everywhere: the code location must load without it.
"""

import pandas as pd

from asset_predict_dagster.evaluation.drawing import MEDIUM, SMALL, below_all, new_figure, png

_ABSENT = "–"
_MONTHS = 24
"""Of the picture: two years."""

_LEGEND = (
    "Of forecasts made before their session opened, and met since. Hits: moves whose sign was"
    " right, beside what the commoner sign alone scores. Error: mean absolute, beside that of"
    " 'nothing changes'. In brackets: 95 % interval; where it holds 0, nothing is shown."
)


def months_in_words(metrics: pd.DataFrame) -> str:
    """One model's months as a Markdown table, the latest first, and what its columns mean.

    Parameters
    ----------
    metrics
        Rows of `tables.LIVE_METRICS`, of one model.
    """
    latest = metrics.sort_values("month", ascending=False)
    rows = [
        {
            "month": row.month,
            "sessions": row.n_sessions,
            "met / forecasts": f"{row.n_met:,} / {row.n_predictions:,}",
            "rank IC": _with_interval(row.rank_ic, row.rank_ic_low, row.rank_ic_high),
            "hits / naive": _beside(row.hit_rate, row.naive_hit_rate, ".1%"),
            "error / naive": _beside(row.mae, row.naive_mae, ".3%"),
            "within 90 % interval": _number(row.coverage, ".1%"),
            "in time": _number(row.share_in_time, ".0%"),
            "late": f"{row.n_late:,}",
            "caught up": f"{row.n_caught_up:,}",
            "refused": f"{row.n_refused:,}",
        }
        for row in latest.itertuples()
    ]
    table = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    return f"{_LEGEND}\n\n{table}"


def live_picture(metrics: pd.DataFrame) -> bytes | None:
    """Rank IC by month with its interval, and hits above the naive ones; PNG. None: no figure yet.

    Parameters
    ----------
    metrics
        Rows of `tables.LIVE_METRICS`; of the last 24 months with a figure.
    """
    known = metrics[metrics["rank_ic"].notna()]
    months = sorted(known["month"].unique())[-_MONTHS:]
    if not months:
        return None
    figure, (order, hits) = new_figure(2)
    models = sorted(known["model"].unique())
    for number, model in enumerate(models):
        mine = known[known["model"] == model].set_index("month").reindex(months)
        # Side by side: intervals of two models would cover each other.
        place = pd.RangeIndex(len(months)) + 0.3 * (number - (len(models) - 1) / 2)
        spread = (mine["rank_ic_high"] - mine["rank_ic"]).to_numpy()
        order.errorbar(
            place, mine["rank_ic"], spread, fmt="o", markersize=3, linewidth=1, label=model
        )
        hits.plot(place, 100 * (mine["hit_rate"] - mine["naive_hit_rate"]), "o", markersize=3)
    order.set_title("live rank IC, 95 % intervals", fontsize=MEDIUM)
    hits.set_title("hit rate less naive, points", fontsize=MEDIUM)
    every = -(-len(months) // 4)
    for axes in (order, hits):
        axes.axhline(0, color="grey", linewidth=0.8)
        axes.set_xticks(range(0, len(months), every), months[::every], fontsize=SMALL)
        axes.set_xlim(-0.7, len(months) - 0.3)
    below_all(figure, order)
    return png(figure)


def _number(value: float, form: str) -> str:
    return _ABSENT if pd.isna(value) else format(value, form)


def _beside(value: float, naive: float, form: str) -> str:
    return _ABSENT if pd.isna(value) else f"{value:{form}} / {naive:{form}}"


def _with_interval(value: float, low: float, high: float) -> str:
    if pd.isna(value):
        return _ABSENT
    return f"{value:.3f}" + ("" if pd.isna(low) else f" [{low:.3f}, {high:.3f}]")
