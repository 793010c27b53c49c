"""Registry: which version of each model serves, by the rule of `registry/promotion.py`."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.pipeline.evaluation import MODEL_NAMES
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.registry.champions import choose_champions
from asset_predict_dagster.tables import CHAMPIONS


@dg.asset(group_name="registry", kinds={"deltalake", "mlflow"}, owners=["team:research"])
@says_why
def champions(
    context: dg.AssetExecutionContext,
    lake: LakeTables,
    models: Models,
    clock: Clock,
    evaluation: pd.DataFrame,
    forecasts_out_of_sample: pd.DataFrame,
) -> pd.DataFrame:
    """The version of one model that serves, and the decision that put or kept it there."""
    table = choose_champions(
        models.registry,
        MODEL_NAMES,
        evaluation,
        forecasts_out_of_sample,
        models.seed,
        clock.last_session(),
        known=lake.open().read_if_made(CHAMPIONS),
    )
    for row in table.itertuples():
        context.log.info(f"{row.model} {row.candidate_version} {row.decision}: {row.reason}")
    return table
