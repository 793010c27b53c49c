"""One small market, through the whole pipeline once, and one server on it for all tests here."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace, new_workplace
from asset_predict_dagster_tests.service.running import Server, free_port, served


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Path:
    """Where the market below and its Dagster instance are."""
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="session")
def market(home: Path) -> Workplace:
    """A workplace in which `complete_pipeline` has run once. Tests must not change it."""
    place = new_workplace(home)
    result = place.run("complete_pipeline")
    assert result.success, [e.step_failure_data.error for e in result.get_step_failure_events()]
    return place


@pytest.fixture(scope="session")
def server(market: Workplace, tmp_path_factory) -> Iterator[Server]:
    """A server on the market, as of its last session, without a Dagster to ask."""
    folder = tmp_path_factory.mktemp("server")
    settings = {
        "ASSET_PREDICT_AS_OF": str(AS_OF),
        "ASSET_PREDICT_DAGSTER_URL": f"http://127.0.0.1:{free_port()}",
    }
    with served(folder, market.settings.data, **settings) as running:
        yield running


@pytest.fixture
def client(server: Server) -> httpx.Client:
    """A client of the server."""
    return server.client
