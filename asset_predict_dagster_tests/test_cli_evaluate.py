"""Whoever asks how good a version is reads who it was held against, and how far ahead."""

import json
import sys

import pandas as pd
import pytest

from asset_predict_dagster.cli import main
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.tables import EVALUATION
from asset_predict_dagster_tests.evaluation.verdict_rows import evaluated
from asset_predict_dagster_tests.registry.desk import MONDAY
from asset_predict_dagster_tests.registry.trainings import trained_model

IN_FIVE = Experiment(horizon=5)


def rank_ic(value: float) -> dict[str, float]:
    """Of a model that is held against the naive forecast, whose order is 0."""
    ends = {"low": value - 0.02, "high": value + 0.02, "naive_value": 0.0}
    beyond = {"best_baseline": "naive", "best_value": 0.0, "skill": value, "p_value": 0.00001}
    return {"value": value, **ends, **beyond}


def of_all() -> pd.DataFrame:
    """Version 1 of the LSTM below ridge; version 2, of five sessions, above it."""
    said = {"low": float("nan"), "high": float("nan"), "p_value": float("nan")}
    tables = []
    for version, window, own, ridge, days in (
        ("1", "holdout", 0.1738, 0.2518, ("2020-06-16", "2020-12-29")),
        ("2", IN_FIVE.window, 0.282, 0.2478, ("2020-06-10", "2020-12-21")),
    ):
        tables += [
            evaluated("lstm", version, window, days, rank_ic=rank_ic(own)),
            evaluated("momentum", "baseline", window, days, rank_ic={"value": -0.0682, **said}),
            evaluated("naive", "baseline", window, days, rank_ic={"value": float("nan"), **said}),
            evaluated("ridge", "baseline", window, days, rank_ic=rank_ic(ridge)),
        ]
    rows = pd.concat(tables, ignore_index=True)
    is_late = (rows["window"] == IN_FIVE.window) & rows["metric"].isin(["log_loss", "accuracy"])
    rows.loc[is_late, "horizon"] = 5
    days = {name: rows[name].astype("datetime64[us]") for name in ("first_session", "last_session")}
    return rows.assign(naive_name="naive", skill_low=0.0, skill_high=0.0, **days)


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """A terminal of 80 columns on a data folder with two versions of the LSTM, none serving."""
    folder = tmp_path_factory.mktemp("shell")
    registry = Registry(folder / "data" / "mlflow.db")
    for seed, experiment in ((1, Experiment()), (2, IN_FIVE)):
        registry.register(trained_model("lstm", seed, experiment=experiment), MONDAY, "run")
    Lake(folder / "data" / "lake").write(EVALUATION, of_all()[EVALUATION.column_names])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COLUMNS", "80")
        patch.setenv("ASSET_PREDICT_DATA", "data")
        for name in ("ASSET_PREDICT_SOURCE", "ASSET_PREDICT_LAKE", "FORCE_COLOR", "DAGSTER_HOME"):
            patch.delenv(name, raising=False)
        yield patch


@pytest.fixture
def printed(typed, capsys):
    def run(*words: str) -> str:
        typed.setattr(sys, "argv", ["asset-predict", *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capsys.readouterr()
        assert (stopped.value.code or 0, err) == (0, "")
        assert "…" not in out
        assert "--json" in words or max(map(len, out.splitlines())) <= 80
        return out

    return run


def row_of(out: str, metric: str) -> str:
    """The cells beside a metric, a space between two."""
    (line,) = (line for line in out.splitlines() if line.startswith(f"{metric} "))
    return " ".join(line.removeprefix(metric).split())


def test_ridge_stands_apart_from_the_best_that_skill_is_over(printed):
    """.1738 is .1738 above the naive order, and .0780 below the linear model's .2518."""
    out = printed("evaluate", "--model", "lstm", "--version", "1")
    heads = [" ".join(line.split()) for line in out.splitlines()[2:4]]
    assert heads[0] == "best,"
    assert heads[1] == "metric value 95 % interval naive no model skill p"
    assert row_of(out, "rank_ic") == "0.1738 [0.1538, 0.1938] 0.0000 0.0000 +0.1738 <0.001"
    lines = out.splitlines()
    assert "Rank IC without a model: momentum -0.0682, the others 0" in lines
    assert "Rank IC of ridge, a linear model: 0.2518; lstm's 0.1738 is below it" in lines
    above = printed("evaluate", "--model", "lstm", "--version", "2")
    assert "Rank IC of ridge, a linear model: 0.2478; lstm's 0.2820 is above it" in above


def test_help_says_whom_skill_is_over_and_what_p_is(printed):
    said = " ".join(printed("evaluate", "--help").split())
    assert "Skill is over the best of the baselines that need no model" in said
    assert "Ridge, a linear model, is no part of that" in said
    assert "p is how often chance alone would make a difference as large" in said


def test_a_figure_that_looks_further_ahead_than_the_next_session_says_so(printed):
    out = printed("evaluate", "--model", "lstm", "--version", "1")
    assert out.splitlines()[0] == "lstm version 1, of the next session"
    assert row_of(out, "log_loss").startswith("1.0829 ")
    out = printed("evaluate", "--model", "lstm", "--version", "2")
    assert " ".join(out.split()).startswith(
        "lstm version 2, scoped (horizon=5), of the next session unless a metric says how many"
        " ahead Out of sample, 2020-06-10"
    )
    assert row_of(out, "log_loss, 5 sessions").startswith("1.0829 ")
    assert row_of(out, "accuracy, 5 sessions").startswith("0.4000 ")
    assert row_of(out, "rank_ic").startswith("0.2820 ")


def test_versions_are_listed_with_the_sessions_that_their_scores_are_of(printed):
    """Both learned to 2024-01-05 before they serve; the scores are of 2020."""
    out = printed("models")
    rows = {line.split()[0]: at for at, line in enumerate(out.splitlines()) if "2024-01-05" in line}
    assert rows.keys() == {"1", "2"}
    lines = [line.split() for line in out.splitlines()]
    assert lines[rows["2"]][-1] == lines[rows["1"]][-1] == "1.0829"
    assert lines[rows["2"] + 1] == ["5", "sessions"]
    for number, sessions in (("1", "2020-06-16 to 2020-12-29"), ("2", "2020-06-10 to 2020-12-21")):
        assert f"Scored on {sessions}, before learning from them: version {number}\n" in out
    (told,) = json.loads(printed("models", "--json"))["models"]
    by_version = {version["version"]: version for version in told["versions"]}
    assert by_version["1"]["test"] == {"first_session": "2020-06-16", "last_session": "2020-12-29"}
    assert by_version["2"]["metrics"]["log_loss"]["horizon"] == 5
