"""Failed checks: what Dagster knows to be wrong with the tables, whichever run found it."""

from collections.abc import Collection

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
)

from asset_predict_dagster.pipeline.checks import CHECKS
from asset_predict_dagster.pipeline.raw import market_records
from asset_predict_dagster.predictions.heeded_checks import OF_ABSENCE


def failed_checks(instance: dg.DagsterInstance, assets: Collection[str]) -> list[str]:
    """Names of the checks of some assets whose latest result is a failure, as `quotes: name`.

    Warnings do not count, nor that prices did not come (`OF_ABSENCE`), nor a check that is only
    planned: then what it said last does.
    """
    keys = [key for each in (*CHECKS, market_records) for key in each.check_keys]
    return [
        f"{key.asset_key.to_user_string()}: {key.name}"
        for key in keys
        if key.asset_key.to_user_string() in assets
        and key.name not in OF_ABSENCE
        and _has_failed(instance, key)
    ]


def _has_failed(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> bool:
    latest = instance.event_log_storage.get_asset_check_execution_history(
        key, limit=1, status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES
    )
    result = latest[0].evaluation if latest else None
    return (
        result is not None and not result.passed and result.severity == dg.AssetCheckSeverity.ERROR
    )
