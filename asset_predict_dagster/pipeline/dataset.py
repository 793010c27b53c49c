"""Dataset: which sessions train, validate and test."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.splits import temporal_split, usable_sessions
from asset_predict_dagster.pipeline.failures import says_why


@dg.asset(group_name="dataset", kinds={"deltalake"}, owners=["team:research"])
@says_why
def folds(
    context: dg.AssetExecutionContext, labels: pd.DataFrame, universe: pd.DataFrame
) -> pd.DataFrame:
    """One session and its role: train | purge | validation | purge | test, by session."""
    table = temporal_split(usable_sessions(labels, universe))
    spans = table.groupby("role")["session"].agg(["min", "max", "size"])
    context.add_output_metadata({"roles": dg.MetadataValue.md(spans.to_markdown())})
    return table
