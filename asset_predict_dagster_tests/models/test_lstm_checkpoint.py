"""A training that was killed ends as if nothing had happened."""

import dataclasses
import logging
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from asset_predict_dagster.errors import TrainingError
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
        assert len(heard) == n_epochs - killed_after  # no epoch is trained again
        assert not path.exists()


def test_a_killed_refit_ends_the_same(undisturbed, tmp_path):
    market, path = usual_market(), tmp_path / "training.pt"
    rows = train_rows(market) | validation_rows(market)
    told = undisturbed.chosen
    straight = learner(market, **KNOBS).refit(market.samples, rows, told)
    with pytest.raises(Killed):
        learner(market, dies_after(2), path, **KNOBS).refit(market.samples, rows, told)
    resumed = learner(market, None, path, **KNOBS).refit(market.samples, rows, told)
    assert resumed.native == straight.native


def test_killed_by_the_system_it_ends_the_same(undisturbed, tmp_path):
    """A real process, a real SIGKILL."""
    path = tmp_path / "deep" / "training.pt"
    code = (
        "import sys, time, pathlib\n"
        "from asset_predict_dagster_tests.models.test_lstm_checkpoint import finish\n"
        "class Aloud(list):\n"
        "    def append(self, epoch):\n"
        "        print(epoch['seed'], epoch['epoch'], flush=True)\n"
        "        time.sleep(0.1)\n"
        "finish(pathlib.Path(sys.argv[1]), Aloud())\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child.stdout:
        assert any(line == "43 2\n" for line in child.stdout)
        child.kill()
        assert child.wait() == -signal.SIGKILL
    assert finish(path).native == undisturbed.native


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
    path = tmp_path / "training.pt"
    path.write_bytes(b"not a checkpoint")
    assert finish(path).native == undisturbed.native
    assert "is no checkpoint" in caplog.text


def test_what_was_taken_up_is_said(tmp_path, caplog):
    path = tmp_path / "training.pt"
    begin(path, 2)
    with caplog.at_level(logging.INFO):
        finish(path)
    assert "taken up from" in caplog.text


def test_the_file_needs_no_pickle_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "training.pt"
    begin(path, 2)
    content = torch.load(path, weights_only=True)
    assert len(content["state"][0]["curve"]) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["training.pt"]


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
    assert [epoch["epoch"] for epoch in heard] == [3]
    assert np.isclose(heard[0]["seconds_left"], 0)
