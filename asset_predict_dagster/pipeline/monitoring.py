"""Monitoring: were we right, and should the models still be trusted."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.pipeline.evaluation import MODEL_NAMES
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.resources import Clock, Models
from asset_predict_dagster.predictions.health import model_health as judge_health
from asset_predict_dagster.predictions.outcomes import meet_outcomes

OWNERS = ["team:research"]


@dg.asset(group_name="monitoring", kinds={"deltalake"}, owners=OWNERS)
@says_why
def outcomes(predictions: pd.DataFrame, quotes: pd.DataFrame) -> pd.DataFrame:
    """One prediction met by the close of its target session, exactly once."""
    return meet_outcomes(predictions, quotes)


@dg.asset(group_name="monitoring", kinds={"deltalake"}, owners=OWNERS)
@says_why
def model_health(clock: Clock, models: Models, champions: pd.DataFrame) -> pd.DataFrame:
    """One model: should it be trusted today, and why."""
    return judge_health(MODEL_NAMES, champions, clock.now(), models.stale_after_days)
