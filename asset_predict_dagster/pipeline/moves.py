"""Moves: a person lets another version serve, seen in the UI as a run.

No asset: nothing is computed. Dagster is told that the tables `champions` and `promotions` were
written, and what serves from then on is theirs to say. Predictions made before stay as they are.
"""

import dagster as dg

from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.metadata import describe
from asset_predict_dagster.pipeline.registry import all_decisions
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models
from asset_predict_dagster.registry.by_hand import move_by_hand
from asset_predict_dagster.registry.champions import champions_table
from asset_predict_dagster.tables import CHAMPIONS, EVALUATION, PROMOTIONS

_CONFIG = {
    "model": dg.Field(str, description=" or ".join(MODEL_NAMES)),
    "version": dg.Field(
        dg.Noneable(str),
        default_value=None,
        description="Number of the version that shall serve. Default: the champion before the"
        " present one.",
    ),
    "why": dg.Field(str, default_value="", description="A sentence for the log of decisions."),
}


@dg.op(out=dg.Out(dg.Nothing), config_schema=_CONFIG)
@says_why
def moved_champion(
    context: dg.OpExecutionContext, lake: LakeTables, models: Models, clock: Clock
) -> None:
    """The version that was asked for serves."""
    asked, opened, registry = context.op_config, lake.open(), models.registry
    decided = move_by_hand(
        registry,
        models.bundles_folder,
        asked["model"],
        asked["version"],
        asked["why"],
        opened.read_if_made(EVALUATION),
        last_session=clock.last_session(),
        now=clock.now(),
        run_id=context.run.root_run_id or context.run.run_id,
    )
    context.log.info(f"{decided.model} {decided.model_version} serves: {decided.reason}")
    known = opened.read_if_made(CHAMPIONS)
    for table, rows in (
        (CHAMPIONS, champions_table(registry, MODEL_NAMES, known)),
        (PROMOTIONS, all_decisions(registry)),
    ):
        written = opened.write(table, rows, over_others=True)
        context.log_event(
            dg.AssetMaterialization(table.name, metadata=describe(table, rows, written))
        )
    context.add_output_metadata(
        {
            "model": decided.model,
            "model_version": decided.model_version,
            "before": decided.incumbent_version,
            "status": decided.status,
            "reason": decided.reason,
        }
    )


@dg.job(
    description="Another version of one model serves from now on: the one that is named, or the"
    " champion before. What `asset-predict promote` and `rollback` run.",
)
def move_champion() -> None:
    moved_champion()
