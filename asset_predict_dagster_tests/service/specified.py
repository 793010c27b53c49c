"""What the specification says of each route, for tests that hold for all of them."""

from dataclasses import dataclass
from typing import Any

import httpx

from asset_predict_dagster.service.app import create_app
from asset_predict_dagster.service.swagger import specification_of
from asset_predict_dagster.settings import load_settings

SPECIFICATION = specification_of(create_app(load_settings()))


@dataclass(frozen=True)
class Route:
    """One route: the statuses it may answer with, its parameters, and a body that it takes."""

    method: str
    path: str
    statuses: frozenset[int]
    parameters: tuple[str, ...]
    body: dict[str, Any] | None
    fields: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def ask(self, client: httpx.Client, ticker: str, **other: Any) -> httpx.Response:
        """A request that is right but for what is said otherwise: `json`, `params`, `path`..."""
        body = {"json": self.of(ticker)} if self.body is not None else {}
        if "content" in other:
            body, other["headers"] = {}, {"Content-Type": "application/json"}
        path = other.pop("path", None) or self.path.format(ticker=ticker, task_id=NO_TASK)
        return client.request(self.method, path, **{**body, **other})

    def of(self, ticker: str) -> dict[str, Any]:
        """The body, about that ticker."""
        known = {"ticker": ticker, "symbol": ticker, "symbols": [ticker]}
        return {name: known.get(name, value) for name, value in (self.body or {}).items()}


NO_TASK = "00000000-0000-0000-0000-000000000000"


def _routes() -> list[Route]:
    return [
        Route(
            method,
            path,
            frozenset(map(int, said["responses"])),
            tuple(one["name"] for one in said.get("parameters", ())),
            *_body(said),
        )
        for path, methods in SPECIFICATION["paths"].items()
        for method, said in methods.items()
    ]


def _body(said: dict[str, Any]) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    if "requestBody" not in said:
        return None, ()
    reference = said["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = SPECIFICATION["components"]["schemas"][reference.rsplit("/", 1)[-1]]
    forms = schema.get("anyOf", [schema])
    fields = {name: None for form in forms for name in form["properties"]}
    return schema["example"], tuple(fields)


ROUTES = _routes()
