"""Housekeeping: once a week what nobody will ask for again is dropped, and nothing else.

Models go first, for they name versions of tables and runs of Dagster; then the tables, the records
of runs, the logs. Each part says in its own file what stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from asset_predict_dagster.dataset_clean_up import clean_up
from asset_predict_dagster.errors import RegistryError, SettingsError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.logs import clean_up_logs
from asset_predict_dagster.market.sessions import TIME_ZONE
from asset_predict_dagster.pipeline.failures import says_why
from asset_predict_dagster.pipeline.resources import Clock, LakeTables, Models, Progress
from asset_predict_dagster.pipeline.run_records import clean_up_runs
from asset_predict_dagster.registry.model_clean_up import (
    KeptModels,
    clean_up_models,
    unneeded_versions,
)
from asset_predict_dagster.registry.references import referenced_versions
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.settings import Settings
from asset_predict_dagster.tables import CHAMPIONS, TABLES

_CONFIG = {
    "keep_versions": dg.Field(
        dg.Noneable(int),
        default_value=None,
        description="Versions of each table to keep. Default: ASSET_PREDICT_KEEP_VERSIONS.",
    ),
    "keep_days": dg.Field(
        dg.Noneable(int),
        default_value=None,
        description="Days to keep logs and records of runs. Default: ASSET_PREDICT_KEEP_DAYS.",
    ),
}


WAITS = "A training is under way: models were left alone."


class Kept(dg.ConfigurableResource):
    """How much a clean-up keeps, as `settings.py` says of each, and the folder of the logs."""

    versions: int
    models: int
    days: int
    logs: str


@dataclass(frozen=True)
class House:
    """All that is cleaned up."""

    instance: dg.DagsterInstance
    lake: Lake
    registry: Registry
    bundles: Path
    checkpoints: Path
    logs: Path

    @classmethod
    def of(cls, settings: Settings, instance: dg.DagsterInstance) -> "House":
        return cls(
            instance,
            Lake(settings.lake_root),
            Registry(settings.registry_database),
            settings.bundles,
            settings.checkpoints,
            settings.logs,
        )


@dataclass(frozen=True)
class Limits:
    """Versions of each table, other versions of each model, and days that are kept at the least."""

    versions: int
    models: int
    days: int

    def __post_init__(self) -> None:
        if self.versions < 1 or self.models < 0 or self.days < 1:
            raise SettingsError(
                "housekeeping: expected to keep at least 1 version of each table, 0 other versions"
                f" of each model and 1 day, found {self.versions}, {self.models} and {self.days};"
                " keep more"
            )


@dataclass(frozen=True)
class Cleaned:
    """What a clean-up took away, or would: the frames of its parts, and what it kept because
    models refer to it, as table → versions. While a training was under way models were left alone.
    """

    models: pd.DataFrame
    tables: pd.DataFrame
    runs: pd.DataFrame
    logs: pd.DataFrame
    referenced: Mapping[str, set[int]]
    is_training: bool

    @property
    def n_bytes(self) -> int:
        freed = (self.models["n_bytes"], self.tables["bytes_freed"], self.logs["n_bytes"])
        return int(sum(part.sum() for part in freed))


def keep_house(house: House, limits: Limits, now: datetime, *, dry_run: bool = False) -> Cleaned:
    """Clean up all of it; `dry_run` says what would go and changes nothing.

    Raises
    ------
    RegistryError
        If the registry is evidently of another lake: nothing was removed.
    BundleError
        If a bundle that stays has no readable card: nothing was removed.
    """
    keep_for = timedelta(days=limits.days)
    # Opening a registry that is not there would make one.
    registry = house.registry if house.registry.database.exists() else None
    _refuse_another_lake(house.lake, registry)
    models = pd.DataFrame({"what": [], "name": [], "n_bytes": []})
    referenced: dict[str, set[int]] = {}
    runs: set[str] = set()
    is_training = False
    if registry is not None:
        # Nobody may be promoted, or gone back to, between the look and the end of it.
        with registry.deciding():
            kept = KeptModels(_ever_champions(registry, house.lake), limits.models, keep_for)
            unneeded = unneeded_versions(registry, kept, now)
            referenced = referenced_versions(registry, house.bundles, without=unneeded)
            found = clean_up_models(
                registry, house.bundles, house.checkpoints, kept, now, dry_run=dry_run
            )
        is_training = found is None
        models = models if found is None else found
        if is_training or not dry_run:
            # Not all of them may have gone: what is there counts.
            unneeded = []
            referenced = referenced_versions(registry, house.bundles)
        versions = [version for model in registry.models() for version in registry.versions(model)]
        runs = {version.dagster_run_id for version in versions if version not in unneeded}
    return Cleaned(
        models,
        clean_up(house.lake, TABLES.values(), limits.versions, referenced, now, dry_run=dry_run),
        clean_up_runs(house.instance, now, keep_for, runs, dry_run=dry_run),
        clean_up_logs(house.logs, now, keep_for, dry_run=dry_run),
        referenced,
        is_training,
    )


def _ever_champions(registry: Registry, lake: Lake) -> dict[str, set[str]]:
    """Model → every version that serves or ever served, by the log of decisions; and by the table,
    for a lake that is older than the log."""
    ever = {
        model: {
            version
            for one in registry.decisions(model)
            for version in (one.model_version, one.incumbent_version)
        }
        for model in registry.models()
    }
    champions = lake.read_if_made(CHAMPIONS)
    for row in () if champions is None else champions.itertuples():
        ever.setdefault(row.model, set()).add(row.model_version)
    return ever


def _refuse_another_lake(lake: Lake, registry: Registry | None) -> None:
    """What models were built from could be dropped if they were looked for in the wrong place."""
    champions = lake.read_if_made(CHAMPIONS)
    for row in () if champions is None else champions.itertuples():
        known = registry.versions(row.model) if registry is not None else []
        if (row.model_version, row.bundle) not in {(v.version, v.bundle) for v in known}:
            raise RegistryError(
                f"the lake {lake.root} has the champion {row.model} {row.model_version}, which the"
                f" registry does not know, so what it was built from could be dropped; point"
                " ASSET_PREDICT_DATA at the folder of that lake's registry"
            )


@dg.op(out=dg.Out(dg.Nothing), config_schema=_CONFIG)
@says_why
def housekept(
    context: dg.OpExecutionContext,
    lake: LakeTables,
    models: Models,
    clock: Clock,
    kept: Kept,
    progress: dg.ResourceParam[Progress],
) -> None:
    """Drop what is old and unneeded of models, tables, records of runs and logs."""
    asked = context.op_config
    versions, days = asked["keep_versions"], asked["keep_days"]
    limits = Limits(
        kept.versions if versions is None else versions,
        kept.models,
        kept.days if days is None else days,
    )
    house = House(
        context.instance,
        lake.open(),
        models.registry,
        models.bundles_folder,
        Path(models.checkpoints),
        Path(kept.logs),
    )
    cleaned = keep_house(house, limits, clock.now())
    context.add_output_metadata(_told(cleaned))
    if cleaned.is_training:
        context.log.info(WAITS)
    context.log.info(
        f"{cleaned.n_bytes / 1e6:,.2f} MB freed, {len(cleaned.runs):,} records of runs dropped"
    )
    progress.finish(cleaned)


def _told(cleaned: Cleaned) -> dict[str, Any]:
    touched = cleaned.tables[cleaned.tables["files_removed"] > 0]
    shown = {"models": cleaned.models, "tables": touched, "logs": cleaned.logs}
    return {
        "bytes_freed": cleaned.n_bytes,
        "n_runs_dropped": len(cleaned.runs),
        **{
            name: dg.MetadataValue.md(rows.to_markdown(index=False))
            for name, rows in shown.items()
            if len(rows)
        },
    }


@dg.job(
    config={"loggers": {"console": {"config": {"log_level": "INFO"}}}},
    description="Drops what nobody will ask for again: old versions of tables, models that neither"
    " serve nor served, records of old runs, old logs.",
)
def housekeeping() -> None:
    housekept()


weekly_housekeeping = dg.ScheduleDefinition(
    name="weekly_housekeeping",
    job=housekeeping,
    cron_schedule="0 13 * * 0",
    execution_timezone=TIME_ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Sundays at 13:00 São Paulo time, when B3 has been closed for two days.",
)
