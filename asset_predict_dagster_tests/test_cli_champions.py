"""What a person sees who lists versions, lets another one serve, or goes back."""

import json
import re
import sys

import dagster as dg
import pytest

from asset_predict_dagster.cli import main
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.tables import CHAMPIONS, EVALUATION, PROMOTIONS
from asset_predict_dagster_tests.registry.desk import LAST_SESSION, MONDAY, Desk
from asset_predict_dagster_tests.registry.trainings import promote, trained_model


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """A terminal of 80 columns on a data folder of its own, and no Dagster instance."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("shell")
        patch.chdir(folder)
        patch.setenv("COLUMNS", "80")
        patch.setenv("ASSET_PREDICT_DATA", "data")
        patch.setenv("ASSET_PREDICT_AS_OF", str(LAST_SESSION))
        for name in ("ASSET_PREDICT_SOURCE", "ASSET_PREDICT_LAKE", "FORCE_COLOR", "DAGSTER_HOME"):
            patch.delenv(name, raising=False)
        yield patch, folder / "data"


@pytest.fixture(scope="module")
def data(shell):
    """Versions 1 to 3 of the LSTM have served in turn, 4 is scoped; one forest serves nobody."""
    _, folder = shell
    desk = Desk(Registry(folder / "mlflow.db"), folder / "bundles")
    for seed in (1, 2, 3):
        promote(desk.registry, desk.train(seed))
    desk.train(4, experiment=Experiment(horizon=5))
    desk.registry.register(trained_model("random_forest", 1), MONDAY, "run")
    Lake(folder / "lake").write(EVALUATION, desk.evaluation)
    return folder


@pytest.fixture
def typed(shell, capsys):
    def run(*words: str) -> tuple[int, str, str]:
        patch, _ = shell
        patch.setattr(sys, "argv", ["asset-predict", *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        return stopped.value.code or 0, printed.out, printed.err

    return run


def test_before_anything_was_trained_each_command_says_what_to_do(typed, shell, tmp_path):
    patch, _ = shell
    for words in (("models",), ("rollback", "--model", "rf")):
        with patch.context() as elsewhere:
            elsewhere.setenv("ASSET_PREDICT_DATA", str(tmp_path))
            code, out, err = typed(*words)
        assert (code, out) == (1, "")
        assert "there is no registry" in err and "complete_pipeline" in err
        assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_versions_are_listed_with_what_they_score_and_who_serves(typed, data):
    code, out, _ = typed("models")
    assert code == 0
    lines = out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    rows = {line.split()[0]: line for line in lines if "2024-01-08" in line and line[0].isdigit()}
    assert rows["3"].split()[1:4] == ["champion", "2024-01-08", "2024-01-05"]
    assert "[0." in rows["3"]
    assert rows["4"].split()[1] == "scoped"
    said = " ".join(out.split())
    assert "lstm: version 3 serves, proven. Last decision, by the rule on 2024-01-08" in said
    assert "Versions of random_forest" in said


def test_a_program_reads_the_same(typed, data):
    code, out, _ = typed("models", "--model", "lstm", "--last", "2", "--json")
    (told,) = json.loads(out)["models"]
    assert code == 0
    assert (told["model"], told["champion"], told["n_versions"]) == ("lstm", "3", 4)
    newest, third = told["versions"]
    assert (newest["version"], newest["scope"], newest["metrics"]) == ("4", "horizon=5", {})
    assert third["aliases"] == ["champion", "challenger"]
    evaluation = Lake(data / "lake").read(EVALUATION)
    mine = evaluation[evaluation["model_version"] == "3"].set_index("metric")
    assert third["metrics"]["rank_ic"]["value"] == mine.loc["rank_ic", "value"]
    assert told["last_decision"]["decision"] == "promoted"


def test_a_list_cut_short_says_how_to_see_the_rest(typed, data):
    _, out, _ = typed("models", "--model", "lstm", "--last", "1")
    assert "3 earlier: --last 4 lists them too" in out


def test_going_back_and_forth_by_hand(typed, data):
    code, out, err = typed("rollback", "--model", "lstm", "--why", "3 forgets thin days")
    said = " ".join(out.split())
    assert code == 0, err
    assert said.startswith("lstm version 2 serves now, after version 3. It is unproven: 3 forgets")
    assert "DAGSTER_HOME is not set, so Dagster's UI does not know of this run" in said
    champions = Lake(data / "lake").read(CHAMPIONS).set_index("model")
    assert champions.loc["lstm", "model_version"] == "2"
    code, out, _ = typed("promote", "--model", "rf", "--version", "1")
    assert code == 1  # its bundle is not there
    code, out, err = typed("promote", "--model", "lstm", "--version", "3", "--json")
    told = json.loads(out)
    assert code == 0, err
    assert (told["decision"], told["model_version"], told["incumbent_version"]) == (
        "promoted_by_hand",
        "3",
        "2",
    )
    assert (told["status"], told["by"], told["run_id"]) == ("proven", "person", None)
    log = Lake(data / "lake").read(PROMOTIONS)
    assert list(log["decision"])[-2:] == ["rolled_back", "promoted_by_hand"]


def test_a_move_is_a_run_that_dagster_knows(typed, data, shell, tmp_path):
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with shell[0].context() as home:
        home.setenv("DAGSTER_HOME", str(tmp_path))
        code, out, err = typed("promote", "--model", "lstm", "--version", "1", "--json")
    assert code == 0, err
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        (run,) = instance.get_runs()
    assert (run.job_name, run.status.value) == ("move_champion", "SUCCESS")
    assert run.run_id == json.loads(out)["run_id"]


@pytest.mark.parametrize(("expires_after", "is_silent"), [("60", True), ("36500", False)])
def test_who_lets_an_old_version_serve_is_told_its_age_and_whether_it_says_anything(
    typed, data, shell, expires_after, is_silent
):
    """The versions were trained in January 2024."""
    with shell[0].context() as patch:
        patch.setenv("ASSET_PREDICT_MODEL_EXPIRES_AFTER_DAYS", expires_after)
        _, out, err = typed("promote", "--model", "lstm", "--version", "2")
        code, told, _ = typed("rollback", "--model", "lstm", "--json")
    said, told = " ".join(out.split()), json.loads(told)
    assert code == 0, err
    assert re.search(r"It was trained \d+ days ago\.", said)
    assert ("Warning: version 2 of lstm says nothing: it was trained" in said) == is_silent
    assert ("ASSET_PREDICT_MODEL_EXPIRES_AFTER_DAYS (60) on" in said) == is_silent
    assert told["age_days"] > 60
    assert (told["warning"] or "").startswith("version") == is_silent


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("rollback", "--model", "gru"), "there is no model 'gru'; there are rf, random_forest"),
        (("promote", "--model", "lstm"), "Missing option '--version'"),
        (("promote", "--model", "lstm", "--version", "0"), "greater than or equal to 1"),
        (("rollback",), "Missing option '--model'"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(typed, data, words, says):
    code, _, err = typed(*words)
    assert code == 2
    assert says in " ".join(err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("promote", "--model", "lstm", "--version", "4"), "is scoped (horizon=5) and never"),
        (("promote", "--model", "lstm", "--version", "99"), "'lstm' has no version 99"),
        (("rollback", "--model", "rf"), "'random_forest' has no champion yet"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(typed, data, words, says):
    code, out, err = typed(*words)
    assert (code, out) == (1, "")
    assert err.startswith("asset-predict: ") and err.count("\n") == 1
    assert says in err
