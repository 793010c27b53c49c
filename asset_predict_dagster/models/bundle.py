"""Bundles: a trained model as a folder that says what it is and can prove it is whole.

    <bundles>/<digest>/
        model.joblib | model.pt   the native artefact, for people who want to open it
        model.onnx                what forecasts; nothing else is ever loaded to do so
        card.json                 features in order, horizons, settings, calibration, provenance
        manifest.json             SHA-256 of each file above

The digest is the SHA-256 of the manifest: the same data, settings and seed give the same one.
Clock readings are kept out of the folder for that reason. A file that the manifest does not list
is never read.
"""

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from asset_predict_dagster.dataset.catalogue import CATALOGUE
from asset_predict_dagster.errors import BundleError
from asset_predict_dagster.models.base import Trained
from asset_predict_dagster.models.durable import sync_folder, write_through
from asset_predict_dagster.models.forecasting import Bundle, Forecasts

__all__ = [
    "Bundle",
    "Forecasts",
    "feature_formulas",
    "load_bundle",
    "prepare_folder",
    "write_bundle",
]

SCHEMA_VERSION = 2
"""2: thirty interval widths, formulas of the features, the definition of the experiment."""

_PIECES = ("card.json", "model.onnx")
_RETRAIN = "train the model again"


def write_bundle(folder: Path, trained: Trained, card: dict[str, Any]) -> str:
    """Write a bundle under `folder` in one step and return its digest.

    An equal bundle that is there already is left alone; a damaged one makes room for it.

    Raises
    ------
    BundleError
        If the folder cannot be written, or the card holds a number that JSON cannot say.
    """
    try:
        said = _json({"schema_version": SCHEMA_VERSION, **card})
    except ValueError as error:
        raise BundleError(
            f"model '{card.get('model')}': every number of its card should be finite, and one is"
            f" not ({error}); look for absurd settings, features or labels"
        ) from error
    files = {trained.native_name: trained.native, "model.onnx": trained.onnx, "card.json": said}
    manifest = _json({name: _sha256(content) for name, content in sorted(files.items())})
    digest = _sha256(manifest)
    target = folder / digest
    if _is_whole(folder, digest):
        return digest
    prepare_folder(folder)
    workplace = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        beside = workplace / digest
        beside.mkdir()
        for name, content in {**files, "manifest.json": manifest}.items():
            write_through(beside / name, content)
        sync_folder(beside)
        if target.exists() and not _is_whole(folder, digest):
            with suppress(FileNotFoundError):  # another process moved it away first
                os.rename(target, workplace / "damaged")
        os.rename(beside, target)
        sync_folder(folder)
    except OSError as error:
        if not _is_whole(folder, digest):  # otherwise another process wrote it first
            raise BundleError(_unwritable(folder, error)) from error
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
    return digest


def prepare_folder(folder: Path) -> None:
    """Make the folder of bundles, or raise `BundleError`: better before a training than after."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BundleError(_unwritable(folder, error)) from error


def load_bundle(folder: Path, digest: str) -> Bundle:
    """Open a bundle after proving that it is whole and unaltered, and speaks of today's features.

    Its graph is opened as well: what this returns forecasts.

    Raises
    ------
    BundleError
        If it is missing, a piece is missing, altered or not what its name says, it is of another
        schema version, one of its features is no longer in the catalogue or has another formula
        there, or its card and its graph do not fit each other.
    """
    contents = _proven(folder, digest)
    for name in _PIECES:
        if name not in contents:
            raise BundleError(f"bundle {digest[:12]}: its manifest lists no {name}; {_RETRAIN}")
    card = _object(digest, "card.json", contents["card.json"])
    if card.get("schema_version") != SCHEMA_VERSION:
        raise BundleError(
            f"bundle {digest[:12]} has schema version {card.get('schema_version')}, this program"
            f" reads {SCHEMA_VERSION}; {_RETRAIN}"
        )
    _refuse_other_features(digest, card)
    bundle = Bundle(digest, card, contents["model.onnx"])
    bundle.refuse_unless_it_forecasts()
    return bundle


def feature_formulas(names: tuple[str, ...]) -> dict[str, str | None]:
    """The catalogue's formula of each feature; None for a column that is not the catalogue's.

    >>> feature_formulas(("market_return_1d", "my_own"))
    {'market_return_1d': 'mean of log_return_1d over the universe', 'my_own': None}
    """
    known = {feature.name: feature.formula for feature in CATALOGUE}
    return {name: known.get(name) for name in names}


def _proven(folder: Path, digest: str) -> dict[str, bytes]:
    """The content of every piece, each with the digest that the manifest gives it."""
    place = folder / digest
    try:
        manifest = (place / "manifest.json").read_bytes()
    except FileNotFoundError:
        raise BundleError(f"bundle {digest[:12]} is not in {folder}, or has no manifest") from None
    except OSError as error:
        raise BundleError(_unreadable(digest, "manifest.json", error)) from error
    if _sha256(manifest) != digest:
        raise BundleError(f"bundle {digest[:12]}: its manifest was altered; {_RETRAIN}")
    contents = {}
    for name, expected in _object(digest, "manifest.json", manifest).items():
        if name in ("", ".", "..") or Path(name).name != name or "\0" in name:
            raise BundleError(
                f"bundle {digest[:12]}: its manifest should list files beside it and lists"
                f" {name!r}; {_RETRAIN}"
            )
        try:
            contents[name] = (place / name).read_bytes()
        except FileNotFoundError:
            raise BundleError(f"bundle {digest[:12]}: {name} is missing; {_RETRAIN}") from None
        except OSError as error:
            raise BundleError(_unreadable(digest, name, error)) from error
        if _sha256(contents[name]) != expected:
            raise BundleError(f"bundle {digest[:12]}: {name} was altered; {_RETRAIN}")
    return contents


def _unwritable(folder: Path, error: OSError) -> str:
    return (
        f"bundles cannot be written to {folder}: {error.strerror}; point ASSET_PREDICT_DATA at a"
        " folder that can"
    )


def _unreadable(digest: str, name: str, error: OSError) -> str:
    return f"bundle {digest[:12]}: {name} cannot be read ({error.strerror}); {_RETRAIN}"


def _object(digest: str, name: str, content: bytes) -> dict[str, Any]:
    """A JSON object, or a `BundleError` that says what it is instead."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"bundle {digest[:12]}: {name} should be JSON and is not ({error}); {_RETRAIN}"
        ) from error
    if not isinstance(said, dict):
        raise BundleError(
            f"bundle {digest[:12]}: {name} should be a JSON object and is a"
            f" {type(said).__name__}; {_RETRAIN}"
        )
    return said


def _refuse_other_features(digest: str, card: dict[str, Any]) -> None:
    names, formulas = card.get("feature_names"), card.get("feature_formulas")
    if not (isinstance(names, list) and isinstance(formulas, dict)):
        raise BundleError(
            f"bundle {digest[:12]}: its card should have feature_names, a list, and"
            f" feature_formulas, an object; {_RETRAIN}"
        )
    untold = [name for name in names if name not in formulas]
    if untold:
        raise BundleError(
            f"bundle {digest[:12]} reads features whose formula its card does not give: {untold};"
            f" {_RETRAIN}"
        )
    # A column of somebody's own has no formula; whether it is there shows when it forecasts.
    today = feature_formulas(tuple(formulas))
    changed = {name: said for name, said in formulas.items() if said != today[name]}
    unknown = [name for name in changed if today[name] is None]
    if unknown:
        raise BundleError(
            f"bundle {digest[:12]} reads features that the catalogue no longer has: {unknown};"
            f" {_RETRAIN}"
        )
    for name, said in changed.items():
        raise BundleError(
            f"bundle {digest[:12]} was trained when the feature {name} was"
            f" '{said or 'none of the catalogue'}'; the catalogue now has '{today[name]}' under"
            f" that name: {_RETRAIN}"
        )


def _is_whole(folder: Path, digest: str) -> bool:
    try:
        _proven(folder, digest)
    except BundleError:
        return False
    return True


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _json(content: dict[str, Any]) -> bytes:
    said = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return said.encode()
