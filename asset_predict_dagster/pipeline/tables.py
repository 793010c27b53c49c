"""Which table an asset makes: the data dictionary with the catalogue's columns in place."""

from asset_predict_dagster.dataset import features
from asset_predict_dagster.tables import TABLES, Table

ASSET_TABLES: dict[str, Table] = {**TABLES, "features": features.TABLE}
"""Asset key → table, in the order data flows."""
