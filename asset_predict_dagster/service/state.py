"""The state: which versions the lake's tables have, and which session has closed."""

from datetime import UTC, date, datetime

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import last_closed_session
from asset_predict_dagster.service.redaction import Places
from asset_predict_dagster.service.snapshot import State
from asset_predict_dagster.tables import (
    CHAMPIONS,
    FEATURES,
    FOLDS,
    FORECASTS_OUT_OF_SAMPLE,
    PROMOTIONS,
    QUOTES,
    RAW_QUOTES,
    UNIVERSE,
)

WATCHED = (
    RAW_QUOTES,
    QUOTES,
    UNIVERSE,
    FEATURES,
    FOLDS,
    FORECASTS_OUT_OF_SAMPLE,
    CHAMPIONS,
    PROMOTIONS,
)
"""The tables whose versions make a state."""


def look(places: Places, as_of: date | None) -> State:
    """The state at this moment; `as_of` stands for the last closed session if it is given."""
    lake = Lake(places.lake_root)
    return State(
        {table.name: lake.version(table) for table in WATCHED},
        as_of or last_closed_session(datetime.now(UTC)),
    )
