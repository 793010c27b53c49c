"""Monitoring: were we right, and should the models still be trusted."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.predictions.health import model_health as judge_health
from asset_predict_dagster.predictions.outcomes import meet_outcomes, not_met_yet
from asset_predict_dagster.tables import CHAMPIONS, OUTCOMES

OWNERS = ["team:research"]


@dg.asset(group_name="monitoring", kinds={"deltalake"}, owners=OWNERS)
@says_why
def outcomes(lake: LakeTables, predictions: pd.DataFrame, quotes: pd.DataFrame) -> pd.DataFrame:
    """One prediction met by the close of its target session, exactly once."""
    tables = lake.open()
    if tables.exists(OUTCOMES):
        met = tables.read(OUTCOMES, columns=["session"])["session"]
        predictions = not_met_yet(predictions, quotes["session"].max(), met)
    return meet_outcomes(predictions, quotes)


# After the outcomes, so that a run that failed on the way leaves the last verdict standing.
@dg.asset(
    group_name="monitoring",
    kinds={"deltalake"},
    owners=OWNERS,
    deps=[CHAMPIONS.name, outcomes],
)
@says_why
def model_health(lake: LakeTables, clock: Clock, models: Models) -> pd.DataFrame:
    """One model: should it be trusted today, and why. A model without a champion is `missing`."""
    champions = lake.open().read_if_made(CHAMPIONS)
    return judge_health(MODEL_NAMES, champions, clock.now(), models.stale_after_days)
