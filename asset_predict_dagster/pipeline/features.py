"""Features: what was known at the close of each session."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.features import compute_features
from asset_predict_dagster.pipeline.failures import says_why


@dg.asset(group_name="features", kinds={"deltalake", "numpy"}, owners=["team:research"])
@says_why
def features(quotes: pd.DataFrame, universe: pd.DataFrame) -> pd.DataFrame:
    """One ticker in one session t: what was known at the close of t, a column per feature."""
    return compute_features(quotes, universe)
