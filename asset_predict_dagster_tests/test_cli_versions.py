"""What a person sees of the tables' versions, and what a clean-up leaves alone."""

import json
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from asset_predict_dagster.cli import main
from asset_predict_dagster.cli_versions_text import print_versions
from asset_predict_dagster.dataset_versions import list_versions
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.settings import Settings
from asset_predict_dagster.tables import CHAMPIONS, FOLDS, QUOTES, RENAMES, TABLES
from asset_predict_dagster_tests.registry.trainings import trained_model

NARROW = 80
MONDAY = datetime(2024, 1, 8, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def a_fresh_shell(monkeypatch, tmp_path):
    """An empty folder, a terminal of 80 columns, and none of the project's variables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(NARROW))
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)


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


@pytest.fixture
def lake() -> Lake:
    return Lake("data/lake")


def folds(*sessions: str, role: str = "train") -> pd.DataFrame:
    days = pd.to_datetime(list(sessions)).as_unit("us")
    return pd.DataFrame({"window": "final", "session": days, "role": role})[FOLDS.column_names]


def renames(*tickers: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "old_ticker": list(tickers),
            "new_ticker": [f"N{ticker}" for ticker in tickers],
            "first_session": pd.Timestamp("2024-01-02").as_unit("us"),
        }
    )


@pytest.fixture
def three(lake) -> Lake:
    """Three versions of the folds: two sessions, another role for one, another session."""
    lake.write(FOLDS, folds("2024-01-02", "2024-01-03"))
    changed = folds("2024-01-02", "2024-01-03")
    changed["role"] = ["train", "test"]
    lake.write(FOLDS, changed, came_from={"forecasts_out_of_sample": 123, "labels": 4})
    lake.write(FOLDS, folds("2024-01-02", "2024-01-04"), came_from={})
    return lake


def a_day_ago(lake: Lake) -> None:
    """Let everything in the lake have been written a day earlier than it was."""
    day_ms = 24 * 3600 * 1000
    for path in Path(lake.root).rglob("*"):
        if path.suffix == ".json":
            text = re.sub(
                r'"timestamp":(\d+)',
                lambda found: f'"timestamp":{int(found[1]) - day_ms}',
                path.read_text(),
            )
            path.write_text(text)
        if path.is_file():
            written = path.stat().st_mtime - day_ms / 1000
            os.utime(path, (written, written))


def readable(lake: Lake) -> list[int]:
    listed = list_versions(lake, FOLDS)
    return sorted(listed.loc[listed["is_readable"], "version"])


def assert_fits(text: str) -> None:
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= NARROW


# Listing


def test_versions_are_listed_the_latest_first_with_their_sources(typed, three):
    code, out, err = typed("versions", "folds")
    assert (code, err) == (0, "")
    assert_fits(out)
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["Versions", "of", "folds", "in", "data/lake"]
    assert lines[1] == ["version", "when", "(UTC)", "rows", "MB", "came", "from", "readable"]
    today = f"{list_versions(three, FOLDS)['created_at'].iloc[0]:%Y-%m-%d %H:%M}".split()
    assert lines[3] == ["2", *today, "2", "<0.01", "no", "table", "yes"]
    assert lines[4][0] == "1"
    assert lines[4][3:] == ["2", "<0.01", "forecasts_out_of_sample", "123", "yes"]
    assert lines[5] == ["labels", "4"]
    assert lines[6][0] == "0"
    assert lines[6][3:] == ["2", "<0.01", "not", "recorded", "yes"]


def test_a_large_table_fits_a_narrow_terminal(lake, capsys):
    """Four digits of a version, seven of rows, four of megabytes, the longest name of a source."""
    found = pd.DataFrame(
        {
            "version": [1234],
            "created_at": [MONDAY],
            "operation": "WRITE",
            "n_rows": 3_000_000,
            "n_bytes": 123_400_000,
            "digest": "0",
            "came_from": "raw_quotes 1234, forecasts_out_of_sample 1234",
            "is_readable": False,
        }
    )
    print_versions(lake, QUOTES, found, n_versions=1)
    out = capsys.readouterr().out
    assert_fits(out)
    assert "1234  2024-01-08 12:00  3,000,000  123.40  raw_quotes 1234" in out
    assert " no" in out


def test_only_the_last_are_listed_and_the_number_of_the_others_is_told(typed, three):
    _, out, _ = typed("versions", "folds", "--last", "1")
    assert "1  2" not in out
    assert out.splitlines()[-1] == "2 earlier: --last 3 lists them as well"


def test_lineage_names_what_the_log_no_longer_knows(typed, three):
    three.write(RENAMES, renames("AAAA3"), came_from={"folds": 1})
    code, out, _ = typed("versions", "renames", "--lineage", "0")
    assert code == 0
    assert_fits(out)
    lines = [line.split() for line in out.splitlines()[3:]]
    assert [line[:2] for line in lines] == [
        ["renames", "0"],
        ["folds", "1"],
        ["labels", "4"],  # the second line of what folds came from
        ["forecasts_out_of_sample", "123"],
        ["labels", "4"],
    ]
    assert lines[0][4:] == ["folds", "1"]
    assert lines[3][2:] == ["not", "in", "the", "log"]


# Comparing


def test_a_comparison_says_which_rows_and_columns_changed(typed, three):
    code, out, err = typed("compare", "folds", "0", "1")
    assert (code, err) == (0, "")
    assert_fits(out)
    assert "folds in data/lake: version 0, then version 1" in out
    assert "0 rows added, 0 removed, 1 changed, 1 the same" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["role", "1"] in lines
    assert ["final", "2024-01-03", "role", "train", "test"] in lines


def test_a_comparison_names_the_rows_that_came_and_went(typed, three):
    _, out, _ = typed("compare", "folds", "1", "2")
    assert "1 rows added, 1 removed, 0 changed, 1 the same" in out
    assert "The first added (window, session)\n  final 2024-01-04\n" in out
    assert "The first removed (window, session)\n  final 2024-01-03\n" in out


def test_of_many_new_rows_the_first_five_are_named(typed, lake):
    lake.write(RENAMES, renames("AAAA3"))
    lake.write(RENAMES, renames("AAAA3", *(f"BBBB{n}" for n in range(1, 8))))
    _, out, _ = typed("compare", "renames", "0", "1")
    assert "  BBBB5 2024-01-02\n  and 2 more\n" in out
    assert "BBBB6" not in out


def test_equal_versions_say_the_same(typed, three):
    _, out, _ = typed("compare", "folds", "2", "2")
    assert out.splitlines()[-1] == "They say the same: 2 rows."


# Cleaning up


@pytest.fixture(scope="module")
def empty_registry(tmp_path_factory) -> bytes:
    """The database of a registry without models; making one takes seconds."""
    path = tmp_path_factory.mktemp("registry") / "mlflow.db"
    assert Registry(path).models() == []
    return path.read_bytes()


@pytest.fixture
def register(empty_registry):
    """Register a model that was built from versions of the tables."""

    def run(**lake_versions: int) -> None:
        Path("data").mkdir(exist_ok=True)
        Path("data/mlflow.db").write_bytes(empty_registry)
        trained = trained_model("lstm", 1)
        for digest in (trained.serving_bundle, trained.evaluation_bundle):
            place = Path("data/bundles", digest)
            place.mkdir(parents=True)
            (place / "card.json").write_text(json.dumps({"lake_versions": lake_versions}))
        Registry(Path("data/mlflow.db")).register(trained, MONDAY, "run")

    return run


@pytest.fixture
def thirteen(lake) -> Lake:
    """Thirteen versions of the folds, written yesterday."""
    for number in range(13):
        lake.write(FOLDS, folds("2024-01-02").assign(window=f"w{number}"))
    a_day_ago(lake)
    return lake


def test_a_clean_up_keeps_ten_versions_and_what_models_refer_to(typed, thirteen, register):
    register(folds=1)
    code, out, err = typed("clean")
    assert (code, err) == (0, "")
    assert_fits(out)
    assert readable(thirteen) == [1, *range(3, 13)]
    assert re.search(r"^folds +0, 2 +2 +<0.01 +0 *$", out, flags=re.MULTILINE)
    assert "<0.01 MB freed in data" in out
    assert "Kept: the last 10 of each table, the 1 versions that models refer to" in out
    assert typed("clean")[1].startswith("0.00 MB freed")


def test_the_number_to_keep_is_a_setting_and_the_option_wins(typed, thirteen, monkeypatch):
    monkeypatch.setenv("ASSET_PREDICT_KEEP_VERSIONS", "7")
    typed("clean")
    assert readable(thirteen) == [*range(6, 13)]
    typed("clean", "--keep-versions", "2")
    assert readable(thirteen) == [11, 12]


def test_a_dry_run_says_what_would_go_and_drops_nothing(typed, thirteen):
    code, out, _ = typed("clean", "--dry-run", "--keep-versions", "4")
    assert code == 0
    assert_fits(out)
    assert re.search(r"^folds +0-8 +9 ", out, flags=re.MULTILINE)
    assert "MB would be freed in data" in out
    assert readable(thirteen) == [*range(13)]


def test_what_is_being_read_is_left_alone(typed, three):
    typed("clean", "--keep-versions", "1")
    assert readable(three) == [0, 1, 2]


def test_a_registry_that_is_elsewhere_is_not_taken_for_an_empty_one(typed, thirteen, monkeypatch):
    champion = {name: ["x"] for name in CHAMPIONS.column_names} | {
        "status": ["proven"],
        "decision": ["promoted"],
        "trained_at": [MONDAY],
        "training_end": [pd.Timestamp("2024-01-05").as_unit("us")],
    }
    thirteen.write(CHAMPIONS, pd.DataFrame(champion))
    monkeypatch.setenv("ASSET_PREDICT_LAKE", thirteen.root)
    monkeypatch.setenv("ASSET_PREDICT_DATA", "another")
    code, out, err = typed("clean", "--keep-versions", "1")
    assert (code, out) == (1, "")
    assert "has the champion x x, which the registry does not know" in err
    assert err.count("\n") == 1
    assert readable(thirteen) == [*range(13)]
    assert not Path("another").exists()


def test_a_card_that_is_gone_stops_the_clean_up(typed, thirteen, register):
    register(folds=1)
    for card in Path("data/bundles").rglob("card.json"):
        card.unlink()
    code, out, err = typed("clean", "--keep-versions", "1")
    assert (code, out) == (1, "")
    assert "put the folder of bundles back" in err
    assert readable(thirteen) == [*range(13)]


def test_an_empty_lake_has_nothing_to_clean(typed):
    code, out, _ = typed("clean")
    assert code == 0
    assert out.startswith("0.00 MB freed in data")
    assert not Path("data/mlflow.db").exists()


# For programs


def test_json_is_one_document(typed, three):
    listed = json.loads(typed("versions", "folds", "--json", "--last", "2")[1])
    assert (listed["lake"], listed["table"], listed["n_versions"]) == ("data/lake", "folds", 3)
    assert [row["version"] for row in listed["versions"]] == [2, 1]
    assert [row["came_from"] for row in listed["versions"]] == [
        "",
        "forecasts_out_of_sample 123, labels 4",
    ]
    assert datetime.fromisoformat(listed["versions"][0]["created_at"]).tzinfo is not None
    traced = json.loads(typed("versions", "folds", "--lineage", "1", "--json")[1])["lineage"]
    assert traced[1] == {
        "table": "forecasts_out_of_sample",
        "version": 123,
        "created_at": None,
        "came_from": None,
    }
    compared = json.loads(typed("compare", "folds", "0", "1", "--json")[1])
    assert (compared["old"], compared["new"], compared["says_the_same"]) == (0, 1, False)
    assert [compared[f"n_{what}"] for what in ("added", "removed", "changed", "same")] == [
        0,
        0,
        1,
        1,
    ]
    assert compared["first_changed"] == [
        {
            "window": "final",
            "session": "2024-01-03T00:00:00",
            "column": "role",
            "old": "train",
            "new": "test",
        }
    ]
    assert compared["columns"] == [{"column": "role", "n_changed": 1, "largest_change": None}]


def test_a_clean_up_tells_programs_what_it_did(typed, thirteen, register):
    register(folds=1)
    told = json.loads(typed("clean", "--json", "--dry-run", "--keep-versions", "9")[1])
    assert told["dry_run"] is True
    assert told["keep_versions"] == 9
    assert told["referenced"] == {"folds": [1]}
    (row,) = told["tables"]
    assert row["table"] == "folds"
    assert row["versions_dropped"] == [0, 2, 3]
    assert row["files_removed"] == 3
    assert row["bytes_freed"] > 0


# What goes wrong


@pytest.mark.parametrize("words", [("versions", "closes"), ("compare", "closes", "0", "1")])
def test_an_unknown_table_is_a_usage_error_that_lists_the_tables(typed, words):
    code, out, err = typed(*words)
    assert (code, out) == (2, "")
    assert "there is no table 'closes'" in err
    assert [name for name in TABLES if name not in err] == []


@pytest.mark.parametrize(
    "words",
    [
        ("versions",),
        ("versions", "folds", "--last", "0"),
        ("versions", "folds", "--lineage", "-1"),
        ("compare", "folds", "0"),
        ("compare", "folds", "0", "99999999999999999999999"),
        ("clean", "--keep-versions", "0"),
    ],
)
def test_what_nobody_understands_is_a_usage_error(typed, three, words):
    code, out, err = typed(*words)
    assert (code, out) == (2, "")
    assert "Error: " in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("versions", "quotes"), "table 'quotes' has not been made yet in data/lake"),
        (("versions", "folds", "--lineage", "9"), "version 9 of table 'folds'"),
        (("compare", "folds", "0", "9"), "version 9 of table 'folds'"),
    ],
)
def test_what_is_not_there_is_one_sentence(typed, three, words, message):
    code, out, err = typed(*words)
    assert (code, out) == (1, "")
    assert err.startswith(f"asset-predict: {message}")
    assert err.count("\n") == 1


def test_a_version_whose_files_are_gone_is_listed_and_cannot_be_compared(typed, thirteen):
    typed("clean", "--keep-versions", "1")
    _, out, _ = typed("versions", "folds")
    assert sum(line.split()[-1] == "no" for line in out.splitlines()) == 12
    code, _, err = typed("compare", "folds", "0", "12")
    assert code == 1
    assert "version 0 of table 'folds' can no longer be read" in err


@pytest.mark.parametrize("command", ["versions", "compare", "clean"])
def test_every_command_explains_itself(typed, command):
    code, out, _ = typed(command, "--help")
    assert code == 0
    assert "--json" in out
    assert_fits(out)
    short = next(
        line for line in typed("--help")[1].splitlines() if line.startswith(f"  {command}")
    )
    assert short.endswith(".")
    assert not short.endswith("...")
