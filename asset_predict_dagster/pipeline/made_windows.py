"""Made windows: one window of a walk-forward trained, forecast and written; several gathered.

The partitioned assets and the job `backtest` do the same by these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from asset_predict_dagster import __version__
from asset_predict_dagster.dataset.calendar_windows import HALF_YEAR, step_of
from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.errors import DatasetError, TableError
from asset_predict_dagster.evaluation.costs import Costs
from asset_predict_dagster.evaluation.evaluate import (
    WALK_FORWARD,
    evaluate,
    evaluate_windows,
    headline,
)
from asset_predict_dagster.evaluation.report_input import ReportInput
from asset_predict_dagster.evaluation.review import Made, Market, review
from asset_predict_dagster.evaluation.walk_forward import WalkForward
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.lake_log import Written, last_notes
from asset_predict_dagster.lake_parts import has_its_form
from asset_predict_dagster.pipeline.metadata import describe, picture
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import FORECASTS_OUT_OF_SAMPLE, WALK_FORWARD_SUMMARY


@dataclass(frozen=True)
class MadeWindow:
    """One window that was made: what the lake has of it, and what the UI shows."""

    window: str
    written: Written
    metadata: dict[str, Any]


def make_window(
    lake: Lake, walk: WalkForward, window: str, came_from: Mapping[str, int], seed: int
) -> MadeWindow:
    """Train, forecast and write one window.

    Raises
    ------
    DatasetError
        If it cannot be made; see `dataset.planned_windows`.
    TableError
        If the rows are not what the dictionary promises: nothing is written.
    """
    from asset_predict_dagster.evaluation.plots import skill_picture

    recipe = walk.recipe(window)
    rows = walk.forecasts(window)
    broken = broken_promises(FORECASTS_OUT_OF_SAMPLE, rows)
    if len(broken):
        raise TableError(
            f"window {window}: the forecasts break {len(broken)} promises of their table, first"
            f" {broken.iloc[0].to_dict()}; nothing was written, this is a defect"
        )
    written = lake.replace_parts(FORECASTS_OUT_OF_SAMPLE, rows, came_from=came_from, recipe=recipe)
    next_session = rows[rows["horizon"] == ACTION_HORIZON]
    figures = evaluate(next_session, seed)
    orders = figures[figures["metric"] == "rank_ic"][["model", "value", "low", "high"]]
    orders = orders.sort_values("value", ascending=False)
    metadata = describe(FORECASTS_OUT_OF_SAMPLE, rows, written) | {
        "dagster/partition_row_count": len(rows),
        "sessions": next_session["session"].nunique(),
        "first_session": f"{next_session['session'].min():%Y-%m-%d}",
        "last_session": f"{next_session['session'].max():%Y-%m-%d}",
        "headline": dg.MetadataValue.md(headline(figures).to_markdown(index=False)),
        "rank_ic": dg.MetadataValue.md(orders.to_markdown(index=False, floatfmt=".4f")),
        "rank_ic_added_up": picture(skill_picture(next_session), "rank IC added up"),
    }
    return MadeWindow(window, written, metadata)


def half_years_in(lake: Lake, version: int | None = None) -> list[str]:
    """The half-years that the lake has forecasts of, in order."""
    return [
        name for name in lake.parts(FORECASTS_OUT_OF_SAMPLE, version) if step_of(name) == HALF_YEAR
    ]


def evaluated(lake: Lake, windows: Sequence[str], seed: int, version: int) -> pd.DataFrame:
    """The figures of some windows, and of all of them together; one is in memory at a time."""
    return evaluate_windows(
        (
            lake.read(FORECASTS_OUT_OF_SAMPLE, version=version, where={"window": [window]})
            for window in windows
        ),
        seed,
    )


def is_summarised(lake: Lake) -> bool:
    """Whether `walk_forward_summary` is of the forecasts, and of its dictionary, as they are."""
    if not lake.exists(WALK_FORWARD_SUMMARY):
        return False
    stored = lake.delta(WALK_FORWARD_SUMMARY.name)
    of_version = (last_notes(stored).came_from or {}).get(FORECASTS_OUT_OF_SAMPLE.name)
    is_current = of_version == lake.version(FORECASTS_OUT_OF_SAMPLE)
    return is_current and has_its_form(stored, WALK_FORWARD_SUMMARY)


def summarise(lake: Lake, seed: int) -> dict[str, Any]:
    """Write `walk_forward_summary` of all half-years, and say what it says.

    Another run may add a half-year meanwhile. So it looks again after it has written, and the run
    that writes last has seen all of them.

    Raises
    ------
    DatasetError
        If there is no half-year yet.
    """
    while True:
        version = lake.version(FORECASTS_OUT_OF_SAMPLE)
        windows = half_years_in(lake, version)
        if version is None or not windows:
            raise DatasetError(
                "no half-year has been forecast yet; run the job walk_forward for one, or"
                " `asset-predict backtest`"
            )
        table = evaluated(lake, windows, seed, version)
        written = lake.write(
            WALK_FORWARD_SUMMARY,
            table,
            came_from={FORECASTS_OUT_OF_SAMPLE.name: version},
            over_others=True,
        )
        if lake.version(FORECASTS_OUT_OF_SAMPLE) == version:
            break
    pooled = table[table["window"] == WALK_FORWARD]
    return describe(WALK_FORWARD_SUMMARY, table, written) | {
        "windows": f"{len(windows)}: {windows[0]} to {windows[-1]}",
        "headline": dg.MetadataValue.md(headline(pooled).to_markdown(index=False)),
    }


def report_half_years(
    lake: Lake, market: Market, made: Made, path: Path, costs: Costs | None = None
) -> tuple[ReportInput, Path]:
    """Write the report of what `walk_forward_summary` holds, and again if that has moved on."""
    while True:
        version = lake.version(WALK_FORWARD_SUMMARY)
        summary = lake.read(WALK_FORWARD_SUMMARY, version=version)
        told = report_windows(
            lake, summary, "Walk-forward by half-years", market, made, path, costs
        )
        if lake.version(WALK_FORWARD_SUMMARY) == version:
            return told


def report_windows(
    lake: Lake,
    figures: pd.DataFrame,
    title: str,
    market: Market,
    made: Made,
    path: Path,
    costs: Costs | None = None,
) -> tuple[ReportInput, Path]:
    """Write the report of the windows that `figures`, from `evaluated`, are of."""
    from asset_predict_dagster.evaluation.report import write_report

    windows = [name for name in figures["window"].unique() if name != WALK_FORWARD]
    forecasts = lake.read(
        FORECASTS_OUT_OF_SAMPLE, where={"window": windows, "horizon": [ACTION_HORIZON]}
    )
    facts = {
        "windows": f"{len(windows)}: {', '.join(windows)}",
        "lake": lake.root,
        "program": __version__,
    }
    made = replace(made, facts=facts | dict(made.facts))
    report = review(title, WALK_FORWARD, figures, forecasts, market, made, costs)
    return report, write_report(path, report)
