"""Predictions: what each champion says of the next sessions, written once and never again."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.resources import Clock, Models
from asset_predict_dagster.predictions.daily import Serving, predict_last_session, strongest


@dg.asset(group_name="predictions", kinds={"deltalake", "onnx"}, owners=["team:research"])
@says_why
def predictions(
    context: dg.AssetExecutionContext,
    models: Models,
    clock: Clock,
    quotes: pd.DataFrame,
    universe: pd.DataFrame,
    features: pd.DataFrame,
    champions: pd.DataFrame,
) -> pd.DataFrame:
    """What one model said at the close of one session of one ticker at one horizon."""
    serving = [
        Serving(row.model, row.model_version, row.status, models.load(row.bundle), row.trained_at)
        for row in champions.itertuples()
    ]
    table = predict_last_session(
        serving, quotes, universe, features, clock.now(), expires_after=models.expires_after
    )
    context.add_output_metadata(
        {"strongest": dg.MetadataValue.md(strongest(table).to_markdown(index=False))}
    )
    return table
