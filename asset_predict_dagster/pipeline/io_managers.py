"""The IO manager: an asset's DataFrame is the lake's table of the same name."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.metadata import describe
from asset_predict_dagster.pipeline.tables import ASSET_TABLES


class LakeIOManager(dg.ConfigurableIOManager):
    """Writes what an asset returns to its table, and reads what another one asks for."""

    root: str

    @says_why
    def handle_output(self, context: dg.OutputContext, obj: pd.DataFrame) -> None:
        table = ASSET_TABLES[context.asset_key.to_user_string()]
        lake = Lake(self.root)
        write = lake.insert_new if table.append_only else lake.write
        context.add_output_metadata(describe(table, obj, write(table, obj)))

    @says_why
    def load_input(self, context: dg.InputContext) -> pd.DataFrame:
        return Lake(self.root).read(ASSET_TABLES[context.asset_key.to_user_string()])
