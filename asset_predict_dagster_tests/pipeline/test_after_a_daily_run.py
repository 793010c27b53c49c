"""A daily run writes quotes and features that no label is of: what learns is not misled.

Whoever makes no labels reads the tables that go with the labels there are: a tuning, a backtest, a
model trained alone, and the second half of a training that failed the day before.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from subprocess import run as started

import dagster as dg
import pandas as pd
import pytest

from asset_predict_dagster.dataset.features import TABLE as FEATURES
from asset_predict_dagster.definitions import build_definitions
from asset_predict_dagster.errors import DatasetError, MissingTableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.lake_log import last_notes
from asset_predict_dagster.models.bundle import load_bundle
from asset_predict_dagster.pipeline.io_managers import LakeIOManager
from asset_predict_dagster.pipeline.one_moment import moment, moment_of_labels
from asset_predict_dagster.pipeline.resources import LakeTables
from asset_predict_dagster.registry.mlflow_database import open_client
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster.tables import FOLDS, LABELS, QUOTES, RAW_QUOTES, UNIVERSE
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, SMALL, Workplace
from asset_predict_dagster_tests.pipeline.shell import ROOT, environment, home_in

NEXT = date(2021, 1, 4)
TABLES = (QUOTES, UNIVERSE, FEATURES, LABELS)
PRESET = "mine"


def retrain_here() -> dg.JobDefinition:
    """As Dagster's process of a run finds the job: by the environment."""
    return build_definitions(load_settings()).resolve_job_def("retrain")


@dataclass(frozen=True)
class Failed:
    """A training that failed halfway on one day, and a daily run on the next."""

    place: Workplace
    home: Path
    run_id: str
    learned_from: dict[str, int | None]


@pytest.fixture(scope="module")
def failed(finished: Workplace, tmp_path_factory) -> Iterator[Failed]:
    folder = tmp_path_factory.mktemp("failed")
    home = home_in(folder)
    shutil.copytree(finished.settings.data, folder / "data")
    settings = finished.settings.model_copy(update={"data": folder / "data"})
    models = {"random_forest": {"preset": PRESET}, "lstm": SMALL["lstm"]}
    with dg.DagsterInstance.from_config(str(home)) as instance:
        place = Workplace(settings, instance, models)
        result = place.run("retrain")
        assert [event.step_key for event in result.get_step_failure_events()] == [
            "random_forest_model"
        ]
        before = {table.name: place.lake.version(table) for table in TABLES}
        assert place.run("daily_prediction", as_of=NEXT).success
        assert place.lake.read(QUOTES)["session"].max().date() == NEXT
        yield Failed(place, home, result.run_id, before)


def test_tables_are_read_as_the_labels_found_them(failed: Failed):
    versions = moment_of_labels(failed.place.lake)
    assert {table.name: versions[table.name] for table in TABLES} == failed.learned_from
    of_quotes = last_notes(failed.place.lake.delta(QUOTES.name, versions[QUOTES.name])).came_from
    assert of_quotes is not None and versions[RAW_QUOTES.name] == of_quotes[RAW_QUOTES.name]
    read: dict[str, int] = {}
    opened = LakeTables(root=failed.place.settings.lake_root).to_learn_from(read.setdefault)
    keys = [opened.read(table, ["ticker", "session"]) for table in TABLES]
    assert keys[0]["session"].max().date() == AS_OF
    assert all(key.equals(keys[0]) for key in keys)
    assert read == failed.learned_from


def test_a_tuning_learns_from_them_and_says_so(failed: Failed):
    place = failed.place
    asked = {"model": "random_forest", "n_trials": 1, "settings": {"n_estimators": 2}}
    result = (
        build_definitions(place.settings)
        .resolve_job_def("tune")
        .execute_in_process(
            run_config={"ops": {"tuned_settings": {"config": asked}}},
            instance=place.instance,
            raise_on_error=False,
        )
    )
    assert result.success, [e.step_failure_data.error for e in result.get_step_failure_events()]
    (event,) = result.filter_events(lambda event: event.is_successful_output)
    run_id = event.step_output_data.metadata["mlflow_run_id"].value
    tags = open_client(place.settings.registry_database).get_run(run_id).data.tags
    assert {name: int(tags[f"lake.{name}"]) for name in failed.learned_from} == failed.learned_from


def test_a_failed_training_that_is_executed_again_the_next_day_learns_from_its_own_day(
    failed: Failed,
):
    """In a process of its own, which knows nothing of the first."""
    place = failed.place
    place.settings.presets.mkdir(exist_ok=True)
    content = {"model": "random_forest", "settings": {"n_estimators": 5}}
    (place.settings.presets / f"{PRESET}.json").write_text(json.dumps(content))
    script = f"""
import dagster as dg
from {__name__} import retrain_here
with dg.DagsterInstance.get() as instance:
    again = dg.ReexecutionOptions.from_failure({failed.run_id!r}, instance)
    with dg.execute_job(
        dg.reconstructable(retrain_here), instance, reexecution_options=again
    ) as done:
        assert done.success
        steps = {{event.step_key for event in done.get_step_success_events()}}
        assert "random_forest_model" in steps and not steps & {{"labels", "lstm_model"}}, steps
"""
    variables = {**environment(place, failed.home), "ASSET_PREDICT_AS_OF": str(NEXT)}
    done = started(
        [sys.executable, "-c", script],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables},
        cwd=failed.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    newest = Registry(place.settings.registry_database).versions("random_forest")[0]
    card = load_bundle(place.settings.bundles, newest.evaluation_bundle).card
    assert newest.version == "2"
    assert failed.learned_from.items() <= card["lake_versions"].items()
    assert card["settings"]["n_estimators"] == 5


@pytest.fixture
def lake(finished: Workplace, tmp_path: Path) -> Lake:
    """The finished one's tables that a training reads, to be changed."""
    for name in (RAW_QUOTES.name, *(table.name for table in TABLES)):
        shutil.copytree(Path(finished.settings.lake_root) / name, tmp_path / "lake" / name)
    return Lake(tmp_path / "lake")


def test_features_that_change_no_label_are_read_as_they_are_now(lake: Lake):
    features = lake.read(FEATURES)
    lake.write(FEATURES, features.assign(cci_20=features["cci_20"] + 1))
    assert moment_of_labels(lake) == {**moment(lake), LABELS.name: lake.version(LABELS)}


def test_a_corrected_price_is_left_to_the_next_labels(lake: Lake):
    """The rows are the same, so nothing but the labels themselves can tell."""
    before, quotes = lake.version(QUOTES), lake.read(QUOTES)
    lake.write(QUOTES, quotes.assign(adjusted_close=quotes["adjusted_close"] ** 1.01))
    assert moment_of_labels(lake)[QUOTES.name] == before


def test_labels_of_a_program_that_noted_no_sources_are_used_while_they_fit(lake: Lake):
    labels = lake.read(LABELS)
    shutil.rmtree(Path(lake.root) / LABELS.name)
    with pytest.raises(MissingTableError, match="table 'labels' has not been made yet"):
        moment_of_labels(lake)
    lake.write(LABELS, labels)
    assert moment_of_labels(lake)[QUOTES.name] == lake.version(QUOTES)
    for table in (QUOTES, UNIVERSE, FEATURES):
        rows = lake.read(table)
        lake.write(table, rows[rows["session"] < pd.Timestamp(AS_OF)].reset_index(drop=True))
    with pytest.raises(DatasetError, match="does not say of which; run the job retrain"):
        moment_of_labels(lake)


class Beside(LakeIOManager):
    """A lake in which another training writes labels as soon as ours are made."""

    def handle_output(self, context: dg.OutputContext, obj: pd.DataFrame) -> None:
        super().handle_output(context, obj)
        if context.asset_key == dg.AssetKey(LABELS.name):
            shorter = obj[obj["session"] < pd.Timestamp(AS_OF)].reset_index(drop=True)
            Lake(self.root).write(LABELS, shorter)


def test_a_training_reads_the_labels_that_it_made_whoever_makes_others(lake: Lake):
    usual = build_definitions(load_settings())
    location = dg.Definitions(
        assets=usual.assets,
        resources={**(usual.resources or {}), "io_manager": Beside(root=lake.root)},
    )
    shutil.rmtree(Path(lake.root) / LABELS.name)
    with dg.DagsterInstance.ephemeral() as instance:
        result = location.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey(LABELS.name), dg.AssetKey(FOLDS.name)], instance=instance
        )
    assert result.success
    assert (last_notes(lake.delta(FOLDS.name)).came_from or {})[LABELS.name] == 0
    assert lake.version(LABELS) == 1
