"""A paper's history: its spot trades under one code, and every event known of it.

Two steps of the pipeline, and of whoever wants to see that they do not look ahead.
"""

from datetime import date

import pandas as pd

from asset_predict_dagster.market.corporate_actions import combine
from asset_predict_dagster.market.inferred_actions import infer_share_events
from asset_predict_dagster.market.quotes import clean_quotes
from asset_predict_dagster.market.renames import under_current_codes


def spot_quotes(records: pd.DataFrame, renames: pd.DataFrame, last: date) -> pd.DataFrame:
    """Spot trades up to `last` as `clean_quotes` gives them, under current codes."""
    return under_current_codes(clean_quotes(records, last), renames, "session")


def known_events(spot: pd.DataFrame, listed: pd.DataFrame) -> pd.DataFrame:
    """The events that are listed, and the share events that the quotes give away."""
    return combine(listed, infer_share_events(spot, listed))
