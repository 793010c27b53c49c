"""Registry: which version of each model serves, by the rule of `registry/promotion.py`."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.dataset.splits import HOLDOUT
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.pipeline.failed_checks import failed_checks
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.pipeline.tables import ASSET_TABLES
from asset_predict_dagster.registry.champions import champions_table, choose_champions
from asset_predict_dagster.registry.decisions import promotions_table
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.tables import (
    CHAMPIONS,
    FORECASTS_OUT_OF_SAMPLE,
    WALK_FORWARD_SUMMARY,
)

OWNERS = ["team:research"]

_TABLES = list(ASSET_TABLES)
JUDGED_BY = {*_TABLES[: _TABLES.index(CHAMPIONS.name)]} - {WALK_FORWARD_SUMMARY.name}
"""Tables that models are made from or judged by: a check that fails there keeps new ones out."""


@dg.asset(
    group_name="registry",
    kinds={"deltalake", "mlflow"},
    owners=OWNERS,
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
    table = choose_champions(
        models.registry,
        MODEL_NAMES,
        evaluation,
        lake.open().read(
            FORECASTS_OUT_OF_SAMPLE, where={"window": [HOLDOUT], "horizon": [ACTION_HORIZON]}
        ),
        models.seed,
        clock.last_session(),
        clock.now(),
        failed_checks=failed_checks(context.instance, JUDGED_BY),
        expires_after=models.expires_after,
        load=models.load,
        run_id=context.run.run_id,
    )
    for row in table.itertuples():
        said = f"{row.candidate_version} {row.decision}: {row.reason}"
        context.log.info(f"{row.model} {said}")
        context.add_output_metadata({str(row.model): said})
    return table


@dg.asset(group_name="registry", kinds={"deltalake", "mlflow"}, owners=OWNERS, deps=[champions])
@says_why
def promotions(lake: LakeTables, models: Models) -> pd.DataFrame:
    """One decision about which version of one model serves, by the rule or by hand."""
    opened, registry = lake.open(), models.registry
    # A person may have moved a champion since that table was made, or a kill left it behind.
    known = opened.read_if_made(CHAMPIONS)
    if known is not None and registry.database.exists():
        table = champions_table(registry, MODEL_NAMES, known)
        opened.write(CHAMPIONS, table, over_others=True)
    return all_decisions(registry)


def all_decisions(registry: Registry) -> pd.DataFrame:
    """Rows of `tables.PROMOTIONS`; none where nothing was ever trained."""
    names = MODEL_NAMES if registry.database.exists() else ()
    return promotions_table([one for model in names for one in registry.decisions(model)])
