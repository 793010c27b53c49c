"""Backtest: every window of a span in one go, with progress, then the report.

No asset: its windows can be of other lengths than the partitions. Where they are half-years, they
are the same rows as `walk_forward_forecasts` makes, and Dagster is told so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from asset_predict_dagster.dataset.calendar_windows import (
    HALF_YEAR,
    day_asked,
    window_days,
    window_tests,
)
from asset_predict_dagster.dataset.features import TABLE
from asset_predict_dagster.dataset.planned_windows import possible_windows, window_folds
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.costs import Costs
from asset_predict_dagster.evaluation.report_input import ReportInput
from asset_predict_dagster.evaluation.review import Made, Market
from asset_predict_dagster.evaluation.walk_forward import WalkForward, default_learners
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.importances import serving_importances
from asset_predict_dagster.pipeline.made_windows import (
    evaluated,
    half_years_in,
    is_summarised,
    make_window,
    report_half_years,
    report_windows,
    summarise,
)
from asset_predict_dagster.pipeline.models import TRAINING_POOL, TRAINS
from asset_predict_dagster.pipeline.reports import told_by
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models, Progress, Reports
from asset_predict_dagster.pipeline.walk_forward import FORECASTS, REPORT
from asset_predict_dagster.tables import (
    FORECASTS_OUT_OF_SAMPLE,
    LABELS,
    QUOTES,
    UNIVERSE,
    WALK_FORWARD_SUMMARY,
)

_CONFIG = {
    "start": dg.Field(
        dg.Noneable(str),
        default_value=None,
        description="First window to test, whole: the window that holds this day, or its name:"
        " 2018-01-01, 2018H1. Default: the first that can be made.",
    ),
    "end": dg.Field(
        dg.Noneable(str),
        default_value=None,
        description="Last window to test, whole: the window that holds this day, or its name."
        " Default: the one of the last session with a label.",
    ),
    "step": dg.Field(
        int, default_value=HALF_YEAR, description="Months of a test window: 3, 6 or 12."
    ),
    "cost_bps": dg.Field(
        dg.Noneable(float),
        default_value=None,
        description="Cost a side in basis points, in place of fees, spread and impact.",
    ),
}


@dataclass(frozen=True)
class Told:
    """What a backtest came to: its report, where that is, and how many windows were trained."""

    report: ReportInput
    path: str
    windows: tuple[str, ...]
    n_trained: int


@dg.op(out=dg.Out(dg.Nothing), config_schema=_CONFIG, pool=TRAINING_POOL)
@says_why
def backtested_windows(
    context: dg.OpExecutionContext,
    lake: LakeTables,
    models: Models,
    clock: Clock,
    reports: Reports,
    progress: dg.ResourceParam[Progress],
) -> None:
    """Forecasts of every window of the span, and a report of them all."""
    asked = context.op_config
    read: dict[str, int] = {}
    opened = lake.to_learn_from(read.setdefault)
    quotes, universe, features, labels = (
        opened.read(table) for table in (QUOTES, UNIVERSE, TABLE, LABELS)
    )
    came_from = dict(read)
    costs = Costs(flat_bps=asked["cost_bps"])
    walk = WalkForward.over(quotes, universe, features, labels, default_learners(models.seed))
    windows = windows_asked(walk, asked["start"], asked["end"], asked["step"])
    for window in windows:
        window_folds(walk.sessions, window)  # one that cannot be made is refused before any is
    known = opened.parts(FORECASTS_OUT_OF_SAMPLE)
    n_trained = 0
    progress.begin(len(windows))
    for place, window in enumerate(windows, start=1):
        if known.get(window) == walk.recipe(window):
            context.log.info(f"{window} ({place} of {len(windows)}): there already")
        else:
            one = make_window(opened, walk, window, came_from, models.seed)
            n_trained += 1
            context.log.info(f"{window} ({place} of {len(windows)}): forecast")
            if asked["step"] == HALF_YEAR:
                _tell(context, FORECASTS, one.metadata, window)
        progress.advance(window)
    market = Market(quotes, universe, reports.index(), reports.planted_strength)
    seed = {"seed": str(models.seed)}
    made = Made(clock.now(), seed, importances=serving_importances(models))
    if asked["step"] == HALF_YEAR and not is_summarised(opened):
        _tell(context, WALK_FORWARD_SUMMARY.name, summarise(opened, models.seed))
        told = report_half_years(opened, market, made, reports.place(REPORT))
        _tell(context, "walk_forward_report", told_by(*told))
    version = opened.delta(FORECASTS_OUT_OF_SAMPLE.name).version()
    if windows == half_years_in(opened, version) and is_summarised(opened):
        figures = opened.read(WALK_FORWARD_SUMMARY)
    else:
        figures = evaluated(opened, windows, models.seed, version)
    report, path = report_windows(
        opened,
        figures,
        _title(windows, asked["cost_bps"]),
        market,
        made,
        reports.place(_file_name(windows, asked["cost_bps"])),
        costs,
    )
    context.log.info(f"the report is {path}")
    context.add_output_metadata(told_by(report, path) | {"n_trained": n_trained})
    progress.finish(Told(report, str(path), tuple(windows), n_trained))


def _title(windows: Sequence[str], cost_bps: float | None) -> str:
    costs = "" if cost_bps is None else f", at {cost_bps:g} bp a side"
    return f"Backtest, {windows[0]} to {windows[-1]}{costs}"


def _file_name(windows: Sequence[str], cost_bps: float | None) -> str:
    """A report at other costs does not take the place of the one at computed costs."""
    costs = "" if cost_bps is None else f"_{cost_bps:g}bp"
    return f"backtest_{windows[0]}_{windows[-1]}{costs}.html"


def windows_asked(walk: WalkForward, start: str | None, end: str | None, step: int) -> list[str]:
    """The windows of a span; what is not said is as far as the labels go.

    Raises
    ------
    SettingsError
        If a day or the step is none, or the end is before the start.
    DatasetError
        If the history is too short for any window.
    """
    possible = possible_windows(walk.sessions, step)
    if start is None and not possible:
        raise DatasetError(
            f"no window of {step} months can be made of {len(walk.sessions)} labelled sessions;"
            " use a longer history"
        )
    first = day_asked(start, is_last=False) if start else window_days(possible[0])[0]
    last = day_asked(end, is_last=True) if end else walk.sessions[-1].item()
    return list(window_tests(step, first, last))


def _tell(
    context: dg.OpExecutionContext,
    asset: str,
    metadata: dict[str, Any],
    partition: str | None = None,
) -> None:
    context.log_event(dg.AssetMaterialization(asset, metadata=metadata, partition=partition))


@dg.job(
    tags=TRAINS,
    config={"loggers": {"console": {"config": {"log_level": "INFO"}}}},
    description="Walk-forward over a span in one go: each window's models trained before it, then"
    " a report. Windows that are there already are not trained again.",
)
def backtest() -> None:
    backtested_windows()
