"""Checks: the promise of each stage, held in Dagster. A blocking one stops what follows.

One check per table is derived from `tables.py`; the others say what a schema cannot.
"""

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset.splits import too_close_roles
from asset_predict_dagster.market.quotes import (
    impossible_prices,
    unannounced_distributions,
    unexplained_jumps,
)
from asset_predict_dagster.market.sessions import not_sessions
from asset_predict_dagster.pipeline.resources import LakeTables
from asset_predict_dagster.pipeline.tables import ASSET_TABLES
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
        return _verdict(broken_promises(table, lake.open().read(table)))

    return check


def _verdict(
    offending: pd.DataFrame, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=offending.empty,
        severity=severity,
        metadata={
            "n_offending": len(offending),
            "first_offending": dg.MetadataValue.md(
                offending.head(20).to_markdown(index=False) if len(offending) else "none"
            ),
        },
    )


@dg.asset_check(asset="quotes", blocking=True)
def prices_are_possible(quotes: pd.DataFrame) -> dg.AssetCheckResult:
    """low ≤ open, close ≤ high, and every price is above zero."""
    return _verdict(impossible_prices(quotes))


@dg.asset_check(asset="quotes", blocking=True)
def sessions_are_real(quotes: pd.DataFrame) -> dg.AssetCheckResult:
    """B3 trades on every session that has a quote."""
    return _verdict(not_sessions(quotes["session"]))


@dg.asset_check(asset="quotes")
def jumps_are_explained(quotes: pd.DataFrame) -> dg.AssetCheckResult:
    """No adjusted return is so large that a corporate action is probably missing.

    A warning: true crashes are among them. Look at each before trusting that ticker's past.
    """
    return _verdict(unexplained_jumps(quotes), severity=dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset="quotes", additional_ins={"corporate_actions": dg.AssetIn()})
def distributions_are_known(
    quotes: pd.DataFrame, corporate_actions: pd.DataFrame
) -> dg.AssetCheckResult:
    """Each step of B3's distribution number has a corporate action on its day.

    A warning: where one is missing, a dividend or a split is taken for a fall of the price. Put
    the events into the file corporate_actions.csv beside the quotes.
    """
    unknown = unannounced_distributions(quotes, corporate_actions)
    return _verdict(unknown, severity=dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset="folds", blocking=True)
def roles_are_purged(folds: pd.DataFrame) -> dg.AssetCheckResult:
    """At least the labels' span and the embargo lie between two roles, in sessions."""
    return _verdict(too_close_roles(folds))


@dg.asset_check(asset="predictions", blocking=True)
def targets_are_sessions(predictions: pd.DataFrame) -> dg.AssetCheckResult:
    """Each prediction is about a session that B3 trades on."""
    return _verdict(not_sessions(predictions["target_session"]))


CHECKS: list[dg.AssetChecksDefinition] = [
    *(_dictionary_check(table) for table in ASSET_TABLES.values()),
    prices_are_possible,
    sessions_are_real,
    jumps_are_explained,
    distributions_are_known,
    roles_are_purged,
    targets_are_sessions,
]
