"""The finished market, served: for all tests here, and beside a Dagster for those of a module."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.service.runs import DagsterRuns
from asset_predict_dagster.tables import PREDICTIONS
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, STRONG, Workplace
from asset_predict_dagster_tests.service.asking import PATIENCE
from asset_predict_dagster_tests.service.dagster_dev import dagster_dev
from asset_predict_dagster_tests.service.running import Server, served

LAUNCHED = {
    "ASSET_PREDICT_AS_OF": str(AS_OF),
    "ASSET_PREDICT_SIGNAL_STRENGTH": str(STRONG),
}
"""What runs are started with, so that they make the same market again."""


@pytest.fixture(scope="session")
def server(finished: Workplace, tmp_path_factory) -> Iterator[Server]:
    """A server on the market, as of its last session, without a Dagster to ask."""
    folder = tmp_path_factory.mktemp("server")
    with served(folder, finished.settings.data, ASSET_PREDICT_AS_OF=str(AS_OF)) as running:
        yield running


@pytest.fixture
def client(server: Server) -> httpx.Client:
    """A client of the server."""
    return server.client


@pytest.fixture(scope="session")
def said(finished: Workplace) -> pd.DataFrame:
    """What the daily run said of the next session, a row per model and ticker."""
    table = finished.lake.read(PREDICTIONS)
    return table[table["horizon"] == 1].set_index(["model", "ticker"])


@pytest.fixture(scope="module")
def house(finished: Workplace, tmp_path_factory) -> Path:
    """A copy of the market with its runs, in which runs may change what they like."""
    folder = tmp_path_factory.mktemp("launched")
    shutil.copytree(finished.settings.data, folder / "data")
    shutil.copytree(finished.instance.root_directory, folder / "home")
    return folder


@pytest.fixture(scope="module")
def dagster(house: Path) -> Iterator[str]:
    """The address of a Dagster in that house."""
    with dagster_dev(house / "home", house / "data", **LAUNCHED) as url:
        yield url


@pytest.fixture(scope="module")
def launching(house: Path, dagster: str, tmp_path_factory) -> Iterator[Server]:
    """A server in that house, which starts runs."""
    folder = tmp_path_factory.mktemp("launching")
    settings = {**LAUNCHED, "ASSET_PREDICT_DAGSTER_URL": dagster}
    with served(folder, house / "data", **settings) as running:
        running.client.timeout = httpx.Timeout(PATIENCE)
        yield running


@pytest.fixture(scope="module")
def lake(house: Path) -> Lake:
    return Lake(str(house / "data/lake"))


@pytest.fixture(scope="module")
def runs(dagster: str) -> DagsterRuns:
    return DagsterRuns(dagster)
