"""Whatever is sent to any route, the answer is one that the specification promises.

Schemathesis makes the requests from the specification: its examples, the edges of every field, what
the fields do not take, and random ones. No Dagster runs here, so that what would start a run is
refused, once it has been read.
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig

from asset_predict_dagster.predictions.symbols import MAX_LENGTH
from asset_predict_dagster.service.app import create_app
from asset_predict_dagster.service.swagger import specification_of
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster_tests.pipeline.conftest import Workplace
from asset_predict_dagster_tests.service.asking import a_ticker
from asset_predict_dagster_tests.service.running import Server

CONFIG = {
    # Values that the schema takes may contradict each other, or be of a ticker that is refused.
    "checks": {
        "positive_data_acceptance": {"expected-statuses": ["200", "202", "404", "422", "503"]},
        "negative_data_rejection": {"expected-statuses": ["400", "404", "405", "422", "503"]},
    },
    "generation": {"deterministic": True},
}


SPECIFICATION = schemathesis.openapi.from_dict(
    specification_of(create_app(load_settings())), config=SchemathesisConfig.from_dict(CONFIG)
)


@pytest.fixture(scope="module")
def ticker(finished: Workplace) -> str:
    return a_ticker(finished.lake)


@SPECIFICATION.parametrize()
@settings(max_examples=20, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_specification_promises(case, server: Server, ticker):
    _ask_of_a_known_one(case, ticker)
    address = str(server.client.base_url)
    answer = case.call_and_validate(base_url=address, excluded_checks=[not_a_server_error])
    if answer.status_code >= 500:
        assert answer.json()["error"] == "dagster_unreachable"


def _ask_of_a_known_one(case: schemathesis.Case, ticker: str) -> None:
    """Letters that happen to be a ticker are never drawn: what begins with some is one of ours."""
    for given in (case.path_parameters, case.body):
        if isinstance(given, dict):
            for name in ("ticker", "symbol"):
                if _may_be_known(given.get(name)):
                    given[name] = ticker
            if isinstance(given.get("symbols"), list):
                given["symbols"] = [ticker if _may_be_known(s) else s for s in given["symbols"]]


def _may_be_known(typed: object) -> bool:
    """About half of what a schema takes."""
    return isinstance(typed, str) and 0 < len(typed) <= MAX_LENGTH and ord(typed[0]) % 2 == 0
