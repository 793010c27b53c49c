"""Checks: the promise of each stage, held in Dagster. A blocking one stops what follows.

One check per table is derived from `tables.py`; the others say what a schema cannot.
"""

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.splits import too_close_roles
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.lake_parts import part_column
from asset_predict_dagster.market.sessions import not_sessions
from asset_predict_dagster.pipeline.leak_checks import LEAK_CHECKS
from asset_predict_dagster.pipeline.market_checks import MARKET_CHECKS
from asset_predict_dagster.pipeline.resources import LakeTables
from asset_predict_dagster.pipeline.tables import ASSET_TABLES
from asset_predict_dagster.pipeline.verdicts import verdict
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import Table


def _dictionary_check(table: Table) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=table.name,
        name="keeps_the_dictionary",
        description=f"Key unique, nothing required missing, every value allowed: {table.row}",
        blocking=True,
    )
    def check(lake: LakeTables) -> dg.AssetCheckResult:
        return verdict(_broken_promises(table, lake.open()))

    return check


def _broken_promises(table: Table, lake: Lake) -> pd.DataFrame:
    """Of a table of parts one is read at a time: years of walk-forward are more than memory holds.

    The part belongs to the key, so a key that stands twice does so within one.
    """
    column = part_column(table)
    parts = lake.parts(table) if column else {}
    if not column or not parts:
        return broken_promises(table, lake.read(table))
    broken = [broken_promises(table, lake.read(table, where={column: [name]})) for name in parts]
    return pd.concat(broken, ignore_index=True)


@dg.asset_check(asset="folds", blocking=True)
def roles_are_purged(folds: pd.DataFrame) -> dg.AssetCheckResult:
    """At least the labels' span and the embargo lie between two roles, in sessions."""
    return verdict(too_close_roles(folds))


@dg.asset_check(asset="predictions", blocking=True)
def targets_are_sessions(predictions: pd.DataFrame) -> dg.AssetCheckResult:
    """Each prediction of the last run is about a session that B3 trades on.

    Those made earlier are no longer to be mended: a holiday may have been decreed since.
    """
    made_last = predictions["created_at"] == predictions["created_at"].max()
    return verdict(not_sessions(predictions.loc[made_last, "target_session"]))


CHECKS: list[dg.AssetChecksDefinition] = [
    *(_dictionary_check(table) for table in ASSET_TABLES.values()),
    *MARKET_CHECKS,
    *LEAK_CHECKS,
    roles_are_purged,
    targets_are_sessions,
]
