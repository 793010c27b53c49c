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
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset.samples import ACTIONS, HORIZONS
from asset_predict_dagster.dataset.windows import gather, window_index
from asset_predict_dagster.errors import BundleError, SettingsError
from asset_predict_dagster.models.base import Trained
from asset_predict_dagster.models.bundle import (
    Bundle,
    feature_formulas,
    load_bundle,
    write_bundle,
)
from asset_predict_dagster.models.forecasting import Graph
from asset_predict_dagster.models.lstm_learner import LstmLearner, LstmSettings
from asset_predict_dagster.models.random_forest import ForestSettings, RandomForestLearner
from asset_predict_dagster_tests.models.small_learner import linear_graph
from asset_predict_dagster_tests.models.synthetic import planted_market, run_graph

ROOT = Path(__file__).parents[2]

PIECES = ("card.json", "manifest.json", "model.joblib", "model.onnx")

CALIBRATION = {
    "slope": 1.5,
    "bias": [0.25, 0.0, -0.5],
    "scale": [0.5, 0.6, 0.7, 0.8, 0.9],
    "width": [1.5, 2.0, 2.5, 3.0, 40.0, *range(41, 66)],
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
        "feature_formulas": feature_formulas(learner.feature_names),
        "lookback": learner.lookback,
        "horizons": list(HORIZONS),
        "actions": list(ACTIONS),
        "calibration": CALIBRATION,
    }
    return fitted, card


def flat_graph(n_features, weight=0.0):
    """A graph that reads so many features and says nearly nothing of them."""
    return linear_graph(np.full((n_features, 8), weight, dtype=np.float32))


ROWS = np.arange(100, 3300, 7)


def forecasts_of(bundle, rows=ROWS, days_ahead=5):
    said = bundle.forecast(market().samples, rows, days_ahead)
    return [said.probabilities, said.scores, said.expected_returns, said.lows, said.highs]


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
    probabilities, said, expected, lows, highs = forecasts_of(load_bundle(*saved))
    np.testing.assert_array_equal(said, scores)
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
parts = [said.probabilities, said.scores, said.expected_returns, said.lows, said.highs]
print(hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
unwanted = {{"torch", "sklearn", "joblib", "onnx", "dagster", "mlflow", "matplotlib"}}
print(sorted(unwanted & set(sys.modules)))
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


@pytest.mark.parametrize("days_ahead", [1, 4, 5, 6, 30])
def test_beyond_five_sessions_the_expected_return_stays_and_its_interval_widens(saved, days_ahead):
    bundle = load_bundle(*saved)
    _, near_scores, near, _, _ = forecasts_of(bundle)
    _, scores, expected, lows, highs = forecasts_of(bundle, days_ahead=days_ahead)
    assert {part.shape for part in (scores, expected, lows, highs)} == {(len(ROWS), days_ahead)}
    volatility = market().samples.volatility[ROWS].astype(np.float64)
    for h in range(days_ahead):
        np.testing.assert_array_equal(scores[:, h], near_scores[:, min(h, 4)])
        np.testing.assert_array_equal(expected[:, h], near[:, min(h, 4)])
        half = CALIBRATION["width"][h] * volatility
        np.testing.assert_allclose(highs[:, h], expected[:, h] + half)
        np.testing.assert_allclose(lows[:, h], np.maximum(expected[:, h] - half, -1))


@pytest.mark.parametrize("days_ahead", [-1, 0, 31])
def test_a_path_is_of_one_to_thirty_sessions(saved, days_ahead):
    with pytest.raises(SettingsError, match=f"1 to 30 sessions; found {days_ahead}"):
        load_bundle(*saved).forecast(market().samples, ROWS, days_ahead)


GAPPY = planted_market(n_tickers=5, n_sessions=80, n_features=3, missing=0.1, halted=0.15)


# The first paper is delisted the session before the second one is listed; the third has one row.
RELAY = dataclasses.replace(
    GAPPY.samples,
    features=np.arange(63, dtype=np.float32).reshape(21, 3),
    ticker_codes=np.repeat([0, 1, 2], [10, 10, 1]).astype(np.int32),
    session_codes=np.r_[0:10, 10:20, 3].astype(np.int32),
)
ALONE = dataclasses.replace(
    RELAY,
    features=RELAY.features[:4],
    ticker_codes=RELAY.ticker_codes[:4],
    session_codes=np.array([0, 1, 5, 8], dtype=np.int32),
)


@given(
    samples=st.sampled_from([GAPPY.samples, RELAY, ALONE]),
    numbers=st.lists(st.integers(0, 10_000), min_size=1, max_size=40),
    lookback=st.integers(2, 12),
    longest_gap=st.none() | st.integers(0, 4),
)
@settings(max_examples=300, deadline=None)
def test_a_graph_reads_the_windows_that_it_was_trained_on(samples, numbers, lookback, longest_gap):
    """Few rows and many, with and without gaps: what `window_index` says of the whole table."""
    wanted = np.array(numbers) % samples.n_rows
    names = samples.feature_names[::-1][:2]
    card = {
        "model": "any",
        "feature_names": list(names),
        "lookback": lookback,
        "longest_gap": longest_gap,
    }
    graph = Graph(linear_graph(np.zeros((2, 8), dtype=np.float32)), card)
    index = window_index(samples.ticker_codes, samples.session_codes, wanted, lookback, longest_gap)
    (given_,) = graph.inputs(samples, wanted)
    assert given_.flags.c_contiguous
    np.testing.assert_array_equal(given_, gather(samples.columns(names), index))


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
    digest = write_bundle(tmp_path, fitted, card | {"schema_version": 1})
    with pytest.raises(BundleError, match="has schema version 1, this program reads 2"):
        load_bundle(tmp_path, digest)


def replaced(folder, digest, changes):
    """A bundle whose pieces are `changes` where given, with a manifest and digest of its own."""
    pieces = {p.name: p.read_bytes() for p in (folder / digest).iterdir()} | changes
    pieces = {name: content for name, content in pieces.items() if content is not None}
    del pieces["manifest.json"]
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in pieces.items()}
    manifest = json.dumps(hashes).encode()
    other = hashlib.sha256(manifest).hexdigest()
    (folder / other).mkdir()
    for name, content in (pieces | {"manifest.json": manifest}).items():
        (folder / other / name).write_bytes(content)
    return other


@pytest.mark.parametrize("piece", ["card.json", "model.onnx"])
def test_a_manifest_must_list_what_forecasts(saved, piece):
    folder, digest = saved
    assert load_bundle(folder, replaced(folder, digest, {}))
    with pytest.raises(BundleError, match=f"its manifest lists no {piece}"):
        load_bundle(folder, replaced(folder, digest, {piece: None}))


def test_a_file_that_the_manifest_does_not_list_is_not_read(saved):
    folder, digest = saved
    before = fingerprint(load_bundle(folder, digest))
    (folder / digest / ".DS_Store").write_bytes(b"anything")
    assert fingerprint(load_bundle(folder, digest)) == before


# --- Features ----------------------------------------------------------------------------------


def of_features(folder, formulas):
    fitted, card = trained("random_forest")
    reading = dataclasses.replace(fitted, onnx=flat_graph(len(formulas)))
    said = {"feature_names": list(formulas), "feature_formulas": formulas}
    return write_bundle(folder, reading, card | said)


def test_a_feature_that_the_catalogue_never_heard_of_is_refused_by_name(tmp_path):
    known = feature_formulas(("log_return_1d", "rsi_14"))
    assert load_bundle(tmp_path, of_features(tmp_path, known))
    digest = of_features(tmp_path, known | {"moon_phase": "share of the disc that is lit"})
    with pytest.raises(BundleError, match=r"no longer has: \['moon_phase'\]; train the model"):
        load_bundle(tmp_path, digest)


def test_a_feature_whose_formula_changed_is_refused_by_name(tmp_path):
    """The same name over other numbers would be served without a word."""
    digest = of_features(tmp_path, {"rsi_14": "TA-Lib RSI of 15 sessions"})
    with pytest.raises(BundleError, match="the feature rsi_14 was 'TA-Lib RSI of 15 sessions'"):
        load_bundle(tmp_path, digest)


def test_a_column_of_somebodys_own_is_looked_for_when_it_forecasts(tmp_path):
    bundle = load_bundle(tmp_path, of_features(tmp_path, {"feature_0": None}))
    assert forecasts_of(bundle)
    bundle = load_bundle(tmp_path, of_features(tmp_path, {"my_own": None}))
    with pytest.raises(BundleError, match=r"features that are not there: \['my_own'\]"):
        forecasts_of(bundle)


def test_a_feature_without_a_word_about_its_formula_is_refused(tmp_path):
    fitted, card = trained("random_forest")
    told = dict(list(card["feature_formulas"].items())[1:])
    digest = write_bundle(tmp_path, fitted, card | {"feature_formulas": told})
    with pytest.raises(BundleError, match=r"formula its card does not give: \['feature_0'\]"):
        load_bundle(tmp_path, digest)


def test_a_name_that_the_catalogue_took_for_a_feature_of_its_own_is_refused(tmp_path):
    digest = of_features(tmp_path, {"rsi_14": None})
    with pytest.raises(BundleError, match="the feature rsi_14 was 'none of the catalogue'"):
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
    with pytest.raises(BundleError, match=r"cannot be written to .*: No such file"):
        write_bundle(tmp_path, misnamed, card)
    assert list(tmp_path.iterdir()) == []


def silent(given):
    """A native forecast that nobody asks for."""
    raise AssertionError(given)


CARD_OF_ONE = {
    "model": "any",
    "feature_names": ["feature_0"],
    "feature_formulas": {"feature_0": None},
    "lookback": 1,
    "calibration": CALIBRATION,
}


def write_many(folder, start):
    """The same twenty bundles, written at the same time as another process writes them."""
    graphs = [flat_graph(1, weight) for weight in range(20)]
    start.wait()
    return [
        write_bundle(
            folder, Trained("model.pt", b"native" * 10_000, graph, {}, silent), CARD_OF_ONE
        )
        for graph in graphs
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
        assert load_bundle(tmp_path, digest).onnx == flat_graph(1, number)


def test_every_piece_is_on_the_disk_before_the_bundle_has_its_name(tmp_path, monkeypatch):
    """Otherwise a power cut could leave a bundle of the right name with empty pieces."""
    done = []
    fsync, rename = os.fsync, os.rename

    def synced(descriptor):
        done.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def named(before, after):
        done.append("named")
        rename(before, after)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", named)
    place = tmp_path / write_bundle(tmp_path, *trained("random_forest"))
    assert done[-2:] == ["named", tmp_path.stat().st_ino]
    inside = [path.stat().st_ino for path in (place, *place.iterdir())]
    assert sorted(done[:-2]) == sorted(inside)


@pytest.mark.parametrize("odd", [float("inf"), float("nan")])
def test_a_card_that_json_cannot_say_is_not_written(tmp_path, odd):
    fitted, card = trained("random_forest")
    with pytest.raises(BundleError, match="'random_forest': every number of its card should be"):
        write_bundle(tmp_path, fitted, card | {"settings": {"gradient_clip_norm": odd}})
    assert list(tmp_path.iterdir()) == []


# --- What is whole and yet no model ------------------------------------------------------------


@pytest.mark.parametrize("piece", PIECES)
def test_a_folder_in_the_place_of_a_piece_is_refused(saved, piece):
    folder, digest = saved
    (folder / digest / piece).unlink()
    (folder / digest / piece).mkdir()
    with pytest.raises(BundleError, match=f"{piece} cannot be read .*train the model again"):
        load_bundle(folder, digest)


def with_manifest(folder, manifest):
    digest = hashlib.sha256(manifest).hexdigest()
    (folder / digest).mkdir()
    (folder / digest / "manifest.json").write_bytes(manifest)
    return digest


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        (b"junk", "manifest.json should be JSON and is not"),
        (b"\xff", "manifest.json should be JSON and is not"),
        (b"[" * 100_000, "manifest.json should be JSON and is not"),
        (b"[]", "manifest.json should be a JSON object and is a list"),
        (b"{}", "its manifest lists no card.json"),
        (b'{"../secret": "0"}', r"should list files beside it and lists '../secret'"),
        (b'{"": "0"}', "should list files beside it and lists ''"),
        (b'{"card\\u0000.json": "0"}', "should list files beside it"),
    ],
)
def test_a_manifest_of_the_right_digest_that_lists_nothing_usable_is_refused(
    tmp_path, manifest, says
):
    (tmp_path / "secret").write_bytes(b"of somebody else")
    with pytest.raises(BundleError, match=says):
        load_bundle(tmp_path, with_manifest(tmp_path, manifest))


def card_without(*names, **changed):
    card = {"schema_version": 2, **CARD_OF_ONE, **changed}
    return json.dumps({name: said for name, said in card.items() if name not in names}).encode()


BOUNDS = {"low": [0.0], "high": [1.0], "most_outside": 0}


def numbers(**changed):
    return {"calibration": CALIBRATION | changed}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"card.json": b"{"}, "card.json should be JSON and is not"),
        ({"card.json": b"3"}, "card.json should be a JSON object and is a int"),
        ({"card.json": card_without("feature_formulas")}, "should have feature_names, a list, and"),
        ({"card.json": card_without("feature_names")}, "should have feature_names, a list, and"),
        ({"card.json": card_without("calibration")}, "cannot .KeyError: 'calibration'"),
        ({"card.json": card_without("lookback")}, "cannot .KeyError: 'lookback'"),
        ({"card.json": card_without("model")}, "cannot .KeyError: 'model'"),
        ({"card.json": card_without(lookback="long")}, "should forecast together and cannot"),
        ({"card.json": card_without(lookback=8)}, "should forecast together and cannot"),
        ({"card.json": card_without(calibration={"slope": 1})}, "cannot .TypeError"),
        ({"card.json": card_without(**numbers(slope="steep"))}, "forecast together and cannot"),
        ({"card.json": card_without(**numbers(bias=[0.0]))}, r"and are of .*\(1,\)"),
        ({"card.json": card_without(**numbers(scale=[1.0] * 4))}, r"and are of .*\(4,\)"),
        ({"card.json": card_without(**numbers(width=[1.0] * 5))}, r"and are of .*\(5,\)"),
        ({"card.json": card_without(fitted_range={"low": [0]})}, "cannot .KeyError: 'high'"),
        (
            {"card.json": card_without(fitted_range=BOUNDS | {"high": [1.0, 2.0]})},
            "has 1 and 2 bounds for 1 features",
        ),
        (
            {"card.json": card_without(fitted_range=BOUNDS | {"low": ["deep"]})},
            "cannot .ValueError: could not convert string",
        ),
        ({"model.onnx": b"junk"}, "cannot .InvalidProtobuf"),
        ({"model.onnx": b""}, "should forecast together and cannot"),
        ({"model.onnx": flat_graph(2)}, "should forecast together and cannot .InvalidArgument"),
    ],
)
def test_pieces_of_the_right_digest_that_cannot_forecast_are_refused(tmp_path, changes, says):
    """Before anyone relies on them, and in one sentence."""
    whole = Trained("model.pt", b"native", flat_graph(1), {}, silent)
    digest = write_bundle(tmp_path, whole, CARD_OF_ONE)
    assert load_bundle(tmp_path, digest)
    with pytest.raises(BundleError, match=says) as refused:
        load_bundle(tmp_path, replaced(tmp_path, digest, changes))
    assert "\n" not in str(refused.value)
    assert "train the model again" in str(refused.value)


@pytest.mark.parametrize("missing", ["training_sessions", "experiment"])
def test_a_card_that_does_not_say_what_it_knows_has_no_hindsight_to_tell(missing):
    card = {"training_sessions": ["2018-01-02", "2018-06-29"], "experiment": {"span": 6}}
    assert Bundle("", card, b"").learned_until > date(2018, 6, 29)
    with pytest.raises(BundleError, match="should say training_sessions and the span"):
        assert Bundle("", card | {missing: None}, b"").learned_until
