"""Whoever types `ingest`, `train`, `pipeline`, `tune` or `reproduce` starts a run Dagster keeps."""

import json
import os
import re
import signal
import sys
from pathlib import Path

import dagster as dg
import pytest

from asset_predict_dagster import B3Model
from asset_predict_dagster.cli_tables import plain_console
from asset_predict_dagster.cli_tune import print_tuned
from asset_predict_dagster.pipeline import raw
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.tables import CHAMPIONS, QUOTES, RAW_QUOTES
from asset_predict_dagster.training_runs import Tuned
from asset_predict_dagster_tests.pipeline.conftest import Workplace
from asset_predict_dagster_tests.pipeline.shell import (
    ROOT,
    Typed,
    assert_fits,
    copy_of,
    environment,
    home_in,
    process,
    typing_in,
)
from asset_predict_dagster_tests.pipeline.terminal import run_in_terminal, screen

SMALL = ("--n-estimators", "5", "--n_jobs", "1")


@pytest.fixture(scope="module")
def house(finished: Workplace, tmp_path_factory) -> tuple[Workplace, Path]:
    """A copy of the finished workplace, and its DAGSTER_HOME."""
    folder = tmp_path_factory.mktemp("house")
    return copy_of(finished, folder), home_in(folder)


@pytest.fixture
def typed(house, monkeypatch, tmp_path, capsys) -> Typed:
    monkeypatch.chdir(tmp_path)
    return typing_in(monkeypatch, environment(*house), capsys)


def run_of(house, run_id: str) -> dg.DagsterRun:
    with dg.DagsterInstance.from_config(str(house[1])) as instance:
        run = instance.get_run_by_id(run_id)
    assert run is not None
    return run


def test_nothing_new_to_ingest_is_told_and_writes_nothing(typed: Typed, house):
    place, _ = house
    before = place.lake.version(RAW_QUOTES)
    code, out, err = typed("ingest", "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert (told["n_new_files"], told["n_records"]) == (0, 0)
    assert told["n_quotes"] == len(place.lake.read(QUOTES))
    assert (told["first_session"], told["last_session"]) == ("2018-01-02", "2020-12-30")
    assert place.lake.version(RAW_QUOTES) == before
    run = run_of(house, told["run_id"])
    assert (run.job_name, run.status) == ("daily_prediction", dg.DagsterRunStatus.SUCCESS)
    assert run.tags["asset_predict/reason"] == "a person asked for it by a command"


def test_an_ingestion_is_read_at_a_glance(typed: Typed, house):
    code, out, err = typed("ingest")
    assert (code, err) == (0, "")
    assert_fits(out)
    prices, files, quotes, seen = out.splitlines()
    assert prices == "prices: a market simulated with seed 42, signal strength 0.3"
    assert files == "0 new files: 0 records written, 0 rejected"
    assert quotes.endswith("42 tickers, 2018-01-02 to 2020-12-30")
    assert run_of(house, seen.split()[-1]).status == dg.DagsterRunStatus.SUCCESS


def test_a_terminal_shows_a_bar_and_then_nothing_of_it(house, tmp_path):
    env = {
        **environment(*house),
        "PYTHONPATH": str(ROOT),
        "PATH": os.environ["PATH"],
        "TERM": "xterm",
    }
    command = [sys.executable, "-m", "asset_predict_dagster", "ingest"]
    code, written = run_in_terminal(command, env, tmp_path)
    assert code == 0, written
    assert "starting Dagster" in written
    assert re.search(r"ingest .*1/\d+, ", written)
    left = [line for line in screen(written) if line.strip()]
    assert [line.split()[0] for line in left] == ["prices:", "0", "quotes:", "Dagster's"]


def test_a_scoped_training_is_registered_measured_and_never_serves(typed: Typed, house):
    place, _ = house
    words = ("--model", "rf", "--horizon", "5", "--model-dir", "models", *SMALL)
    code, out, err = typed("train", *words)
    assert (code, err) == (0, "")
    assert_fits(out)
    assert "accepted, and does nothing: model_dir" in out
    assert "random_forest version 2: " in out
    assert "scoped (horizon=5): it never serves" in out
    assert "of the next session unless a metric says how many ahead;" in " ".join(out.split())
    assert "rank_ic " in out and "log_loss, 5 sessions " in out
    registry = Registry(place.settings.registry_database)
    assert registry.serving("random_forest").version == "1"
    assert [v.version for v in registry.versions("lstm")] == ["1"]
    run = run_of(house, out.split()[-1])
    assert run.job_name == "retrain"
    config = run.run_config["ops"]["random_forest_model"]["config"]
    assert config == {"horizon": 5, "n_estimators": 5, "n_jobs": 1}
    code, out, _ = typed("predict", "--ticker", "ZZAA3", "--version", "2")
    assert (code, "random_forest 2 (unproven)" in out) == (0, True)
    assert_fits(out)
    said = " ".join(out.split())
    assert " scoped (horizon=5) " in said
    assert re.search(r"%\) for the 5 sessions to 2021-01-08, by forward_return session", said)
    _, out, _ = typed("predict", "--ticker", "ZZAA3", "--version", "2", "--json")
    (first, *_) = json.loads(out)["predictions"]
    assert [first[name] for name in ("action_horizon", "label", "scope")] == [
        5,
        "forward_return",
        "horizon=5",
    ]


def test_a_version_comes_out_the_same_again(typed: Typed, house):
    """The champion, trained by `complete_pipeline`, after others have been trained."""
    code, out, err = typed("reproduce", "--model", "rf", "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert told["is_identical"] and told["registered"] == told["again"]
    assert told["n_forecasts"] > 1000
    assert run_of(house, told["run_id"]).job_name == "reproduce"
    code, out, _ = typed("reproduce", "--model", "rf", "--version", "99")
    assert (code, out) == (1, "")


def test_a_version_that_comes_out_otherwise_is_told_and_ends_with_1(
    typed: Typed, house, monkeypatch
):
    """Its card names another seed than the one it was trained by."""
    from asset_predict_dagster.models import reproduction

    learner_of = reproduction.learner_of

    def of_another_seed(model, knobs, *given, **more):
        return learner_of(model, knobs.model_copy(update={"seed": 7}), *given, **more)

    monkeypatch.setattr(reproduction, "learner_of", of_another_seed)
    code, out, _ = typed("reproduce", "--model", "rf")
    assert code == 1
    assert_fits(out)
    assert "random_forest version 1: NOT reproduced: " in out


def test_settings_that_were_tuned_are_trained_with_by_their_name(typed: Typed, house):
    words = ("--trials", "1", "--timeout", "600", "--json")
    code, out, err = typed("tune", "--model", "rf", *words)
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert (told["model"], told["preset"], told["n_trials"]) == (
        "random_forest",
        "random_forest",
        1,
    )
    assert run_of(house, told["run_id"]).job_name == "tune"
    code, out, _ = typed("tune", "--model", "rf", "--trials", "1")
    assert code == 0
    assert_fits(out)
    assert "random_forest: 1 trial in this study" in out
    assert "Preset random_forest is the default settings" in out
    words = ("--model", "rf", "--preset", "random_forest", "--test-size", "0.15", *SMALL)
    code, out, _ = typed("train", *words, "--json")
    (version,) = json.loads(out)["models"]
    assert (code, version["scope"]) == (0, "test_size=0.15")
    assert version["settings"]["preset"] == "random_forest"


def test_settings_that_did_better_than_the_default_are_listed(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    found = Tuned(
        model="lstm",
        preset="lstm",
        settings={"units": 48, "learning_rate": 0.00032},
        verdict="better than the default, beyond luck",
        value=0.04,
        n_trials=20,
        n_trials_ever=1_020,
        run_id="4f",
        is_kept=False,
    )
    print_tuned(plain_console(), found)
    out = capsys.readouterr().out
    assert_fits(out)
    assert [line.split() for line in out.splitlines()[4:6]] == [
        ["units", "48"],
        ["learning_rate", "0.00032"],
    ]
    assert "20 trials in this study, 1,020 ever." in out
    assert "asset-predict train --model lstm --preset lstm" in out


def test_a_notebook_trains_too(house, monkeypatch):
    place, home = house
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    model = B3Model(place.settings)
    trained = model.run(model_type="rf", n_jobs=1, n_estimators=4, test_size=0.25, val_size=0.2)
    (row,) = trained.to_dict("records")
    assert (row["model"], row["scope"]) == ("random_forest", "test_size=0.25")
    assert run_of(house, row["run_id"]).status == dg.DagsterRunStatus.SUCCESS
    assert len(model.evaluate("rf", version=row["version"])) > 10


def test_everything_is_made_from_files_in_one_command(tmp_path):
    """A process of its own in an empty folder, without DAGSTER_HOME."""
    variables = {"ASSET_PREDICT_SIGNAL_STRENGTH": "0.3"}
    words = ("pipeline", "--model", "rf", "--end", "2020-12-31", *SMALL, "--json")
    done = process(variables, tmp_path, *words)
    assert (done.returncode, done.stderr) == (0, b"")
    told = json.loads(done.stdout)
    assert told["run_id"] is None
    assert told["ingested"]["n_new_files"] == 3
    assert told["ingested"]["last_session"] == "2020-12-30"  # the last session of that year
    (version,) = told["models"]
    assert (version["decision"], version["serving"]) == ("promoted", "1")
    assert {row["metric"] for row in version["figures"]} >= {"rank_ic", "log_loss"}
    from asset_predict_dagster.lake import Lake

    assert list(Lake(tmp_path / "data/lake").read(CHAMPIONS)["model"]) == ["random_forest"]


def test_everything_made_again_is_read_at_a_glance(typed: Typed, house):
    code, out, err = typed("pipeline", "--model", "rf", *SMALL)
    assert (code, err) == (0, "")
    assert_fits(out)
    lines = out.splitlines()
    assert lines[1] == "0 new files: 0 records written, 0 rejected"
    assert any(line.startswith("random_forest version ") for line in lines)
    assert any(line.startswith("rank_ic") for line in lines)
    assert lines[-1] == "asset-predict summary    shows the strongest predictions"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("train", "--model", "gru"), 2, "there is no model 'gru'"),
        (("train", "--model", "rf", "--epochs", "3"), 2, "no setting 'epochs' (it is one of lstm)"),
        (("train", "--epochs", "none"), 2, "lstm: epochs='none'"),
        (("train", "--n-trees", "3"), 2, "No such option"),
        (("train", "--test-size", "0.6", "--val-size", "0.5"), 2, "leave no session to train"),
        (("train", "--preset", "mine"), 2, "there is no preset 'mine'"),
        (("tune",), 2, "Missing option '--model'"),
        (("tune", "--model", "rf", "--trials", "0"), 2, "greater than or equal to 1"),
        (("ingest", "--source", "bloomberg"), 2, "there is no source 'bloomberg'; there are"),
        (("ingest", "--folder", "b3"), 2, "--folder is of the source cotahist"),
        (("ingest", "--download"), 2, "--download is of the source cotahist"),
        (("ingest", "--start", "2015-01-01"), 2, "the source simulated fetches nothing"),
        (("ingest", "--start", "soon"), 2, "is no day such as 2020-01-31"),
        (("pipeline", "--end", "2090-01-01"), 2, "the last session that has closed"),
        (("ingest", "--source", "cotahist"), 1, "needs ASSET_PREDICT_COTAHIST_FOLDER"),
        (("train", "--tickers", "ZZXX9", "--model", "rf"), 1, "no quotes of 'ZZXX9'"),
    ],
)
def test_what_cannot_be_done_is_said(typed: Typed, words, code, says):
    found, out, err = typed(*words)
    assert (found, out) == (code, "")
    assert says in " ".join(err.split())
    if code == 1:
        assert err.startswith("asset-predict: ") and err.count("\n") == 1


def test_files_of_another_folder_are_refused_where_the_lake_holds_other_prices(
    typed: Typed, tmp_path
):
    code, out, err = typed("ingest", "--source", "cotahist", "--folder", str(tmp_path))
    assert (code, out) == (1, "")
    assert err.startswith("asset-predict: ") and err.count("\n") == 1


def test_who_is_interrupted_is_told_so_in_one_sentence(typed: Typed, monkeypatch):
    monkeypatch.setattr(raw, "ingest", lambda *given: os.kill(os.getpid(), signal.SIGINT))
    code, out, err = typed("ingest")
    assert (code, out) == (1, "")
    assert re.fullmatch(
        r"asset-predict: interrupted; the run [-0-9a-f]+ can be started again\n", err
    )


def test_a_failed_run_is_one_sentence_and_kept(typed: Typed, house, monkeypatch):
    place, _ = house
    monkeypatch.setenv("ASSET_PREDICT_LAKE", str(place.settings.data / "empty"))
    code, out, err = typed("train", "--model", "rf")
    assert (code, out) == (1, "")
    assert err.startswith("asset-predict: table 'features' has not been made yet")
    assert err.count("\n") == 1
    monkeypatch.delenv("ASSET_PREDICT_LAKE")
    code, out, _ = typed("status")
    said = " ".join(out.split())
    assert code == 0
    assert_fits(out)
    assert "retrain" in said and "failure" in said
    assert "labels: table 'features' has not been made yet" in said
