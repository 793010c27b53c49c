"""Versions asked: the champion of a model, or the version that a person names, ready to answer."""

from pathlib import Path

from asset_predict_dagster.errors import NoChampionError, RegistryError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.bundle import load_bundle
from asset_predict_dagster.predictions.daily import Serving
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.registry.versions import ModelVersion
from asset_predict_dagster.tables import CHAMPIONS


def opened_registry(database: Path) -> Registry:
    """The registry that is there: opening one that is not would make it.

    Raises
    ------
    RegistryError
        If nothing was ever trained.
    """
    if not database.exists():
        raise RegistryError(
            f"there is no registry {database}, so no model has been trained; run"
            " `asset-predict pipeline` or the job complete_pipeline, or point ASSET_PREDICT_DATA"
            " at the folder of one that has"
        )
    return Registry(database)


def version_asked(registry: Registry, model: str, version: int | str | None) -> ModelVersion:
    """A version by its number; None: the one that serves, else the one that was trained last.

    Raises
    ------
    RegistryError
        If there is no such version, or none at all.
    """
    if version is not None:
        return registry.version(model, str(version))
    return registry.champion(model) or registry.challenger(model)


def serving_asked(
    lake: Lake, database: Path, bundles: Path, model: str, version: int | str | None
) -> Serving:
    """The champion of a model, or a version by its number, which is `unproven` unless it serves.

    Raises
    ------
    NoChampionError
        If nobody serves and no version was named.
    RegistryError, BundleError
        If there is no such version, or its bundle cannot be opened.
    """
    champions = lake.read_if_made(CHAMPIONS)
    serves = None if champions is None else champions[champions["model"] == model]
    row = None if serves is None else next(serves.itertuples(), None)
    if row is not None and (version is None or str(version) == row.model_version):
        bundle = load_bundle(bundles, row.bundle)
        return Serving(model, row.model_version, row.status, bundle, row.trained_at)
    if version is None:
        raise NoChampionError(
            f"model '{model}' has no champion yet; run `asset-predict pipeline`, or name one of"
            " the versions that `asset-predict models` lists"
        )
    known = opened_registry(database).version(model, str(version))
    bundle = load_bundle(bundles, known.bundle)
    return Serving(model, known.version, "unproven", bundle, known.trained_at)
