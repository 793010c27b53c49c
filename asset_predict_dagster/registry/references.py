"""References: which versions of the lake's tables the registered models were built from."""

import json
from pathlib import Path

from asset_predict_dagster.errors import BundleError
from asset_predict_dagster.registry.store import Registry


def referenced_versions(registry: Registry, bundles: Path) -> dict[str, set[int]]:
    """Table name → versions that the card of any registered model version names.

    Both bundles of a version count. What those versions came from in turn is not listed here:
    `dataset_clean_up.clean_up` follows it.

    Parameters
    ----------
    bundles
        The folder of bundles.

    Raises
    ------
    BundleError
        If a registered bundle has no card that can be read: what it refers to is then unknown,
        and nobody should act as if it were nothing.
    """
    named: dict[str, set[int]] = {}
    for model in registry.models():
        for version in registry.versions(model):
            for digest in (version.bundle, version.evaluation_bundle):
                for table, number in _lake_versions(bundles, digest).items():
                    named.setdefault(table, set()).add(number)
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
