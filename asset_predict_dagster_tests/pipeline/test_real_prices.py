"""B3's real prices, as a person runs them: files to predictions with one command."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from asset_predict_dagster_tests.pipeline.conftest import SMALL, config_of

PANEL = Path(__file__).parents[2].parent / "shared" / "data" / "b3_panel"

pytestmark = pytest.mark.skipif(
    not PANEL.is_dir(), reason="the panel of real prices, ../shared/data/b3_panel, is not here"
)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(SMALL, id="small models"),
        pytest.param({}, id="models as they come", marks=pytest.mark.proofs),
    ],
)
def warehouse(request, tmp_path_factory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The database that one `complete_pipeline` over the panel publishes."""
    folder = tmp_path_factory.mktemp("panel")
    executables = Path(sys.executable).parent
    environment = {
        **os.environ,
        "ASSET_PREDICT_SOURCE": "cotahist",
        "ASSET_PREDICT_COTAHIST_FOLDER": str(PANEL),
        "ASSET_PREDICT_AS_OF": "2024-02-26",
        "ASSET_PREDICT_DATA": str(folder / "data"),
    }
    config = folder / "run_config.json"  # JSON is YAML
    config.write_text(json.dumps(config_of(**request.param)))
    environment.pop("DAGSTER_HOME", None)  # the command must work for who has never set it
    subprocess.run(
        [
            *(str(executables / "dagster"), "job", "execute"),
            *("-m", "asset_predict_dagster.definitions", "-j", "complete_pipeline"),
            *("-c", str(config)),
        ],
        env=environment,
        cwd=folder,
        check=True,
    )
    with duckdb.connect(str(folder / "data" / "warehouse.duckdb"), read_only=True) as connection:
        yield connection


def test_at_least_fifty_tickers_are_predicted(warehouse: duckdb.DuckDBPyConnection):
    (count,) = warehouse.execute(
        "SELECT count(DISTINCT ticker) FROM predictions WHERE action IS NOT NULL"
    ).fetchone()
    assert count >= 50


def test_every_record_of_the_files_is_there(warehouse: duckdb.DuckDBPyConnection):
    assert warehouse.execute("SELECT count(*) FROM raw_quotes").fetchone() == (174_348,)
    assert warehouse.execute("SELECT sum(n_quotes) FROM ingested_files").fetchone() == (174_348,)


def test_the_next_session_is_the_one_of_the_calendar(warehouse: duckdb.DuckDBPyConnection):
    targets = warehouse.execute(
        "SELECT DISTINCT horizon, CAST(target_session AS VARCHAR) FROM predictions ORDER BY 1"
    ).fetchall()
    assert len(targets) == 30
    assert targets[:5] == [
        (1, "2024-02-27"),
        (2, "2024-02-28"),
        (3, "2024-02-29"),
        (4, "2024-03-01"),
        (5, "2024-03-04"),
    ]


def test_the_figures_are_out_of_sample_and_beside_the_naive_forecast(
    warehouse: duckdb.DuckDBPyConnection,
):
    rows = warehouse.execute(
        "SELECT model, value, naive_value FROM evaluation"
        " WHERE metric = 'r2_price' AND horizon = 1 AND model IN ('random_forest', 'lstm')"
    ).fetchall()
    assert len(rows) == 2
    for _, value, naive in rows:
        # The figure that systems of this kind boast of is the naive forecast's.
        assert value > 0.99
        assert naive > 0.99
    (first_tested, last_trained) = warehouse.execute(
        "SELECT (SELECT min(session) FROM forecasts_out_of_sample),"
        " (SELECT max(session) FROM folds WHERE role <> 'test')"
    ).fetchone()
    assert first_tested > last_trained


def test_intervals_hold_about_what_they_promise(warehouse: duckdb.DuckDBPyConnection):
    coverage = warehouse.execute(
        "SELECT horizon, value FROM evaluation WHERE metric = 'interval_coverage'"
        " AND model IN ('random_forest', 'lstm')"
    ).fetchall()
    assert len(coverage) == 60
    for horizon, share in coverage:
        # Far ones are wide: validation holds March 2020.
        assert 0.85 < share < (0.95 if horizon <= 20 else 0.97)
