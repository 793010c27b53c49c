"""A training can be watched in MLflow while it lasts, and its run says what became of it."""

import multiprocessing
import os
import signal
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.registry.training_run import Begun, epoch_logger
from asset_predict_dagster.registry.tuning_run import log_tuned, trial_logger
from asset_predict_dagster_tests.models import tuning_market
from asset_predict_dagster_tests.registry.trainings import trained_model, training_with_tables

MONDAY = datetime(2024, 1, 8, 12, tzinfo=UTC)
BEGUN = Begun(
    "lstm",
    {"units": 32, "seed": 1},
    Experiment(horizon=5).as_card(),
    n_trials=7,
    lake_versions={"quotes": 3},
    dagster_run_id="run-1",
)


def a_clock():
    """Monday noon, a second later at each look."""
    seconds = count()
    return lambda: MONDAY + timedelta(seconds=next(seconds))


def epoch(number: int, seed: int = 0, **more: float) -> dict:
    """What an LSTM reports: its loss halves with every epoch."""
    reported = {"train_loss": 0.5**number, "validation_loss": 0.6**number, "learning_rate": 0.01}
    return {"seed": seed, "epoch": number, "epochs": 3, "seconds_left": 30.0, **reported, **more}


def history(registry: Registry, run_id: str, name: str) -> list[tuple[int, float]]:
    return [(f.step, f.value) for f in registry._client().get_metric_history(run_id, name)]


def state(registry: Registry, run_id: str):
    return registry._client().get_run(run_id)


def test_a_training_is_a_run_from_its_first_moment_on(registry):
    with registry.training(BEGUN, a_clock()) as run:
        seen = state(registry, run.run_id)
        assert seen.info.status == "RUNNING"
        assert seen.info.start_time == MONDAY.timestamp() * 1000
        assert seen.data.params.items() >= {"units": "32", "experiment.horizon": "5"}.items()
        expected = {
            "model": "lstm",
            "n_trials": "7",
            "lake.quotes": "3",
            "dagster_run_id": "run-1",
            "scoped": "horizon=5",
        }
        assert seen.data.tags.items() >= expected.items()
    assert state(registry, run.run_id).info.status == "FINISHED"


def test_every_epoch_can_be_read_before_the_next(registry):
    with registry.training(BEGUN, a_clock()) as run:
        told = epoch_logger(run)
        for number in (1, 2):
            told(epoch(number))
            losses = history(registry, run.run_id, "seed_0/validation_loss")
            assert losses[-1] == (number, 0.6**number)
        told(epoch(1, validation_loss=np.nan, seconds_left=9.0))
        assert history(registry, run.run_id, "refit/seed_0/train_loss") == [(1, 0.5)]
        assert history(registry, run.run_id, "refit/seed_0/validation_loss") == []
        assert history(registry, run.run_id, "seconds_left") == [(1, 30.0), (2, 30.0), (3, 9.0)]


def test_what_passed_before_a_kill_is_in_the_run_of_the_training_that_went_on(registry):
    """The second of two epochs was reported; the curves tell of both, each once."""
    trained = training_with_tables("lstm", 1)
    with registry.training(Begun.of(trained, "run-2"), a_clock()) as run:
        epoch_logger(run)(epoch(2, train_loss=1.0, learning_rate=0.004, validation_loss=0.3))
        version = registry.register(trained, MONDAY, "run-2", run=run)
    assert version.run_id == run.run_id
    assert sorted(history(registry, run.run_id, "seed_0/train_loss")) == [(1, 1.1), (2, 1.0)]
    assert state(registry, run.run_id).info.run_name == "lstm 1"


def test_a_training_that_fails_says_why_and_keeps_its_epochs(registry):
    with pytest.raises(ZeroDivisionError), registry.training(BEGUN, a_clock()) as run:
        epoch_logger(run)(epoch(1))
        raise ZeroDivisionError("no session to divide by")
    seen = state(registry, run.run_id)
    assert (seen.info.status, seen.data.tags["failure"]) == ("FAILED", "no session to divide by")
    assert history(registry, run.run_id, "seed_0/train_loss") == [(1, 0.5)]
    assert registry.versions("lstm") == []


def test_a_training_that_a_person_stops_is_killed(registry):
    with pytest.raises(KeyboardInterrupt), registry.training(BEGUN, a_clock()) as run:
        raise KeyboardInterrupt
    assert state(registry, run.run_id).info.status == "KILLED"


def train_for_ever(database: str, told) -> None:
    """What a process of its own does until it is killed."""
    registry = Registry(Path(database))
    with registry.training(BEGUN, a_clock()) as run:
        epoch_logger(run)(epoch(1))
        told.put(run.run_id)
        signal.pause()


def test_a_run_whose_process_was_killed_is_closed_by_the_next_and_no_other_is(registry):
    processes = multiprocessing.get_context("spawn")
    told = processes.Queue()
    other = processes.Process(target=train_for_ever, args=(str(registry.database), told))
    other.start()
    try:
        run_id = told.get(timeout=120)
        with registry.training(BEGUN, a_clock()):
            assert state(registry, run_id).info.status == "RUNNING"  # two trainings at once
        assert other.pid is not None
        os.kill(other.pid, signal.SIGKILL)
        other.join(30)
        # Another program's run in the same place is nobody's to close.
        client = registry._client()
        place = state(registry, run_id).info.experiment_id
        foreign = client.create_run(place).info.run_id
        with registry.training(BEGUN, a_clock()):
            seen = state(registry, run_id).info
            assert seen.status == "KILLED"
            # It lasted until it was last heard of, not until somebody looked.
            assert seen.end_time - seen.start_time == 2_000
            assert state(registry, foreign).info.status == "RUNNING"
    finally:
        other.kill()
    assert list((registry.database.parent / "mlflow.db.locks").iterdir()) == []


def test_a_curve_that_cannot_be_written_waits_and_the_training_goes_on(registry, caplog):
    """Somebody deletes the run, and thinks better of it."""
    client = registry._client()
    with registry.training(BEGUN, a_clock()) as run:
        told = epoch_logger(run)
        client.delete_run(run.run_id)
        told(epoch(1))
        assert "figures wait to be written" in caplog.text
        client.restore_run(run.run_id)
        told(epoch(2))
        assert history(registry, run.run_id, "seed_0/train_loss") == [(1, 0.5), (2, 0.25)]


def test_a_run_that_is_made_at_the_end_leaves_no_lock(registry):
    registry.register(trained_model("lstm", 1), MONDAY, "run-1")
    assert list((registry.database.parent / "mlflow.db.locks").iterdir()) == []


def test_a_tuning_is_a_run_with_a_figure_for_every_trial(registry, monkeypatch, tmp_path):
    given = tuning_market.data()
    monkeypatch.setattr(tuning_market.tuning, "judge", tuning_market.QuickJudge())
    # A process before this one ran two trials; this one hears of the other three alone.
    tuning_market.tune(tmp_path, given, 2)
    with registry.tuning(BEGUN, a_clock()) as run:
        tuned = tuning_market.tune(tmp_path, given, 5, report=trial_logger(run))
        heard = history(registry, run.run_id, "value")
        assert [step for step, _ in heard] == [2, 3, 4]
        log_tuned(run, tuned)
    values = dict(sorted(history(registry, run.run_id, "value")))
    assert values == dict(enumerate(tuned.trials["value"]))
    seen = state(registry, run.run_id)
    assert seen.info.run_name == "tune lstm"
    assert seen.data.tags.items() >= {"study": tuned.study, "verdict": tuned.verdict}.items()
    assert seen.data.metrics["n_trials"] == 5
    client = registry._client()
    assert client.get_experiment(seen.info.experiment_id).name == "tunings"
    assert {path.name for path in (run.folder / "figures").iterdir()} == {
        "history.png",
        "importance.png",
    }
