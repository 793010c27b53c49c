"""Dataset: which sessions train, validate and test, and how training scales the features."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.samples import build_samples
from asset_predict_dagster.dataset.scaling import fit_scalings
from asset_predict_dagster.dataset.splits import temporal_split, usable_sessions
from asset_predict_dagster.pipeline.failures import says_why

OWNERS = ["team:research"]


@dg.asset(group_name="dataset", kinds={"deltalake"}, owners=OWNERS)
@says_why
def folds(
    context: dg.AssetExecutionContext, labels: pd.DataFrame, universe: pd.DataFrame
) -> pd.DataFrame:
    """One session and its role: train | purge | validation | purge | test, by session."""
    table = temporal_split(usable_sessions(labels, universe))
    spans = table.groupby("role")["session"].agg(["min", "max", "size"])
    context.add_output_metadata({"roles": dg.MetadataValue.md(spans.to_markdown())})
    return table


@dg.asset(group_name="dataset", kinds={"deltalake", "numpy"}, owners=OWNERS)
@says_why
def scalings(
    features: pd.DataFrame, universe: pd.DataFrame, labels: pd.DataFrame, folds: pd.DataFrame
) -> pd.DataFrame:
    """One feature's centre and scale in one window, from the rows that the window trains on."""
    return fit_scalings(build_samples(features, universe, labels), folds)
