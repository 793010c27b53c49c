"""Bad input is refused with one sentence: a file is left out whole, all else ends the run."""

import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.market.sessions import TIME_ZONE
from asset_predict_dagster.market.simulated import SimulatedMarket, complete_files
from asset_predict_dagster.pipeline.failed_checks import failed_checks
from asset_predict_dagster.pipeline.resources import Clock
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster.tables import RAW_QUOTES
from asset_predict_dagster_tests.pipeline.conftest import Workplace, new_workplace

LAST = date(2018, 2, 5)


@pytest.fixture(scope="module")
def ingested(tmp_path_factory) -> Workplace:
    """A folder of good files, ingested."""
    folder = tmp_path_factory.mktemp("ingested")
    complete_files(folder / "files", SimulatedMarket(), LAST)
    place = new_workplace(folder, source="cotahist", cotahist_folder=folder / "files", as_of=LAST)
    result = place.run("daily_prediction")  # no champion yet: it ends at the predictions
    assert [event.step_key for event in result.get_step_failure_events()] == ["predictions"]
    return place


@pytest.fixture
def place(ingested: Workplace, tmp_path) -> Workplace:
    """A copy of it; what a test adds to its files is bad."""
    shutil.copytree(ingested.settings.data, tmp_path / "data")
    shutil.copytree(ingested.settings.landing, tmp_path / "files")
    return new_workplace(
        tmp_path, source="cotahist", cotahist_folder=tmp_path / "files", as_of=LAST
    )


def a_good_day(place: Workplace) -> list[bytes]:
    (path,) = place.settings.landing.glob("COTAHIST_D01022018.ZIP")
    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.namelist()[0]).splitlines(keepends=True)


def truncated(lines: list[bytes]) -> bytes:
    return b"".join(lines[:-10] + lines[-1:])


def cut_off(lines: list[bytes]) -> bytes:
    return b"".join(lines[:-10])


def mis_counted(lines: list[bytes]) -> bytes:
    return b"".join(lines[:-1]) + lines[-1].replace(b"%011d" % len(lines), b"%011d" % 99_999)


def mis_encoded(lines: list[bytes]) -> bytes:
    return b"".join(lines).replace(b"SIMULADA", "SIMULAÇÃO".encode())


def mis_encoded_in_place(lines: list[bytes]) -> bytes:
    """As the one above, but cut back to the length of a record."""
    return b"".join(lines).replace(b"SIMULADA", "SIMULAÇ".encode())


def empty(lines: list[bytes]) -> bytes:
    return b""


BAD_FILES: list[tuple[str, Callable[[list[bytes]], bytes], str]] = [
    ("COTAHIST_D01022018.TXT", truncated, "the trailer promises"),
    ("COTAHIST_D01022018.TXT", cut_off, "trailer"),
    ("COTAHIST_D01022018.TXT", mis_counted, "the trailer promises 99,999"),
    ("COTAHIST_D01022018.TXT", mis_encoded, "245"),
    ("COTAHIST_D01022018.TXT", mis_encoded_in_place, "UTF-8"),
    ("COTAHIST_D01022018.TXT", empty, "empty"),
    ("COTAHIST_D01022018.ZIP", b"".join, "ZIP"),
    ("COTAHIST_A2019.TXT", b"".join, "2019"),
    ("COTAHIST_FEBRUARY.TXT", b"".join, "COTAHIST_FEBRUARY.TXT"),
]


def failure_of(result: dg.ExecuteInProcessResult) -> tuple[str, str]:
    """The one step that failed and the sentence it failed with."""
    (failure,) = result.get_step_failure_events()
    return failure.step_key, failure.step_failure_data.user_failure_data.description


def checked(result: dg.ExecuteInProcessResult, check: str) -> tuple[bool, str]:
    """Whether the check of `raw_quotes` passed, and all that it shows."""
    (found,) = [one for one in result.get_asset_check_evaluations() if one.check_name == check]
    assert found.severity == dg.AssetCheckSeverity.ERROR
    return found.passed, " ".join(str(value.value) for value in found.metadata.values())


@pytest.mark.parametrize(("name", "spoil", "says"), BAD_FILES)
def test_a_file_that_breaks_its_promise_is_refused_and_the_run_goes_on(
    place: Workplace, name: str, spoil: Callable[[list[bytes]], bytes], says: str
):
    before = place.versions()
    (place.settings.landing / name).write_bytes(spoil(a_good_day(place)))
    result = place.materialise("raw_quotes")
    assert result.success
    passed, shown = checked(result, "every_file_was_read")
    assert not passed
    assert name in shown
    assert says in shown
    assert place.versions() == before


def test_a_good_file_beside_a_bad_one_is_read(place: Workplace):
    complete_files(place.settings.landing, SimulatedMarket(), date(2018, 2, 7))
    bad = place.settings.landing / "COTAHIST_D08022018.TXT"
    bad.write_bytes(b"not a market file")
    result = place.materialise("raw_quotes")
    assert place.lake.read(RAW_QUOTES)["session"].max().date() == date(2018, 2, 7)
    assert not checked(result, "every_file_was_read")[0]
    # What is absent makes what is there no worse.
    assert failed_checks(place.instance, ["raw_quotes"]) == []
    bad.unlink()
    assert checked(place.materialise("raw_quotes"), "every_file_was_read")[0]


class At(Clock):
    """A clock that stands still, in São Paulo."""

    moment: str

    def now(self) -> datetime:
        return datetime.fromisoformat(self.moment).replace(tzinfo=ZoneInfo(TIME_ZONE))


@pytest.fixture
def forbidding() -> Iterator[str]:
    """The address of an archive that lets nobody in."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(403)

        do_HEAD = do_GET

        def log_message(self, *args):
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    serving.join()


def looked_at(place: Workplace, moment: str, archive: str) -> dg.ExecuteInProcessResult:
    """A run that asks the archive for files at that moment."""
    wanted = {"download": True, "b3_archive": archive, "download_from": 2017}
    settings = load_settings(**{**place.settings.model_dump(), **wanted})
    definitions = build_definitions(settings, clock=At(moment=moment))
    return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=place.instance,
        asset_selection=[dg.AssetKey("raw_quotes")],
        raise_on_error=False,
    )


def test_a_source_that_is_down_ends_the_run_until_b3_opens_and_no_later(
    place: Workplace, forbidding: str
):
    """The file of Tuesday 6 February is missing on Wednesday."""
    step, sentence = failure_of(looked_at(place, "2018-02-07 09:59", forbidding))
    assert step == "market_records"
    assert "403 Forbidden" in sentence
    result = looked_at(place, "2018-02-07 10:00", forbidding)
    assert result.success
    passed, shown = checked(result, "source_answered")
    assert not passed
    assert "403 Forbidden" in shown
    assert failed_checks(place.instance, ["raw_quotes"]) == []


def test_a_source_that_is_down_is_an_error_where_there_is_nothing_to_go_on_with(
    tmp_path, forbidding: str
):
    place = new_workplace(tmp_path, source="cotahist", as_of=None)
    step, sentence = failure_of(looked_at(place, "2018-02-07 10:00", forbidding))
    assert (step, "403 Forbidden" in sentence) == ("market_records", True)


def test_an_empty_folder_is_refused(place: Workplace, tmp_path):
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    before = place.versions()
    step, sentence = failure_of(place.run("daily_prediction", cotahist_folder=nothing))
    assert step == "market_records"
    assert "holds no COTAHIST file" in sentence
    assert place.versions() == before


def test_a_corporate_action_that_cannot_be_is_refused_at_its_stage(place: Workplace):
    path = place.settings.landing / "corporate_actions.csv"
    path.write_text("ticker,ex_date,kind,amount_brl,factor\nZZAA3,2018-02-02,present,1.0,\n")
    before = place.versions()
    step, sentence = failure_of(place.run("daily_prediction"))
    assert step == "corporate_actions"
    assert "line 2: kind is none of cash_dividend" in sentence
    assert place.versions() == before


def test_a_day_before_every_record_is_refused_where_quotes_are_first_asked_for(place: Workplace):
    before = place.versions()
    step, sentence = failure_of(place.run("daily_prediction", as_of=date(2017, 12, 28)))
    assert step == "corporate_actions"
    assert "no spot trade in standard lots up to 2017-12-28" in sentence
    assert place.versions()["quotes"] == before["quotes"]


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path):
    in_the_way = tmp_path / "a file"
    in_the_way.write_text("")
    place = new_workplace(tmp_path, data=in_the_way / "data")
    step, sentence = failure_of(place.run("complete_pipeline"))
    assert step == "market_records"
    assert "ASSET_PREDICT_DATA" in sentence
    assert str(in_the_way) in sentence


def test_a_history_too_short_to_learn_from_is_refused_at_the_folds(tmp_path):
    place = new_workplace(tmp_path, as_of=date(2018, 9, 28))
    step, sentence = failure_of(place.run("complete_pipeline"))
    assert step == "folds"
    assert "use a longer history" in sentence


IMPOSSIBLE = {
    "ASSET_PREDICT_SOURCE": ("crystal_ball", "'cotahist', 'yahoo' or 'duckdb'"),
    "ASSET_PREDICT_AS_OF": ("yesterday", "ASSET_PREDICT_AS_OF='yesterday'"),
    "ASSET_PREDICT_SIGNAL_STRENGTH": ("2", "less than or equal to 0.5"),
    "DAILY_TASK_HOUR": ("23", "an hour from 0 to 9 was expected"),
}


@pytest.mark.parametrize("names", [["ASSET_PREDICT_AS_OF"], [*IMPOSSIBLE]], ids=["one", "all"])
def test_impossible_settings_stop_the_command_before_anything_runs_and_each_is_named(
    tmp_path, names: list[str]
):
    home = tmp_path / "home"
    home.mkdir()
    command = [
        *(str(Path(sys.executable).parent / "dagster"), "job", "execute"),
        *("-m", "asset_predict_dagster.definitions", "-j", "complete_pipeline"),
    ]
    environment = {
        "PATH": str(Path(sys.executable).parent),
        "DAGSTER_HOME": str(home),
        "ASSET_PREDICT_DATA": str(tmp_path / "data"),
        **{name: IMPOSSIBLE[name][0] for name in names},
    }
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert ended.returncode != 0
    for name in names:
        assert IMPOSSIBLE[name][1] in ended.stderr + ended.stdout
    assert not (tmp_path / "data").exists()
