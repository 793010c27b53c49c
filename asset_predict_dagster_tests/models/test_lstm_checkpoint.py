"""A training that was killed ends as if nothing had happened."""

import dataclasses
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from asset_predict_dagster.errors import TrainingError
from asset_predict_dagster.models.lstm_checkpoint import Checkpoint
from asset_predict_dagster.models.lstm_learner import describe_epoch
from asset_predict_dagster_tests.models.lstm_fits import (
    OVERFITTING,
    fit,
    learner,
    train_rows,
    usual_market,
    validation_rows,
)

ROOT = Path(__file__).parents[2]

# Every part of the state has something to remember: two seeds, falling rates, dropout, learned
# weights, and an end before the last epoch.
KNOBS = OVERFITTING | {
    "n_seeds": 2,
    "scheduler_patience": 1,
    "num_layers": 2,
    "task_weighting": "uncertainty",
}


class Killed(Exception):
    """Stands for a kill where a real one would take a process per epoch."""


def dies_after(n_epochs):
    heard = []

    def report(epoch):
        heard.append(epoch)
        if len(heard) == n_epochs:
            raise Killed

    return report


def begin(path, n_epochs, samples=None, **knobs):
    """Train until so many epochs were reported, then die."""
    market = usual_market()
    asked = learner(market, dies_after(n_epochs), path, **KNOBS | knobs)
    with pytest.raises(Killed):
        asked.fit(samples or market.samples, train_rows(market), validation_rows(market))


def finish(path, heard=None, **knobs):
    market = usual_market()
    asked = learner(market, heard.append if heard is not None else None, path, **KNOBS | knobs)
    return asked.fit(market.samples, train_rows(market), validation_rows(market))


def fit_and_refit(path, report=None):
    """A whole training; both artefacts of its two halves, and the learner."""
    market = usual_market()
    asked = learner(market, report, path, **KNOBS)
    train, validation = train_rows(market), validation_rows(market)
    fitted = asked.fit(market.samples, train, validation)
    again = asked.refit(market.samples, train | validation, fitted.chosen)
    return (fitted.native, fitted.onnx, again.native, again.onnx), asked


def trained_anew(heard):
    return [epoch for epoch in heard if not epoch["is_taken_up"]]


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def undisturbed():
    return fit(usual_market(), **KNOBS)


def test_killed_after_an_epoch_it_ends_with_the_same_networks(undisturbed, tmp_path):
    """After the first epoch, around the end of a seed, and after the last of all."""
    n_epochs = len(undisturbed.curves)
    assert undisturbed.curves["epoch"].max() < 12  # validation stopped it
    assert undisturbed.curves["learning_rate"].nunique() > 1  # and lowered the rate
    first = int((undisturbed.curves["seed"] == 42).sum())
    for killed_after in (1, first - 2, first - 1, first, first + 1, n_epochs):
        path = tmp_path / f"{killed_after}.pt"
        begin(path, killed_after)
        heard = []
        resumed = finish(path, heard)
        assert (resumed.native, resumed.onnx) == (undisturbed.native, undisturbed.onnx)
        assert resumed.curves.equals(undisturbed.curves)
        assert len(trained_anew(heard)) == n_epochs - killed_after  # no epoch is trained again
        assert len(heard) - len(trained_anew(heard)) == (2 if killed_after > first else 1)


@pytest.fixture(scope="module")
def whole():
    """The artefacts of an undisturbed training, and how many epochs it had."""
    heard = []
    return fit_and_refit(None, heard.append)[0], len(heard)


@pytest.mark.parametrize("killed_at", ["fit, seed 43 epoch 2/", "refit, seed 43 epoch 1/"])
def test_killed_by_the_system_it_ends_the_same_and_repeats_nothing(whole, tmp_path, killed_at):
    """A real process, a real SIGKILL: in the fit, and in the refit, after which no fit is due."""
    path = tmp_path / "deep" / "lstm"
    code = (
        "import sys, time, pathlib\n"
        "from asset_predict_dagster_tests.models import test_lstm_checkpoint as here\n"
        "def aloud(epoch):\n"
        "    print(here.describe_epoch(epoch), flush=True)\n"
        "    time.sleep(0.1)\n"
        "here.fit_and_refit(pathlib.Path(sys.argv[1]), aloud)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    n_done = 0
    with child.stdout:
        for line in child.stdout:
            n_done += 1
            if line.startswith(killed_at):
                break
        child.kill()
        assert child.wait() == -signal.SIGKILL
    heard = []
    resumed, _ = fit_and_refit(path, heard.append)
    undisturbed, n_epochs = whole
    assert resumed == undisturbed
    assert len(trained_anew(heard)) == n_epochs - n_done > 0
    said = [describe_epoch(epoch) for epoch in heard if epoch["is_taken_up"]]
    assert said[-1].startswith(killed_at.replace("epoch", "taken up from epoch"))


def test_what_was_put_away_stays_until_the_training_as_a_whole_is_over(whole, tmp_path):
    """Whoever is killed between the refit and its registration trains nothing again."""
    heard = []
    _, asked = fit_and_refit(tmp_path / "lstm")
    assert files_in(tmp_path) == ["lstm.fit", "lstm.refit"]
    assert fit_and_refit(tmp_path / "lstm", heard.append)[0] == whole[0]
    assert trained_anew(heard) == []
    asked.forget()
    asked.forget()
    assert files_in(tmp_path) == []


def test_forgetting_leaves_what_another_training_put_away_since(undisturbed, tmp_path):
    path = tmp_path / "lstm"
    _, asked = fit_and_refit(path)
    begin(path, 3, weight_decay=0.5)
    asked.forget()
    assert files_in(tmp_path) == ["lstm.fit"]
    heard = []
    finish(path, heard, weight_decay=0.5)
    assert heard[0]["is_taken_up"] and heard[0]["epoch"] == 3


def test_two_trainings_that_share_a_place_do_not_disturb_each_other(tmp_path):
    def write_many(key):
        for _ in range(100):
            Checkpoint(tmp_path / "lstm", key).write([{"weights": torch.zeros(2_000)}])

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(write_many, ("a", "b"))) == [None, None]
    assert files_in(tmp_path) == ["lstm"]
    read = [Checkpoint(tmp_path / "lstm", key).read() for key in ("a", "b")]
    assert sum(state is not None for state in read) == 1


@pytest.mark.parametrize("changed", ["settings", "labels", "features"])
def test_the_file_of_another_training_is_never_taken_up(undisturbed, tmp_path, caplog, changed):
    path, samples, knobs = tmp_path / "training.pt", usual_market().samples, {}
    if changed == "settings":
        knobs = {"weight_decay": 0.5}
    elif changed == "labels":
        ranks = samples.return_ranks.copy()
        ranks[1000] += 1.0
        samples = dataclasses.replace(samples, return_ranks=ranks)
    else:
        features = samples.features.copy()
        features[1000] += 1.0
        samples = dataclasses.replace(samples, features=features)
    begin(path, 3, samples, **knobs)
    assert finish(path).native == undisturbed.native
    assert "is of other settings or data; starting afresh" in caplog.text


def test_a_file_that_is_no_checkpoint_is_written_over(undisturbed, tmp_path, caplog):
    (tmp_path / "lstm.fit").write_bytes(b"not a checkpoint")
    assert finish(tmp_path / "lstm").native == undisturbed.native
    assert "is no checkpoint" in caplog.text


def test_what_was_taken_up_is_reported_before_anything_else(tmp_path):
    path, heard = tmp_path / "lstm", []
    begin(path, 2)
    finish(path, heard)
    said = [describe_epoch(epoch) for epoch in heard]
    assert said[0].startswith("fit, seed 42 taken up from epoch 2/12: loss ")
    assert "s left" not in said[0]
    assert not any("taken up" in line for line in said[1:])


def test_the_file_needs_no_pickle_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "lstm"
    begin(path, 2)
    content = torch.load(tmp_path / "lstm.fit", weights_only=True)
    assert len(content["state"][0]["curve"]) == 2
    assert files_in(tmp_path) == ["lstm.fit"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    market = usual_market()
    asked = learner(market, None, tmp_path / "file" / "training.pt")
    with pytest.raises(TrainingError, match=r"the checkpoint .* cannot be written"):
        asked.fit(market.samples, train_rows(market), validation_rows(market))


def test_the_time_left_is_reckoned_from_the_epochs_of_this_process(tmp_path):
    path, heard = tmp_path / "training.pt", []
    begin(path, 2, epochs=3, n_seeds=1)
    finish(path, heard, epochs=3, n_seeds=1)
    assert [epoch["epoch"] for epoch in heard] == [2, 3]
    assert np.isnan(heard[0]["seconds_left"])  # nothing was timed yet
    assert np.isclose(heard[1]["seconds_left"], 0)
