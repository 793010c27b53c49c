"""A version is asked for by its number, whoever serves; a number that never was costs nothing."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.tables import CHAMPIONS
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace
from asset_predict_dagster_tests.service.asking import of_reason, refused
from asset_predict_dagster_tests.service.running import served


@pytest.fixture(scope="module")
def forest_alone(finished: Workplace, tmp_path_factory) -> Iterator[httpx.Client]:
    """A client of a server on the market, in which no LSTM has been promoted."""
    folder = tmp_path_factory.mktemp("forest_alone")
    data = folder / "data"
    shutil.copytree(finished.settings.data, data)
    shutil.rmtree(data / "lake/promotions", ignore_errors=True)
    lake = Lake(str(data / "lake"))
    champions = lake.read(CHAMPIONS)
    forest = champions[champions["model"] == "random_forest"].reset_index(drop=True)
    lake.write(CHAMPIONS, forest)
    with served(folder, data, ASSET_PREDICT_AS_OF=str(AS_OF)) as server:
        yield server.client


def asked(client: httpx.Client, ticker: str, version: str | None) -> httpx.Response:
    body = {"ticker": ticker, "days_ahead": 1}
    if version is not None:
        body["model_version"] = version
    return client.post("/api/v1/predict", json=body)


@pytest.mark.parametrize(
    ("version", "answers"),
    [
        (None, "random_forest:1"),
        ("champion", "random_forest:1"),
        ("random_forest:1", "random_forest:1"),
        ("1", "lstm:1"),
        ("v1", "lstm:1"),
        ("lstm:1", "lstm:1"),
    ],
)
def test_a_bare_number_is_the_lstms_whether_or_not_it_serves(forest_alone, said, version, answers):
    answer = asked(forest_alone, of_reason(said, "", "lstm"), version)
    assert answer.status_code == 200, answer.text
    assert answer.json()["model_version"] == answers


def test_a_champion_of_a_model_that_has_none_is_not_there_yet(forest_alone, said):
    answer = asked(forest_alone, of_reason(said, "", "lstm"), "lstm:champion")
    assert refused(answer) == (503, "no_model")


def test_numbers_that_never_were_shut_nobody_out(client, said):
    ticker = of_reason(said, "", "lstm")
    numbers = [str(number) for number in range(1000, 1012)]
    with ThreadPoolExecutor(len(numbers)) as pool:
        answers = list(pool.map(lambda number: asked(client, ticker, number), numbers))
    assert {refused(answer) for answer in answers} == {(404, "unknown_version")}
