"""The IO manager: an asset's DataFrame is the lake's table of the same name."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.lake_parts import part_column
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.metadata import describe
from asset_predict_dagster.pipeline.one_moment import pin, versions_for
from asset_predict_dagster.pipeline.reads import noted_for, step_of, versions_read
from asset_predict_dagster.pipeline.run_logs import log_run
from asset_predict_dagster.pipeline.tables import ASSET_TABLES


class LakeIOManager(dg.ConfigurableIOManager):
    """Writes what an asset returns to its table, and reads what another one asks for.

    Of a table that is replaced by parts, the parts that an asset returns. The version that is
    written records the versions that its step has read.
    """

    root: str

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        # Every step of every job has an IO manager: none begins before its run is listened to.
        if context.instance is not None and context.run is not None:
            log_run(context.instance, context.run.run_id)

    @says_why
    def handle_output(self, context: dg.OutputContext, obj: pd.DataFrame) -> None:
        table = ASSET_TABLES[context.asset_key.to_user_string()]
        lake = Lake(self.root)
        if table.append_only:
            write = lake.insert_new
        elif part_column(table):
            write = lake.replace_parts
        else:
            write = lake.write
        written = write(table, obj, came_from=versions_read(context, but=table.name))
        pin(context.step_context, table.name, written.version)
        context.add_output_metadata(describe(table, obj, written))

    @says_why
    def load_input(self, context: dg.InputContext) -> pd.DataFrame:
        versions = versions_for(step_of(context), self.root)
        lake = Lake(self.root, on_read=noted_for(context), versions=versions)
        return lake.read(ASSET_TABLES[context.asset_key.to_user_string()])
