"""What a person sees who types `asset-predict`, and what the shell is told."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asset_predict_dagster import __version__
from asset_predict_dagster.cli import main
from asset_predict_dagster.dataset import features
from asset_predict_dagster.dataset.chain import Chain
from asset_predict_dagster.dataset.labels import SPAN
from asset_predict_dagster.dataset.leak_audit import Audit
from asset_predict_dagster.dataset.leak_report import leaky_columns
from asset_predict_dagster.dataset.leaks import as_leaks
from asset_predict_dagster.dataset.samples import build_samples
from asset_predict_dagster.dataset.scaling import fit_scalings
from asset_predict_dagster.dataset.splits import temporal_split, usable_sessions
from asset_predict_dagster.evaluation.evaluate import evaluate, headline
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.history import known_events, spot_quotes
from asset_predict_dagster.market.renames import read_renames
from asset_predict_dagster.market.simulated_market import SimulatedMarket
from asset_predict_dagster.tables import (
    CHAMPIONS,
    CORPORATE_ACTIONS,
    EVALUATION,
    FOLDS,
    LABELS,
    PREDICTIONS,
    QUOTES,
    RAW_QUOTES,
    RENAMES,
    SCALINGS,
    UNIVERSE,
)
from asset_predict_dagster_tests.evaluation.forecast_rows import made_forecasts
from asset_predict_dagster_tests.market.true_returns import true_events

NOW = datetime(2024, 2, 10, tzinfo=UTC)
MODELS = {"lstm": "2", "random_forest": "11"}
NARROW = 80


@pytest.fixture(autouse=True)
def a_fresh_shell(monkeypatch, tmp_path):
    """An empty folder, a terminal of 80 columns, and none of the project's variables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(NARROW))
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    for name in ("DATA", "LAKE", "SOURCE", "COTAHIST_FOLDER", "SIGNAL_STRENGTH", "AS_OF"):
        monkeypatch.delenv(f"ASSET_PREDICT_{name}", raising=False)
    for name in ("SEED", "DAILY_TASK_HOUR", "MODEL_STALE_AFTER_DAYS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def typed(monkeypatch, capsys):
    """Type `asset-predict ...`: exit code, what was printed, what went to stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["asset-predict", *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        return stopped.value.code or 0, printed.out, printed.err

    return run


def predictions(session="2024-02-09", target="2024-02-14", scale=1.0) -> pd.DataFrame:
    """Two models on twelve tickers; TICK11 is illiquid and TICK10 stale. Horizons 1 and 2."""
    tickers = [f"TICK{number}" for number in range(12)]
    last_close = scale * np.linspace(10.0, 30.0, 12)
    expected = np.r_[-0.022, np.linspace(-0.015, 0.035, 11)]
    reason = np.array([""] * 10 + ["stale_quote", "illiquid"])
    refused = reason != ""
    table = pd.DataFrame(
        {
            "session": pd.Timestamp(session).as_unit("us"),
            "target_session": pd.Timestamp(target).as_unit("us"),
            "ticker": tickers,
            "action": np.where(refused, None, "hold"),
            "expected_return": np.where(refused, np.nan, expected),
            "last_close": last_close,
            "status": "unproven",
            "reason": reason,
            "sessions_late": 0,
            "created_at": NOW,
        }
    )
    for action in ("buy", "hold", "sell"):
        table[f"probability_{action}"] = np.where(refused, np.nan, 1 / 3)
    table["predicted_price"] = last_close * (1 + table["expected_return"])
    table["price_low"] = last_close * (0.95 + table["expected_return"])
    table["price_high"] = last_close * (1.05 + table["expected_return"])
    return pd.concat(
        table.assign(model=model, model_version=version, horizon=horizon)
        for model, version in MODELS.items()
        for horizon in (1, 2)
    )[PREDICTIONS.column_names]


def champions() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": list(MODELS),
            "model_version": list(MODELS.values()),
            "status": ["proven", "unproven"],
            "candidate_version": list(MODELS.values()),
            "decision": "promoted",
            "reason": "first champion",
            "trained_at": NOW,
            "training_end": pd.Timestamp("2024-01-05").as_unit("us"),
            "bundle": "digest",
        }
    )[CHAMPIONS.column_names]


@pytest.fixture(scope="module")
def evaluation() -> pd.DataFrame:
    skill = {("lstm", "2"): 0.3, ("random_forest", "11"): 0.0, ("random_forest", "10"): 0.5}
    return evaluate(made_forecasts(skill), seed=1)


@pytest.fixture
def write_lake(tmp_path, evaluation):
    """Write what the pipeline would have, in the default place below the working folder."""

    def write(said=None, evaluation_table=None, root="data/lake"):
        lake = Lake(tmp_path / root)
        lake.write(CHAMPIONS, champions())
        lake.write(EVALUATION, evaluation if evaluation_table is None else evaluation_table)
        lake.insert_new(PREDICTIONS, predictions() if said is None else said)

    return write


def assert_fits(text: str) -> None:
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= NARROW


def test_the_summary_fits_a_narrow_terminal(typed, write_lake):
    write_lake()
    code, out, err = typed("summary")
    assert (code, err) == (0, "")
    assert_fits(out)


def test_the_strongest_predictions_come_first(typed, write_lake, monkeypatch):
    monkeypatch.setenv("ASSET_PREDICT_AS_OF", "2024-02-09")
    write_lake()
    _, out, _ = typed("summary", "--top", "3")
    shown = [line.split() for line in out.splitlines() if line.strip().startswith("TICK")]
    # The largest move is the +2.5 % of TICK9; TICK10 and TICK11 are refused.
    assert [words[:2] for words in shown] == [
        ["TICK9", "lstm"],
        ["TICK9", "random_forest"],
        ["TICK0", "lstm"],
    ]
    # R$ 26.36 + 2.5 % = 27.02, between 95 and 105 % of 26.36 shifted by as much.
    assert shown[0][2:] == ["hold", "26.36", "27.02", "25.70", "-", "28.34", "+2.500%"]
    assert "for 2024-02-14, B3's next session" in out
    assert "refused: 1 stale_quote, 1 illiquid" in out
    assert "to be doubted" not in out


@pytest.mark.parametrize(
    ("last_closed", "said"),
    [
        (
            "2024-02-14",
            "for 2024-02-14, a session that is over (the last closed one is 2024-02-14)",
        ),
        ("2024-02-08", "for 2024-02-14"),
    ],
)
def test_predictions_of_another_session_than_the_next_do_not_pass_for_its(
    typed, write_lake, monkeypatch, last_closed, said
):
    monkeypatch.setenv("ASSET_PREDICT_AS_OF", last_closed)
    write_lake()
    _, out, _ = typed("summary")
    (line,) = (line for line in out.splitlines() if line.startswith("for "))
    assert line.startswith(said)
    assert "next session" not in line
    assert ("run the job daily_prediction" in " ".join(out.split())) == ("over" in said)


def test_each_models_predictions_say_who_made_them_and_who_serves_by_now(typed, write_lake):
    said = predictions()
    is_forest = said["model"] == "random_forest"
    write_lake(said.assign(model_version=said["model_version"].mask(is_forest, "9")))
    _, out, _ = typed("summary")
    assert [line for line in out.splitlines() if line.startswith("by ")] == [
        "by lstm version 2, status=unproven",
        "by random_forest version 9, status=unproven; version 11 serves now",
    ]


def test_a_program_reads_the_summary(typed, write_lake, monkeypatch):
    monkeypatch.setenv("ASSET_PREDICT_AS_OF", "2024-02-16")
    write_lake()
    code, out, err = typed("summary", "--top", "3", "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert [row["ticker"] for row in told["predictions"]] == ["TICK9", "TICK9", "TICK0"]
    first = told["predictions"][0]
    assert (first["session"], first["target_session"]) == ("2024-02-09", "2024-02-14")
    assert (first["model_version"], first["status"], first["reason"]) == ("2", "unproven", "")
    assert told["last_closed"] == "2024-02-16"
    assert {row["model"]: row["model_version"] for row in told["champions"]} == MODELS
    assert {row["model"] for row in told["figures"]} == {*MODELS}


def test_what_is_to_be_doubted_is_counted_apart_from_what_was_refused(typed, write_lake):
    said = predictions()
    said["reason"] = said["reason"].mask(said["ticker"].isin(["TICK3", "TICK4"]), "late_data")
    is_odd = (said["ticker"] == "TICK9") & (said["model"] == "lstm")
    said["reason"] = said["reason"].mask(is_odd, "out_of_distribution")
    write_lake(said)
    _, out, _ = typed("summary")
    assert "refused: 1 stale_quote, 1 illiquid" in out
    assert "to be doubted: 2 late_data, 1 out_of_distribution" in out


def test_only_the_last_session_is_shown(typed, write_lake):
    early = predictions("2024-02-08", "2024-02-09").assign(ticker="EARLY3")
    early["ticker"] += early.groupby(["model", "horizon"]).cumcount().astype(str)
    write_lake(pd.concat([early, predictions()]))
    _, out, _ = typed("summary")
    assert "EARLY3" not in out
    assert "at the close of 2024-02-09" in out


def test_predictions_without_the_last_file_say_that_they_are_late(typed, write_lake, monkeypatch):
    monkeypatch.setenv("ASSET_PREDICT_AS_OF", "2024-02-14")
    said = predictions(target="2024-02-15").query("horizon == 2")
    marked = said["reason"].where(said["reason"] != "", "late_data")
    late = said.assign(sessions_late=1, reason=marked)
    write_lake(pd.concat([predictions(), late]))
    _, out, _ = typed("summary", "--top", "3")
    assert "for 2024-02-15, B3's next session" in out
    assert out.count("TICK9") == 2
    assert "late_data: sessions closed since without a file: 1" in out
    assert "refused: 1 stale_quote, 1 illiquid" in out


def test_the_champions_figures_stand_beside_the_naive_forecasts(typed, write_lake, evaluation):
    write_lake()
    _, out, _ = typed("summary")
    figures = headline(evaluation[evaluation["model_version"] != "10"])
    assert len(figures) == 14
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    for figure in figures.itertuples():
        line = lines[figure.metric]
        assert f"{figure.value:.4f} [{figure.low:.3f}, {figure.high:.3f}]" in line
        if pd.notna(figure.naive_value):
            assert f" {figure.naive_value:.4f} " in line
    # 0.5 is the skill of a version that does not serve.
    other = headline(evaluation[evaluation["model_version"] == "10"]).iloc[0]
    assert f"{other['value']:.4f}" not in out


def test_champions_judged_on_other_sessions_have_a_naive_forecast_of_their_own(typed, write_lake):
    early = evaluate(made_forecasts({("lstm", "2"): 0.3}), seed=1)
    late = evaluate(
        made_forecasts({("random_forest", "11"): 0.1}, first="2023-07-03", seed=2), seed=1
    )
    is_model = late["model"] == "random_forest"
    write_lake(evaluation_table=pd.concat([early, late[is_model]], ignore_index=True))
    _, out, _ = typed("summary")
    assert_fits(out)
    of_lstm, of_forest = out.split("Out of sample")[1:]
    assert "2023-01-02 to 2023-06-16" in of_lstm
    assert "2023-07-03 to 2023-12-15" in of_forest
    for text, model, table in [(of_lstm, "lstm", early), (of_forest, "random_forest", late)]:
        log_loss = headline(table).set_index("metric").loc["log_loss"]
        line = next(line for line in text.splitlines() if line.startswith("log_loss"))
        assert line.split()[1:3] == [f"{log_loss['naive_value']:.4f}", f"{log_loss['value']:.4f}"]
        header = next(line for line in text.splitlines() if line.startswith("metric"))
        assert header.split() == ["metric", "naive", model]


def test_ridge_stands_apart_from_what_needs_no_model_and_each_is_said_once(
    typed, write_lake, evaluation
):
    """A scoped version that was measured on the same sessions has baselines of its own."""
    is_ic = evaluation["metric"] == "rank_ic"
    whole = evaluation.copy()
    for model, value in {"ridge": 0.15, "momentum": 0.01, "lstm": 0.3}.items():
        whole.loc[is_ic & (whole["model"] == model), "value"] = value
    whole.loc[is_ic & (whole["model"] == "random_forest"), "value"] = 0.15
    whole.loc[is_ic & (whole["model"] == "reversal"), "value"] = -0.02
    scoped = whole[whole["model_version"] == "baseline"].assign(window="scoped_1")
    write_lake(evaluation_table=pd.concat([whole, scoped], ignore_index=True))
    _, out, _ = typed("summary")
    assert_fits(out)
    said = " ".join(out.split())
    assert "Rank IC without a model: momentum 0.0100, reversal -0.0200, the others 0" in said
    assert (
        "Rank IC of ridge, a linear model: 0.1500; lstm's 0.3000 is above it, random_forest's"
        " 0.1500 is level with it lstm version 2 has shown"
    ) in said
    assert said.count("Rank IC of ridge") == said.count("momentum") == 1


def test_it_says_who_has_shown_skill_and_that_the_market_is_simulated(
    typed, write_lake, monkeypatch, tmp_path
):
    write_lake()
    _, out, _ = typed("summary")
    assert "lstm version 2 has shown skill" in out
    assert "random_forest version 11 has NOT shown skill" in out
    assert "SIMULATED prices" in out
    monkeypatch.setenv("ASSET_PREDICT_SOURCE", "cotahist")
    monkeypatch.setenv("ASSET_PREDICT_COTAHIST_FOLDER", str(tmp_path))
    assert "SIMULATED" not in typed("summary")[1]


def test_long_numbers_are_not_cut(typed, write_lake, evaluation):
    """Shares above R$ 1,000, losses below zero, intervals with two minus signs."""
    worst = evaluation.copy()
    is_ic = worst["metric"] == "rank_ic"
    worst.loc[is_ic, ["value", "low", "high"]] = [-0.0123, -0.0456, -0.0023]
    is_price = worst["metric"].isin(["mae_price"])
    worst.loc[is_price, ["value", "low", "high", "naive_value"]] = [12.345, 11.111, 13.579, 12.4]
    write_lake(predictions(scale=60.0), evaluation_table=worst)
    code, out, _ = typed("summary")
    assert code == 0
    assert_fits(out)
    assert "-0.0123 [-0.046, -0.002]" in out
    assert "12.3450 [11.111, 13.579]" in out
    # 60 times R$ 26.36 is 1,581.82.
    assert "1581.82" in out
    assert "+2.500%" in out


def test_a_figure_that_does_not_exist_is_not_made_up(typed, write_lake, evaluation):
    silent = evaluation.copy()
    silent.loc[silent["metric"] == "directional_accuracy", ["value", "low", "high"]] = np.nan
    write_lake(evaluation_table=silent)
    code, out, _ = typed("summary")
    assert code == 0
    line = next(line for line in out.splitlines() if "directional_accuracy" in line)
    assert line.count("nan [nan, nan]") == 2


def test_a_day_on_which_everybody_was_refused_can_be_shown(typed, write_lake):
    said = ["action", "expected_return", "predicted_price", "price_low", "price_high"]
    table = predictions().assign(reason="illiquid", **dict.fromkeys(said, np.nan))
    write_lake(table.assign(action=None))
    code, out, _ = typed("summary")
    assert code == 0
    assert "refused: 12 illiquid" in out


def test_a_folder_is_named_as_it_is_called(typed, write_lake, monkeypatch):
    monkeypatch.setenv("ASSET_PREDICT_DATA", "b3 [old]")
    monkeypatch.setenv("ASSET_PREDICT_LAKE", "somewhere/else")
    write_lake(root="somewhere/else")
    _, out, _ = typed("summary")
    assert "duckdb b3 [old]/warehouse.duckdb " in out
    assert "  somewhere/else/ " in out


LEAKS_UP_TO = date(2019, 12, 30)


@pytest.fixture(scope="module")
def honest_lake(tmp_path_factory) -> Path:
    """Records of two simulated years and what the pipeline makes of them, up to the folds."""
    simulation = SimulatedMarket(3).simulate(LEAKS_UP_TO)
    records = simulation.records.assign(source_file="", year=simulation.records["session"].dt.year)
    listed = true_events(simulation.corporate_actions).query("kind == 'cash_dividend'")
    chain = Chain(listed, read_renames(None, LEAKS_UP_TO))
    made = chain.tables(records)
    root = tmp_path_factory.mktemp("honest") / "lake"
    lake = Lake(root)
    spot = spot_quotes(records, chain.renames, LEAKS_UP_TO)
    lake.write(RAW_QUOTES, records)
    lake.write(CORPORATE_ACTIONS, known_events(spot, listed))
    lake.write(RENAMES, chain.renames)
    lake.write(QUOTES, made.quotes)
    lake.write(UNIVERSE, made.universe)
    lake.write(features.TABLE, made.features)
    lake.write(LABELS, made.labels)
    folds = temporal_split(usable_sessions(made.labels, made.universe))
    lake.write(FOLDS, folds)
    lake.write(SCALINGS, fit_scalings(made.samples, folds))
    return root


@pytest.fixture
def leaky_lake(honest_lake, tmp_path) -> Path:
    """The same with a purge one session too short, and one value of the last session changed.

    The scalings are those of the longer purge.
    """
    root = tmp_path / "leaky"
    shutil.copytree(honest_lake, root)
    lake = Lake(root)
    sessions = usable_sessions(lake.read(LABELS), lake.read(UNIVERSE))
    lake.write(FOLDS, temporal_split(sessions, span=SPAN - 1, embargo=0))
    table = lake.read(features.TABLE)
    last = table["session"] == pd.Timestamp(LEAKS_UP_TO)
    table.loc[last & (last.cumsum() == 1), "rsi_14"] = 12.5
    lake.write(features.TABLE, table)
    return root


def test_a_market_without_leaks_is_told_so(typed, honest_lake, monkeypatch):
    monkeypatch.setenv("ASSET_PREDICT_LAKE", str(honest_lake))
    code, out, err = typed("leaks", "--cuts", "2")
    assert (code, err) == (0, "")
    assert_fits(out)
    counts = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    n_tickers = len(Lake(honest_lake).read(QUOTES).query("session == @LEAKS_UP_TO"))
    at_cuts = ("quotes", "universe", "features", "input", "labels")
    for stage in (*at_cuts, "learned", "folds", "scalings", "served", "stored"):
        n_columns, n_leaky, n_cut_rows, n_values = counts[stage]
        assert int(n_columns) > 0
        assert int(n_values.replace(",", "")) > 0
        assert n_leaky == "0"
        if stage in at_cuts:
            # Some tickers do not trade in one of the two sessions.
            assert 1.5 * n_tickers < int(n_cut_rows) < 2.2 * n_tickers
        else:
            assert n_cut_rows == "whole"
    assert "2019-12-27" in out  # the last session but one is always a cut
    assert "Nothing found at these 2 sessions." in out


def test_what_a_cut_cannot_see_is_told_by_the_help(typed):
    code, out, _ = typed("leaks", "--help")
    assert code == 0
    said = " ".join(out.split())
    assert "A cut sees only what reaches across it" in said
    assert "a leak in rows that no cut is near is not found" in said
    assert "default: 12" in said


@pytest.fixture
def tampered_lake(honest_lake, tmp_path) -> Path:
    """Features and labels but for the last session's know tomorrow, and scalings every session."""
    root = tmp_path / "tampered"
    shutil.copytree(honest_lake, root)
    lake = Lake(root)
    for table, columns in ((features.TABLE, ["rsi_14", "cci_20"]), (LABELS, ["return_rank_1d"])):
        stored = lake.read(table)
        tomorrow = stored.groupby("ticker")[columns].shift(-1)
        lake.write(table, stored.assign(**tomorrow.where(tomorrow.notna(), stored[columns])))
    samples = build_samples(lake.read(features.TABLE), lake.read(UNIVERSE), lake.read(LABELS))
    lake.write(SCALINGS, fit_scalings(samples, lake.read(FOLDS).assign(role="train")))
    return root


def test_tables_that_were_tampered_with_are_named_though_the_code_is_honest(
    typed, tampered_lake, monkeypatch
):
    monkeypatch.setenv("ASSET_PREDICT_LAKE", str(tampered_lake))
    code, out, err = typed("leaks", "--cuts", "1")
    assert (code, err) == (1, "")
    assert_fits(out)
    for column in ("features.rsi_14", "features.cci_20", "labels.return_rank_1d"):
        assert f"stored.{column}" in out
    assert "scalings.holdout.n_rows" in out
    assert "stored: the table holds something else than its records make" in out
    counts = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert counts["features"][1] == "0"


def test_code_that_looks_ahead_is_named_at_every_cut(typed, honest_lake, monkeypatch):
    honest = features.compute_features

    def of_tomorrow(quotes, universe):
        table = honest(quotes, universe)
        return table.assign(rsi_14=table.groupby("ticker")["rsi_14"].shift(-1))

    monkeypatch.setattr(features, "compute_features", of_tomorrow)
    monkeypatch.setenv("ASSET_PREDICT_LAKE", str(honest_lake))
    code, out, _ = typed("leaks", "--cuts", "2")
    assert code == 1
    assert_fits(out)
    counts = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert (counts["features"][1], counts["input"][1]) == ("1", "1")
    (found,) = (line for line in out.splitlines() if "perturbed" in line and "features." in line)
    how, column, n_times, *_ = found.split()
    assert (how, column, n_times) == ("perturbed", "features.rsi_14", "2")


def test_a_leak_is_counted_by_column_and_a_copy_in_both_its_tables():
    """One feature found twice at each of three cuts is one; it is a label as well."""
    cuts = pd.to_datetime(["2019-01-02", "2019-01-03", "2019-01-04"])
    hows = ("truncated", "perturbed")
    found = [
        {"column": "features.rsi_14", "how": how, "cut": cut, "n_rows": 1}
        for cut in cuts
        for how in hows
    ]
    copy = {"column": "features.rsi_14 = labels.action", "how": "copy", "cut": cuts[0], "n_rows": 9}
    stored = {"column": "stored.labels.action", "how": "stored", "cut": cuts[0], "n_rows": 9}
    tested = pd.DataFrame({"stage": ["quotes", "features", "labels", "stored"]})
    report = Audit(cuts, tested, as_leaks([*found, copy, stored]))
    assert leaky_columns(report) == {"quotes": 0, "features": 1, "labels": 1, "stored": 1}


def test_a_leak_is_named_and_the_shell_is_told(typed, leaky_lake, monkeypatch):
    monkeypatch.setenv("ASSET_PREDICT_LAKE", str(leaky_lake))
    code, out, err = typed("leaks", "--cuts", "1")
    assert (code, err) == (1, "")
    assert_fits(out)
    assert "folds.holdout: train reaches validation" in out
    assert "served.rsi_14" in out
    assert "span: a label of one role looks at a session of the other" in out
    assert "stored.features.rsi_14" in out
    assert "Nothing" not in out


def test_a_program_can_read_the_leaks(typed, leaky_lake, monkeypatch):
    monkeypatch.setenv("ASSET_PREDICT_LAKE", str(leaky_lake))
    code, out, _ = typed("leaks", "--cuts", "1", "--json")
    report = json.loads(out)
    assert code == 1
    assert report["cuts"] == ["2019-12-27"]
    stages = {row["stage"] for row in report["tested"]}
    assert stages >= {"features", "labels", "folds", "scalings", "served", "stored"}
    (served,) = (leak for leak in report["leaks"] if leak["how"] == "served")
    assert (served["column"], served["n_rows"]) == ("served.rsi_14", 1)
    assert served["cut"] == "2019-12-30"


def test_leaks_are_looked_for_in_what_has_been_made(typed):
    code, out, err = typed("leaks")
    assert (code, out) == (1, "")
    assert err.startswith("asset-predict: table 'features' has not been made yet")
    assert err.count("\n") == 1


def test_before_the_first_run_it_says_what_to_do(typed):
    code, out, err = typed("summary")
    assert (code, out) == (1, "")
    assert err.startswith("asset-predict: table 'champions' has not been made yet in data/lake;")
    assert err.count("\n") == 1
    assert "run the job complete_pipeline" in err


def test_a_bad_setting_is_one_sentence(typed, monkeypatch):
    monkeypatch.setenv("ASSET_PREDICT_SOURCE", "bloomberg")
    code, out, err = typed("summary")
    assert (code, out) == (1, "")
    assert err.startswith("asset-predict: ASSET_PREDICT_SOURCE='bloomberg': input should be")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("predict",),
        ("summary", "--top", "0"),
        ("summary", "--top", "x"),
        ("leaks", "--cuts", "0"),
        ("--verbose",),
    ],
)
def test_what_nobody_understands_is_a_usage_error(typed, words):
    code, out, err = typed(*words)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: ")
    assert "Error: " in err


def test_the_version_is_the_packages(typed):
    assert typed("--version") == (0, f"asset-predict {__version__}\n", "")


def test_help_names_every_command(typed):
    code, out, _ = typed("--help")
    assert code == 0
    assert "summary" in out
    assert "leaks" in out
    assert "Brazilian stocks" in out
    assert "--top" in typed("summary", "--help")[1]


def test_the_module_is_the_program(tmp_path):
    """A process of its own, as a person starts it: the exit code reaches the shell."""
    done = subprocess.run(
        [sys.executable, "-m", "asset_predict_dagster", "summary"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("asset-predict: table 'champions' has not been made yet")
    assert "Traceback" not in done.stderr
