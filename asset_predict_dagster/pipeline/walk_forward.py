"""Walk-forward: both models trained anew before each half-year, and what they then forecast.

A partition is one half-year. Its rows stand under its name in `forecasts_out_of_sample`, so runs
over different half-years go side by side, on one machine or on many; whichever ends last leaves a
summary of all of them.
"""

from datetime import date, timedelta

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.calendar_windows import (
    HALF_YEAR,
    window_days,
    window_of,
    window_tests,
)
from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.evaluation.evaluate import WALK_FORWARD
from asset_predict_dagster.evaluation.review import Made, Market
from asset_predict_dagster.evaluation.walk_forward import WalkForward, default_learners
from asset_predict_dagster.lake_log import last_notes
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.importances import serving_importances
from asset_predict_dagster.pipeline.made_windows import make_window, report_half_years, summarise
from asset_predict_dagster.pipeline.models import TRAINING_POOL
from asset_predict_dagster.pipeline.reads import versions_read
from asset_predict_dagster.pipeline.reports import told_by
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models, Reports
from asset_predict_dagster.tables import FORECASTS_OUT_OF_SAMPLE, WALK_FORWARD_SUMMARY

OWNERS = ["team:research"]
FORECASTS = "walk_forward_forecasts"
REPORT = "walk_forward.html"

FIRST_DAY = date(2000, 1, 1)
"""Of the first partition. Whether a history reaches that far shows when one is asked for."""


def half_years(today: date) -> dg.StaticPartitionsDefinition:
    """Every half-year from 2000 to the one after today's."""
    ends = window_days(window_of(max(today, FIRST_DAY), HALF_YEAR))[1]
    last = ends + timedelta(days=1)
    return dg.StaticPartitionsDefinition(list(window_tests(HALF_YEAR, FIRST_DAY, last)))


def walk_forward_assets(today: date) -> list[dg.AssetsDefinition]:
    """The assets of this stage; `today` decides which half-years there are."""

    @dg.asset(
        name=FORECASTS,
        group_name="evaluation",
        kinds={"scikitlearn", "pytorch", "deltalake"},
        owners=OWNERS,
        partitions_def=half_years(today),
        pool=TRAINING_POOL,
    )
    @says_why
    def walk_forward_forecasts(
        context: dg.AssetExecutionContext,
        lake: LakeTables,
        models: Models,
        quotes: pd.DataFrame,
        universe: pd.DataFrame,
        features: pd.DataFrame,
        labels: pd.DataFrame,
    ) -> dg.MaterializeResult:
        """The rows of `forecasts_out_of_sample` of one half-year, by models trained before it.

        Both models with their default settings, and the baselines. The half-year that is not over
        is forecast so far, and made again when more is known.
        """
        walk = WalkForward.over(quotes, universe, features, labels, default_learners(models.seed))
        window = context.partition_key
        made = make_window(lake.open(), walk, window, versions_read(context), models.seed)
        return dg.MaterializeResult(metadata=made.metadata)

    return [walk_forward_forecasts, walk_forward_summary, walk_forward_report]


@dg.asset(group_name="evaluation", kinds={"deltalake", "numpy"}, owners=OWNERS, deps=[FORECASTS])
@says_why
def walk_forward_summary(lake: LakeTables, models: Models) -> dg.MaterializeResult:
    """One metric of one model in one half-year, or in all of them together."""
    return dg.MaterializeResult(metadata=summarise(lake.open(), models.seed))


@dg.asset(group_name="evaluation", kinds={"html"}, owners=OWNERS, deps=[walk_forward_summary])
@says_why
def walk_forward_report(
    lake: LakeTables,
    models: Models,
    clock: Clock,
    reports: Reports,
    quotes: pd.DataFrame,
    universe: pd.DataFrame,
) -> dg.MaterializeResult:
    """One file, `reports/walk_forward.html`: a verdict on each model over all half-years."""
    market = Market(quotes, universe, reports.index(), reports.planted_strength)
    seed = {"seed": str(models.seed)}
    made = Made(clock.now(), seed, importances=serving_importances(models))
    report, path = report_half_years(lake.open(), market, made, reports.place(REPORT))
    return dg.MaterializeResult(metadata=told_by(report, path))


@dg.asset_check(asset=walk_forward_summary, blocking=True)
def no_session_counts_twice(lake: LakeTables) -> dg.AssetCheckResult:
    """No ticker and session is forecast in two of the half-years that are pooled, and none is lost.

    The pooled figures then rest on as many forecasts as there are tickers and sessions.
    """
    opened = lake.open()
    summary = opened.read(
        WALK_FORWARD_SUMMARY, columns=["window", "model", "horizon", "n_forecasts"]
    )
    pooled = summary[summary["window"] == WALK_FORWARD]
    came_from = last_notes(opened.delta(WALK_FORWARD_SUMMARY.name)).came_from or {}
    rows = opened.read(
        FORECASTS_OUT_OF_SAMPLE,
        columns=["window", "ticker", "session"],
        version=came_from.get(FORECASTS_OUT_OF_SAMPLE.name),
        where={
            "window": [name for name in summary["window"].unique() if name != WALK_FORWARD],
            "horizon": [ACTION_HORIZON],
            "model": ["naive"],
        },
    )
    twice = rows[rows.duplicated(["ticker", "session"], keep=False)]
    counted = pooled.loc[pooled["horizon"] == ACTION_HORIZON, "n_forecasts"]
    return dg.AssetCheckResult(
        passed=twice.empty and bool(counted.eq(len(rows)).all()),
        metadata={
            "n_twice": len(twice),
            "first_twice": twice.head().to_string(),
            "n_forecasts": len(rows),
            "n_pooled": int(counted.max()) if len(counted) else 0,
        },
    )
