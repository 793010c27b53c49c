"""The code location: its names are relied on, it loads fast, and its graph flows one way."""

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from asset_predict_dagster.definitions import STAGES, build_definitions
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster.tables import TABLES

ANSWER = Path(__file__).parents[1] / "answers" / "definitions.json"


@pytest.fixture(scope="module")
def definitions(tmp_path_factory) -> dg.Definitions:
    return build_definitions(load_settings(data=tmp_path_factory.mktemp("empty")))


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions) -> AssetGraph:
    return definitions.resolve_asset_graph()


def snapshot(definitions: dg.Definitions) -> dict:
    """Everything other programs know by name."""
    graph = definitions.resolve_asset_graph()
    repository = definitions.get_repository_def()
    return {
        "assets": {
            key.to_user_string(): {
                "group": graph.get(key).group_name,
                "reads": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
                "checks": sorted(check.name for check in graph.get(key).check_keys),
            }
            for key in sorted(graph.get_all_asset_keys())
        },
        "jobs": {
            job.name: sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys)
            for job in repository.get_all_jobs()
            if not job.name.startswith("__")
        },
        "schedules": {
            schedule.name: {
                "cron": schedule.cron_schedule,
                "time_zone": schedule.execution_timezone,
                "default_status": schedule.default_status.value,
                "job": schedule.job_name,
            }
            for schedule in repository.schedule_defs
        },
        "sensors": {
            sensor.name: {
                "job": sensor.job_name if sensor.has_jobs else None,
                "default_status": sensor.default_status.value,
                "every_seconds": sensor.minimum_interval_seconds,
            }
            for sensor in repository.sensor_defs
        },
    }


def test_names_and_edges_are_the_ones_people_rely_on(definitions: dg.Definitions):
    """After a change that is meant, write what this function sees into the answer file:

    python -m asset_predict_dagster_tests.pipeline.test_definitions
    """
    assert snapshot(definitions) == json.loads(ANSWER.read_text())


def test_every_asset_says_what_a_row_is_who_owns_it_and_what_it_is_made_with(
    graph: AssetGraph,
):
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert node.kinds, key


def test_groups_are_in_the_order_data_flows(graph: AssetGraph):
    order = [module.__name__.rsplit(".", 1)[1] for module in STAGES]
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        for parent in node.parent_keys:
            assert order.index(graph.get(parent).group_name) <= order.index(node.group_name)


def test_every_table_of_the_dictionary_is_an_asset_with_a_blocking_check(
    definitions: dg.Definitions, graph: AssetGraph
):
    assert set(TABLES) < {key.to_user_string() for key in graph.get_all_asset_keys()}
    blocking = {
        spec.asset_key.to_user_string()
        for checks in definitions.asset_checks or ()
        for spec in checks.check_specs
        if spec.name == "keeps_the_dictionary" and spec.blocking
    }
    assert blocking == set(TABLES)


def test_training_waits_in_a_pool_of_its_own(graph: AssetGraph):
    for name in ("random_forest_model", "lstm_model", "walk_forward_forecasts"):
        assert graph.get(dg.AssetKey(name)).pools == {"training"}


def test_the_code_location_loads_without_the_heavy_libraries(tmp_path):
    """Each of them takes seconds, and every process of Dagster loads the location."""
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, asset_predict_dagster.definitions;"
            "heavy = {'torch', 'sklearn', 'mlflow', 'matplotlib', 'onnxruntime', 'optuna'};"
            "print(*heavy & set(sys.modules))",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert loaded.stdout.strip() == ""


def test_loading_the_code_location_writes_nothing(tmp_path):
    subprocess.run(
        [sys.executable, "-c", "import asset_predict_dagster.definitions"],
        check=True,
        cwd=tmp_path,
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("today", "last"),
    [("2024-01-01", "2024H2"), ("2024-06-30", "2024H2"), ("2024-07-01", "2025H1")],
)
def test_the_half_years_go_from_2000_to_the_one_after_todays(tmp_path, today, last):
    definitions = build_definitions(load_settings(data=tmp_path, as_of=today))
    graph = definitions.resolve_asset_graph()
    partitions = graph.get(dg.AssetKey("walk_forward_forecasts")).partitions_def
    assert partitions is not None
    keys = list(partitions.get_partition_keys())
    assert (keys[0], keys[1], keys[-1]) == ("2000H1", "2000H2", last)
    assert definitions.resolve_job_def("walk_forward").partitions_def == partitions


if __name__ == "__main__":
    current = snapshot(build_definitions(load_settings()))
    ANSWER.write_text(json.dumps(current, indent=1, sort_keys=True) + "\n")
