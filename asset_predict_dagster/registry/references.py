"""References: which versions of the lake's tables the registered models were built from."""

import json
from collections.abc import Iterable
from pathlib import Path

from asset_predict_dagster.errors import BundleError
from asset_predict_dagster.registry.mlflow_database import TRAININGS, open_client, runs_of
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.registry.versions import ModelVersion


def referenced_versions(
    registry: Registry, bundles: Path, without: Iterable[ModelVersion] = ()
) -> dict[str, set[int]]:
    """Table name → versions that the card of any registered model version names.

    Both bundles of a version count, and what a training under way says that it learns from, which
    will be in its card. What those versions came from in turn is not listed here:
    `dataset_clean_up.clean_up` follows it.

    Parameters
    ----------
    bundles
        The folder of bundles.
    without
        Model versions that do not count: they are about to go.

    Raises
    ------
    BundleError
        If a registered bundle has no card that can be read: what it refers to is then unknown,
        and nobody should act as if it were nothing.
    """
    named = _learned_from_now(registry)
    left_out = {(version.model, version.version) for version in without}
    for model in registry.models():
        for version in registry.versions(model):
            if (model, version.version) in left_out:
                continue
            for digest in (version.bundle, version.evaluation_bundle):
                for table, number in _lake_versions(bundles, digest).items():
                    named.setdefault(table, set()).add(number)
    return named


def _learned_from_now(registry: Registry) -> dict[str, set[int]]:
    """What trainings under way, or killed and not yet closed, have read."""
    named: dict[str, set[int]] = {}
    for run in runs_of(open_client(registry.database), TRAININGS):
        if run.info.status == "RUNNING":
            for tag, value in run.data.tags.items():
                if tag.startswith("lake."):
                    named.setdefault(tag.removeprefix("lake."), set()).add(int(value))
    return named


def _lake_versions(bundles: Path, digest: str) -> dict[str, int]:
    # The card alone: a bundle of an older program, which no longer loads, still says this.
    try:
        return json.loads((bundles / digest / "card.json").read_bytes())["lake_versions"]
    except (OSError, ValueError, KeyError) as error:
        raise BundleError(
            f"bundle {digest[:12]} of a registered model has no readable card in {bundles}, so"
            f" which tables it refers to is unknown ({error}); put the folder of bundles back"
        ) from error
