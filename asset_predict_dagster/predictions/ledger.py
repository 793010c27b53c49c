"""The ledger: which sessions have been asked about."""

from datetime import date

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.tables import PREDICTIONS


def asked_sessions(lake: Lake) -> list[date]:
    """The sessions that had just closed when rows of `predictions` were made, sorted.

    Empty before the first prediction.
    """
    if not lake.exists(PREDICTIONS):
        return []
    return sorted(set(lake.read(PREDICTIONS, columns=["session"])["session"].dt.date))
