"""Predictions: what each champion says of the next sessions, written once and never again."""

from datetime import date
from functools import cache

import dagster as dg
import pandas as pd

from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.predictions.catching_up import in_words, predict_due
from asset_predict_dagster.predictions.daily import Serving, strongest
from asset_predict_dagster.predictions.due import due
from asset_predict_dagster.predictions.ledger import answers, newest
from asset_predict_dagster.registry.serving import served_at
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
    tables, now, load = lake.open(), clock.now(), cache(models.load)
    said, promotions = answers(tables), tables.read_if_made(PROMOTIONS)

    def serving_at(session: date) -> list[Serving]:
        return [
            Serving(row.model, row.model_version, row.status, load(row.bundle), row.trained_at)
            for row in served_at(promotions, champions, session).itertuples()
        ]

    wanted = due(said, quotes["session"].drop_duplicates().dt.date, clock.last_session(), now)
    table = predict_due(
        wanted, said, serving_at, quotes, universe, features, now, models.expires_after
    )
    context.add_output_metadata(
        {
            **in_words(wanted, table),
            "strongest": dg.MetadataValue.md(strongest(newest(table)).to_markdown(index=False)),
        }
    )
    return table
