"""Bundles: a trained model as a folder that says what it is and can prove it is whole.

    <bundles>/<digest>/
        model.joblib | model.pt   the native artefact, for people who want to open it
        model.onnx                what forecasts; nothing else is ever loaded to do so
        card.json                 features in order, horizons, settings, calibration, provenance
        manifest.json             SHA-256 of each file above

The digest is the SHA-256 of the manifest: the same data, settings and seed give the same one.
Clock readings are kept out of the folder for that reason.
"""

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from asset_predict_dagster.dataset.labels import learned_until
from asset_predict_dagster.dataset.samples import Samples
from asset_predict_dagster.dataset.windows import gather, window_index
from asset_predict_dagster.errors import BundleError
from asset_predict_dagster.models.base import (
    ONNX_INPUT,
    ONNX_PROBABILITIES,
    ONNX_RETURN_SCORES,
    Trained,
)
from asset_predict_dagster.models.calibration import Calibration

SCHEMA_VERSION = 1
_BATCH = 8192


@dataclass(frozen=True)
class Forecasts:
    """What a bundle says of n rows, at each of its horizons.

    probabilities: (n, 3), calibrated, of the next session's action. expected_returns,
    lows, highs: (n, n_horizons), fractions; the interval should hold 90 % of outcomes.
    """

    probabilities: np.ndarray
    expected_returns: np.ndarray
    lows: np.ndarray
    highs: np.ndarray


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle. It forecasts by ONNX alone, on one thread."""

    digest: str
    card: dict[str, Any]
    onnx: bytes

    @cached_property
    def _session(self):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(self.onnx, options, providers=["CPUExecutionProvider"])

    @property
    def learned_until(self) -> date:
        """The last session it knows something of; what it says of earlier ones is hindsight."""
        return learned_until(date.fromisoformat(self.card["training_sessions"][1]))

    @property
    def calibration(self) -> Calibration:
        return Calibration(**self.card["calibration"])

    def forecast(self, samples: Samples, rows: np.ndarray) -> Forecasts:
        """Forecast the given row positions of `samples`, shape (n,).

        Raises
        ------
        BundleError
            If the samples lack a feature that the model was trained on.
        """
        raw, scores = run_graph(self._session, self.card, samples, rows)
        volatility = samples.volatility[rows].astype(np.float64)
        expected = self.calibration.expected_returns(scores, volatility)
        half = self.calibration.half_widths(volatility)
        return Forecasts(
            self.calibration.probabilities(raw),
            expected,
            np.maximum(expected - half, -1.0),
            expected + half,
        )


def run_graph(
    session, card: dict[str, Any], samples: Samples, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Raw probabilities (n, 3) and return scores (n, n_horizons) of the given rows, in batches."""
    names, lookback = tuple(card["feature_names"]), card["lookback"]
    unknown = [name for name in names if name not in samples.feature_names]
    if unknown:
        raise BundleError(
            f"model '{card['model']}' was trained on features that are not there: {unknown};"
            " train it again on the present catalogue"
        )
    columns = samples.columns(names)
    outputs = []
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        if lookback == 1:
            given = columns[batch]
        else:
            # A card of before there was a longest gap has none: its model read over every one.
            index = window_index(
                samples.ticker_codes,
                samples.session_codes,
                batch,
                lookback,
                card.get("longest_gap"),
            )
            given = gather(columns, index)
        outputs.append(session.run([ONNX_PROBABILITIES, ONNX_RETURN_SCORES], {ONNX_INPUT: given}))
    if not outputs:
        return np.empty((0, len(card["actions"]))), np.empty((0, len(card["horizons"])))
    probabilities, scores = zip(*outputs, strict=True)
    return np.concatenate(probabilities), np.concatenate(scores)


def write_bundle(folder: Path, trained: Trained, card: dict[str, Any]) -> str:
    """Write a bundle under `folder` in one step and return its digest.

    An equal bundle that is there already is left alone; a damaged one makes room for it.

    Raises
    ------
    BundleError
        If the folder cannot be written.
    """
    files = {
        trained.native_name: trained.native,
        "model.onnx": trained.onnx,
        "card.json": _json({"schema_version": SCHEMA_VERSION, **card}),
    }
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
            (beside / name).write_bytes(content)
        if target.exists() and not _is_whole(folder, digest):
            with suppress(FileNotFoundError):  # another process moved it away first
                os.rename(target, workplace / "damaged")
        os.rename(beside, target)
    except OSError:
        if not _is_whole(folder, digest):  # otherwise another process wrote it first
            raise
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
    return digest


def prepare_folder(folder: Path) -> None:
    """Make the folder of bundles, or raise `BundleError`: better before a training than after."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BundleError(
            f"bundles cannot be written to {folder}: {error.strerror}; point ASSET_PREDICT_DATA at"
            " a folder that can"
        ) from error


def _is_whole(folder: Path, digest: str) -> bool:
    try:
        load_bundle(folder, digest)
    except BundleError:
        return False
    return True


def load_bundle(folder: Path, digest: str) -> Bundle:
    """Open a bundle after proving that it is whole and unaltered.

    Raises
    ------
    BundleError
        If it is missing, a piece is missing or altered, or it is of another schema version.
    """
    place = folder / digest
    try:
        manifest = (place / "manifest.json").read_bytes()
    except FileNotFoundError:
        raise BundleError(f"bundle {digest[:12]} is not in {folder}, or has no manifest") from None
    if _sha256(manifest) != digest:
        raise BundleError(f"bundle {digest[:12]}: its manifest was altered; train the model again")
    contents = {}
    for name, expected in json.loads(manifest).items():
        try:
            contents[name] = (place / name).read_bytes()
        except FileNotFoundError:
            raise BundleError(
                f"bundle {digest[:12]}: {name} is missing; train the model again"
            ) from None
        if _sha256(contents[name]) != expected:
            raise BundleError(f"bundle {digest[:12]}: {name} was altered; train the model again")
    card = json.loads(contents["card.json"])
    if card.get("schema_version") != SCHEMA_VERSION:
        raise BundleError(
            f"bundle {digest[:12]} has schema version {card.get('schema_version')}, this program"
            f" reads {SCHEMA_VERSION}; train the model again"
        )
    return Bundle(digest, card, contents["model.onnx"])


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False).encode()
