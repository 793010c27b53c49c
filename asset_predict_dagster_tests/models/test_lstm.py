"""The LSTM finds what is there, stops where it was best, and says what it is."""

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

from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.lstm_learner import describe_epoch
from asset_predict_dagster.models.lstm_settings import LstmSettings
from asset_predict_dagster_tests.models.lstm_fits import (
    OVERFITTING,
    fit,
    learner,
    needs_bfloat16,
    train_rows,
    usual_market,
    validation_rows,
    windows_of,
)
from asset_predict_dagster_tests.models.synthetic import planted_market, rank_ic, run_graph

ROOT = Path(__file__).parents[2]

FIRST_LATER_SESSION = 256


def later_ic(market, trained, lookback):
    """Rank IC of the one-session score on sessions after training and validation."""
    later = market.rows(FIRST_LATER_SESSION, 10_000)
    _, scores = run_graph(trained.onnx, windows_of(market.samples, later, lookback))
    outcome = market.samples.return_ranks[later, 0]
    return rank_ic(scores[:, 0], outcome, market.samples.session_codes[later])


@pytest.fixture(scope="module")
def market():
    return usual_market()


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
    outside = np.flatnonzero(~(train_rows(market) | validation_rows(market)))
    shuffled = np.random.default_rng(0).permutation(outside)
    action, ranks = samples.action.copy(), samples.return_ranks.copy()
    action[outside], ranks[outside] = action[shuffled], ranks[shuffled]
    other = fit(market, dataclasses.replace(samples, action=action, return_ranks=ranks))
    assert (other.native, other.onnx) == (trained.native, trained.onnx)


def test_validation_labels_pick_the_epoch_and_teach_nothing(market):
    """Where every epoch is kept, the labels of the validation rows change no weight."""
    samples, one_epoch = market.samples, {"epochs": 1}
    validation = np.flatnonzero(validation_rows(market))
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
    again = learner(market, **knobs).refit(market.samples, train_rows(market), chosen)
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
        "import hashlib; from asset_predict_dagster_tests.models import lstm_fits;"
        "trained = lstm_fits.fit(lstm_fits.usual_market());"
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
    asked = learner(market, report=heard.append)
    trained = asked.fit(market.samples, train_rows(market), validation_rows(market))
    assert [row["epoch"] for row in heard] == trained.curves["epoch"].tolist() == [1, 2, 3]
    assert heard[-1]["seconds_left"] == 0
    assert all(row["epochs"] == 3 for row in heard)
    assert describe_epoch(heard[1]).startswith("fit, seed 42 epoch 2/3: loss 0.")


def test_curves_have_one_row_per_seed_and_epoch(market):
    curves = fit(market, n_seeds=2).curves
    assert curves["seed"].tolist() == [42, 42, 42, 43, 43, 43]
    assert curves["epoch"].tolist() == [1, 2, 3, 1, 2, 3]
    assert curves.loc[curves["is_best"], "seed"].tolist() == [42, 43]


def test_another_number_of_threads_changes_the_last_digits_only(market):
    """Sums are taken in another order. Two epochs on, no forecast moves by 1e-5."""
    later = windows_of(market.samples, market.rows(FIRST_LATER_SESSION, 10_000), lookback=8)
    one, two = (run_graph(fit(market, threads=n, units=32, epochs=2).onnx, later) for n in (1, 2))
    np.testing.assert_allclose(one[0], two[0], atol=1e-5, rtol=0)
    np.testing.assert_allclose(one[1], two[1], atol=1e-5, rtol=0)


def test_windows_and_blocks_are_judged_by_one_measure(market):
    """And where no step moves the weights, they are judged alike."""
    still = {"learning_rate": 1e-30, "min_learning_rate": 0, "epochs": 1, "weight_decay": 0}
    blocks = fit(market, **still).curves["validation_loss"]
    windows = fit(market, training_mode="windowed", **still).curves["validation_loss"]
    learned = fit(market, task_weighting="uncertainty", **still).curves["validation_loss"]
    assert blocks.tolist() == windows.tolist() == learned.tolist()


@pytest.mark.parametrize(
    "knobs",
    [
        {"training_mode": "windowed"},
        {"schedule": "cosine"},
        pytest.param({"precision": "bfloat16"}, marks=needs_bfloat16),
    ],
)
def test_every_way_of_training_learns(market, knobs):
    trained = fit(market, units=16, epochs=8, batch_size=64, **knobs)
    assert later_ic(market, trained, lookback=8) > 0.1


def test_learned_task_weights_move_away_from_those_given(market):
    fixed, learned = (
        fit(market, task_weighting=how, learning_rate=0.05) for how in ("fixed", "uncertainty")
    )
    assert fixed.onnx != learned.onnx


def test_a_ticker_of_ten_rows_is_read_like_any_other(market):
    samples = market.samples
    is_short = (samples.ticker_codes == 3) & ~samples.between(120, 129)
    rowwise = {
        name: values[~is_short]
        for name, values in vars(samples).items()
        if isinstance(values, np.ndarray) and len(values) == samples.n_rows
    }
    kept = dataclasses.replace(samples, **rowwise)
    assert (kept.ticker_codes == 3).sum() == 10
    rows = kept.is_labelled & kept.between(0, 200), kept.is_labelled & kept.between(206, 250)
    assert len(learner(market).fit(kept, *rows).curves) == 3


def test_one_class_is_nothing_to_learn_from(market):
    samples = dataclasses.replace(market.samples, action=np.zeros_like(market.samples.action))
    with pytest.raises(TrainingError, match="1 of the 3"):
        fit(market, samples)


def test_too_few_sessions_are_refused(market):
    with pytest.raises(TrainingError, match="one sequence is 16 sessions and only 11"):
        learner(market).fit(market.samples, market.rows(0, 10), market.rows(20, 40))


def test_nothing_to_validate_on_is_refused(market):
    nothing = np.zeros(market.samples.n_rows, dtype=bool)
    with pytest.raises(TrainingError, match="no validation rows"):
        learner(market).fit(market.samples, train_rows(market), nothing)


def test_a_refit_with_other_seeds_than_the_fit_is_refused(market, trained):
    with pytest.raises(TrainingError, match="n_seeds is 2"):
        learner(market, n_seeds=2).refit(market.samples, train_rows(market), trained.chosen)


def test_a_label_that_is_no_number_stops_the_training(market):
    ranks = market.samples.return_ranks.copy()
    ranks[np.flatnonzero(market.rows(50, 50))[0]] = np.nan
    with pytest.raises(TrainingError, match="the loss became nan"):
        fit(market, dataclasses.replace(market.samples, return_ranks=ranks))


def test_importing_the_learner_does_not_import_torch():
    code = (
        "import sys, asset_predict_dagster.models.lstm_learner,"
        " asset_predict_dagster.models.random_forest;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'sklearn', 'onnx')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
