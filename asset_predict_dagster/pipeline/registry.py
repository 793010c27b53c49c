"""Registry: which version of each model serves, by the rule of `registry/promotion.py`."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.dataset.splits import HOLDOUT
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.registry.champions import choose_champions
from asset_predict_dagster.tables import CHAMPIONS, FORECASTS_OUT_OF_SAMPLE


@dg.asset(
    group_name="registry",
    kinds={"deltalake", "mlflow"},
    owners=["team:research"],
    deps=[FORECASTS_OUT_OF_SAMPLE.name],
)
@says_why
def champions(
    context: dg.AssetExecutionContext,
    lake: LakeTables,
    models: Models,
    clock: Clock,
    evaluation: pd.DataFrame,
) -> pd.DataFrame:
    """The version of one model that serves, and the decision that put or kept it there."""
    opened = lake.open()
    table = choose_champions(
        models.registry,
        MODEL_NAMES,
        evaluation,
        opened.read(
            FORECASTS_OUT_OF_SAMPLE, where={"window": [HOLDOUT], "horizon": [ACTION_HORIZON]}
        ),
        models.seed,
        clock.last_session(),
        known=opened.read_if_made(CHAMPIONS),
    )
    for row in table.itertuples():
        context.log.info(f"{row.model} {row.candidate_version} {row.decision}: {row.reason}")
    return table
