"""The specification says what the routes do, and can be read without the internet."""

from importlib.util import find_spec

import httpx
import pytest
import yaml

from asset_predict_dagster.service.app import create_app
from asset_predict_dagster.service.schemas import assets, b3, models, steps, tasks, v1
from asset_predict_dagster.service.schemas.examples import EXAMPLES
from asset_predict_dagster.service.swagger import specification_of
from asset_predict_dagster.settings import load_settings

SCHEMAS = (assets, b3, models, steps, tasks, v1)

ROUTES = {
    ("post", "/api/b3/predict"),
    ("get", "/api/b3/status"),
    ("get", "/api/b3/training-status"),
    ("get", "/api/b3/pipeline-status"),
    ("post", "/models/check"),
    ("post", "/models/metrics"),
    ("post", "/models/predict"),
    ("post", "/api/models/check"),
    ("post", "/api/models/metrics"),
    ("post", "/api/models/predict"),
    ("post", "/api/v1/predict"),
    ("post", "/api/v1/drift/detect"),
    ("get", "/api/v1/health"),
    ("get", "/asset/{ticker}"),
    ("get", "/asset/{ticker}/history"),
    ("get", "/assets"),
    ("post", "/api/b3/load-data"),
    ("post", "/api/b3/preprocess-data"),
    ("post", "/api/b3/split-data"),
    ("post", "/api/b3/train-model"),
    ("post", "/api/b3/evaluate-model"),
    ("post", "/api/b3/save-model"),
    ("post", "/api/b3/complete-pipeline"),
    ("post", "/api/b3/complete-training"),
    ("post", "/api/b3/clear-state"),
    ("post", "/models/retrain"),
    ("post", "/api/models/retrain"),
    ("post", "/api/v1/train"),
    ("get", "/api/v1/train/{task_id}"),
    ("post", "/scheduled/b3-data-update"),
}


@pytest.fixture(scope="module")
def spec(server) -> dict:
    answer = server.client.get("/swagger/swagger.yml")
    assert answer.headers["Content-Type"].startswith("application/yaml")
    return yaml.safe_load(answer.text)


def test_every_route_is_specified_and_no_other(spec):
    found = {(method, path) for path, methods in spec["paths"].items() for method in methods}
    assert found == ROUTES


def test_every_route_says_what_it_does_answers_and_refuses(spec):
    for path, methods in spec["paths"].items():
        for method, route in methods.items():
            where = f"{method} {path}"
            assert route["description"], where
            schemas = {
                status: answer["content"]["application/json"]["schema"]
                for status, answer in route["responses"].items()
            }
            assert {"403", "429", "500", "503"} <= set(schemas), where
            taken = [schemas.pop(status) for status in ("200", "202") if status in schemas]
            assert all(taken) and taken, where
            errors = {one["$ref"].rsplit("/", 1)[-1] for one in schemas.values()}
            assert errors == {"ErrorAnswer"}, where


def test_what_needs_the_key_says_so_and_a_check_takes_it():
    keyed = specification_of(create_app(load_settings(api_key="k" * 32)))
    scheme = keyed["components"]["securitySchemes"]["key"]
    assert {k: scheme[k] for k in ("type", "in", "name")} == {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
    }
    for path, methods in keyed["paths"].items():
        for method, route in methods.items():
            needed = [{"key": []}] if "401" in route["responses"] else None
            wanted = [{"key": []}, {}] if path.endswith("/models/check") else needed
            assert route.get("security") == wanted, f"{method} {path}"


def test_a_server_without_a_key_needs_none(spec):
    said = [one.get("security") for of in spec["paths"].values() for one in of.values()]
    assert [{"key": []}, {}] in said
    assert [{"key": []}] not in said


def test_every_request_with_a_body_has_an_example_that_is_taken(spec, client: httpx.Client):
    for path, methods in spec["paths"].items():
        for route in methods.values():
            if "requestBody" not in route:
                continue
            schema = route["requestBody"]["content"]["application/json"]["schema"]
            example = spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]["example"]
            answer = client.post(path, json=example)
            # Its tickers are B3's, which the simulated market has not; Dagster is not there.
            if answer.status_code != 200:
                assert answer.json()["error"] in ("unknown_ticker", "dagster_unreachable"), path


def test_every_answer_has_an_example(spec):
    for path, methods in spec["paths"].items():
        for route in methods.values():
            for status in {"200", "202"} & set(route["responses"]):
                schema = route["responses"][status]["content"]["application/json"]["schema"]
                name = schema.get("items", schema)["$ref"].rsplit("/", 1)[-1]
                example = spec["components"]["schemas"][name].get("example")
                assert example == EXAMPLES[name], f"{path} answers {name}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_says_what_its_model_knows_and_nothing_else(name):
    known = [vars(module)[name] for module in SCHEMAS if name in vars(module)]
    made = known[0].model_validate(EXAMPLES[name], extra="forbid")
    assert made.model_dump(mode="json", by_alias=True, exclude_unset=True) == EXAMPLES[name]


def test_the_page_loads_nothing_from_elsewhere(client: httpx.Client):
    page = client.get("/swagger")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "://" not in page.text
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "/swagger/swagger.yml" in client.get("/swagger/start.js").text


@pytest.mark.skipif(find_spec("flask_swagger_ui") is None, reason="needs the extra `api`")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("swagger-ui.css", "text/css"),
        ("swagger-ui-bundle.js", "text/javascript"),
        ("favicon-32x32.png", "image/png"),
    ],
)
def test_the_files_of_the_page_come_from_here(client: httpx.Client, name, kind):
    answer = client.get(f"/swagger/files/{name}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(kind)
    assert len(answer.content) > 100


def test_every_setting_of_a_training_is_specified_for_its_model(spec):
    forest, network = spec["components"]["schemas"]["TrainAsked"]["anyOf"]
    for form in (forest, network):
        assert {"tickers", "label", "model_dir", "preset"} <= set(form["properties"])
        assert form["additionalProperties"] is False
    assert {"n_estimators", "max_depth"} <= set(forest["properties"]) - set(network["properties"])
    assert {"hidden_size", "lr"} <= set(network["properties"]) - set(forest["properties"])
    assert network["properties"]["epochs"]["maximum"] == 1000
    # Who names no model means the forest.
    assert (forest["required"], network["required"]) == ([], ["model_type"])
