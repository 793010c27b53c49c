"""`status` says what is fresh, stale, running or failing, and why."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.utils import make_new_run_id

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import session_after
from asset_predict_dagster.predictions.standing import standing
from asset_predict_dagster.tables import CHAMPIONS, MODEL_HEALTH
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace
from asset_predict_dagster_tests.pipeline.shell import (
    Typed,
    assert_fits,
    copy_of,
    environment,
    home_in,
    typing_in,
)


@pytest.fixture
def typed(finished: Workplace, monkeypatch, tmp_path, capsys) -> Typed:
    monkeypatch.chdir(tmp_path)
    return typing_in(monkeypatch, environment(finished, home_in(tmp_path)), capsys)


def test_a_finished_workplace_is_fresh(typed: Typed):
    code, out, err = typed("status")
    assert (code, err) == (0, "")
    assert_fits(out)
    said = " ".join(out.split())
    assert "last closed session: 2020-12-30" in said
    assert "prices: a market simulated with seed 42" in said
    assert "quotes 2020-12-30 fresh" in said
    # What followed on the last session is not known: its row has no label yet.
    assert "labels 2020-12-29 fresh" in said
    assert "random_forest version 1, proven: fresh random_forest was trained 0 days ago" in said
    assert "predictions: up to the close of 2020-12-30" in said
    assert "no run has ended yet" in said
    assert "Dagster's daemon does not run" in said


def test_a_program_reads_the_same(typed: Typed):
    code, out, _ = typed("status", "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["last_closed"], told["asked"], told["due"]) == ("2020-12-30", "2020-12-30", [])
    assert [model["verdict"] for model in told["models"]] == ["fresh", "fresh"]
    assert {"table": "quotes", "last": "2020-12-30", "n_behind": 0} in told["reaches"]
    assert told["dagster"]["is_kept"]


def test_three_sessions_later_the_data_are_behind_and_the_predictions_due(
    typed: Typed, monkeypatch
):
    monkeypatch.setenv("ASSET_PREDICT_AS_OF", str(session_after(AS_OF, 3)))
    code, out, _ = typed("status")
    said = " ".join(out.split())
    assert code == 0
    assert_fits(out)
    assert "quotes 2020-12-30 3 sessions behind" in said
    assert "labels 2020-12-29 3 sessions behind" in said
    assert "lstm version 1, proven: broken" in said
    assert "due now: 2021-01-04, 2021-01-05, 2021-01-06" in said


def test_an_empty_folder_is_no_error(typed: Typed, monkeypatch, tmp_path):
    monkeypatch.setenv("ASSET_PREDICT_DATA", str(tmp_path / "nothing"))
    code, out, err = typed("status")
    assert (code, err) == (0, "")
    assert "`asset-predict pipeline` makes it all" in out
    assert "random_forest: missing" in out
    assert not (tmp_path / "nothing").exists()


def test_without_a_home_dagster_is_not_asked(typed: Typed, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME")
    code, out, _ = typed("status")
    assert (code, "DAGSTER_HOME is not set: Dagster's records of runs" in out) == (0, True)


def test_runs_under_way_and_what_a_sensor_waits_for_are_told(
    typed: Typed, finished: Workplace, tmp_path
):
    place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__")
    origin = RemoteInstigatorOrigin(place, "retrain_stale_models")
    state = InstigatorState(
        origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, SensorInstigatorData()
    )
    at = datetime(2024, 1, 8, 12, tzinfo=UTC).timestamp()
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        run = dg.DagsterRun(
            job_name="retrain",
            run_id=make_new_run_id(),
            status=dg.DagsterRunStatus.STARTED,
        )
        instance.add_run(run)
        instance.add_instigator_state(state)
        instance.create_tick(
            TickData(
                instigator_origin_id=state.instigator_origin_id,
                instigator_name=state.instigator_name,
                instigator_type=InstigatorType.SENSOR,
                status=TickStatus.SKIPPED,
                timestamp=at,
                skip_reason="random_forest is fresh; lstm is fresh",
                selector_id=state.selector_id,
            )
        )
    code, out, _ = typed("status")
    assert code == 0
    assert_fits(out)
    assert "started: retrain since " in out and run.run_id in out
    assert "retrain_stale_models: skipped at 2024-01-08" in out
    assert "  random_forest is fresh; lstm is fresh" in out


def test_drift_that_the_daily_run_saw_stands_beside_the_age_of_now(finished: Workplace, tmp_path):
    """An alarm counts for the version it was about, and for no other."""
    place = copy_of(finished, tmp_path)
    lake = Lake(place.settings.lake_root)
    health = lake.read(MODEL_HEALTH)
    is_lstm = health["model"] == "lstm"
    health.loc[is_lstm, ["verdict", "causes", "reason"]] = ["drifting", "drifting", "PSI .9"]
    is_forest = health["model"] == "random_forest"
    health.loc[is_forest, ["model_version", "causes"]] = ["7", "losing_skill"]
    lake.write(MODEL_HEALTH, health)
    now = lake.read(CHAMPIONS)["trained_at"].iloc[0].to_pydatetime() + timedelta(days=16)
    forest, lstm = standing(lake, AS_OF, now, 15, timedelta(days=60)).models
    assert (forest.verdict, forest.causes) == ("stale", ("stale",))
    assert (lstm.verdict, lstm.causes) == ("drifting", ("drifting", "stale"))
    assert "PSI .9" in lstm.reason and "trained 16 days ago" in lstm.reason
