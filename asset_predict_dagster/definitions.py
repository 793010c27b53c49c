"""Every Dagster object of the project, assembled once from one `Settings`."""

import dagster as dg
from dagster_duckdb import DuckDBResource

from asset_predict_dagster.logs import start_logs
from asset_predict_dagster.pipeline import (
    dataset,
    evaluation,
    features,
    labels,
    models,
    monitoring,
    predictions,
    quotes,
    raw,
    registry,
    reports,
    tuning,
    warehouse,
)
from asset_predict_dagster.pipeline.alerts import (
    AlertChannel,
    alert_on_failure,
    alert_on_missing_prices,
)
from asset_predict_dagster.pipeline.checks import CHECKS
from asset_predict_dagster.pipeline.daily_sensors import catch_up_predictions, new_market_files
from asset_predict_dagster.pipeline.freshness import freshness_policies
from asset_predict_dagster.pipeline.housekeeping import Kept, weekly_housekeeping
from asset_predict_dagster.pipeline.io_managers import LakeIOManager
from asset_predict_dagster.pipeline.jobs import BEFORE_PREDICTIONS, JOBS
from asset_predict_dagster.pipeline.metadata import column_schema
from asset_predict_dagster.pipeline.resources import (
    Clock,
    LakeTables,
    Models,
    Papers,
    Progress,
    Reports,
    Thresholds,
    market_source,
)
from asset_predict_dagster.pipeline.schedules import daily_prediction_schedule
from asset_predict_dagster.pipeline.sensors import retrain_stale_models
from asset_predict_dagster.pipeline.tables import ASSET_TABLES
from asset_predict_dagster.pipeline.walk_forward import (
    no_session_counts_twice,
    walk_forward_assets,
)
from asset_predict_dagster.settings import Settings, load_settings

STAGES = (
    raw,
    quotes,
    features,
    labels,
    dataset,
    models,
    evaluation,
    reports,
    registry,
    predictions,
    monitoring,
    warehouse,
)
"""The modules of the stages, in the order data flows."""


def _with_dictionary(spec: dg.AssetSpec) -> dg.AssetSpec:
    """The asset with its table's columns in the UI, before anything is materialised."""
    table = ASSET_TABLES.get(spec.key.to_user_string())
    if table is None:
        return spec
    return spec.merge_attributes(metadata={"dagster/column_schema": column_schema(table)})


def _with_freshness(spec: dg.AssetSpec, policies: dict[str, dg.FreshnessPolicy]) -> dg.AssetSpec:
    policy = policies.get(spec.key.to_user_string())
    return spec if policy is None else spec.replace_attributes(freshness_policy=policy)


def build_definitions(
    settings: Settings, progress: Progress | None = None, clock: Clock | None = None
) -> dg.Definitions:
    """The code location for one environment; another environment is another `Settings`.

    `progress` is told how far a backtest is; None: nobody looks. `clock` tells the time; None: the
    machine's, as of the session that the settings name.
    """
    clock = clock or Clock(as_of=str(settings.as_of or ""))
    assets = [
        *dg.load_assets_from_modules(list(STAGES)),
        *walk_forward_assets(settings.as_of or clock.now().date()),
    ]
    policies = freshness_policies(settings)
    assets = dg.map_asset_specs(lambda spec: _with_freshness(spec, policies), assets)
    return dg.Definitions(
        assets=dg.map_asset_specs(_with_dictionary, assets),
        asset_checks=[*CHECKS, no_session_counts_twice],
        jobs=JOBS,
        schedules=[daily_prediction_schedule(settings.daily_task_hour), weekly_housekeeping],
        sensors=[
            retrain_stale_models,
            new_market_files(settings.daily_task_hour, sorted(BEFORE_PREDICTIONS.resolve(assets))),
            catch_up_predictions(settings.daily_task_hour),
            alert_on_failure,
            alert_on_missing_prices,
        ],
        # One process for all steps: a step of its own costs seconds of imports, and the whole
        # pipeline takes minutes.
        executor=dg.in_process_executor,
        resources={
            "io_manager": LakeIOManager(root=settings.lake_root),
            "lake": LakeTables(root=settings.lake_root),
            "clock": clock,
            "alerts": AlertChannel(settings.alert_webhook),
            "market": market_source(settings),
            "papers": Papers(
                asset_classes=list(settings.asset_classes), renames=str(settings.renames or "")
            ),
            "thresholds": Thresholds(
                max_rejected_share=settings.max_rejected_share,
                max_sessions_behind=settings.max_sessions_behind,
                min_completeness=settings.min_completeness,
                stale_price_sessions=settings.stale_price_sessions,
                unexplained_jump=settings.unexplained_jump,
            ),
            "studies": tuning.Studies(
                database=str(settings.data / "studies.db"),
                presets=str(settings.data / "presets"),
            ),
            "models": Models(
                database=str(settings.registry_database),
                bundles=str(settings.bundles),
                presets=str(settings.data / "presets"),
                checkpoints=str(settings.checkpoints),
                seed=settings.seed,
                stale_after_days=settings.model_stale_after_days,
                expires_after_days=settings.model_expires_after_days,
                retrains_a_week=settings.retrains_a_week,
            ),
            "reports": Reports(
                folder=str(settings.data / "reports"),
                ibovespa=str(settings.ibovespa or ""),
                planted_strength=(
                    settings.signal_strength if settings.source == "simulated" else None
                ),
            ),
            "kept": Kept(
                versions=settings.keep_versions,
                models=settings.keep_models,
                days=settings.keep_days,
                logs=str(settings.logs),
            ),
            "progress": progress or Progress(),
            "duckdb": DuckDBResource(database=":memory:"),
            "warehouse_file": warehouse.WarehouseFile(path=str(settings.warehouse)),
        },
    )


_SETTINGS = load_settings()

# Every process of Dagster that executes our code loads this file.
start_logs(_SETTINGS)

defs = build_definitions(_SETTINGS)
