"""A daily run that writes the market's tables while a training runs does not get into its way."""

import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.errors import WriteConflictError
from asset_predict_dagster.lake_log import last_notes
from asset_predict_dagster.pipeline.io_managers import LakeIOManager
from asset_predict_dagster.pipeline.one_moment import moment
from asset_predict_dagster.predictions.ledger import asked_sessions
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster.tables import FOLDS, LABELS, QUOTES, RAW_QUOTES, UNIVERSE
from asset_predict_dagster_tests.pipeline.conftest import (
    AS_OF,
    STRONG,
    Workplace,
    config_of,
    new_workplace,
)

NEXT = date(2021, 1, 4)


@pytest.fixture
def place(finished: Workplace, tmp_path: Path) -> Workplace:
    place = new_workplace(tmp_path)
    shutil.copytree(finished.settings.data, place.settings.data)
    return place


def daily_run_beside(data: str, home: Path) -> None:
    """In a process of its own, when the next session has closed."""
    home.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "ASSET_PREDICT_DATA": data,
        "ASSET_PREDICT_AS_OF": str(NEXT),
        "ASSET_PREDICT_SIGNAL_STRENGTH": str(STRONG),
    }
    command = [str(Path(sys.executable).parent / "dagster"), "job", "execute"]
    command += ["-m", "asset_predict_dagster.definitions", "-j", "daily_prediction"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Interrupted(LakeIOManager):
    """A lake in which the day passes once labels are made."""

    data: str

    def handle_output(self, context: dg.OutputContext, obj: pd.DataFrame) -> None:
        super().handle_output(context, obj)
        if context.asset_key == dg.AssetKey(LABELS.name):
            daily_run_beside(self.data, Path(self.data).parent / "other_home")


def test_a_training_learns_from_one_moment_and_then_what_is_new_is_watched(place: Workplace):
    before = {table.name: place.lake.version(table) for table in (QUOTES, UNIVERSE, FEATURES)}
    usual = build_definitions(load_settings(**place.settings.model_dump()))
    interrupted = Interrupted(root=place.settings.lake_root, data=str(place.settings.data))
    location = dg.Definitions(
        assets=usual.assets,
        asset_checks=usual.asset_checks,
        jobs=usual.jobs,
        executor=usual.executor,
        resources={**(usual.resources or {}), "io_manager": interrupted},
    )
    result = location.resolve_job_def("retrain").execute_in_process(
        instance=place.instance, run_config=config_of(**place.models), raise_on_error=False
    )
    assert result.success, [e.step_failure_data.error for e in result.get_step_failure_events()]
    assert place.lake.read(QUOTES)["session"].max().date() == NEXT
    assert place.lake.read(LABELS)["session"].max().date() == AS_OF
    came_from = last_notes(place.lake.delta(FOLDS.name)).came_from or {}
    assert came_from[UNIVERSE.name] == before[UNIVERSE.name]
    assert asked_sessions(place.lake) == [AS_OF, NEXT]


def test_a_moment_at_which_another_run_writes_is_waited_for(place: Workplace):
    whole = moment(place.lake)
    assert whole[QUOTES.name] == place.lake.version(QUOTES)
    quotes = place.lake.read(QUOTES)
    one_more = quotes.tail(1).assign(session=pd.Timestamp(NEXT))
    place.lake.write(QUOTES, pd.concat([quotes, one_more], ignore_index=True))
    with pytest.raises(WriteConflictError, match="quotes and universe have not the same rows"):
        moment(place.lake)


def test_records_after_the_session_that_is_asked_for_do_not_keep_a_training_waiting(
    place: Workplace,
):
    later = place.lake.read(RAW_QUOTES).tail(1).assign(session=pd.Timestamp(NEXT), forward_days=0)
    place.lake.insert_new(RAW_QUOTES, later)
    result = place.run("retrain")
    assert result.success
    assert place.lake.read(LABELS)["session"].max().date() == AS_OF


def test_records_that_were_corrected_since_are_not_those_that_the_quotes_came_of(place: Workplace):
    """What a daily run has written of a corrected file before it comes to the quotes."""
    before = moment(place.lake)
    records = place.lake.read(RAW_QUOTES)
    day = records[records["session"] == records["session"].unique()[-40]]
    prices = ["open", "high", "low", "close"]
    place.lake.replace_sessions(RAW_QUOTES, day.assign(**(day[prices] * 1.05)))
    assert place.lake.version(RAW_QUOTES) > before[RAW_QUOTES.name]
    assert moment(place.lake) == before
