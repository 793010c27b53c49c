"""What a person sees who asks for predictions, figures or drift; nothing of it changes a thing."""

import io
import json
import re
import shutil

import pandas as pd
import pytest

from asset_predict_dagster.dataset.features import TABLE
from asset_predict_dagster.tables import EVALUATION, PREDICTIONS
from asset_predict_dagster_tests.pipeline.conftest import Workplace
from asset_predict_dagster_tests.pipeline.shell import (
    Typed,
    assert_fits,
    copy_of,
    environment,
    process,
    typing_in,
)


@pytest.fixture
def typed(finished: Workplace, monkeypatch, tmp_path, capsysbinary) -> Typed:
    monkeypatch.chdir(tmp_path)
    run = typing_in(monkeypatch, environment(finished), capsysbinary)

    def decoded(*words: str) -> tuple[int, str, str]:
        code, out, err = run(*words)
        return code, out.decode(), err.decode()

    return decoded


@pytest.fixture(scope="module")
def ledger(finished: Workplace) -> pd.DataFrame:
    return finished.lake.read(PREDICTIONS)


@pytest.fixture(scope="module")
def ticker(ledger: pd.DataFrame) -> str:
    return str(ledger.loc[ledger["reason"] == "", "ticker"].iloc[0])


def test_a_prediction_is_read_at_a_glance(typed: Typed, ledger, ticker):
    refused = str(ledger.loc[ledger["reason"] == "illiquid", "ticker"].iloc[0])
    code, out, err = typed(
        "predict", "--ticker", ticker.lower(), "--ticker", refused, "--days_ahead", "2"
    )
    assert (code, err) == (0, "")
    assert_fits(out)
    rows = ledger[(ledger["ticker"] == ticker) & (ledger["model"] == "random_forest")]
    first, second = (rows[rows["horizon"] == horizon].iloc[0] for horizon in (1, 2))
    assert f"{ticker} by random_forest 1 ({first['status']}), at the close of 2020-12-30" in out
    assert f"{first['action']} (buy {first['probability_buy']:.1%}" in out
    assert f"sell {first['probability_sell']:.1%}) for 2021-01-04\n" in out
    for row in (first, second):
        assert f"{row['target_session']:%Y-%m-%d}" in out
        assert f"{row['expected_return']:+.3%}" in out
        assert f"{row['price_low']:.2f} to {row['price_high']:.2f}" in out
    assert out.splitlines()[-1] == "refused: illiquid"


def test_the_action_of_a_session_that_is_over_is_not_given_as_the_next_sessions(
    typed: Typed, monkeypatch, ticker
):
    """The quotes end on 2020-12-30, so the action is of Monday; on Tuesday's close that is over."""
    monkeypatch.setenv("ASSET_PREDICT_AS_OF", "2021-01-05")
    code, out, _ = typed("predict", "--ticker", ticker, "--days-ahead", "2")
    lines = out.splitlines()
    assert code == 0
    assert lines[1:3] == [
        "- (the action is of 2021-01-04, a session that is over)",
        "to be doubted: late_data",
    ]
    assert [line.split()[0] for line in lines[5:]] == ["2021-01-06", "2021-01-07"]


@pytest.mark.parametrize("words", [("--json",), ("--output", "json")])
def test_a_program_reads_json(typed: Typed, ledger, ticker, words):
    code, out, _ = typed("predict", "--ticker", ticker, "--model", "lstm", *words)
    (first, *rest) = json.loads(out)["predictions"]
    assert (code, len(rest)) == (0, 4)
    row = ledger[(ledger["ticker"] == ticker) & (ledger["model"] == "lstm")].iloc[0]
    assert first["expected_return"] == row["expected_return"]
    assert (first["session"], first["target_session"]) == ("2020-12-30", "2021-01-04")


def test_csv_and_parquet_hold_the_same(typed: Typed, ticker, tmp_path):
    _, out, _ = typed("predict", "--ticker", ticker, "--output", "csv")
    as_csv = pd.read_csv(io.StringIO(out))
    code, out, err = typed("predict", "--ticker", ticker, "--output", "said.parquet")
    assert (code, out, err) == (0, "", "5 rows written to said.parquet\n")
    as_parquet = pd.read_parquet(tmp_path / "said.parquet")
    assert list(as_csv["expected_return"]) == list(as_parquet["expected_return"])
    columns = [*PREDICTIONS.column_names, "action_horizon", "label", "scope"]
    assert list(as_csv.columns) == list(as_parquet.columns) == columns


def test_parquet_can_be_redirected(finished: Workplace, ticker, tmp_path):
    """A process of its own: what is redirected is the file and nothing else."""
    words = ("predict", "--ticker", ticker, "--output", "parquet")
    done = process(environment(finished), tmp_path, *words)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(pd.read_parquet(io.BytesIO(done.stdout))) == 5


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("predict",), 2, "Missing option '--ticker'"),
        (("predict", "--ticker", "PETR4", "--model", "gru"), 2, "there is no model 'gru'"),
        (("predict", "--ticker", "PETR4", "--days-ahead", "31"), 2, "less than or equal to 30"),
        (("predict", "--ticker", "PETR4", "--output", "xml"), 2, "neither csv, parquet or json"),
        (("predict", "--ticker", "PETR4", "--json", "--output", "csv"), 2, "give one of them"),
        (("predict", "--ticker", "ZZXX9"), 1, "no quotes of 'ZZXX9' among 42 papers"),
        (("predict", "--ticker", "ZZAA3", "--version", "9"), 1, "has no version 9"),
        (("predict", "--ticker", "ZZAA3", "--output", "no/x.csv"), 1, "cannot be written"),
        (("evaluate", "--version", "9"), 1, "has no version 9; registered are ['1']"),
        (
            ("drift", "--reference", "yesterday"),
            2,
            "is neither the number of a version",
        ),
        (("drift", "--reference", "2019..2018"), 2, "ends before it begins"),
        (("drift", "--reference", "99"), 1, "version 99 of table 'features' cannot be opened"),
        (("drift", "--tickers", ","), 1, "a ticker such as PETR4 was expected"),
        (("drift", "--tickers", "ZZXX9"), 1, "no quotes of 'ZZXX9'"),
        (("drift", "--reference", "2018Q3", "--current", "2020Q1"), 1, "choose longer periods"),
    ],
)
def test_what_cannot_be_done_is_said(typed: Typed, words, code, says):
    found, out, err = typed(*words)
    assert (found, out) == (code, "")
    assert says in " ".join(err.split())
    if code == 1:
        assert err.startswith("asset-predict: ") and err.count("\n") == 1


def test_before_anything_was_trained_each_command_says_what_to_do(typed: Typed, monkeypatch):
    monkeypatch.setenv("ASSET_PREDICT_DATA", "empty")
    for words, says in [
        (("predict", "--ticker", "PETR4"), "has no champion yet; run `asset-predict pipeline`"),
        (("evaluate",), "there is no registry"),
        (("reproduce", "--model", "rf"), "there is no registry"),
        (("drift",), "table 'features' has not been made yet"),
    ]:
        code, out, err = typed(*words)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert says in err


def test_figures_stand_beside_the_naive_and_the_best_without_a_model(
    typed: Typed, finished: Workplace
):
    code, out, err = typed("evaluate", "--model", "lstm")
    assert (code, err) == (0, "")
    assert_fits(out)
    table = finished.lake.read(EVALUATION).set_index(["model", "window", "horizon", "metric"])
    row = table.loc[("lstm", "holdout", 1, "log_loss")]
    (line,) = (line for line in out.splitlines() if line.startswith("log_loss"))
    assert line.split()[1:6] == [
        f"{row['value']:.4f}",
        f"[{row['low']:.4f},",
        f"{row['high']:.4f}]",
        f"{row['naive_value']:.4f}",
        f"{row['best_value']:.4f}",
    ]
    ridge = table.loc[("ridge", "holdout", 1, "rank_ic"), "value"]
    own = table.loc[("lstm", "holdout", 1, "rank_ic"), "value"]
    where = "above" if own > ridge else "below"
    assert f"of ridge, a linear model: {ridge:.4f}; lstm's {own:.4f} is {where} it" in out


def test_a_report_is_one_html_file_about_that_version(typed: Typed, finished: Workplace):
    code, out, _ = typed("evaluate", "--report", "--json")
    told = json.loads(out)
    assert code == 0
    path = finished.settings.data / "reports/random_forest_1.html"
    assert told["report"] == str(path)
    page = path.read_text()
    assert "random_forest, version 1: out of sample" in page
    assert {row["model"] for row in told["figures"]} > {"random_forest", "ridge", "naive"}


@pytest.mark.parametrize(
    ("in_the_way", "named"),
    [("reports", "reports"), ("reports/random_forest_1.html/", "reports/random_forest_1.html")],
)
def test_a_folder_that_cannot_be_used_is_one_sentence(
    typed: Typed, finished: Workplace, monkeypatch, tmp_path, in_the_way, named
):
    """A file where the folder should be, or a folder where the file should be."""
    data = copy_of(finished, tmp_path).settings.data
    shutil.rmtree(data / "reports")
    if in_the_way.endswith("/"):
        (data / in_the_way).mkdir(parents=True)
    else:
        (data / in_the_way).touch()
    monkeypatch.setenv("ASSET_PREDICT_DATA", str(data))
    code, out, err = typed("evaluate", "--report")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"asset-predict: {data / named} cannot be used: ")
    assert list(data.glob("reports/.writing-*")) == []


def test_two_periods_are_held_against_each_other(typed: Typed, ticker):
    code, out, err = typed("drift", "--reference", "2018..2019", "--current", "2020-01-02..2020H1")
    assert (code, err) == (0, "")
    assert_fits(out)
    assert re.search(r"2020-01-02 to 2020-06-30 held against 2018-0\d-\d\d to 2019-12-30", out)
    assert "log_return_1d" in out or "columns that are less unlike" in out
    code, out, _ = typed("drift", "--tickers", f"{ticker.lower()}.sa", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["recommendation"] == ("retrain" if told["has_drift"] else "ok")
    assert set(told["drift_scores"]) == {row["column"] for row in told["columns"]}
    assert {row["current_first"] for row in told["columns"]} == {"2020-09-29"}


def test_a_version_is_held_against_itself_by_its_last_sessions(typed: Typed, finished: Workplace):
    version = str(finished.lake.version(TABLE))
    by_version = typed("drift", "--reference", version, "--current", version, "--json")
    assert by_version[0] == 0
    assert by_version == typed("drift", "--json")
