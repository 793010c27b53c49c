"""Warehouse: every table in one DuckDB file that people can hold open."""

from pathlib import Path

import dagster as dg
import pandas as pd
from dagster_duckdb import DuckDBResource

from asset_predict_dagster import warehouse as database
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.resources import LakeTables
from asset_predict_dagster.pipeline.tables import ASSET_TABLES


class WarehouseFile(dg.ConfigurableResource):
    """Where the database is published."""

    path: str


@dg.asset(
    group_name="warehouse",
    kinds={"duckdb"},
    owners=["team:market-data"],
    deps=["predictions", "outcomes", "model_health"],
)
@says_why
def warehouse(
    lake: LakeTables, duckdb: DuckDBResource, warehouse_file: WarehouseFile
) -> dg.MaterializeResult:
    """Every table of the lake under its own name, built beside and put in place in one step."""
    target = Path(warehouse_file.path)
    with duckdb.get_connection() as connection:
        counts = database.publish(connection, lake.open(), ASSET_TABLES.values(), target)
    rows = pd.Series(counts, name="rows").rename_axis("table").reset_index()
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(target)),
            "bytes": target.stat().st_size,
            "tables": dg.MetadataValue.md(rows.to_markdown(index=False)),
        }
    )
