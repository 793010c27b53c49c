"""Once a week what nobody will ask for again goes, of models, tables, runs and logs at once."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickStatus

from asset_predict_dagster.cli import main
from asset_predict_dagster.dataset_versions import list_versions
from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.pipeline.housekeeping import (
    House,
    Limits,
    keep_house,
    weekly_housekeeping,
)
from asset_predict_dagster.pipeline.resources import Clock
from asset_predict_dagster.registry.versions import ModelVersion
from asset_predict_dagster.settings import Settings, load_settings
from asset_predict_dagster.tables import CHAMPIONS, FOLDS
from asset_predict_dagster_tests.registry import house as inhabited

LIMITS = Limits(versions=1, models=0, days=30)


class Later(Clock):
    """The machine's clock, some days ahead."""

    days: int

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=self.days)


@pytest.fixture(autouse=True)
def a_fresh_shell(monkeypatch):
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("registry") / "mlflow.db"
    assert inhabited.Registry(path).models() == []
    return path


@pytest.fixture
def instance(tmp_path) -> Iterator[dg.DagsterInstance]:
    home = tmp_path / "home"
    home.mkdir()
    overrides = {"telemetry": {"enabled": False}}
    with dg.DagsterInstance.local_temp(str(home), overrides=overrides) as instance:
        yield instance


@pytest.fixture
def grown(tmp_path, empty_database) -> inhabited.House:
    """Five versions of one model, the second promoted and then the third; old logs."""
    (tmp_path / "data").mkdir()
    house = inhabited.House.of(tmp_path / "data", empty_database)
    house.now = datetime.now(UTC)
    for number in range(1, 6):
        version = house.train("lstm")
        if number in (2, 3):
            house.promote(version)
            house.lake.write(CHAMPIONS, champions(version))
    (house.folder / "logs").mkdir()
    for day in ("2024-01-05", f"{house.now.date()}"):
        (house.folder / "logs" / f"{day}.jsonl").write_text("{}\n")
    return house


def champions(version: ModelVersion) -> pd.DataFrame:
    row = {
        "model": version.model,
        "model_version": version.version,
        "status": "unproven",
        "candidate_version": version.version,
        "decision": "promoted",
        "reason": "",
        "trained_at": version.trained_at,
        "training_end": pd.Timestamp(version.training_end).as_unit("us"),
        "bundle": version.bundle,
    }
    return pd.DataFrame([row])[CHAMPIONS.column_names]


def settings_of(house: inhabited.House, **more) -> Settings:
    return load_settings(data=house.folder, keep_versions=1, keep_models=0, **more)


def run(house: inhabited.House, instance: dg.DagsterInstance, days: int, **settings):
    job = build_definitions(settings_of(house, **settings), clock=Later(days=days))
    return job.resolve_job_def("housekeeping").execute_in_process(
        instance=instance, raise_on_error=False
    )


def readable(house: inhabited.House) -> list[int]:
    listed = list_versions(house.lake, FOLDS)
    return sorted(listed.loc[listed["is_readable"], "version"])


def state(house: inhabited.House) -> list[str]:
    """Every file with its size and time, the locks left out."""
    return sorted(
        f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}"
        for path in house.folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    )


def test_the_job_drops_models_then_the_tables_that_only_they_named(grown, instance):
    result = run(grown, instance, days=7)
    assert result.success
    # 5 is the challenger, 3 serves; 2 served by the log of decisions, once there is one.
    assert {"5", "3"} <= set(grown.versions("lstm")) <= {"5", "3", "2"}
    assert "1" not in grown.versions("lstm") and "4" not in grown.versions("lstm")
    assert set(readable(grown)) == {int(number) - 1 for number in grown.versions("lstm")}
    assert [path.stem for path in (grown.folder / "logs").iterdir()] == [f"{grown.now.date()}"]
    event = next(e for e in result.all_node_events if e.event_type_value == "STEP_OUTPUT")
    told = event.step_output_data.metadata
    assert told["bytes_freed"].value > 0
    assert "lstm 4" in told["models"].value


def test_within_a_day_of_a_training_nothing_of_it_goes(grown, instance):
    (grown.folder / "logs" / "2024-01-05.jsonl").unlink()
    before = readable(grown)
    assert run(grown, instance, days=0).success
    assert grown.versions("lstm") == ["5", "4", "3", "2", "1"]
    assert readable(grown) == before == [0, 1, 2, 3, 4]


def test_a_training_under_way_keeps_what_it_reads_and_what_it_wrote(grown, instance):
    """A week long, and its bundle not yet registered: it ends as if nobody had cleaned up."""
    digest = grown.write_bundle("lstm", "serving", 99, 0)
    with grown.registry.training(grown.begun("lstm", folds=0), grown.clock):
        assert run(grown, instance, days=7).success
        assert 0 in readable(grown)
        assert digest in grown.digests()
        assert grown.versions("lstm") == ["5", "4", "3", "2", "1"]
        house = House.of(settings_of(grown), instance)
        said = keep_house(house, LIMITS, Later(days=7).now(), dry_run=True)
        assert said.is_training
        assert said.models.empty
    assert run(grown, instance, days=7).success
    assert 0 not in readable(grown)
    assert digest not in grown.digests()


def test_the_run_that_trained_a_kept_model_stays_and_the_run_itself_too(grown, instance):
    first = run(grown, instance, days=0).run_id
    client = grown.registry._client()
    client.set_model_version_tag("lstm", "3", "dagster_run_id", first)
    others = [run(grown, instance, days=0).run_id for _ in range(2)]
    last = run(grown, instance, days=31).run_id
    # The one before was the last success when the last one began.
    assert set(instance.get_run_ids()) == {first, others[1], last}


def test_a_dry_run_changes_no_file_and_says_what_the_job_then_does(grown, instance):
    house = House.of(settings_of(grown), instance)
    before, runs = state(grown), instance.get_run_ids()
    now = Later(days=7).now()
    said = keep_house(house, LIMITS, now, dry_run=True)
    assert (state(grown), instance.get_run_ids()) == (before, runs)
    done = keep_house(house, LIMITS, now)
    for part in ("models", "tables", "runs", "logs"):
        assert getattr(said, part).equals(getattr(done, part)), part
    assert said.referenced == done.referenced
    assert said.n_bytes == done.n_bytes > 0
    assert keep_house(house, LIMITS, now).n_bytes == 0


def test_a_card_that_is_gone_stops_it_before_anything_is_dropped(grown, instance):
    champion = grown.registry.serving("lstm")
    (grown.bundles / champion.bundle / "card.json").unlink()
    before = grown.versions("lstm"), readable(grown), grown.digests()
    result = run(grown, instance, days=7)
    (failure,) = result.get_step_failure_events()
    said = failure.step_failure_data.user_failure_data.description
    assert "put the folder of bundles back" in said
    assert (grown.versions("lstm"), readable(grown), grown.digests()) == before


def test_a_registry_that_lost_the_champion_is_not_cleaned_by(grown, instance, empty_database):
    grown.registry.database.write_bytes(empty_database.read_bytes())
    before = readable(grown), grown.digests()
    result = run(grown, instance, days=7)
    (failure,) = result.get_step_failure_events()
    said = failure.step_failure_data.user_failure_data.description
    assert "has the champion lstm 3, which the registry does not know" in said
    assert (readable(grown), grown.digests()) == before


def test_keeping_nothing_is_refused_with_one_sentence(grown, instance):
    job = build_definitions(settings_of(grown)).resolve_job_def("housekeeping")
    config = {"ops": {"housekept": {"config": {"keep_days": 0}}}}
    result = job.execute_in_process(instance=instance, raise_on_error=False, run_config=config)
    (failure,) = result.get_step_failure_events()
    said = failure.step_failure_data.user_failure_data.description
    assert "expected to keep at least 1 version of each table" in said


def test_it_runs_on_sundays_when_no_session_is_predicted_or_traded(instance):
    assert weekly_housekeeping.default_status == dg.DefaultScheduleStatus.RUNNING
    assert weekly_housekeeping.execution_timezone == "America/Sao_Paulo"
    assert weekly_housekeeping.cron_schedule == "0 13 * * 0"
    assert weekly_housekeeping.job_name == "housekeeping"


def test_ticks_of_schedules_and_sensors_are_forgotten_after_a_month(tmp_path):
    """Dagster does this by itself, as `dagster.yaml` tells it."""
    shutil.copy(Path(__file__).parents[2] / "dagster.yaml", tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        for kind in (InstigatorType.SCHEDULE, InstigatorType.SENSOR):
            kept = instance.get_tick_retention_settings(kind)
            assert kept[TickStatus.SUCCESS] == kept[TickStatus.FAILURE] == 30
            assert kept[TickStatus.SKIPPED] in (7, 30)


# The command


@pytest.fixture
def typed(monkeypatch, capsys, grown, tmp_path):
    """Type `asset-predict ...` in that house: exit code, what was printed, what went to stderr."""
    (tmp_path / "dagster_home").mkdir()
    shutil.copy(Path(__file__).parents[2] / "dagster.yaml", tmp_path / "dagster_home")
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "COLUMNS": "80",
        "ASSET_PREDICT_DATA": "data",
        "ASSET_PREDICT_KEEP_MODELS": "0",
        "DAGSTER_HOME": str(tmp_path / "dagster_home"),
    }.items():
        monkeypatch.setenv(name, value)

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["asset-predict", *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        return stopped.value.code or 0, printed.out, printed.err

    return command


@pytest.fixture
def aged(grown) -> inhabited.House:
    """All of it happened forty days ago, by the files and by the registry."""
    ago = datetime.now(UTC) - timedelta(days=40)
    client = grown.registry._client()
    for version in grown.registry.versions("lstm"):
        client.set_model_version_tag("lstm", version.version, "trained_at", ago.isoformat())
    for path in grown.bundles.iterdir():
        os.utime(path, (ago.timestamp(),) * 2)
    return grown


def test_the_command_runs_the_job_so_that_the_ui_shows_it(typed, aged):
    code, out, err = typed("clean")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out
    rows = [line.split() for line in out.splitlines()]
    assert ["bundles"] in [row[:1] for row in rows]
    models = next(row for row in rows if row[:1] == ["models"])
    assert models[1:3] == ["lstm", "4,"]
    assert ["logs", "2024-01-05", "to", "2024-01-05", "1", "<0.01"] in rows
    assert "1" not in aged.versions("lstm")
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs()
        assert (run.job_name, run.status) == ("housekeeping", dg.DagsterRunStatus.SUCCESS)


def test_a_dry_run_of_the_command_is_no_run_and_drops_nothing(typed, aged):
    before = state(aged)
    code, out, err = typed("clean", "--dry-run")
    assert (code, err) == (0, "")
    assert "Would go in data" in out
    assert "MB would be freed in data" in out
    assert state(aged) == before
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs() == []


def test_programs_are_told_all_of_it(typed, aged):
    told = json.loads(typed("clean", "--json", "--keep-days", "50")[1])
    assert (told["keep_versions"], told["keep_models"], told["keep_days"]) == (10, 0, 50)
    assert {row["what"] for row in told["models"]} == {"version", "run", "artefacts", "bundle"}
    assert [row["file"] for row in told["logs"]] == ["2024-01-05.jsonl"]
    assert told["runs"] == []
    with dg.DagsterInstance.get() as instance:
        assert told["run_id"] in instance.get_run_ids()
