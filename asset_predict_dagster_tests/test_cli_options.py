"""Every option that is promised is there, whatever it is spelt, and every example is understood."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from asset_predict_dagster.cli import app
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.models.settings import IGNORED, names_of

ROOT = Path(__file__).parents[1]
PROMISED = {
    "ingest": ("source", "folder", "start", "end", "download", "no-download"),
    "train": ("model", "n-jobs", "test-size", "val-size", "tickers", "lr", "hidden-size"),
    "predict": ("ticker", "model", "days-ahead", "output"),
    "evaluate": ("model", "version", "report"),
    "pipeline": ("source", "folder", "download", "model", "n-jobs", "tickers"),
    "tune": ("model", "trials", "timeout"),
    "drift": ("reference", "current", "tickers"),
    "backtest": ("start", "end", "step", "cost-bps"),
    "models": (),
    "promote": ("model", "version"),
    "rollback": ("model",),
    "reproduce": ("model", "version"),
    "status": (),
    "clean": ("keep-versions", "keep-days", "dry-run"),
}

GROUP: Any = typer.main.get_command(app)


def command(name: str) -> Any:
    return GROUP.commands[name]


def options(name: str) -> set[str]:
    spelt = [o for p in command(name).params for o in (*p.opts, *p.secondary_opts)]
    return {option.removeprefix("--") for option in spelt}


def understood(words: list[str]) -> dict[str, Any]:
    """What the command would be given; nothing is run."""
    with GROUP.make_context("asset-predict", [words[0]], resilient_parsing=True) as above:
        context = command(words[0]).make_context(words[0], words[1:], parent=above)
        return context.params


@pytest.mark.parametrize("name", PROMISED)
def test_what_is_promised_is_there_and_can_be_read_by_a_program(name):
    assert set(PROMISED[name]) | {"json"} <= options(name)


def test_what_runs_until_ctrl_c_is_told_where_to_listen():
    assert options("serve") >= {"host", "port"} <= options("monitor")
    told = {name: understood([name]) for name in ("serve", "monitor")}
    assert told["serve"] == {"host": "127.0.0.1", "port": 5000}
    assert told["monitor"] == {"host": "127.0.0.1", "port": 5001}


def test_every_setting_of_every_model_is_an_option_of_train():
    wanted = {n for model in MODEL_NAMES for n in names_of(model)} | {*IGNORED, "preset"}
    assert {name.replace("_", "-") for name in wanted} <= options("train")
    assert wanted <= {name.replace("-", "_") for name in options("pipeline")} | {"start", "end"}


def test_settings_are_handed_on_as_they_were_typed():
    told = understood(["train", "--lr", ".01", "--n_jobs", "2", "--oversample", "--units", "8"])
    said = {name: value for name, value in told.items() if value not in (None, ())}
    assert said == {
        "model": "both",
        "as_json": False,
        "learning_rate": ".01",
        "n_jobs": "2",
        "oversample": True,
        "units": "8",
    }
    assert understood(["train", "--hidden_size", "8"])["units"] == "8"


def typed_in_documents() -> list[list[str]]:
    """Every `asset-predict ...` in the README's blocks and in the help of a command."""
    readme = "\n".join(re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.S))
    helps = "\n".join(one.help or "" for one in GROUP.commands.values())
    lines = re.findall(r"^.*?\basset-predict ([a-z].*)$", f"{readme}\n{helps}", re.MULTILINE)
    return [shlex.split(line.split("  ")[0].split(" #")[0]) for line in lines]


@pytest.mark.parametrize("words", typed_in_documents(), ids=" ".join)
def test_every_example_is_understood(words):
    understood(words)


@pytest.mark.parametrize("name", GROUP.commands)
def test_a_command_shows_an_example_of_itself_in_80_columns(name):
    done = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "80"})
    lines = done.output.splitlines()
    assert done.exit_code == 0
    assert f"Example: asset-predict {name}" in done.output
    assert max(map(len, lines)) <= 80
    assert "…" not in done.output


def test_help_needs_no_dagster():
    code = "import sys; sys.argv = ['asset-predict', 'train', '--help']\n"
    code += "from asset_predict_dagster.cli import main\n"
    code += "try: main()\n"
    code += "finally: print(sorted({'dagster', 'torch', 'sklearn', 'mlflow'} & {*sys.modules}))\n"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "[]"
    said = " ".join(done.stdout.split())
    assert "one of forward_return, triple_barrier, signal_cluster; default forward_return" in said
    assert "default: the cores of this machine" in said
    assert "--model-dir" not in said


def test_a_shell_is_told_how_to_complete():
    asked = {
        "_ASSET_PREDICT_COMPLETE": "complete_bash",
        "COMP_WORDS": "asset-predict predict --model ",
        "COMP_CWORD": "3",
    }
    done = CliRunner().invoke(app, prog_name="asset-predict", env=asked)
    assert set(done.output.split()) == {"rf", "random_forest", "lstm", "lstm_mtl"}


def test_the_package_names_b3model_without_importing_what_takes_seconds():
    code = "import sys\nimport asset_predict_dagster as a\nassert 'pandas' not in sys.modules\n"
    code += "from asset_predict_dagster import B3Model\n"
    code += "print(sorted({'dagster', 'torch', 'sklearn', 'mlflow'} & {*sys.modules}))\n"
    code += "assert not hasattr(a, 'B4Model')"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")
