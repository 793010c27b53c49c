"""Labels: what happened after each session."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.labels import compute_labels
from asset_predict_dagster.pipeline.failures import says_why


@dg.asset(group_name="labels", kinds={"deltalake", "numpy"}, owners=["team:research"])
@says_why
def labels(quotes: pd.DataFrame, universe: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """One ticker in one session t: what happened after t; the tail is missing, not filled."""
    return compute_labels(quotes, universe, features)
