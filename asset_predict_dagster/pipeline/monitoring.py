"""Monitoring: were we right, and should the models still be trusted."""

from dataclasses import replace
from functools import partial

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.errors import BundleError
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.pipeline.failed_checks import failed_checks
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.metadata import picture
from asset_predict_dagster.pipeline.registry import JUDGED_BY
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.predictions.drift_finding import drift_table
from asset_predict_dagster.predictions.findings import drifts_of, findings_of
from asset_predict_dagster.predictions.health import Findings
from asset_predict_dagster.predictions.health import model_health as judge_health
from asset_predict_dagster.predictions.live_metrics import read_live_metrics
from asset_predict_dagster.predictions.live_page import live_picture, months_in_words
from asset_predict_dagster.predictions.outcomes import meet_outcomes, not_met_yet
from asset_predict_dagster.tables import (
    CHAMPIONS,
    DRIFT,
    FORECASTS_OUT_OF_SAMPLE,
    OUTCOMES,
    PREDICTIONS,
    QUOTES,
    UNIVERSE,
)

OWNERS = ["team:research"]


@dg.asset(group_name="monitoring", kinds={"deltalake"}, owners=OWNERS)
@says_why
def outcomes(lake: LakeTables, predictions: pd.DataFrame, quotes: pd.DataFrame) -> pd.DataFrame:
    """One prediction met by the close of its target session, exactly once."""
    tables = lake.open()
    if tables.exists(OUTCOMES):
        met = tables.read(OUTCOMES, columns=["session"])["session"]
        predictions = not_met_yet(predictions, quotes["session"], met)
    return meet_outcomes(predictions, quotes)


@dg.asset(
    group_name="monitoring",
    kinds={"deltalake"},
    owners=OWNERS,
    deps=[PREDICTIONS.name, outcomes],
)
@says_why
def live_metrics(context: dg.AssetExecutionContext, lake: LakeTables) -> pd.DataFrame:
    """One model in one month: how what it said of the next session came out."""
    table = read_live_metrics(lake.open())
    for model, months in table.groupby("model"):
        context.add_output_metadata({str(model): dg.MetadataValue.md(months_in_words(months))})
    drawn = live_picture(table)
    if drawn is not None:
        context.add_output_metadata({"by_month": picture(drawn, "live rank IC and hits by month")})
    return table


@dg.asset(
    group_name="monitoring",
    kinds={"deltalake"},
    owners=OWNERS,
    deps=[FEATURES.name, UNIVERSE.name, FORECASTS_OUT_OF_SAMPLE.name, PREDICTIONS.name],
)
@says_why
def drift(
    context: dg.AssetExecutionContext, lake: LakeTables, models: Models, champions: pd.DataFrame
) -> pd.DataFrame:
    """One column of what a model reads or says, the last sessions beside what it was made from.

    Where there is too little history to compare there is no row, nor of a champion whose bundle
    cannot be opened; the metadata says why.
    """
    tables = lake.open()
    parts = []
    for row in champions.itertuples():
        try:
            bundle = models.load(row.bundle)
        except BundleError as error:
            context.log.error(f"{row.model} {row.model_version} is not judged: {error}")
            context.add_output_metadata({row.model: f"not judged ({error})"})
            continue
        found = drifts_of(tables, row.model, row.model_version, bundle)
        context.add_output_metadata({row.model: "; ".join(each.reason for each in found)})
        parts += [drift_table(row.model, row.model_version, d) for d in found if d.is_judged]
    return pd.concat(parts) if parts else pd.DataFrame(columns=DRIFT.column_names)


# After the outcomes, so that a run that failed on the way leaves the last verdict standing.
@dg.asset(
    group_name="monitoring",
    kinds={"deltalake"},
    owners=OWNERS,
    deps=[CHAMPIONS.name, QUOTES.name, FEATURES.name, outcomes, drift],
)
@says_why
def model_health(
    context: dg.AssetExecutionContext, lake: LakeTables, clock: Clock, models: Models
) -> pd.DataFrame:
    """One model: should it be trusted today, and why. A model without a champion is `missing`.

    What cannot be looked at says so in the reason.
    """
    tables = lake.open()
    champions = tables.read_if_made(CHAMPIONS)
    failed = failed_checks(context.instance, JUDGED_BY)
    findings = {model: Findings(failed_checks=failed) for model in MODEL_NAMES}
    for row in () if champions is None else champions.itertuples():
        found = findings_of(
            tables, row.model, row.model_version, partial(models.load, row.bundle), models.seed
        )
        findings[row.model] = replace(found, failed_checks=failed)
    newest = None
    if tables.exists(QUOTES):
        newest = tables.read(QUOTES, columns=["session"])["session"].max().date()
    return judge_health(
        MODEL_NAMES,
        champions,
        clock.now(),
        models.stale_after_days,
        last_closed=clock.last_session(),
        newest_quotes=newest,
        findings=findings,
    )
