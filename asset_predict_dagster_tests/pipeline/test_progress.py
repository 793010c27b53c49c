"""Who starts a training in a terminal sees a bar there; nobody else does, nor does any log."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import yaml
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from asset_predict_dagster.pipeline.progress import is_watched, of_epoch, of_trial
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace
from asset_predict_dagster_tests.pipeline.terminal import run_in_terminal, screen

ROOT = Path(__file__).parents[2]
LOG_LINE = (
    "2024-01-08 12:00:00 - dagster - INFO - retrain - 1a2b - lstm_model - epoch 3/12: loss 0.61"
)

# Dagster captures what a step writes: stderr is a file while the bar is drawn, and another process
# copies that file to the terminal.
PROGRAM = f"""
import os, sys, time
from asset_predict_dagster.pipeline.progress import Progress, terminal_bar
terminal = os.dup(2)
os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), 2)
with terminal_bar("lstm training", is_watched=sys.argv[2] == "watched") as show:
    time.sleep(0.4)
    for epoch in (3, 4):
        left = float("nan") if epoch == 3 else 4.0
        show(Progress("lstm fit, seed 42", epoch, 12, "loss 0.61", left))
        time.sleep(0.4)
        if epoch == 3 and os.isatty(terminal):
            os.write(terminal, b"{LOG_LINE}\\n")
"""


# A run counts its steps while one of them counts its epochs.
NESTED = """
import sys, time
from asset_predict_dagster.pipeline.progress import Progress, of_step, terminal_bar
with terminal_bar("train", is_watched=True) as show_step:
    show_step(of_step("train", 3, 9, "lstm_model"))
    time.sleep(0.4)
    with terminal_bar("lstm training", is_watched=True) as show_epoch:
        show_epoch(Progress("lstm fit", 5, 12, "loss 0.61", float("nan")))
        time.sleep(0.4)
    show_step(of_step("train", 4, 9, "evaluation"))
    time.sleep(0.4)
"""


def environment(**more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "TERM": "xterm", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}


def test_a_terminal_shows_how_far_a_training_is_below_the_lines_of_its_log(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "captured"), "watched"]
    code, written = run_in_terminal(command, environment(), tmp_path)
    assert code == 0
    assert "lstm training" in written
    assert "3/12, loss 0.61" in written and "4/12, loss 0.61, about 4 s left" in written
    before_the_log, _, after = written.partition(LOG_LINE)
    assert "3/12" in screen(before_the_log)[-1]
    assert screen(before_the_log + LOG_LINE)[-1].strip() == LOG_LINE
    seen = screen(written[: written.index("4/12") + 30])
    assert seen[-2] == LOG_LINE and "lstm fit, seed 42" in seen[-1]
    # What is left is the log, and the bar is gone.
    assert [line for line in screen(written) if line.strip()] == [LOG_LINE]
    assert (tmp_path / "captured").read_bytes() == b""
    assert after


def test_of_two_bars_the_inner_one_is_drawn_and_then_the_outer_one_again(tmp_path):
    code, written = run_in_terminal([sys.executable, "-c", NESTED], environment(), tmp_path)
    assert code == 0
    outer, rest = written.split("5/12", 1)
    assert "3/9, lstm_model" in outer
    assert "3/9" not in rest[: rest.rindex("lstm fit")]
    assert "4/9, evaluation" in rest[rest.rindex("lstm fit") :]
    assert not any(line.strip() for line in screen(written))
    seen = screen(written.partition("loss 0.61")[0])
    assert [line.split()[0] for line in seen if line.strip()] == ["lstm"]


def test_a_run_that_a_service_launched_draws_nothing(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "captured"), "launched"]
    code, written = run_in_terminal(command, environment(), tmp_path)
    assert (code, written.replace(LOG_LINE, "").strip()) == (0, "")


def test_nothing_is_drawn_where_stderr_is_no_terminal(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "captured"), "watched"]
    done = subprocess.run(command, env=environment(), capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_refit_has_no_validation_loss_and_an_epoch_that_was_taken_up_no_time_left():
    epoch = {"seed": 42, "epoch": 2, "epochs": 5, "train_loss": 0.61, "learning_rate": 0.005}
    shown = of_epoch("lstm", {**epoch, "validation_loss": float("nan"), "seconds_left": 3.0})
    assert (shown.title, shown.said) == ("lstm refit, seed 42", "loss 0.6100, rate 0.005")
    trial = {"n_ended": 1, "n_trials": 9, "best": 0.03, "default": float("nan")}
    assert of_trial("lstm", {**trial, "seconds_left": 8.0}).said == "best 0.0300"


def test_a_job_that_tunes_shows_its_bar_to_whoever_executes_it(finished: Workplace, tmp_path):
    asked = {"model": "random_forest", "n_trials": 2, "settings": {"n_estimators": 2}}
    config = {"ops": {"tuned_settings": {"config": asked}}}
    (tmp_path / "tune.yaml").write_text(yaml.safe_dump(config))
    command = [
        *(str(Path(sys.executable).parent / "dagster"), "job", "execute"),
        *("-m", "asset_predict_dagster.definitions", "-j", "tune", "-c", "tune.yaml"),
    ]
    env = environment(
        ASSET_PREDICT_DATA=str(tmp_path / "data"),
        ASSET_PREDICT_LAKE=finished.settings.lake_root,
        ASSET_PREDICT_AS_OF=str(AS_OF),
    )
    code, written = run_in_terminal(command, env, tmp_path)
    assert code == 0, written
    assert "tune random_forest" in written and "1/2, best" in written
    assert "trial 1 (2 of 2 ended)" in written
    assert not any("━" in line for line in screen(written))


def test_a_run_that_the_daemon_launched_is_not_watched():
    """Dagster's own mark on what it launches: where the job was found."""
    place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__")
    run = dg.DagsterRun(job_name="retrain", run_id="1")
    assert is_watched(run)
    assert not is_watched(run._replace(remote_job_origin=RemoteJobOrigin(place, run.job_name)))
