"""Files that land are read once, and what a pause left out is asked for once."""

import os
import shutil
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.market.simulated import SimulatedMarket, complete_files
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster.tables import CHAMPIONS, INGESTED_FILES, PREDICTIONS
from asset_predict_dagster_tests.pipeline.conftest import new_workplace
from asset_predict_dagster_tests.pipeline.daily_life import (
    FAILED,
    FINISHED,
    STARTED,
    Answer,
    Life,
    at,
    life_with_champions,
    reason,
    session_of,
)

# Catching up. Monday 19 February 2024 is the session in turn on the 20th from three o'clock on.


@pytest.fixture
def life(tmp_path) -> Life:
    return life_with_champions(tmp_path)


MONDAY = date(2024, 2, 19)


def test_after_a_pause_the_last_closed_session_is_asked_for(life: Life):
    life.predicted("2024-02-07")
    request = life.catch_up("2024-02-20 19:40")
    assert session_of(request) == MONDAY
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == "catch-up-2024-02-19-2024-02-20T19:40"


def test_what_is_predicted_is_not_asked_for(life: Life):
    life.predicted("2024-02-19")
    assert "2024-02-19" in reason(life.catch_up("2024-02-20 19:40"))


def test_before_its_hour_a_session_is_not_asked_for(life: Life):
    life.predicted("2024-02-16")
    assert "2024-02-16" in reason(life.catch_up("2024-02-20 02:40"))


@pytest.mark.parametrize("moment", ["2024-02-20 02:57", "2024-02-20 03:00", "2024-02-20 03:32"])
def test_the_schedule_goes_first(life: Life, moment: str):
    assert "ticks at this moment" in reason(life.catch_up(moment))


def test_an_unfinished_run_is_waited_for(life: Life):
    life.ran(life.tick("2024-02-20 03:00"), STARTED)
    assert "is not finished" in reason(life.catch_up("2024-02-20 03:10"))


def test_a_late_file_is_waited_for_until_b3_opens_and_then_the_late_answer_is_due(life: Life):
    life.ran(life.tick("2024-02-20 09:30"), FINISHED)
    assert "awaited until 2024-02-20 10:00" in reason(life.catch_up("2024-02-20 09:40"))
    # The tick of 10:00 was missed.
    late = life.catch_up("2024-02-20 10:06")
    assert session_of(late) == MONDAY
    life.ran(late, FINISHED)
    assert "predicted nothing" in reason(life.catch_up("2024-02-20 18:00"))


def test_a_try_that_failed_is_repeated_after_pauses_that_double(life: Life):
    """Friday's session, from Saturday afternoon until Monday's is in turn."""
    now, asked = at("2024-02-17 14:10"), []
    while now < at("2024-02-20 03:00"):
        answer = life.catch_up(now)
        if session_of(answer):
            asked.append(f"{now:%a %H:%M}")
            life.ran(answer, FAILED)
        now += timedelta(minutes=40)
    assert asked == [
        *("Sat 14:10", "Sat 14:50", "Sat 16:10", "Sat 18:50"),
        *("Sun 00:10", "Sun 10:50", "Mon 08:10"),
    ]


def test_the_next_session_is_tried_at_once(life: Life):
    for moment in ("2024-02-16 19:40", "2024-02-16 20:40", "2024-02-16 22:10"):
        life.ran(life.catch_up(moment), FAILED)
    assert session_of(life.catch_up("2024-02-16 23:40")) is None
    assert session_of(life.catch_up("2024-02-17 03:10")) == date(2024, 2, 16)


def test_the_schedules_own_failures_are_left_to_its_next_tick(life: Life):
    life.ran(life.tick("2024-02-20 03:00"), FAILED)
    assert "again at 2024-02-20 03:40" in reason(life.catch_up("2024-02-20 03:20"))


def test_a_session_is_asked_for_by_one_of_the_two(life: Life):
    """Dagster comes back at twelve past eight, and evaluates what it missed."""
    answers = [
        life.tick("2024-02-20 07:30", late="2024-02-20 08:12"),
        life.tick("2024-02-20 08:00", late="2024-02-20 08:12"),
        life.catch_up("2024-02-20 08:12"),
    ]
    assert [session_of(answer) for answer in answers] == [None, None, MONDAY]
    life.ran(answers[-1], STARTED)
    assert session_of(life.tick("2024-02-20 08:30")) is None


def test_without_models_it_says_what_to_run(tmp_path):
    nobody = Life(new_workplace(tmp_path, as_of=None))
    assert "run complete_pipeline" in reason(nobody.catch_up("2024-02-20 19:40"))


# Files that land. The folder holds January 2018 and the first days of February.

LAST, NEXT = date(2018, 2, 5), date(2018, 2, 6)
EVENING, MORNING = "2018-02-06 20:10", "2018-02-07 03:10"
NEW = "COTAHIST_D06022018.ZIP"


@pytest.fixture(scope="module")
def ingested(tmp_path_factory) -> Life:
    """A folder of files, read; no model serves."""
    folder = tmp_path_factory.mktemp("ingested")
    complete_files(folder / "files", SimulatedMarket(), LAST)
    place = new_workplace(folder, source="cotahist", cotahist_folder=folder / "files", as_of=LAST)
    place.run("daily_prediction")
    assert len(place.lake.read(FEATURES))
    return Life(place)


class Folder(Life):
    """A workplace whose folder is looked at again and again."""

    cursor: str | None = None

    @property
    def files(self) -> Path:
        return self.place.settings.landing

    def sees(self, moment: str = EVENING) -> Answer:
        answer, self.cursor = self.look("new_market_files", moment, self.cursor)
        return answer

    def settles(self, moment: str = EVENING) -> Answer:
        """The second of two looks at the same folder."""
        assert isinstance(self.sees(moment), dg.SkipReason)
        return self.sees(moment)

    def run_for(self, request: Answer, today: date = NEXT) -> bool:
        """The run that was asked for; whether it succeeded."""
        assert isinstance(request, dg.RunRequest)
        settings = load_settings(**{**self.place.settings.model_dump(), "as_of": today})
        job = build_definitions(settings).resolve_job_def("daily_prediction")
        return job.execute_in_process(
            instance=self.place.instance,
            raise_on_error=False,
            tags=dict(request.tags),
            asset_selection=list(request.asset_selection) if request.asset_selection else None,
        ).success


@pytest.fixture
def folder(ingested: Life, tmp_path) -> Folder:
    """A copy of it that has been looked at before, and has an instance of its own."""
    shutil.copytree(ingested.place.settings.data, tmp_path / "data")
    shutil.copytree(ingested.place.settings.landing, tmp_path / "files")
    folder = Folder(
        new_workplace(tmp_path, source="cotahist", cotahist_folder=tmp_path / "files", as_of=None)
    )
    assert reason(folder.sees()) == "no file is new"
    return folder


def land(folder: Folder, tmp_path: Path, last: date = NEXT) -> Path:
    """The file of one more session."""
    made = tmp_path / "made"
    shutil.copytree(folder.files, made)
    complete_files(made, SimulatedMarket(), last)
    return Path(shutil.copy(made / NEW, folder.files))


def with_champions(folder: Folder) -> None:
    """The table is there; what is asked for does not depend on its rows."""
    table = CHAMPIONS.schema.empty_table().to_pandas(date_as_object=False)
    folder.place.lake.write(CHAMPIONS, table)


def test_the_first_look_at_a_folder_that_the_lake_knows_asks_for_nothing(folder: Folder):
    assert reason(folder.sees()) == "no file is new"


def test_a_file_that_came_in_the_evening_becomes_features_and_waits_for_its_hour(
    folder: Folder, tmp_path
):
    with_champions(folder)
    land(folder, tmp_path)
    request = folder.settles(EVENING)
    assert isinstance(request, dg.RunRequest)
    assert request.tags["asset_predict/files"] == NEW
    assert "asset_predict/session" not in request.tags

    assert folder.run_for(request)
    lake = folder.place.lake
    assert NEW in set(lake.read(INGESTED_FILES)["file"])
    assert lake.read(FEATURES)["session"].max().date() == NEXT
    assert not lake.exists(PREDICTIONS)
    assert reason(folder.sees(EVENING)) == reason(folder.sees(MORNING)) == "no file is new"


def test_a_file_that_comes_after_the_hour_is_predicted_at_once(folder: Folder, tmp_path):
    with_champions(folder)
    land(folder, tmp_path)
    request = folder.settles(MORNING)
    assert isinstance(request, dg.RunRequest)
    assert request.asset_selection is None
    assert session_of(request) == NEXT


def test_while_no_model_serves_nothing_is_predicted_at_any_hour(folder: Folder, tmp_path):
    land(folder, tmp_path)
    request = folder.settles(MORNING)
    assert isinstance(request, dg.RunRequest)
    assert {key.to_user_string() for key in request.asset_selection or ()} == {
        *("raw_quotes", "ingested_files", "ingested_sessions", "rejected_records", "renames"),
        *("corporate_actions", "quotes", "universe", "features"),
    }


def test_one_file_is_asked_for_once_while_its_run_is_under_way(folder: Folder, tmp_path):
    land(folder, tmp_path)
    request = folder.settles()
    assert "no run has come to its end since" in reason(folder.sees())
    folder.ran(request, STARTED)
    assert "is not finished" in reason(folder.sees("2018-02-06 22:00"))


def test_a_request_that_never_became_a_run_is_made_again_under_another_key(
    folder: Folder, tmp_path
):
    land(folder, tmp_path)
    lost, again = folder.settles("2018-02-06 20:10"), folder.sees("2018-02-06 20:20")
    assert isinstance(lost, dg.RunRequest)
    assert isinstance(again, dg.RunRequest)
    assert lost.run_key != again.run_key


def test_a_file_waits_until_it_grows_no_more(folder: Folder, tmp_path):
    whole = land(folder, tmp_path).read_bytes()
    path = folder.files / NEW
    for n_bytes in (0, 0, 100, 5000, len(whole)):
        path.write_bytes(whole[:n_bytes])
        assert isinstance(folder.sees(), dg.SkipReason)
    assert isinstance(folder.sees(), dg.RunRequest)


@pytest.mark.parametrize("name", [f".{NEW}.4711.partial", f"{NEW}.partial", "notes.txt"])
def test_what_is_no_market_file_is_not_looked_at(folder: Folder, name: str):
    (folder.files / name).write_bytes(b"half a file")
    assert reason(folder.settles()) == "no file is new"


def test_a_corrected_file_is_asked_for_and_a_touched_one_is_not(folder: Folder):
    touched, corrected = (folder.files / f"COTAHIST_D0{day}022018.ZIP" for day in (1, 2))
    os.utime(touched, (10**9, 10**9))
    assert reason(folder.settles()) == "no file is new"
    shutil.copy(folder.files / "COTAHIST_D05022018.ZIP", corrected)
    request = folder.settles()
    assert isinstance(request, dg.RunRequest)
    assert request.tags["asset_predict/files"] == corrected.name


def test_a_file_that_another_run_has_read_is_not_asked_for(folder: Folder, tmp_path):
    """A run that downloads puts the file there itself."""
    land(folder, tmp_path)
    assert NEW in reason(folder.sees())
    folder.place.run("daily_prediction", as_of=NEXT)
    assert reason(folder.sees()) == "no file is new"


def test_a_run_that_failed_is_asked_for_again_at_most_twice(folder: Folder, tmp_path):
    path = land(folder, tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    asked = []
    for minutes in range(0, 300, 10):
        moment = (at("2018-02-06 18:10") + timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M")
        answer = folder.sees(moment)
        if isinstance(answer, dg.RunRequest):
            asked.append(moment[-5:])
            assert not folder.run_for(answer)
    assert asked == ["18:20", "18:30", "19:10"]
    assert f"asked for 3 times in vain: {NEW}" in reason(folder.sees("2018-02-06 23:59"))

    path.write_bytes(whole)
    assert folder.run_for(folder.settles("2018-02-07 00:10"))
    assert reason(folder.sees("2018-02-07 00:20")) == "no file is new"


def test_a_run_that_failed_after_it_had_read_the_file_is_asked_for_again(folder: Folder, tmp_path):
    land(folder, tmp_path)
    request = folder.settles("2018-02-06 20:10")
    # Without a champion it ends at the predictions, with the file in the lake.
    folder.place.run("daily_prediction", as_of=NEXT)
    assert NEW in set(folder.place.lake.read(INGESTED_FILES)["file"])
    again = folder.sees("2018-02-06 20:20")
    assert isinstance(again, dg.RunRequest)
    assert isinstance(request, dg.RunRequest)
    assert again.tags["asset_predict/files"] == NEW
    assert again.run_key != request.run_key


def test_the_schedule_goes_first_with_a_file_that_lands_at_its_tick(folder: Folder, tmp_path):
    land(folder, tmp_path)
    assert "ticks at this moment" in reason(folder.settles("2018-02-07 03:01"))
    assert isinstance(folder.sees("2018-02-07 03:10"), dg.RunRequest)


def test_a_database_has_no_folder(tmp_path):
    place = new_workplace(tmp_path, source="duckdb", duckdb=str(tmp_path / "b3.duckdb"))
    assert "no files land" in reason(Folder(place).sees())


def test_a_folder_that_is_not_there_yet_holds_nothing_new(tmp_path):
    assert reason(Folder(new_workplace(tmp_path, as_of=None)).settles()) == "no file is new"


@pytest.mark.parametrize("name", ["new_market_files", "catch_up_predictions"])
def test_they_run_by_default(name: str, life: Life):
    sensor = build_definitions(life.place.settings).get_repository_def().get_sensor_def(name)
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert sensor.job_name == "daily_prediction"
