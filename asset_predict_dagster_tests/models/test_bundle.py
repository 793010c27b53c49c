"""A bundle is whole or refused, says the same wherever it is opened, and loads no pickle."""

import dataclasses
import hashlib
import io
import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS
from asset_predict_dagster.errors import BundleError
from asset_predict_dagster.models.base import Trained
from asset_predict_dagster.models.bundle import load_bundle, write_bundle
from asset_predict_dagster.models.lstm_learner import LstmLearner, LstmSettings
from asset_predict_dagster.models.random_forest import ForestSettings, RandomForestLearner
from asset_predict_dagster_tests.models.synthetic import planted_market, run_graph

ROOT = Path(__file__).parents[2]

PIECES = ("card.json", "manifest.json", "model.joblib", "model.onnx")

CALIBRATION = {
    "slope": 1.5,
    "bias": [0.25, 0.0, -0.5],
    "scale": [0.5, 0.6, 0.7, 0.8, 0.9],
    "width": [1.5, 2.0, 2.5, 3.0, 40.0],
}


@cache
def market():
    return planted_market()


@cache
def trained(model):
    samples = market().samples
    if model == "random_forest":
        learner = RandomForestLearner(samples.feature_names, ForestSettings(n_estimators=5))
    else:
        knobs = {"lookback": 8, "units": 8, "epochs": 1, "n_seeds": 1}
        learner = LstmLearner(samples.feature_names, LstmSettings(**knobs))
    fitted = learner.fit(samples, market().rows(0, 200), market().rows(206, 250))
    card = {
        "model": model,
        "feature_names": list(learner.feature_names),
        "lookback": learner.lookback,
        "horizons": list(HORIZONS),
        "actions": list(ACTIONS),
        "calibration": CALIBRATION,
    }
    return fitted, card


ROWS = np.arange(100, 3300, 7)


def forecasts_of(bundle, rows=ROWS):
    said = bundle.forecast(market().samples, rows)
    return [said.probabilities, said.expected_returns, said.lows, said.highs]


def fingerprint(bundle):
    return hashlib.sha256(b"".join(part.tobytes() for part in forecasts_of(bundle))).hexdigest()


@pytest.fixture
def saved(tmp_path):
    """A folder that holds one forest, and its digest."""
    return tmp_path, write_bundle(tmp_path, *trained("random_forest"))


# --- Save, load, forecast ----------------------------------------------------------------------


def test_a_forecast_is_the_graph_calibrated(saved):
    fitted, _ = trained("random_forest")
    samples = market().samples
    raw, scores = run_graph(fitted.onnx, samples.features[ROWS])
    volatility = samples.volatility[ROWS].astype(np.float64)
    probabilities, expected, lows, highs = forecasts_of(load_bundle(*saved))
    for row in range(len(ROWS)):
        weights = [
            max(float(p), 1e-7) ** 1.5 * np.exp(b)
            for p, b in zip(raw[row], CALIBRATION["bias"], strict=True)
        ]
        np.testing.assert_allclose(probabilities[row], np.array(weights) / sum(weights))
        for h in range(len(HORIZONS)):
            by_hand = CALIBRATION["scale"][h] * volatility[row] * float(scores[row, h])
            half = CALIBRATION["width"][h] * volatility[row]
            assert expected[row, h] == pytest.approx(by_hand, rel=1e-9)
            assert highs[row, h] == pytest.approx(by_hand + half, rel=1e-9)
            assert lows[row, h] == pytest.approx(max(by_hand - half, -1), rel=1e-9)
    assert (lows[:, -1] == -1).any()  # nobody loses more than everything


@pytest.mark.parametrize("model", ["random_forest", "lstm"])
def test_a_fresh_process_says_the_same_without_torch_sklearn_or_any_pickle(tmp_path, model):
    digest = write_bundle(tmp_path, *trained(model))
    code = f"""
import pickle, sys

def refuse(*given, **named):
    raise AssertionError("a pickle was loaded")

pickle.load = pickle.loads = pickle.Unpickler = refuse
from pathlib import Path
from asset_predict_dagster.models.bundle import load_bundle
from asset_predict_dagster_tests.models import synthetic

import hashlib, numpy
said = load_bundle(Path({str(tmp_path)!r}), {digest!r}).forecast(
    synthetic.planted_market().samples, numpy.arange(100, 3300, 7)
)
parts = [said.probabilities, said.expected_returns, said.lows, said.highs]
print(hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
print(sorted({{"torch", "sklearn", "joblib", "dagster", "mlflow"}} & set(sys.modules)))
"""
    elsewhere = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    said, imported = elsewhere.stdout.splitlines()
    assert said == fingerprint(load_bundle(tmp_path, digest))
    assert imported == "[]"


def test_a_bundle_may_be_moved(saved, tmp_path):
    folder, digest = saved
    before = fingerprint(load_bundle(folder, digest))
    shutil.move(folder / digest, tmp_path / "elsewhere" / digest)
    assert fingerprint(load_bundle(tmp_path / "elsewhere", digest)) == before


@pytest.mark.parametrize("model", ["random_forest", "lstm"])
def test_a_row_is_forecast_alike_alone_and_among_others(tmp_path, model):
    bundle = load_bundle(tmp_path, write_bundle(tmp_path, *trained(model)))
    together = forecasts_of(bundle, ROWS[:20])
    alone = [forecasts_of(bundle, row[None]) for row in ROWS[:20]]
    for part, parts in zip(together, zip(*alone, strict=True), strict=True):
        np.testing.assert_allclose(part, np.concatenate(parts), rtol=1e-5, atol=1e-9)


def test_no_rows_have_no_forecasts(saved):
    nothing = np.empty(0, dtype=np.int64)
    shapes = [part.shape for part in forecasts_of(load_bundle(*saved), nothing)]
    assert shapes == [(0, 3), (0, 5), (0, 5), (0, 5)]


def test_columns_are_found_by_name_not_by_place(saved):
    samples = market().samples
    turned = dataclasses.replace(
        samples, feature_names=samples.feature_names[::-1], features=samples.features[:, ::-1]
    )
    bundle = load_bundle(*saved)
    np.testing.assert_array_equal(
        bundle.forecast(turned, ROWS).probabilities, bundle.forecast(samples, ROWS).probabilities
    )


def test_features_that_are_not_there_are_named(saved):
    samples = market().samples
    renamed = tuple(name.replace("feature_2", "feature_two") for name in samples.feature_names)
    with pytest.raises(BundleError, match=r"'random_forest' .* not there: \['feature_2'\]"):
        load_bundle(*saved).forecast(dataclasses.replace(samples, feature_names=renamed), ROWS)


# --- Digests -----------------------------------------------------------------------------------


def test_the_digest_is_that_of_the_manifest_and_the_manifest_that_of_the_pieces(saved):
    folder, digest = saved
    place = folder / digest
    assert sorted(piece.name for piece in place.iterdir()) == sorted(PIECES)
    manifest = (place / "manifest.json").read_bytes()
    assert hashlib.sha256(manifest).hexdigest() == digest
    assert json.loads(manifest) == {
        name: hashlib.sha256((place / name).read_bytes()).hexdigest()
        for name in PIECES
        if name != "manifest.json"
    }


def test_another_card_is_another_bundle(saved):
    folder, digest = saved
    fitted, card = trained("random_forest")
    other = write_bundle(folder, fitted, card | {"lake_versions": {"labels": 3}})
    assert other != digest
    assert sorted(place.name for place in folder.iterdir()) == sorted([digest, other])


def test_the_order_of_the_card_does_not_matter(saved):
    folder, digest = saved
    fitted, card = trained("random_forest")
    assert write_bundle(folder, fitted, dict(reversed(card.items()))) == digest


# --- Damage ------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", PIECES)
def test_a_missing_piece_is_refused(saved, piece):
    folder, digest = saved
    (folder / digest / piece).unlink()
    reason = "has no manifest" if piece == "manifest.json" else f"{piece} is missing"
    with pytest.raises(BundleError, match=reason):
        load_bundle(folder, digest)


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_an_altered_byte_is_refused(saved, piece, share):
    folder, digest = saved
    content = bytearray((folder / digest / piece).read_bytes())
    content[int(share * len(content))] ^= 1
    (folder / digest / piece).write_bytes(content)
    with pytest.raises(BundleError, match=f"{piece.removesuffix('.json')}.* was altered"):
        load_bundle(folder, digest)


@pytest.mark.parametrize("piece", PIECES)
def test_a_piece_cut_short_is_refused(saved, piece):
    folder, digest = saved
    content = (folder / digest / piece).read_bytes()
    (folder / digest / piece).write_bytes(content[:-1])
    with pytest.raises(BundleError, match="was altered"):
        load_bundle(folder, digest)


def test_a_bundle_of_another_name_is_refused(saved):
    folder, digest = saved
    (folder / digest).rename(folder / ("0" * 64))
    with pytest.raises(BundleError, match="manifest was altered"):
        load_bundle(folder, "0" * 64)


def test_an_unknown_bundle_is_refused(tmp_path):
    with pytest.raises(BundleError, match="bundle abcdef012345 is not in"):
        load_bundle(tmp_path, "abcdef0123456789")


def test_a_bundle_of_another_schema_version_is_refused(tmp_path):
    fitted, card = trained("random_forest")
    digest = write_bundle(tmp_path, fitted, card | {"schema_version": 2})
    with pytest.raises(BundleError, match="has schema version 2, this program reads 1"):
        load_bundle(tmp_path, digest)


class Spy:
    """Leaves a file behind when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_loading_and_forecasting_never_open_the_native_piece(tmp_path):
    fitted, card = trained("random_forest")
    seen = tmp_path / "was_unpickled"
    spying = dataclasses.replace(fitted, native=pickle.dumps(Spy(seen)))
    bundle = load_bundle(tmp_path, write_bundle(tmp_path, spying, card))
    forecasts_of(bundle)
    assert not seen.exists()
    pickle.load(io.BytesIO(spying.native))
    assert seen.exists()  # the spy works


# --- Writing -----------------------------------------------------------------------------------


def test_writing_an_equal_bundle_again_changes_nothing(saved):
    folder, digest = saved
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    assert write_bundle(folder, *trained("random_forest")) == digest
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before


@pytest.mark.parametrize("piece", PIECES)
def test_training_again_mends_a_damaged_bundle(saved, piece):
    """As the error says: equal data and settings have an equal digest, so it is in the way."""
    folder, digest = saved
    whole = fingerprint(load_bundle(folder, digest))
    (folder / digest / piece).write_bytes(b"{}")
    with pytest.raises(BundleError, match="train the model again"):
        load_bundle(folder, digest)
    assert write_bundle(folder, *trained("random_forest")) == digest
    assert fingerprint(load_bundle(folder, digest)) == whole
    assert [place.name for place in folder.iterdir()] == [digest]


def test_a_write_that_fails_leaves_nothing(tmp_path):
    fitted, card = trained("random_forest")
    misnamed = dataclasses.replace(fitted, native_name="no_such_folder/model.joblib")
    with pytest.raises(FileNotFoundError):
        write_bundle(tmp_path, misnamed, card)
    assert list(tmp_path.iterdir()) == []


def write_many(folder, start):
    """The same twenty bundles, written at the same time as another process writes them."""
    start.wait()
    return [
        write_bundle(
            folder,
            Trained("model.pt", b"native" * 10_000, b"onnx" * number, {}),
            {"number": number},
        )
        for number in range(20)
    ]


def test_two_processes_may_write_the_same_bundles_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(2, mp_context=context) as processes:
        start = manager.Barrier(2)
        running = [processes.submit(write_many, tmp_path, start) for _ in range(2)]
        one, other = (future.result(timeout=60) for future in running)
    assert one == other
    # Nothing half-written, and nothing that was only on the way.
    assert sorted(place.name for place in tmp_path.iterdir()) == sorted(one)
    for number, digest in enumerate(one):
        assert load_bundle(tmp_path, digest).onnx == b"onnx" * number
