"""Jobs: what is run together. Their names are relied on by people and by other programs."""

import dagster as dg

from asset_predict_dagster.pipeline.backtests import backtest
from asset_predict_dagster.pipeline.clearing import clear_state
from asset_predict_dagster.pipeline.housekeeping import housekeeping
from asset_predict_dagster.pipeline.models import TRAINS
from asset_predict_dagster.pipeline.moves import move_champion
from asset_predict_dagster.pipeline.reproductions import reproduce
from asset_predict_dagster.pipeline.tuning import tune

# What a person wants to read while it runs: the milestones, not every event; those are in the UI.
_CONFIG = {"loggers": {"console": {"config": {"log_level": "INFO"}}}}

# Of what waits in the queue, the predictions go first, and what may serve before experiments.
_FIRST, _SECOND = {"dagster/priority": "2"}, {"dagster/priority": "1"}

_WALK_FORWARD = dg.AssetSelection.assets(
    "walk_forward_forecasts", "walk_forward_summary", "walk_forward_report"
)
"""A partitioned asset cannot run inside a job without partitions."""

complete_pipeline = dg.define_asset_job(
    "complete_pipeline",
    selection=dg.AssetSelection.all() - _WALK_FORWARD,
    tags=TRAINS | _SECOND,
    config=_CONFIG,
    description="Everything: market files to predictions, both models trained and judged.",
)

BEFORE_PREDICTIONS = dg.AssetSelection.groups("raw", "quotes", "features")
"""What of `daily_prediction` can be made of a market file as soon as it comes."""

daily_prediction = dg.define_asset_job(
    "daily_prediction",
    selection=BEFORE_PREDICTIONS
    | dg.AssetSelection.groups("predictions", "monitoring", "warehouse")
    # Who serves, as the registry has it by now.
    | dg.AssetSelection.assets("promotions"),
    tags=_FIRST,
    config=_CONFIG,
    description="New market files to the predictions of the serving champions, and how the"
    " earlier ones came out. Trains nothing.",
)

retrain = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.groups(
        "labels",
        "dataset",
        "models",
        "evaluation",
        "registry",
        "predictions",
        "monitoring",
        "warehouse",
    )
    - _WALK_FORWARD,
    tags=TRAINS | _SECOND,
    config=_CONFIG,
    description="Labels to promotion: both models trained on what the lake holds, and judged"
    " against the champions; then the predictions and the published database.",
)

walk_forward = dg.define_asset_job(
    "walk_forward",
    selection=_WALK_FORWARD,
    tags=TRAINS,
    config=_CONFIG,
    description="One half-year: both models trained before it, its forecasts, and the summary and"
    " the report of all half-years. A backfill runs many, one after another or side by side.",
)

JOBS = [
    complete_pipeline,
    daily_prediction,
    retrain,
    walk_forward,
    backtest,
    tune,
    move_champion,
    reproduce,
    clear_state,
    housekeeping,
]
