"""Predictions: what each champion says of the next sessions, written once and never again."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.errors import BundleError, MarketDataError, RegistryError
from asset_predict_dagster.pipeline.failed_checks import failed_checks
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.raw import has_looked
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.predictions.catching_up import in_words, predict_due
from asset_predict_dagster.predictions.daily import strongest
from asset_predict_dagster.predictions.due import due
from asset_predict_dagster.predictions.heeded_checks import READ_BY_MODELS
from asset_predict_dagster.predictions.ledger import answers, newest
from asset_predict_dagster.predictions.roster import Roster
from asset_predict_dagster.tables import PROMOTIONS


@dg.asset(
    group_name="predictions",
    kinds={"deltalake", "onnx"},
    owners=["team:research"],
    deps=[PROMOTIONS.name],
)
@says_why
def predictions(
    context: dg.AssetExecutionContext,
    lake: LakeTables,
    models: Models,
    clock: Clock,
    quotes: pd.DataFrame,
    universe: pd.DataFrame,
    features: pd.DataFrame,
    champions: pd.DataFrame,
) -> pd.DataFrame:
    """What one model said at the close of one session of one ticker at one horizon."""
    if failed := failed_checks(context.instance, READ_BY_MODELS):
        raise MarketDataError(
            f"nothing is predicted while checks fail on what models read: {', '.join(failed)};"
            " what is said stays for ever. Mend the tables and run daily_prediction"
        )
    tables, now = lake.open(), clock.now()
    said, quoted = answers(tables), quotes["session"].drop_duplicates().dt.date
    roster = Roster(tables.read_if_made(PROMOTIONS), champions, models.load, context.log.error)
    wanted = due(said, quoted, clock.last_session(), now)
    if not has_looked(context):
        wanted = wanted.without_a_look(quoted)
    try:
        table = predict_due(
            wanted, said, roster.at, quotes, universe, features, now, models.expires_after
        )
    except RegistryError as error:
        if not roster.passed_over:
            raise
        raise BundleError(f"no model can answer; {'; '.join(roster.passed_over)}") from error
    context.add_output_metadata(
        {
            **in_words(wanted, table),
            **({"passed_over": "; ".join(roster.passed_over)} if roster.passed_over else {}),
            "strongest": dg.MetadataValue.md(strongest(newest(table)).to_markdown(index=False)),
        }
    )
    return table
