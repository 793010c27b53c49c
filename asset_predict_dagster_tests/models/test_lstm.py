"""The LSTM finds what is there, stops where it was best, and its graph is the network itself."""

import dataclasses
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from asset_predict_dagster.dataset.windows import gather, window_index
from asset_predict_dagster.errors import SettingsError, TrainingError
from asset_predict_dagster.models.lstm import forecast, load_networks
from asset_predict_dagster.models.lstm_learner import LstmLearner, LstmSettings
from asset_predict_dagster.models.lstm_panel import block_starts, lay_out, read_batch
from asset_predict_dagster.models.lstm_training import focal_loss, inverse_frequency
from asset_predict_dagster_tests.models.synthetic import planted_market, rank_ic, run_graph

ROOT = Path(__file__).parents[2]

LAST_TRAINING_SESSION = 200
FIRST_LATER_SESSION = 256

QUICK = {"lookback": 8, "units": 8, "epochs": 3, "n_seeds": 1}


def learner(market, **knobs):
    return LstmLearner(market.samples.feature_names, LstmSettings(**(QUICK | knobs)))


def fit(market, samples=None, **knobs):
    train, validation = market.rows(0, LAST_TRAINING_SESSION), market.rows(206, 250)
    return learner(market, **knobs).fit(samples or market.samples, train, validation)


def windows_of(samples, rows, lookback):
    index = window_index(samples.ticker_codes, samples.session_codes, rows, lookback)
    return gather(samples.features, index)


def later_ic(market, trained, lookback):
    """Rank IC of the one-session score on sessions after training and validation."""
    later = market.rows(FIRST_LATER_SESSION, 10_000)
    _, scores = run_graph(trained.onnx, windows_of(market.samples, later, lookback))
    outcome = market.samples.return_ranks[later, 0]
    return rank_ic(scores[:, 0], outcome, market.samples.session_codes[later])


@pytest.fixture(scope="module")
def market():
    return planted_market()


@pytest.fixture(scope="module")
def trained(market):
    return fit(market)


def test_a_planted_signal_is_found():
    market = planted_market(n_sessions=400)
    trained = fit(market, lookback=32, units=32, epochs=12)
    assert later_ic(market, trained, lookback=32) > 0.15  # the signal itself reaches .28


def test_nothing_is_found_where_nothing_is():
    noise = planted_market(n_sessions=400, signal=0.0)
    # 139 sessions of 12 tickers: the standard error is 1 / sqrt(139 * 11) = .026.
    assert abs(later_ic(noise, fit(noise, epochs=6), lookback=8)) < 0.08


def test_labels_outside_the_fold_never_matter(market, trained):
    samples = market.samples
    outside = np.flatnonzero(~(market.rows(0, LAST_TRAINING_SESSION) | market.rows(206, 250)))
    shuffled = np.random.default_rng(0).permutation(outside)
    action, ranks = samples.action.copy(), samples.return_ranks.copy()
    action[outside], ranks[outside] = action[shuffled], ranks[shuffled]
    other = fit(market, dataclasses.replace(samples, action=action, return_ranks=ranks))
    assert (other.native, other.onnx) == (trained.native, trained.onnx)


def test_validation_labels_pick_the_epoch_and_teach_nothing(market):
    """Where every epoch is kept, the labels of the validation rows change no weight."""
    samples, one_epoch = market.samples, {"epochs": 1}
    validation = np.flatnonzero(market.rows(206, 250))
    ranks = samples.return_ranks.copy()
    ranks[validation] = ranks[validation[::-1]]
    other = fit(market, dataclasses.replace(samples, return_ranks=ranks), **one_epoch)
    assert other.native == fit(market, **one_epoch).native


def test_future_features_never_matter(market, trained):
    samples = market.samples
    features = samples.features.copy()
    features[samples.session_codes > 250] = 1e6
    other = fit(market, dataclasses.replace(samples, features=features))
    assert other.native == trained.native


def test_a_forecast_does_not_depend_on_the_rows_beside_it(market, trained):
    windows = windows_of(market.samples, market.rows(256, 260), lookback=8)
    _, together = run_graph(trained.onnx, windows)
    alone = [run_graph(trained.onnx, windows[[row]])[1][0] for row in range(len(windows))]
    np.testing.assert_allclose(together, np.stack(alone), atol=1e-6)


OVERFITTING = {
    "epochs": 12,
    "learning_rate": 0.05,
    "units": 32,
    "early_stopping_patience": 3,
    "early_stopping_min_delta": 0.0,
}


def test_early_stopping_restores_the_best_epoch(market):
    """Its forecasts are those of a run that ends there."""
    stopped = fit(market, **OVERFITTING)
    best_epoch = len(stopped.chosen["learning_rates"][0])
    assert best_epoch == np.argmin(stopped.curves["validation_loss"].to_numpy()) + 1
    assert len(stopped.curves) == best_epoch + 3
    assert len(stopped.curves) < 12
    ended_there = fit(market, **OVERFITTING | {"epochs": best_epoch})
    assert ended_there.onnx == stopped.onnx


def test_a_refit_replays_the_epochs_that_were_kept(market):
    """On the same rows it arrives at the same network, learning rates lowered on the way."""
    knobs = OVERFITTING | {"scheduler_patience": 0, "early_stopping_patience": 8, "n_seeds": 2}
    fitted = fit(market, **knobs)
    chosen = json.loads(json.dumps(fitted.chosen))  # as it comes back from the model card
    again = learner(market, **knobs).refit(
        market.samples, market.rows(0, LAST_TRAINING_SESSION), chosen
    )
    assert any(len(set(rates)) > 1 for rates in chosen["learning_rates"])
    assert again.onnx == fitted.onnx
    assert again.chosen == fitted.chosen
    assert again.curves["validation_loss"].isna().all()


def test_the_learning_rate_falls_when_progress_ends(market):
    knobs = {"scheduler_patience": 0, "scheduler_factor": 0.5, "min_learning_rate": 0.02}
    rates = fit(market, **OVERFITTING | knobs).curves["learning_rate"]
    assert rates.drop_duplicates().tolist() == [0.05, 0.025, 0.02]


def test_one_seed_gives_one_network_byte_for_byte_in_every_process(market, trained):
    code = (
        "import hashlib; from asset_predict_dagster_tests.models import test_lstm as t;"
        "trained = t.fit(t.planted_market());"
        "print(hashlib.sha256(trained.native + trained.onnx).hexdigest())"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    digest = hashlib.sha256(trained.native + trained.onnx).hexdigest()
    assert elsewhere.stdout.strip() == digest
    torch.rand(3)  # what others draw is none of its business
    assert fit(market).native == trained.native


def test_training_leaves_torch_as_it_was(market):
    before = torch.random.get_rng_state(), torch.get_num_threads()
    fit(market, epochs=1)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert before[1] == torch.get_num_threads()
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("knobs", [{}, {"num_layers": 2}, {"n_seeds": 3}])
def test_the_graph_equals_the_native_networks(market, knobs):
    """Halts, missing values, absurd values and windows with no past included."""
    trained = fit(market, epochs=1, **knobs)
    windows = windows_of(market.samples, market.rows(0, 300), lookback=8)
    windows[0, :, 0], windows[1, :, 1], windows[2] = np.inf, -1e30, np.nan
    assert np.isnan(windows).any()

    probabilities, scores = run_graph(trained.onnx, windows)
    native = forecast(load_networks(trained.native), windows)
    np.testing.assert_allclose(probabilities, native[0], atol=1e-5, rtol=0)
    np.testing.assert_allclose(scores, native[1], atol=1e-5, rtol=0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("longest_gap", [0, 10])
def test_what_is_served_is_what_was_trained(market, trained, longest_gap):
    """A block of the panel that begins where a window begins ends in the window's answer."""
    [network] = load_networks(trained.native)
    samples, lookback = market.samples, 8
    today = market.rows(220, 220)
    codes = samples.ticker_codes, samples.session_codes
    index = window_index(*codes, today, lookback, longest_gap)
    is_cut = (index != window_index(*codes, today, lookback)).any()
    assert is_cut == (longest_gap == 0)  # some ticker was halted lately, for a session
    _, served = forecast([network], gather(samples.features, index))

    train = market.rows(0, LAST_TRAINING_SESSION)
    panel = lay_out(samples, samples.feature_names, train, today, lookback, longest_gap)
    [start] = block_starts(panel.validation, steps=lookback, warm_up=lookback - 1, offset=0)
    batch = read_batch(panel, panel.validation, [start], lookback, warm_up=lookback - 1)
    with torch.no_grad():
        _, scores = network.every_step(batch.features)
    np.testing.assert_allclose(served, scores[-1], atol=1e-6)
    np.testing.assert_array_equal(batch.return_ranks[0], samples.return_ranks[today])


def test_the_native_file_says_what_it_is(market, trained):
    content = torch.load(io.BytesIO(trained.native), weights_only=True)
    assert content["facts"]["feature_names"] == list(market.samples.feature_names)
    assert LstmSettings(**content["facts"]["settings"]) == learner(market).knobs


def test_a_feature_that_never_varies_or_is_always_missing_is_harmless(market):
    features = market.samples.features.copy()
    features[:, 4], features[:, 5] = 3.0, np.nan
    trained = fit(market, dataclasses.replace(market.samples, features=features), epochs=1)
    _, scores = run_graph(trained.onnx, features[None, :8])
    assert np.isfinite(scores).all()


def test_every_epoch_is_reported(market):
    heard = []
    asked = LstmLearner(market.samples.feature_names, LstmSettings(**QUICK), heard.append)
    trained = asked.fit(market.samples, market.rows(0, 200), market.rows(206, 250))
    assert [row["epoch"] for row in heard] == trained.curves["epoch"].tolist() == [1, 2, 3]
    assert heard[-1]["seconds_left"] == 0
    assert all(row["epochs"] == 3 for row in heard)


def test_curves_have_one_row_per_seed_and_epoch(market):
    curves = fit(market, n_seeds=2).curves
    assert curves["seed"].tolist() == [42, 42, 42, 43, 43, 43]
    assert curves["epoch"].tolist() == [1, 2, 3, 1, 2, 3]
    assert curves.loc[curves["is_best"], "seed"].tolist() == [42, 43]


# A base on which validation stalls within a few epochs, so that every knob has something to do.
STALLING = OVERFITTING | {"epochs": 8, "early_stopping_patience": 6, "scheduler_patience": 0}
CHANGED_KNOBS = {
    "lookback": 9,
    "longest_gap": 0,
    "units": 9,
    "num_layers": 2,
    "dropout": 0.5,
    "epochs": 1,
    "learning_rate": 0.01,
    "weight_decay": 0.1,
    "gradient_clip_norm": 0.01,
    "loss_weight_action": 0.5,
    "loss_weight_return": 1.0,
    "focal_loss_gamma": 0.0,
    "balance_classes": False,
    "early_stopping_patience": 1,
    "early_stopping_min_delta": 0.5,
    "scheduler_patience": 5,
    "scheduler_factor": 0.1,
    "min_learning_rate": 0.05,
    "block_sessions": 12,
    "blocks_per_batch": 1,
    "n_seeds": 2,
    "seed": 1,
}


@pytest.fixture(scope="module")
def stalled(market):
    return fit(market, **STALLING)


@pytest.mark.parametrize(("knob", "value"), CHANGED_KNOBS.items())
def test_no_setting_is_dead(market, stalled, knob, value):
    changed = fit(market, **STALLING | {knob: value})
    assert changed.onnx != stalled.onnx or len(changed.curves) != len(stalled.curves)


def test_every_setting_is_shown_to_be_alive():
    assert {*CHANGED_KNOBS, "threads"} == set(LstmSettings.model_fields)


def test_one_class_is_nothing_to_learn_from(market):
    samples = dataclasses.replace(market.samples, action=np.zeros_like(market.samples.action))
    with pytest.raises(TrainingError, match="1 of the 3"):
        fit(market, samples)


def test_too_few_sessions_are_refused(market):
    with pytest.raises(TrainingError, match="one block is 16 sessions and only 11"):
        learner(market).fit(market.samples, market.rows(0, 10), market.rows(20, 40))


def test_nothing_to_validate_on_is_refused(market):
    nothing = np.zeros(market.samples.n_rows, dtype=bool)
    with pytest.raises(TrainingError, match="no validation rows"):
        learner(market).fit(market.samples, market.rows(0, 200), nothing)


def test_a_refit_with_other_seeds_than_the_fit_is_refused(market, trained):
    with pytest.raises(TrainingError, match="n_seeds is 2"):
        learner(market, n_seeds=2).refit(market.samples, market.rows(0, 200), trained.chosen)


def test_a_label_that_is_no_number_stops_the_training(market):
    ranks = market.samples.return_ranks.copy()
    ranks[np.flatnonzero(market.rows(50, 50))[0]] = np.nan
    with pytest.raises(TrainingError, match="the loss became nan"):
        fit(market, dataclasses.replace(market.samples, return_ranks=ranks))


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"layers": 2}, "layers"),
        ({"dropout": 1.0}, "dropout"),
        ({"lookback": 1}, "lookback"),
        ({"lookback": 32, "block_sessions": 16}, "block_sessions is below lookback"),
        ({"loss_weight_action": 0, "loss_weight_return": 0}, "are both 0"),
        ({"learning_rate": 1e-5}, "min_learning_rate is above learning_rate"),
    ],
)
def test_an_unknown_or_impossible_setting_is_an_error(knobs, message):
    with pytest.raises(SettingsError, match=message):
        LstmSettings(**knobs)


@pytest.mark.parametrize("offset", range(6))
def test_blocks_count_every_session_once(offset):
    rows = torch.zeros(40, 2, dtype=torch.bool)
    rows[12:30, 0] = True
    counted = [
        session
        for start in block_starts(rows, steps=10, warm_up=4, offset=offset)
        for session in range(start + 4, start + 10)
    ]
    assert len(set(counted)) == len(counted)
    assert set(range(12, 30)) <= set(counted)
    assert min(counted) - 4 >= 12 - 10  # no more than a block before the first row
    assert max(counted) < 30 + 10  # nor after the last


def test_without_focus_or_weights_the_focal_loss_is_the_cross_entropy():
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
    action = torch.tensor([0, 2])
    plain = focal_loss(logits, action, gamma=0.0, class_weights=torch.ones(3))
    torch.testing.assert_close(plain, torch.nn.functional.cross_entropy(logits, action))


def test_focus_takes_weight_from_what_is_easy():
    """At p = 1/2 and gamma 2 a row counts a quarter."""
    logits, action = torch.tensor([[0.0, 0.0, -100.0]]), torch.tensor([0])
    focused = focal_loss(logits, action, gamma=2.0, class_weights=torch.ones(3))
    assert focused.item() == pytest.approx(np.log(2) / 4)


def test_balanced_classes_count_alike():
    weights = inverse_frequency(torch.tensor([0, 0, 0, 2]))
    assert weights.tolist() == pytest.approx([4 / 6, 1, 2])  # 3 rows of 4/6 weigh as 1 of 2


def test_importing_the_learner_does_not_import_torch():
    code = (
        "import sys, asset_predict_dagster.models.lstm_learner,"
        " asset_predict_dagster.models.random_forest;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'sklearn', 'onnx')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
