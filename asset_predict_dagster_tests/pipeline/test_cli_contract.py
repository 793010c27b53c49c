"""What every command keeps: its exit codes, one sentence, one document, and 80 columns."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from asset_predict_dagster.cli import app
from asset_predict_dagster_tests.pipeline.conftest import Workplace
from asset_predict_dagster_tests.pipeline.shell import (
    Typed,
    assert_fits,
    environment,
    process,
    typing_in,
)

GROUP: Any = typer.main.get_command(app)

READ = (
    ("summary",),
    ("predict", "--ticker", "ZZAA3"),
    ("evaluate", "--model", "lstm"),
    ("drift",),
    ("models",),
    ("status",),
    ("versions", "quotes"),
    ("compare", "labels", "0", "0"),
    ("clean", "--dry-run"),
)
"""What changes nothing; the others are each typed in tests of their own."""

IMPOSSIBLE = (
    ("summary",),
    ("predict", "--ticker", "PETR4"),
    ("evaluate",),
    ("drift",),
    ("models",),
    ("promote", "--model", "rf", "--version", "1"),
    ("rollback", "--model", "rf"),
    ("reproduce", "--model", "rf"),
    ("leaks",),
    ("versions", "quotes"),
    ("compare", "quotes", "0", "1"),
    ("train", "--model", "rf"),
    ("tune", "--model", "rf"),
    ("backtest",),
    ("monitor",),
    ("ingest", "--source", "cotahist"),
    ("pipeline", "--source", "cotahist"),
    ("serve", "--host", "0.0.0.0"),
    ("status",),
    ("clean",),
)
"""In an empty folder, and with a DAGSTER_HOME that is none where nothing else could fail."""

SENSELESS = (
    ("evaluate", "--version", "0"),
    ("models", "--last", "0"),
    ("models", "--model", "both"),
    ("promote", "--model", "both", "--version", "1"),
    ("reproduce", "--model", "rf", "--version", "none"),
    ("clean", "--keep-days", "0"),
    ("tune", "--model", "rf", "--timeout", "soon"),
    ("backtest", "--step", "5"),
    ("serve", "--port", "0"),
    ("monitor", "--port", "65536"),
    ("status", "now"),
)


@pytest.fixture
def typed(finished: Workplace, monkeypatch, capsysbinary) -> Typed:
    # Beside its data, as a person would be: the name of a folder is printed in full, however long.
    monkeypatch.chdir(finished.settings.data.parent)
    near = {"ASSET_PREDICT_DATA": finished.settings.data.name}
    run = typing_in(monkeypatch, environment(finished) | near, capsysbinary)

    def decoded(*words: str) -> tuple[int, str, str]:
        code, out, err = run(*words)
        return code, out.decode(), err.decode()

    return decoded


@pytest.fixture
def typed_in_an_empty_folder(monkeypatch, tmp_path, capsys) -> Typed:
    monkeypatch.chdir(tmp_path)
    return typing_in(monkeypatch, {"COLUMNS": "80"}, capsys)


def assert_one_sentence(said: tuple[int, str, str]) -> None:
    code, out, err = said
    assert (code, out) == (1, ""), said
    assert err.startswith("asset-predict: ") and err.count("\n") == 1
    assert "Traceback" not in err and "Error:" not in err


@pytest.mark.parametrize("words", READ, ids=" ".join)
def test_what_is_printed_fits_and_a_program_reads_one_document(typed: Typed, words):
    code, out, err = typed(*words)
    assert (code, err) == (0, "")
    assert out.strip()
    assert_fits(out)
    code, out, err = typed(*words, "--json")
    assert (code, err) == (0, "")
    assert isinstance(json.loads(out), dict)


@pytest.mark.parametrize("words", IMPOSSIBLE, ids=" ".join)
def test_what_cannot_be_done_is_one_sentence_and_ends_with_1(
    typed_in_an_empty_folder: Typed, monkeypatch, words
):
    if words[0] in ("status", "clean"):
        monkeypatch.setenv("DAGSTER_HOME", "nowhere")
    assert_one_sentence(typed_in_an_empty_folder(*words))


@pytest.mark.parametrize("words", IMPOSSIBLE, ids=" ".join)
def test_a_variable_that_makes_no_sense_is_one_sentence_and_nothing_is_made(
    typed_in_an_empty_folder: Typed, monkeypatch, tmp_path, words
):
    monkeypatch.setenv("ASSET_PREDICT_MAX_SESSIONS_BEHIND", "many")
    said = typed_in_an_empty_folder(*words)
    assert_one_sentence(said)
    assert "ASSET_PREDICT_MAX_SESSIONS_BEHIND='many'" in said[2]
    assert list(tmp_path.iterdir()) == []


def test_no_command_is_left_out():
    assert {words[0] for words in IMPOSSIBLE} == set(GROUP.commands)


@pytest.mark.parametrize(
    "words", [*SENSELESS, *((name, "--no-such") for name in GROUP.commands)], ids=" ".join
)
def test_what_nobody_understands_ends_with_2_and_how_to_use_it(
    typed_in_an_empty_folder: Typed, tmp_path, words
):
    code, out, err = typed_in_an_empty_folder(*words)
    assert (code, out) == (2, "")
    assert err.startswith(f"Usage: asset-predict {words[0]}")
    assert "Error: " in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("predict", "--ticker"), ("drift", "--tickers")], ids=" ".join)
def test_a_wrong_ticker_is_answered_with_near_names(typed: Typed, words):
    said = typed(*words, "zzaa9")
    assert_one_sentence(said)
    assert "no quotes of 'ZZAA9' among 42 papers; did you mean ZZAA3" in said[2]


def test_a_training_on_a_wrong_ticker_does_not_begin(typed: Typed, finished: Workplace):
    before = finished.versions()
    said = typed("train", "--model", "rf", "--tickers", "ZZAA9")
    assert_one_sentence(said)
    assert "did you mean ZZAA3" in said[2]
    assert finished.versions() == before


@pytest.mark.parametrize("words", [("models", "--json"), ("status", "now")], ids=" ".join)
def test_the_module_is_the_same_program(typed: Typed, finished: Workplace, tmp_path: Path, words):
    done = process(environment(finished), tmp_path, *words)
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == typed(*words)
